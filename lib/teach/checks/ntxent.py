"""Checks of steps 2 to 4: the loss of one pair, of a batch by loops, of a batch by matrices."""

import math
import time
from collections.abc import Callable
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

import lib.loss
from lib.teach.checks import losses
from lib.teach.checks.similarity import rows
from lib.teach.checks.tutor import TOLERANCE, Tutor, relative_error, shown

LARGE, LEAST = 256, 0.1  # rows of the speed check, and seconds that are never too many


@contextmanager
def own_work(tutor: Tutor, step: str):
    """While this is open the kit's own loss refuses to work, by whatever name a solution has imported it."""

    def refuse(projections: Tensor, temperature: float = 0.5) -> Tensor:
        raise PermissionError("nt_xent_loss")

    kept = lib.loss.nt_xent_loss.__code__
    lib.loss.nt_xent_loss.__code__ = refuse.__code__
    try:
        yield
    except AssertionError as error:
        if isinstance(error.__cause__, PermissionError):
            raise tutor.failure(step, "loss.borrowed") from None
        raise
    finally:
        lib.loss.nt_xent_loss.__code__ = kept


def _learning(tutor: Tutor, step: str, function: Callable, z: Tensor, *arguments) -> None:
    """Refuse a loss that has no gradient."""
    loss = tutor.call(step, function, z.clone().requires_grad_(), *arguments)
    if not loss.requires_grad:
        raise tutor.failure(step, "common.detached")


def pair(tutor: Tutor, function: Callable) -> None:
    """``function(z, i, j, τ)``: value, for both orders of a pair and at two temperatures, and gradient."""
    z = rows(8, 5, 4)
    hints = {(8,): "pair.vector", (7,): "pair.vector", (8, 8): "pair.matrix"}
    with own_work(tutor, "pair"):
        for i, tau in ((1, 0.5), (6, 0.2)):
            j = (i + 4) % 8
            got = tutor.tensor("pair", tutor.call("pair", function, z, i, j, tau), (), hints)
            exact = z.double()
            known = {key: row(exact, tau)[i] for key, row in losses.ROWS.items()}
            known["pair.of_j"] = losses.right(exact, tau)[j]
            known["loss.tau_fixed"] = losses.right(exact, 0.5)[i]
            want = losses.right(exact, tau)[i]
            error = tutor.equal("pair", got, want, known)
        _learning(tutor, "pair", function, z, 1, 5, 0.5)
    tutor.right("pair", "relative", error=f"{error:.0e}")


