"""Checks of step 6: a head is trained, and the encoder below it stays what it was, weights and buffers."""

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.teach.checks.tutor import Tutor, relative_error

STEPS = 40
RATE = 0.05


class Trained(NamedTuple):
    """A head's training: encoder and head before and after, and what the student's function returned."""

    before: tuple[nn.Module, nn.Module]
    after: tuple[nn.Module, nn.Module]
    returned: Any


def small() -> tuple[nn.Module, nn.Module]:
    """An encoder with BatchNorm, in training mode as pretraining leaves it, and a head for three classes."""
    torch.manual_seed(0)
    layers = {"conv": nn.Conv2d(1, 6, 3), "norm": nn.BatchNorm2d(6), "relu": nn.ReLU()}
    encoder = nn.Sequential(OrderedDict(**layers, pool=nn.AdaptiveAvgPool2d(2), flatten=nn.Flatten()))
    return encoder.train(), nn.Linear(24, 3)


def labelled() -> tuple[Tensor, Tensor]:
    """90 images (90, 1, 8, 8) of three classes that differ in where they are bright, and their labels."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(90) % 3
    images = torch.randn(90, 1, 8, 8, generator=generator)
    for label in range(3):
        images[labels == label, :, 2 * label : 2 * label + 3] += 2
    return images, labels


def _train(tutor: Tutor, step: str, function: Callable) -> Trained:
    before = small()
    after = copy.deepcopy(before)
    state = torch.get_rng_state()
    returned = tutor.call(step, function, *after, *labelled(), STEPS)
    torch.set_rng_state(state)
    return Trained(before, after, returned)


def _changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[str]:
    return [name for name, value in before.items() if not torch.equal(value, after[name])]


def weights(tutor: Tutor, function: Callable) -> None:
    """No weight of the encoder has changed."""
    step = "frozen"
    trained = _train(tutor, step, function)
    (old, _), (new, _) = trained.before, trained.after
    if names := _changed(dict(old.named_parameters()), dict(new.named_parameters())):
        cause = "frozen.attribute" if "requires_grad" in vars(new) else "frozen.weights"
        raise tutor.failure(step, cause, tutor.say("frozen.unchanged"), ", ".join(names))
    tutor.right(step)


def buffers(tutor: Tutor, function: Callable) -> None:
    """No buffer of the encoder has changed: BatchNorm's running mean, variance and count."""
    step = "buffers"
    trained = _train(tutor, step, function)
    (old, _), (new, _) = trained.before, trained.after
    if names := _changed(dict(old.named_buffers()), dict(new.named_buffers())):
        passes = int(new.norm.num_batches_tracked)
        cause = "buffers.once" if passes == 1 else "buffers.training"
        raise tutor.failure(step, cause, tutor.say("frozen.unchanged"), ", ".join(names), passes=passes)
    tutor.right(step)


def head(tutor: Tutor, function: Callable) -> None:
    """The head has learnt: a loss for every step, and the last one not far above that of the plain way."""
    step = "head"
    trained = _train(tutor, step, function)
    old, new = trained.before[1], trained.after[1]
    if not _changed(dict(old.named_parameters()), dict(new.named_parameters())):
        raise tutor.failure(step, "head.still")
    for key, wrong in WRONG_HEADS.items():
        other = copy.deepcopy(trained.before)
        wrong(*other, *labelled(), STEPS)
        if relative_error(new.weight, other[1].weight) < 1e-3:
            raise tutor.failure(step, key)
    returned = trained.returned
    if not isinstance(returned, list | tuple) or len(returned) != STEPS:
        got = len(returned) if isinstance(returned, list | tuple) else type(returned).__name__
        raise tutor.failure(step, "head.losses", tutor.say("head.a_list", steps=STEPS), str(got))
    reference = copy.deepcopy(trained.before)
    plain = train(*reference, *labelled(), STEPS)
    last = float(returned[-1])
    if not last <= 1.2 * plain[-1]:
        raise tutor.failure(step, "head.slow", f"{plain[-1]:.3f}", f"{last:.3f}")
    for at, told, (encoder, linear) in (("first", returned[0], trained.before), ("last", last, trained.after)):
        if not abs(float(told) - (own := _closest_loss(encoder, linear, float(told)))) < 0.1 + 0.5 * own:
            raise tutor.failure(step, f"head.invented_{at}", f"{own:.3f}", f"{float(told):.3f}")
    tutor.right(step, "head.learnt", first=f"{float(returned[0]):.3f}", last=f"{last:.3f}")


@torch.no_grad()
def _closest_loss(encoder: nn.Module, linear: nn.Module, told: float) -> float:
    """The loss of a head, with the encoder in the mode that is closer to what is told: it has a check of its own."""
    images, labels = labelled()
    modes = (copy.deepcopy(encoder).train(mode) for mode in (False, True))
    return min((F.cross_entropy(linear(one(images)), labels).item() for one in modes), key=lambda x: abs(x - told))


def train(encoder, head, images, labels, steps, zero=True, squash=lambda x: x) -> list[float]:
    """The plain way: Adam on the head alone, on features that are computed once; options for the mistakes."""
    with torch.no_grad():
        features = encoder.eval()(images)
    optimizer, losses = torch.optim.Adam(head.parameters(), lr=RATE), []
    for _ in range(steps):
        loss = F.cross_entropy(squash(head(features)), labels)
        if zero:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


#: Ways to train a head badly that its weights give away.
WRONG_HEADS = {
    "head.no_zero": lambda *given: train(*given, zero=False),
    "head.softmax": lambda *given: train(*given, squash=lambda x: x.softmax(1)),
}
