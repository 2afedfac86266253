"""Ways to pretrain an encoder without labels, each a small class: what it keeps beside the network, and its loss.

A method of your own is a class like these and a line in ``METHODS``.
"""

import inspect
from typing import Any

import torch

from lib import models
from lib.methods.autoencoder import Autoencoder
from lib.methods.byol import BYOL
from lib.methods.method import Method
from lib.methods.moco import MoCo
from lib.methods.simclr import SimCLR
from lib.methods.vicreg import BarlowTwins, VICReg

#: Methods by name.
METHODS: dict[str, type[Method]] = {
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "vicreg": VICReg,
    "barlow_twins": BarlowTwins,
    "autoencoder": Autoencoder,
}


def options_of(name: str) -> dict[str, Any]:
    """The options of a method with their usual values.

    Raises:
        ValueError: no method of that name.
    """
    if name not in METHODS:
        raise ValueError(f"no method named {name!r}; there are: {', '.join(METHODS)}.")
    found = inspect.signature(METHODS[name]).parameters.values()
    return {p.name: p.default for p in found if p.default is not p.empty}


def build(name: str, model: models.SimCLR, seed: int = 0, **options: Any) -> Method:
    """A method around a network, what it keeps drawn from ``seed`` and nothing else touched.

    Raises:
        ValueError: no method of that name, no such option of it, or a value out of range.
    """
    if unknown := set(options) - set(options_of(name)):
        known = ", ".join(options_of(name)) or "none"
        raise ValueError(f"{name} has no option {sorted(unknown)}; there are: {known}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return METHODS[name](model, **options).to(next(model.parameters()).device)


def kept_by(method: Method) -> dict[str, int]:
    """How many numbers a method keeps beside the network it trains, by the name of what holds them."""
    beside = {name: part for name, part in method.named_children() if name != "model"}
    counts = {name: sum(value.numel() for value in part.state_dict().values()) for name, part in beside.items()}
    return counts | {name: value.numel() for name, value in method.named_buffers(recurse=False)}


__all__ = ["METHODS", "Method", "SimCLR", "build", "kept_by", "options_of"]
