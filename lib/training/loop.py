"""Pretraining and classifier training: one visible loop, checkpoints, resume."""

import ctypes
import math
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from lib.augment import Views
from lib.loss import nt_xent_loss
from lib.models import Classifier, SimCLR
from lib.training import distributed, progress
from lib.training.checkpoint import TrainingState, code_digest, digest
from lib.training.settings import (
    OPTIMIZERS,
    SCHEDULES,
    Settings,
    autocast,
    choose_device,
    choose_precision,
    compile_for,
    crop_side,
)


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


def _keep_freed_memory() -> None:
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


def pretrain(
    model: SimCLR,
    images: Tensor,
    views: Views,
    settings: Settings,
    temperature: float = 0.5,
    checkpoint: str | Path | None = None,
    name: str = "pretraining",
    probe: Callable[[], dict[str, float]] | None = None,
    small_crops: Sequence[tuple[int, int]] = (),
) -> History:
    """Train encoder and projection head with NT-Xent on images without labels.

    On several processes, started by torchrun (``lib.training.distributed``), all call this with the same
    arguments; each computes its share of every batch, and the first one probes and saves.

    Args:
        model: trained in place, moved to the device chosen.
        images: uint8 (N, C, H, W).
        views: draws the two views of each batch.
        temperature: τ of the loss.
        checkpoint: file written after each epoch; a run that was cut off goes on from it.
        name: shown beside the progress bar.
        probe: called after each epoch, the model in evaluation mode; what it measures joins the
            epoch's history, its time is kept apart as ``probe_seconds``.
        small_crops: pairs (last epoch, side): up to that epoch the views are ``side`` × ``side``
            pixels, which a convolutional encoder learns from at a fraction of the time; after the
            last pair they have the images' own size.
    Raises:
        ValueError: fewer images than one batch, images that are no uint8 (N, C, H, W), a frozen encoder,
            a batch of fewer images than processes.
        RuntimeError: more processes than accelerators.
        TrainingDiverged: the loss is no longer finite; the last checkpoint is kept.
    """
    _check_images(images, settings)
    distributed.start()
    distributed.check_batch(settings.batch_size)
    device = choose_device()
    # processes on unlike machines still train in one precision
    settings = replace(settings, precision=distributed.from_first(choose_precision(settings.precision, device)))
    model.to(device)
    compile_for(device, model)
    images = images.to(device)
    if not any(p.requires_grad for p in model.encoder.parameters()):
        raise ValueError(
            "the encoder is frozen, a classifier has been trained on it: build the model anew to pretrain it."
        )
    network = distributed.replicate(model)

    def batch_loss(rows: Tensor, generator: torch.Generator, epoch: int) -> tuple[Tensor, dict]:
        side, share = crop_side(epoch, small_crops), distributed.share(len(rows))
        pairs = (views.resized(side) if side else views).pair(images[rows], generator, share)
        with autocast(settings.precision, device):
            _, projections = network(pairs)
        return nt_xent_loss(distributed.gather(projections, share, len(rows)), temperature), {}

    identity = {"temperature": temperature, "views": repr(views), "small_crops": [list(pair) for pair in small_crops]}
    return _fit(model, batch_loss, images, settings, identity, checkpoint, name, probe, together=True)


