"""The student's own run on the embedded digits: small enough for a laptop and for grading."""

import os
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from lib.augment import Views
from lib.data import Dataset, equal_chunks, join
from lib.data.samples import sample_mnist
from lib.models import SimCLR
from lib.teach.variants import Variant
from lib.training import Settings, pretrain
from lib.training.classifier import compute_features

UNLABELLED = (1, 2, 3, 4)
CHUNKS = 10
#: While it is graded, one epoch: points are given for the student's curves, not for how far a network was trained.
EPOCHS, BATCH = 1 if "LAB_BOX" in os.environ else 6, 64
VIEWS = Views("original_mnist")
COUNTS = (10, 20, 50, 100, 200)


class Digits(NamedTuple):
    """The embedded digits of one student: uint8 images (N, 1, 28, 28) and labels (N,)."""

    unlabelled: Tensor
    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor


@cache
def _sample() -> Dataset:
    return sample_mnist()


def digits(variant: Variant) -> Digits:
    """1,600 digits without labels, the 400 of the student's chunk with labels, 1,000 for the test."""
    data = _sample()
    parts = equal_chunks(data, CHUNKS)
    free, own = join(parts, UNLABELLED), join(parts, [variant.chunk])
    return Digits(
        data.train_images[free], data.train_images[own], data.train_labels[own], data.test_images, data.test_labels
    )


def network(variant: Variant) -> SimCLR:
    """The student's network before any training."""
    torch.manual_seed(variant.seed)
    return SimCLR()


def pretrained(variant: Variant, images: Tensor, epochs: int = EPOCHS) -> tuple[SimCLR, list[float]]:
    """The student's network after SimCLR on these images, and the loss of each epoch."""
    model = network(variant)
    settings = Settings(epochs=epochs, batch_size=BATCH, seed=variant.seed, precision="float32")
    history = pretrain(model, images, VIEWS.without(variant.left_out), settings, variant.temperature)
    return model.eval(), [epoch["loss"] for epoch in history]


def views(variant: Variant, images: Tensor) -> Tensor:
    """Two views of each of uint8 images (N, 1, 28, 28), as in the student's pretraining: uint8 (2N, 1, 28, 28)."""
    generator = torch.Generator().manual_seed(variant.seed)
    return VIEWS.to_uint8(VIEWS.without(variant.left_out).pair(images, generator))


def features(model: SimCLR, images: Tensor) -> Tensor:
    """Features h (N, 128) of uint8 images by a network that is left as it is."""
    return compute_features(model.encoder, images, VIEWS.plain)
