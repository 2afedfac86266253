"""Pretraining: two views of each image, NT-Xent, a step."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lib.augment import Views
from lib.loss import nt_xent_loss
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
    check_images(images, settings)
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
    return fit(model, batch_loss, images, settings, identity, checkpoint, name, probe, together=True)