def train_classifier(
    model: Classifier,
    images: Tensor,
    labels: Tensor,
    views: Views,
    settings: Settings,
    checkpoint: str | Path | None = None,
    name: str = "classifier",
    label_smoothing: float = 0.0,
) -> History:
    """Train the classification head, and the encoder too unless it is frozen, with cross-entropy.

    A frozen encoder's features of plain views are computed once, and the head on them is trained in
    float32; with random views they are computed anew for each batch, so that the head sees each
    image in many forms.

    Args:
        model: trained in place, moved to the device chosen.
        images, labels: uint8 (N, C, H, W) and int64 (N,) below the head's number of classes.
        views, settings, checkpoint, name: as for ``pretrain``.
        label_smoothing: share of the target that is spread over all classes (Szegedy et al. 2016).
    Raises:
        ValueError: counts that differ, labels out of range, fewer images than one batch.
        TrainingDiverged: as ``pretrain``.
    """
    _check_images(images, settings)
    classes = model.head[-1].out_features
    if len(labels) != len(images) or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"{len(images)} images need as many labels in 0 to {classes - 1}; "
            f"{len(labels)} from {int(labels.min())} to {int(labels.max())} were given."
        )
    device = choose_device()
    model.to(device)
    images, labels = images.to(device), labels.to(device)
    fixed = compute_features(model, images, views) if model.encoder_frozen and not views.operations else None
    # Half precision pays where there is an encoder to compute; a mere head takes a third longer by it.
    wanted = settings.precision if fixed is None else "float32"
    settings = replace(settings, precision=choose_precision(wanted, device))

    def batch_loss(rows: Tensor, generator: torch.Generator, epoch: int) -> tuple[Tensor, dict]:
        seen = fixed[rows] if fixed is not None else views(images[rows], generator)
        with autocast(settings.precision, device):
            logits = model.head(seen if fixed is not None else model.features(seen)).float()
        loss = F.cross_entropy(logits, labels[rows], label_smoothing=label_smoothing)
        return loss, {"accuracy": (logits.argmax(1) == labels[rows]).float().mean()}

    identity = {"views": repr(views), "labels": digest(labels), "label_smoothing": label_smoothing}
    if model.encoder_frozen:
        identity["encoder"] = digest(*model.encoder.state_dict().values())
    return _fit(model, batch_loss, images, settings, identity, checkpoint, name)


@torch.no_grad()
def compute_features(model: Classifier, images: Tensor, views: Views, batch_size: int = 1000) -> Tensor:
    """Features (N, width) of uint8 images (N, C, H, W), without gradients, in evaluation mode, in float32."""
    modes = [(module, module.training) for module in model.modules()]  # an encoder may differ from what stands on it
    model.eval()
    device = next(model.parameters()).device
    features = torch.cat([model.features(views.plain(batch.to(device))) for batch in images.split(batch_size)])
    for module, mode in modes:
        module.training = mode
    return features


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


def _check_images(images: Tensor, settings: Settings) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(f"images must be uint8 (N, C, H, W), not {images.dtype} {tuple(images.shape)}.")
    check_batch(len(images), settings)


def _fit(
    model: nn.Module,
    batch_loss: Callable[[Tensor, torch.Generator, int], tuple[Tensor, dict[str, Tensor]]],
    images: Tensor,
    settings: Settings,
    identity: dict,
    checkpoint: str | Path | None,
    name: str,
    probe: Callable[[], dict[str, float]] | None = None,
    together: bool = False,
) -> History:
    """The loop: batches in random order, loss, step, schedule, checkpoint each epoch; ``together`` by all processes."""
    _keep_freed_memory()
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
            start, totals = time.perf_counter(), defaultdict(float)
            order = torch.randperm(len(images), generator=state.generator, device=images.device)
            for step, rows in enumerate(order.split(settings.batch_size), 1):
                loss, measures = batch_loss(rows, state.generator, epoch)
                if not loss.isfinite():
                    raise TrainingDiverged(_explain(name, epoch, step, loss.item(), settings, state))
                state.step(loss)
                for key, value in {"loss": loss, **measures}.items():
                    totals[key] += value.item() * len(rows)
                if first:
                    pace.step()
            if not all(p.isfinite().all() for p in model.parameters()):
                raise TrainingDiverged(_explain(name, epoch, step, float("nan"), settings, state))
            means = {key: total / len(images) for key, total in totals.items()}
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


def _explain(name: str, epoch: int, step: int, loss: float, settings: Settings, state: TrainingState) -> str:
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
