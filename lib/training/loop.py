"""Pretraining and classifier training: one visible loop, checkpoints, resume."""

import ctypes
import math
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from lib import progress
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
    """Says, once, how long a training will take, from the time of its first steps.

    Epochs of a large network last so long that a bar of epochs says nothing for a quarter of an
    hour. The first steps are left out: memory is still being claimed, kernels compiled.
    """

    WARM_UP, LOOK, WORTH_SAYING = 3, 10, 60  # steps, steps, seconds

    def __init__(self, steps: int, name: str, say: Callable[[str], None]):
        self.left, self.name, self.say, self.taken, self.start = steps, name, say, 0, 0.0

    def step(self) -> None:
        """To be called after each step."""
        self.taken, self.left = self.taken + 1, self.left - 1
        if self.taken == self.WARM_UP:
            self.start = time.perf_counter()
        elif self.taken == self.WARM_UP + self.LOOK:
            pace = (time.perf_counter() - self.start) / self.LOOK
            progress.tell(name=self.name, left=pace * self.left)
            if pace * self.left > self.WORTH_SAYING:
                self.say(
                    f"{self.name}: about {pace * self.left / 60:.0f} minutes left at this pace ({pace:.2f} s a step)"
                )


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
    options = {"desc": name, "unit": "epoch", "file": sys.stdout, "mininterval": 2, "disable": not first}
    bar = tqdm(total=settings.epochs, initial=len(history), **options)
    pace = Pace(math.ceil(len(images) / settings.batch_size) * (settings.epochs - len(history)), name, bar.write)
    model.train()
    if first:
        progress.tell(name=name, epoch=len(history), epochs=settings.epochs)
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
                state.save(checkpoint, history)
            if first:
                progress.tell(name=name, **history[-1], epochs=settings.epochs)
            shown = {k: v for k, v in history[-1].items() if k not in ("epoch", "seconds", "probe_seconds")}
            bar.set_postfix({key: f"{value:.3f}" for key, value in shown.items()}, refresh=False)
            bar.update()
    except KeyboardInterrupt:
        history.interrupted = True
        warnings.warn(f"{name}: interrupted after {len(history)} of {settings.epochs} epochs.", stacklevel=3)
    finally:
        bar.close()
        model.eval()
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
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = OPTIMIZERS[settings.optimizer](
        learning, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    steps = settings.epochs * math.ceil(len(images) / settings.batch_size)
    schedule = SCHEDULES[settings.schedule](optimizer, steps)
    data = digest(images[:: max(1, len(images) // 100)])
    identity = identity | {"images": len(images), "data": data, "network": repr(model), "code": code_digest()}
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
