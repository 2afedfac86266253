"""Checks of step 7: labels drawn evenly, the accuracy for each number of labels, the student's own run."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lib.evaluation.efficiency import linear_accuracy
from lib.teach import variants
from lib.teach.checks.tutor import Tutor

COUNTS = (20, 50, 200)
CHANCE = 0.1


def _blobs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features (count, 16) of ten classes that overlap, unevenly frequent, and labels (count,)."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(10, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(count) * 7 % 13 % 10
    return centres[labels] + 1.3 * torch.randn(count, 16, generator=generator), labels


def draw(tutor: Tutor, function: Callable) -> None:
    """``function(labels, count, seed)``: indices, each class as often, another draw for another seed."""
    step = "draw"
    _, labels = _blobs(650, 1)
    for count in (10, 100):
        got = tutor.call(step, function, labels, count, 3)
        got = torch.as_tensor(got) if isinstance(got, list | tuple) else got
        got = tutor.tensor(step, got, (count,), {(10 * count,): "draw.per_class", (count // 10,): "draw.one_class"})
        if got.dtype != torch.int64:
            raise tutor.failure(step, "draw.dtype", "torch.int64", str(got.dtype))
        if len(got.unique()) < count:
            cause = "draw.labels" if got.max() < 10 else "draw.twice"
            raise tutor.failure(step, cause, tutor.say("draw.distinct", count=count), str(len(got.unique())))
        shares = torch.bincount(labels[got], minlength=10)
        if not (shares == count // 10).all():
            raise tutor.failure(step, "draw.uneven", str([count // 10] * 10), str(shares.tolist()))
    again, other = (tutor.call(step, function, labels, 100, seed) for seed in (3, 4))
    if sorted(map(int, got)) != sorted(map(int, again)):
        raise tutor.failure(step, "draw.unseeded")
    if sorted(map(int, got)) == sorted(map(int, other)):
        raise tutor.failure(step, "draw.always_first")
    tutor.right(step)


def curve(tutor: Tutor, function: Callable) -> None:
    """``function(train, labels, test, test_labels, counts, seed)``: a dict from counts to test accuracies."""
    step = "curve"
    train, test = _blobs(650, 1), _blobs(500, 2)
    got = tutor.call(step, function, *train, *test, list(COUNTS), 0)
    if not isinstance(got, dict) or list(got) != list(COUNTS):
        yours = str(list(got)) if isinstance(got, dict) else type(got).__name__
        raise tutor.failure(step, "curve.keys", tutor.say("curve.a_dict", counts=list(COUNTS)), yours)
    values = [float(value) for value in got.values()]
    _accuracies(tutor, step, values)
    whole = linear_accuracy(*train, *test)
    yours = ", ".join(f"{value:.3f}" for value in values)
    expected = tutor.say("curve.rising", least=CHANCE, most=f"{whole:.2f}")
    if math.isclose(min(values), max(values)):
        raise tutor.failure(step, "curve.flat", expected, yours)
    if values[0] > 0.99 or min(values) > whole + 0.05:
        raise tutor.failure(step, "curve.leak", expected, yours)
    if values[-1] < CHANCE + 0.1:
        raise tutor.failure(step, "curve.chance", expected, yours)
    if values[-1] > whole + 0.08 or values[-1] < values[0]:
        raise tutor.failure(step, "curve.odd", expected, yours)
    tutor.right(step)


def _accuracies(tutor: Tutor, step: str, values: list[float]) -> None:
    if not all(0 <= value <= 1 for value in values):  # nan is not, either
        raise tutor.failure(step, "curve.percent", "0 … 1", ", ".join(f"{value:.1f}" for value in values))


def own(tutor: Tutor, number: Any, curves: Mapping[str, Mapping[int, float]]) -> None:
    """The student's number, and accuracies under ``pixels``, ``untrained`` and ``pretrained`` for each count."""
    step = "own"
    if not isinstance(number, str) or not variants.normalised(number):
        raise tutor.failure(step, "own.number", yours=repr(number))
    wanted = {"pixels", "untrained", "pretrained"}
    if not isinstance(curves, dict) or not wanted <= set(curves):
        yours = ", ".join(curves) if isinstance(curves, dict) else type(curves).__name__
        raise tutor.failure(step, "own.names", ", ".join(sorted(wanted)), yours)
    for name in wanted:
        values = [float(value) for value in curves[name].values()]
        if not values:
            raise tutor.failure(step, "own.names", ", ".join(sorted(wanted)), f"{name}: {{}}")
        _accuracies(tutor, step, values)
        if values[-1] < CHANCE + 0.1:
            raise tutor.failure(step, "curve.chance", f"> {CHANCE + 0.1}", f"{name}: {values[-1]:.3f}")
    tutor.right(step, "own.done", number=number)
