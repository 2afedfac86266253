"""Pretraining: two views of each image, a loss that asks for no label, a step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib import methods
from lib.augment import Views
from lib.models import SimCLR
from lib.training import distributed
from lib.training.device import autocast, choose_device, choose_precision, compile_for
from lib.training.loop import History, check_images, fit
from lib.training.settings import Settings, crop_side


def pretrain(
    model: SimCLR,
    images: Tensor,
    views: Views,
    settings: Settings,
    temperature: float | None = None,
    checkpoint: str | Path | None = None,
    name: str = "pretraining",
    probe: Callable[[], dict[str, float]] | None = None,
    small_crops: Sequence[tuple[int, int]] = (),
    method: str = "simclr",
    options: Mapping[str, Any] | None = None,
) -> History:
    """Train an encoder, with what its method adds to it, on images without labels.

    On several processes, started by torchrun (``lib.training.distributed``), all call this with the same
    arguments; each computes its share of every batch, and the first one probes and saves.

    Args:
        model: trained in place, moved to the device chosen.
        images: uint8 (N, C, H, W).
        views: draws the two views of each batch.
        temperature: τ of the loss, for the methods that have one; None: the method's own.
        checkpoint: file written after each epoch; a run that was cut off goes on from it.
        name: shown beside the progress bar.
        probe: called after each epoch, the model in evaluation mode; what it measures joins the
            epoch's history, its time is kept apart as ``probe_seconds``.
        small_crops: pairs (last epoch, side): up to that epoch the views are ``side`` × ``side``
            pixels, which a convolutional encoder learns from at a fraction of the time; after the
            last pair they have the images' own size.
        method: a name in ``lib.methods.METHODS``. Each trains the encoder; most train the projection head too.
        options: of the method, see ``lib.methods``; whatever is not there has its usual value.
    Raises:
        ValueError: no such method or option, fewer images than one batch, images that are no uint8 (N, C, H, W),
            a frozen encoder, a batch of fewer images than processes, several processes for a method that draws.
        RuntimeError: more processes than accelerators.
        TrainingDiverged: the loss is no longer finite; the last checkpoint is kept.
    """
    check_images(images, settings)
    distributed.start()
    distributed.check_batch(settings.batch_size)
    device = choose_device()
    # processes on unlike machines still train in one precision
    settings = replace(settings, precision=distributed.from_first(choose_precision(settings.precision, device)))
    model.to(device)
    images = images.to(device)
    if any(not p.requires_grad for name, p in model.encoder.named_parameters() if name != "stem.weight"):  # see whiten
        raise ValueError(
            "the encoder is frozen, a classifier has been trained on it: build the model anew to pretrain it."
        )
    options = dict(options or {})
    if temperature is not None and "temperature" in methods.options_of(method):
        options.setdefault("temperature", temperature)
    trained = methods.build(method, model, settings.seed, **options)
    if trained.draws and distributed.processes() > 1:
        raise ValueError(
            f"{method} draws random numbers within its network, and {distributed.processes()} processes that share a "
            "batch would draw the same: start it as one process."
        )
    network = distributed.replicate(trained)
    if network is trained:  # compiled together with the averaging over processes it has not been tried
        compile_for(device, trained)

    def batch_loss(rows: Tensor, generator: torch.Generator, epoch: int) -> tuple[Tensor, dict]:
        side, share = crop_side(epoch, small_crops), distributed.share(len(rows))
        pairs = (views.resized(side) if side else views).pair(images[rows], generator, share)
        trained.advance()
        with autocast(settings.precision, device):
            outputs = network(pairs)
        return trained.loss(*(distributed.gather(output, share, len(rows)) for output in outputs)), {}

    identity = {
        "method": method, **options, "views": repr(views), "small_crops": [list(pair) for pair in small_crops],
    }  # fmt: skip
    return fit(trained, batch_loss, images, settings, identity, checkpoint, name, probe, together=True)
