"""Check of step 1: the cosine of every row of a with every row of b."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.teach.checks.tutor import Tutor


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1)


def rows(count: int, width: int, seed: int) -> Tensor:
    """Random rows of very different lengths (count, width), float32."""
    drawn = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return drawn * torch.linspace(0.5, 3, count).view(-1, 1)


#: What students compute in place of the cosines of the rows of a (N, D) and b (M, D), by message.
MISTAKES = {
    "cosine.dot": lambda a, b: a @ b.T,
    "cosine.columns": lambda a, b: F.normalize(a, dim=0) @ F.normalize(b, dim=0).T,
    "cosine.whole": lambda a, b: (a / a.norm()) @ (b / b.norm()).T,
    "cosine.one_side": lambda a, b: _unit(a) @ b.T,
    "cosine.other_side": lambda a, b: a @ _unit(b).T,
    "cosine.squared": lambda a, b: a @ b.T / (a.square().sum(1)[:, None] * b.square().sum(1)),
    "cosine.l1": lambda a, b: F.normalize(a, p=1, dim=1) @ F.normalize(b, p=1, dim=1).T,
    "cosine.clamped": lambda a, b: (_unit(a) @ _unit(b).T).clamp(min=0),
    "cosine.absolute": lambda a, b: (_unit(a) @ _unit(b).T).abs(),
    "cosine.distance": lambda a, b: 1 - _unit(a) @ _unit(b).T,
}


def cosine(tutor: Tutor, function) -> None:
    """Shape, values, a row of zeros, an input left alone, gradients."""
    a, b = rows(4, 5, 1), rows(3, 5, 2)
    kept = a.clone(), b.clone()
    want = _unit(a.double()) @ _unit(b.double()).T
    got = tutor.call("cosine", function, a, b)
    got = tutor.tensor("cosine", got, (4, 3), {(3, 4): "cosine.transposed", (4,): "cosine.pairwise"})
    if not (torch.equal(a, kept[0]) and torch.equal(b, kept[1])):
        raise tutor.failure("cosine", "cosine.in_place")
    error = tutor.equal("cosine", got, want, {key: wrong(*kept) for key, wrong in MISTAKES.items()})
    square = rows(4, 5, 3)  # as many rows as a: only here do row by row products have a shape that fits
    tutor.tensor("cosine", tutor.call("cosine", function, a, square), (4, 4), {(4,): "cosine.pairwise"})
    zero = tutor.call("cosine", function, torch.cat([a[:1], torch.zeros(1, 5)]), b)
    if not zero.isfinite().all():
        raise tutor.failure("cosine", "cosine.zero_row", tutor.say("common.finite"), "nan")
    learning = a.clone().requires_grad_()
    if not tutor.call("cosine", function, learning, b).requires_grad:
        raise tutor.failure("cosine", "common.detached")
    tutor.right("cosine", "relative", error=f"{error:.0e}")
