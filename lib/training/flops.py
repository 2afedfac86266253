"""How much a training computes, counted before it starts, and how fast this machine is."""

import copy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lib import methods
from lib.models import Classifier, SimCLR, freeze_encoder
from lib.training.device import choose_device, choose_precision
from lib.training.settings import Settings, crop_side


def _count(step: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def matmul_rate(size: int = 2048, repeats: int = 5, precision: str = "float32") -> float:
    """Floating-point operations a second of a matrix product here: what a training in that precision can at best reach.

    ``precision`` is one of ``settings.PRECISIONS``.
    """
    device = choose_device()
    a = torch.randn(size, size, device=device, dtype=getattr(torch, choose_precision(precision, device)))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        (a @ a)[0, 0].item()  # reading a number waits for an accelerator
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(seconds)


def _on_meta(model: nn.Module) -> nn.Module:
    """A copy whose tensors have shapes and no numbers: operations on it cost nothing."""
    return copy.deepcopy(model).to("meta")


def pretraining_flops(
    model: SimCLR,
    image_shape: tuple[int, int, int],
    images: int,
    settings: Settings,
    small_crops: Sequence[tuple[int, int]] = (),
    method: str = "simclr",
    options: Mapping[str, Any] | None = None,
) -> int:
    """Floating-point operations of a pretraining: two views an image, forward, loss and backward.

    Convolutions and matrix products count, a multiplication and an addition as two operations
    (``torch.utils.flop_counter``), those of a second encoder or a decoder among them; augmentation, BatchNorm and
    the optimiser are left out.

    Args:
        image_shape: (C, H, W) of the images.
        images: how many an epoch sees.
        small_crops, method, options: as for ``pretrain``.
    """
    epoch = epoch_flops(model, image_shape, images, settings.batch_size, method, options)
    return sum(epoch(crop_side(number, small_crops)) for number in range(1, settings.epochs + 1))


def epoch_flops(
    model: SimCLR,
    image_shape: tuple[int, int, int],
    images: int,
    batch_size: int,
    method: str = "simclr",
    options: Mapping[str, Any] | None = None,
) -> Callable[[int | None], int]:
    """How much an epoch of ``pretraining_flops`` takes, by the side of its views; None is the images' own size."""
    ghost = methods.build(method, _on_meta(model), **options or {}).train()
    whole, rest = divmod(images, batch_size)

    @cache
    def epoch(side: int | None) -> int:
        def step(batch: int) -> int:
            views = _ghostly_views(batch, image_shape, side)
            return _count(lambda: ghost.loss(*ghost(views)).backward())

        return whole * step(batch_size) + (step(rest) if rest else 0)

    return epoch


def _ghostly_views(batch: int, image_shape: tuple[int, int, int], side: int | None) -> torch.Tensor:
    channels, *size = image_shape
    return torch.empty(2 * batch, channels, *([side, side] if side else size), device="meta")


def step_bytes(
    model: SimCLR, image_shape: tuple[int, int, int], batch_size: int, method: str, options: Mapping[str, Any]
) -> int:
    """Bytes that a step of a pretraining with Adam holds at its fullest, in float32: every network and what a method
    keeps, gradients and the optimiser's two means, and what forward saves for backward.

    Counted, not measured: what a library takes for a moment, or keeps for the next time, is not among it.
    """
    ghost = methods.build(method, _on_meta(model), **options).train()
    saved: dict[int, torch.UntypedStorage] = {}  # kept, so that no address comes twice

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        saved[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        ghost.loss(*ghost(_ghostly_views(batch_size, image_shape, None)))
    state = {value.untyped_storage()._cdata: value for value in ghost.state_dict().values()}
    learning = sum(p.nbytes for p in ghost.parameters() if p.requires_grad)
    forward = sum(storage.nbytes() for address, storage in saved.items() if address not in state)
    return sum(value.nbytes for value in state.values()) + 3 * learning + forward


def forward_flops(model: SimCLR | Classifier, image_shape: tuple[int, int, int]) -> int:
    """Floating-point operations of one image's way through the network, counted as above."""
    ghost = _on_meta(model).eval()
    with torch.no_grad():
        return _count(lambda: ghost(torch.empty(1, *image_shape, device="meta")))


def training_flops(model: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Floating-point operations of a training step for one image: forward, and backward to all that learns."""
    ghost = _on_meta(model).train()
    pair = torch.empty(2, *image_shape, device="meta")  # BatchNorm refuses a single image
    return _count(lambda: ghost(pair).sum().backward()) // 2


def classifier_flops(model: Classifier, image_shape: tuple[int, int, int], images: int, epochs: int, once: bool) -> int:
    """Floating-point operations of a head's whole training on a frozen encoder.

    Args:
        once: the features are computed once (plain views), not anew in each epoch.
    """
    ghost = freeze_encoder(_on_meta(model))
    encoder = forward_flops(ghost, image_shape) - 2 * sum(p.numel() for p in ghost.head.parameters() if p.ndim > 1)
    head = training_flops(ghost, image_shape) - encoder
    return images * (encoder * (1 if once else epochs) + head * epochs)
