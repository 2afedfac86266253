"""Pretraining and classifier training: one visible loop, checkpoints, resume."""

import copy
import ctypes
import math
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from lib import progress
from lib.files import FileHeld
from lib.training import distributed
from lib.training.checkpoint import TrainingState, code_digest, digest
from lib.training.settings import OPTIMIZERS, SCHEDULES, Settings

# Indices of a batch, the random generator, the epoch: its loss, and what else was measured.
BatchLoss = Callable[[Tensor, torch.Generator, int], tuple[Tensor, dict[str, Tensor]]]


class TrainingDiverged(RuntimeError):
    """The loss is no longer a finite number."""


class History(list):
    """One dict an epoch: ``epoch`` (from 1), ``loss`` (mean over images), ``seconds``, …

    ``interrupted`` is True after Ctrl-C: the model holds the weights of that moment.
    """

    interrupted = False

    @property
    def seconds(self) -> float:
        """Training time of all epochs, those before a resume included."""
        return sum(epoch["seconds"] for epoch in self)


def keep_freed_memory() -> None:
    """Have glibc reuse freed blocks: giving back and faulting in 25 MB activations costs more than the forward."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    mallopt(-3, 2**30)  # M_MMAP_THRESHOLD
    mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


class Pace:
    """Says while a training goes on how long it will still take, from the time of its steps.

    Epochs of a large network last so long that a count of epochs says nothing for a quarter of an hour. The first
    steps are left out: memory is still being claimed, kernels compiled. Of an epoch before, the pace of its steps may
    be another one, as views may have been smaller.
    """

    WARM_UP, LOOK, APART = 3, 10, 1.0  # steps, steps, seconds

    def __init__(self, training: progress.Training, steps: int):
        self.training, self.steps, self.taken, self.shown_at = training, steps, 0, 0.0
        self.told = False

    def step(self) -> None:
        """To be called after each step: watchers look once a second at most."""
        self.taken, now = self.taken + 1, time.perf_counter()
        if self.taken == self.WARM_UP:
            self.start = now
        elif self.taken >= self.WARM_UP + self.LOOK and now - self.shown_at >= self.APART:
            training, self.shown_at = self.training, now
            epochs = training.epochs - len(training.history)
            pace = (now - self.start) / (self.taken - self.WARM_UP)
            between = training.history[-1].get("probe_seconds", 0) if training.history else 0
            training.left = pace * (self.steps * epochs - self.taken) + between * epochs
            if not self.told:
                progress.tell(name=training.name, left=training.left)
                self.told = True
            progress.show(training)

    def epoch(self) -> None:
        """To be called after each epoch: the next one is measured by itself."""
        training, self.taken = self.training, 0
        training.expect()
        progress.tell(name=training.name, **training.history[-1], epochs=training.epochs)
        progress.show(training)


def check_batch(images: int, settings: Settings) -> None:
    """Refuse a batch larger than the data: it would train zero steps, or on fewer negatives than asked.

    Raises:
        ValueError: ``images``, their number, is below the batch size.
    """
    if images < settings.batch_size:
        raise ValueError(
            f"a batch of {settings.batch_size} is larger than the data, {images} images: "
            f"choose a batch size of at most {images}, or more chunks."
        )


def check_images(images: Tensor, settings: Settings) -> None:
    """Refuse what is no batch of images; raises ValueError, as ``check_batch`` does.

    Args:
        images: should be uint8 (N, C, H, W).
    """
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(f"images must be uint8 (N, C, H, W), not {images.dtype} {tuple(images.shape)}.")
    check_batch(len(images), settings)


def fit(
    model: nn.Module,
    batch_loss: BatchLoss,
    images: Tensor,
    settings: Settings,
    identity: dict,
    checkpoint: str | Path | None,
    name: str,
    probe: Callable[[], dict[str, float]] | None = None,
    together: bool = False,
) -> History:
    """The loop: batches in random order, loss, step, schedule, checkpoint each epoch; ``together`` by all processes."""
    keep_freed_memory()
    state = _start(model, images, settings, identity)
    history = History(state.resume(checkpoint, together) if checkpoint else [])
    first = distributed.is_first() or not together  # of processes that train together one speaks, probes and saves
    training = progress.Training(name, settings.epochs, history, len(images))
    before = copy.deepcopy(model.state_dict())
    pace = Pace(training, math.ceil(len(images) / settings.batch_size))
    model.train()
    if first:
        progress.tell(name=name, epoch=len(history), epochs=settings.epochs, history=history)
        progress.show(training)
    try:
        for epoch in range(len(history) + 1, settings.epochs + 1):
            start = time.perf_counter()
            means = _epoch(state, batch_loss, images, epoch, name, pace.step if first else lambda: None)
            history.append({"epoch": epoch, **means, "seconds": time.perf_counter() - start})
            if probe and first:
                history[-1] |= _look(model, probe)
            if together:
                history[-1] = distributed.from_first(history[-1])
            if checkpoint and first:
                try:
                    state.save(checkpoint, history)
                except FileHeld as error:  # hours of training are worth more than this one file
                    warnings.warn(f"{name}: epoch {epoch} has no checkpoint: {error}", stacklevel=3)
            if first:
                pace.epoch()
    except KeyboardInterrupt:
        history.interrupted = True
        if not history:  # the same call again starts from the same weights, not from those of half an epoch
            model.load_state_dict(before)
        warnings.warn(f"{name}: interrupted after {len(history)} of {settings.epochs} epochs.", stacklevel=3)
    finally:
        model.eval()
        training.ended = True
        if first:
            progress.show(training)
    return history


def _epoch(
    state: TrainingState, batch_loss: BatchLoss, images: Tensor, epoch: int, name: str, after_step: Callable[[], None]
) -> dict[str, float]:
    """A step for each batch of the images in random order; means over the images of what the steps measured.

    What they measured stays on the device until the epoch is over: an accelerator would wait for every look at it.
    A CPU waits for nothing, so there a loss that is no number ends the training at its own step.
    """
    measured, sizes, at_once = defaultdict(list), [], images.device.type == "cpu"
    order = torch.randperm(len(images), generator=state.generator, device=images.device)
    for step, rows in enumerate(order.split(state.settings.batch_size), 1):
        loss, measures = batch_loss(rows, state.generator, epoch)
        if at_once and not loss.isfinite():
            raise TrainingDiverged(_explain(name, epoch, step, loss.item(), state))
        state.step(loss)
        sizes.append(len(rows))
        for key, value in {"loss": loss, **measures}.items():
            measured[key].append(value.detach())
        after_step()
    values = {key: torch.stack(steps).tolist() for key, steps in measured.items()}
    for step, loss in enumerate(values["loss"], 1):
        if not math.isfinite(loss):
            raise TrainingDiverged(_explain(name, epoch, step, loss, state))
    if not all(p.isfinite().all() for p in state.model.parameters()):
        raise TrainingDiverged(_explain(name, epoch, len(sizes), math.nan, state))
    return {
        key: sum(value * size for value, size in zip(steps, sizes, strict=True)) / len(images)
        for key, steps in values.items()
    }


def _look(model: nn.Module, probe: Callable[[], dict[str, float]]) -> dict[str, float]:
    start = time.perf_counter()
    model.eval()
    seen = probe()
    model.train()
    return {**seen, "probe_seconds": time.perf_counter() - start}


def _start(model: nn.Module, images: Tensor, settings: Settings, identity: dict) -> TrainingState:
    """Optimiser and schedule for the weights that learn, and what tells this run from another."""
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = OPTIMIZERS[settings.optimizer](
        learning.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.epochs * math.ceil(len(images) / settings.batch_size)
    schedule = SCHEDULES[settings.schedule](optimizer, steps)
    data = digest(images[:: max(1, len(images) // 100)])
    identity = identity | {"images": len(images), "data": data, "network": repr(model), "code": code_digest()}
    identity["learns"] = [*learning]
    return TrainingState(model, optimizer, schedule, images.device, settings, identity)


def _explain(name: str, epoch: int, step: int, loss: float, state: TrainingState) -> str:
    settings = state.settings
    weights = all(p.isfinite().all() for p in state.model.parameters())
    cause = (
        "the weights are finite, so look at the images and the temperature"
        if weights and epoch == step == 1
        else f"most often the learning rate ({settings.learning_rate:g} with {settings.optimizer}) is too high"
    )
    return (
        f"{name}: the loss became {loss} in epoch {epoch}, step {step}; {cause}. "
        "The checkpoint of the last whole epoch, if one was asked for, is kept."
    )