def _values(tutor: Tutor, step: str, function: Callable) -> float:
    """The loss of batches of two sizes at two temperatures; the largest relative error."""
    errors = []
    for count, tau in ((8, 0.5), (6, 0.2)):
        z = rows(count, 5, count)
        hints = {(count,): "loss.per_row", (count // 2,): "loss.per_row", (count, count): "loss.matrix"}
        got = tutor.tensor(step, tutor.call(step, function, z, tau), (), hints)
        exact = z.double()
        known = {key: wrong(exact, tau) for key, wrong in losses.BATCH.items()}
        known["loss.tau_fixed"] = losses.right(exact, 0.5).mean()
        errors.append(tutor.equal(step, got, losses.right(exact, tau).mean(), known))
    return max(errors)


def loop(tutor: Tutor, function: Callable) -> None:
    """``function(z, τ)``: the mean loss of all 2N rows."""
    with own_work(tutor, "loop"):
        error = _values(tutor, "loop", function)
        _learning(tutor, "loop", function, rows(8, 5, 8), 0.5)
    tutor.right("loop", "relative", error=f"{error:.0e}")


def ntxent(tutor: Tutor, function: Callable) -> None:
    """``function(z, τ)``: the value."""
    with own_work(tutor, "ntxent"):
        error = _values(tutor, "ntxent", function)
    tutor.right("ntxent", "relative", error=f"{error:.0e}")


def _gradient(function: Callable, z: Tensor, tau: float) -> Tensor:
    z = z.clone().requires_grad_()
    return torch.autograd.grad(function(z, tau), z)[0]


def _from_similarity(similarity: Callable[[Tensor], Tensor]) -> Callable:
    return lambda z, tau: losses.rows_with(similarity=similarity)(z, tau).mean()


def _fixed_candidates(z: Tensor) -> Tensor:
    unit = F.normalize(z, dim=1)
    return unit @ unit.detach().T


def _fixed_lengths(z: Tensor) -> Tensor:
    unit = z / z.detach().norm(dim=1, keepdim=True)
    return unit @ unit.T


def _fixed_denominator(z: Tensor, tau: float) -> Tensor:
    positives = losses.cosines(z)[torch.arange(len(z)), losses.halves(len(z))]
    return -(positives / tau).mean()


#: Losses whose value is right and whose gradient is not; the last has the gradient of one only.
WRONG_GRADIENTS = {
    "gradient.candidates": _from_similarity(_fixed_candidates),
    "gradient.lengths": _from_similarity(_fixed_lengths),
    "gradient.denominator": _fixed_denominator,
}


def gradient(tutor: Tutor, function: Callable) -> None:
    """The gradient of the loss, against that of the formula in float64."""
    z, tau = rows(8, 5, 9), 0.5
    with own_work(tutor, "gradient"):
        tutor.tensor("gradient", tutor.call("gradient", function, z, tau), ())
        _learning(tutor, "gradient", function, z, tau)
        got = tutor.call("gradient", lambda: _gradient(function, z, tau))
    want = _gradient(lambda x, t: losses.right(x, t).mean(), z.double(), tau)
    known = {key: _gradient(wrong, z.double(), tau) for key, wrong in (WRONG_GRADIENTS | losses.BATCH).items()}
    error = tutor.equal("gradient", got, want, known)
    tutor.right("gradient", "relative", error=f"{error:.0e}")


def stable(tutor: Tutor, function: Callable) -> None:
    """The value where exponentials are very large or very small: τ = 0.05 and 0.01 in float32."""
    near = rows(1, 5, 10).repeat(8, 1) + 0.01 * rows(8, 5, 11)
    spread, opposite = rows(8, 5, 12), torch.cat([near[:4], -near[4:]])
    cases = (("spread", spread, 0.05), ("overflow", near, 0.01), ("underflow", opposite, 0.005))
    errors = []
    for case, z, tau in cases:
        with own_work(tutor, "stable"):
            got = tutor.call("stable", function, z, tau)
        want = F.cross_entropy(
            (losses.cosines(z.double()) / tau).fill_diagonal_(-math.inf), losses.halves(len(z))
        )  # exponentials of 200 fit float64, but log-sum-exp is what is taught
        plain = isinstance(got, Tensor) and got.numel() == 1
        if not plain or not got.isfinite() or relative_error(got.reshape(()), want) > TOLERANCE:
            said = "finite" if plain and got.isfinite() else "infinite"
            yours = shown(got) if isinstance(got, Tensor) else str(got)
            values = {"tau": tau, "inverse": round(1 / tau)}
            raise tutor.failure("stable", f"stable.{case}_{said}", shown(want), yours, **values)
        errors.append(relative_error(got.reshape(()), want))
    tutor.right("stable", "relative", error=f"{max(errors):.0e}")


def _limit(z: Tensor) -> float:
    """Half the seconds that the products of all pairs take here and now, one by one: a double loop takes more."""
    start = time.perf_counter()
    for row in z[: LARGE // 16]:
        for other in z:
            row @ other
    return max(LEAST, 16 * (time.perf_counter() - start) / 2)


def speed(tutor: Tutor, function: Callable) -> None:
    """A batch of 128 images faster than any double loop in Python, on this machine and under its load."""
    z = torch.randn(LARGE, 16, generator=torch.Generator().manual_seed(0))
    with own_work(tutor, "speed"):
        for _ in range(4):  # a busy machine may stall once or twice
            limit, start = _limit(z), time.perf_counter()
            tutor.tensor("speed", tutor.call("speed", function, z, 0.5), ())
            seconds = time.perf_counter() - start
            if seconds <= limit:
                break
    if seconds > limit:
        raise tutor.failure("speed", "speed.slow", f"< {limit:.2f} s", f"{seconds:.2f} s", rows=LARGE)
    tutor.right("speed", "speed.fast", rows=LARGE, milliseconds=f"{seconds * 1000:.1f}")
