"""How much a training computes, counted before it starts: on torch's meta device nothing is really computed."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lib.models import Classifier, SimCLR


def _count(step: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def _on_meta(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).to("meta")


def pretraining_flops(model: SimCLR, image_shape: tuple[int, int, int], images: int, batch_size: int) -> int:
    """Floating-point operations of one epoch: two views an image, forward, loss and backward.

    Convolutions and matrix products count, a multiplication and an addition as two operations
    (``torch.utils.flop_counter``); augmentation, BatchNorm and the optimiser are left out.

    Args:
        image_shape: (C, H, W) of a view.
        images: how many an epoch sees.
    """
    ghost = _on_meta(model).train()

    def step(size: int) -> int:
        views = torch.empty(2 * size, *image_shape, device="meta")
        # autocast, which NT-Xent switches off, knows no meta device: its one matrix product stands for it
        return _count(lambda: torch.mm(z := ghost(views)[1], z.T).sum().backward())

    whole, rest = divmod(images, batch_size)
    return whole * step(batch_size) + (step(rest) if rest else 0)


def forward_flops(model: SimCLR | Classifier, image_shape: tuple[int, int, int]) -> int:
    """Floating-point operations of one image's way through the network, counted as above."""
    ghost = _on_meta(model).eval()
    with torch.no_grad():
        return _count(lambda: ghost(torch.empty(1, *image_shape, device="meta")))


def classifier_flops(model: Classifier, image_shape: tuple[int, int, int], images: int, epochs: int, once: bool) -> int:
    """Floating-point operations of a head's whole training on a frozen encoder.

    Args:
        once: the features are computed once (plain views), not anew in each epoch.
    """
    encoder = forward_flops(model, image_shape)
    head = 2 * sum(p.numel() for p in model.head.parameters() if p.ndim > 1)
    return images * ((encoder - head) * (1 if once else epochs) + 3 * head * epochs)
