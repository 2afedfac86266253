"""A pretraining step of `improved` on CIFAR-10 with Muon: in the kit's choice of precision, and in timm's.

Muon makes the update of each weight matrix orthogonal with some fifteen small matrix products. timm computes them in
bfloat16, the kit does so only where the processor has arithmetic for it (``lib.training.settings.muon``).
"""

import torch
from timm.optim import muon as timms

from bench.cifar import BATCH, TEMPERATURE, network
from bench.measure import Line, alternate
from lib.loss import nt_xent_loss
from lib.training.device import autocast, choose_precision
from lib.training.settings import muon


def measure(repeats: int, quick: bool) -> list[Line]:
    """Network, loss and optimiser, without the views, at each size of view that the recipe uses."""
    batch, lines = 16 if quick else BATCH, []
    for side in (16, 24, 32):
        model, views = network().train(), torch.randn(2 * batch, 3, side, side)
        optimizer = muon(model.parameters(), lr=0.005, weight_decay=0.01)
        precision = choose_precision("auto", views.device)
        kits = timms.zeropower_via_newtonschulz  # timm's, with the precision given

        def step(orthogonal, model=model, views=views, optimizer=optimizer, precision=precision) -> None:
            timms.zeropower_via_newtonschulz = orthogonal
            with autocast(precision, views.device):
                _, projections = model(views)
            optimizer.zero_grad()
            nt_xent_loss(projections.float(), TEMPERATURE).backward()
            optimizer.step()

        ways = {"kit": lambda step=step, kits=kits: step(kits), "timm": lambda step=step, kits=kits: step(kits.func)}
        seconds = alternate(ways, repeats if quick else 3 * repeats)
        what = f"a CIFAR pretraining step with Muon, {batch} images, {side}×{side} pixels"
        lines.append(Line(what, "Muon's products in bfloat16", "s", seconds["kit"], 0.95, seconds["timm"]))
        timms.zeropower_via_newtonschulz = kits
    return lines
