"""The loss of each row as the formula has it, and as it comes out with one known mistake."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Row = Callable[[Tensor, float], Tensor]  # projections (2N, D) and τ to the loss of each row (2N,)


def cosines(z: Tensor) -> Tensor:
    """Cosine of every two rows (2N, 2N)."""
    unit = F.normalize(z, dim=1)
    return unit @ unit.T


def halves(rows: int) -> Tensor:
    """The partner of each row: i + N of i, and the other way round."""
    return torch.arange(rows).roll(rows // 2)


def neighbours(rows: int) -> Tensor:
    """The partner of each row if rows 2k and 2k + 1 were a pair."""
    return torch.arange(rows) ^ 1


def _eye(rows: int) -> Tensor:
    return torch.eye(rows, dtype=torch.bool)


def _pairs(rows: int) -> Tensor:
    return F.one_hot(halves(rows), rows).bool()


def _other_view(rows: int) -> Tensor:
    first = torch.arange(rows) < rows // 2
    return first[:, None] != first


def rows_with(similarity=cosines, scaled=lambda s, tau: s / tau, left_out=_eye, partner=halves, extra=None) -> Row:
    """A function from (z, τ) to the loss of each row, with parts of the formula exchanged.

    Args:
        similarity: (2N, D) to (2N, 2N).
        scaled: similarities and τ to the exponents.
        left_out: which candidates of each row the denominator lacks.
        partner: the positive of each row.
        extra: τ to a number that is added to the denominator.
    """

    def losses(z: Tensor, tau: float) -> Tensor:
        count = len(z)
        exponents = scaled(similarity(z), tau)
        total = exponents.exp().masked_fill(left_out(count), 0).sum(1) + (extra(tau) if extra else 0)
        return total.log() - exponents[torch.arange(count), partner(count)]

    return losses


def _nobody(rows: int) -> Tensor:
    return torch.zeros(rows, rows, dtype=torch.bool)


def _only_on_top(z: Tensor, tau: float) -> Tensor:
    s, count = cosines(z), len(z)
    total = s.exp().masked_fill(_eye(count), 0).sum(1)
    return total.log() - s[torch.arange(count), halves(count)] / tau


def _softmax_twice(z: Tensor, tau: float) -> Tensor:
    logits = (cosines(z) / tau).masked_fill(_eye(len(z)), -math.inf)
    return F.cross_entropy(logits.softmax(1), halves(len(z)), reduction="none")


right = rows_with()
#: What comes out for each row with one mistake, by message.
ROWS: dict[str, Row] = {
    "loss.dot": rows_with(similarity=lambda z: z @ z.T),
    "loss.self_pairs": rows_with(left_out=_nobody),
    "loss.masked_before": rows_with(extra=lambda tau: 1.0),  # the diagonal set to 0, then exp(0 / τ) = 1
    "loss.minus_one": rows_with(extra=lambda tau: math.exp(-1 / tau)),
    "loss.minus_e": rows_with(extra=lambda tau: math.exp(1 / tau) - math.e),
    "loss.no_positive": rows_with(left_out=lambda rows: _eye(rows) | _pairs(rows)),
    "loss.partner_left_out": rows_with(left_out=_pairs),
    "loss.other_view": rows_with(left_out=lambda rows: ~_other_view(rows)),
    "loss.no_tau": rows_with(scaled=lambda s, tau: s),
    "loss.times_tau": rows_with(scaled=lambda s, tau: s * tau),
    "loss.tau_on_top": _only_on_top,
    "loss.clamped": rows_with(similarity=lambda z: cosines(z).clamp(min=0)),
    "loss.distance": rows_with(similarity=lambda z: 1 - cosines(z)),
    "loss.softmax_twice": _softmax_twice,
    "loss.sign": lambda z, tau: -right(z, tau),
    "loss.no_log": lambda z, tau: (-right(z, tau)).exp(),
    "loss.log10": lambda z, tau: right(z, tau) / math.log(10),
    "loss.log2": lambda z, tau: right(z, tau) / math.log(2),
}
#: The same for the whole batch.
BATCH: dict[str, Row] = {
    **{key: lambda z, tau, row=row: row(z, tau).mean() for key, row in ROWS.items()},
    "loss.sum": lambda z, tau: right(z, tau).sum(),
    "loss.per_image": lambda z, tau: right(z, tau).sum() / (len(z) // 2),
    "loss.one_way": lambda z, tau: right(z, tau)[: len(z) // 2].mean(),
    "loss.neighbours": lambda z, tau: rows_with(partner=neighbours)(z, tau).mean(),
    "loss.double": lambda z, tau: right(z, tau).sum() / (len(z) // 2) ** 2,
}
