"""A pretraining step of `improved` on CIFAR-10 with Muon: in the kit's choice of precision, and in timm's.

Muon makes the update of each weight matrix orthogonal with some fifteen small matrix products. timm computes them in
bfloat16, the kit does so only where the processor has arithmetic for it (``lib.training.settings.muon``).
"""

from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch
from timm.optim import muon as timms
from torch import Tensor

from bench.cifar import BATCH, TEMPERATURE, network
from bench.measure import Line, alternate
from lib.loss import nt_xent_loss
from lib.training.device import autocast, choose_precision
from lib.training.settings import muon


def measure(repeats: int, quick: bool) -> list[Line]:
    """Network, loss and optimiser, without the views, at each size of view that the recipe uses."""
    batch, lines = 16 if quick else BATCH, []
    for side in (16, 24, 32):
        seconds = alternate(ways(batch, side), repeats if quick else 3 * repeats)
        what = f"a CIFAR pretraining step with Muon, {batch} images, {side}×{side} pixels"
        lines.append(Line(what, "Muon's products in bfloat16", "s", seconds["kit"], 0.95, seconds["timm"]))
    return lines


def ways(batch: int, side: int) -> dict[str, Callable[[], None]]:
    """A step of the same network with either precision of Muon's products."""
    model, views = network().train(), torch.randn(2 * batch, 3, side, side)
    optimizer = muon(model.parameters(), lr=0.005, weight_decay=0.01)
    kits, precision = timms.zeropower_via_newtonschulz, choose_precision("auto", views.device)

    def step(products: Callable[..., Tensor]) -> None:
        with autocast(precision, views.device):
            _, projections = model(views)
        optimizer.zero_grad()
        nt_xent_loss(projections.float(), TEMPERATURE).backward()
        with patch.object(timms, "zeropower_via_newtonschulz", products):
            optimizer.step()

    return {"kit": partial(step, kits), "timm": partial(step, kits.func)}
