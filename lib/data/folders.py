"""CIFAR-10 from its own files, and any data set from folders of images."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lib.data.dataset import DataError, Dataset, Source

CLASSES = 10


def read_cifar10(place: Path, kind: str) -> Dataset:
    """CIFAR-10 from its own Python batches; raises DataError where they are incomplete or damaged."""
    from torchvision.datasets import CIFAR10

    try:
        train, test = (CIFAR10(place, train=part) for part in (True, False))
    except Exception as error:
        folder = place / "cifar-10-batches-py"
        raise DataError(f"{folder} is incomplete or damaged ({error}). Delete it and fetch it again.") from error
    images = [torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous() for part in (train, test)]
    labels = [torch.tensor(part.targets) for part in (train, test)]
    source = Source(kind, f"{len(train):,} training and {len(test):,} test images", str(place))
    return Dataset("cifar10", source, tuple(train.classes), images[0], labels[0], images[1], labels[1])


def read_folder(name: str, folder: Path, kind: str) -> Dataset:
    """A data set from a folder with ``train/<class>/`` and ``test/<class>/`` images.

    Raises:
        DataError: classes or sizes that differ, an image that cannot be read, more than ten classes.
    """
    parts = {part: _image_folder(folder / part) for part in ("train", "test")}
    if parts["train"][2] != parts["test"][2]:
        raise DataError(
            f"{folder}: train/ has the classes {parts['train'][2]}, test/ {parts['test'][2]}; they must be the same."
        )
    (train_images, train_labels, classes), (test_images, test_labels, _) = parts.values()
    if len(classes) > CLASSES:
        raise DataError(
            f"{folder} holds {len(classes)} classes ({', '.join(classes[:CLASSES])}, …), so labels up to "
            f"{len(classes) - 1}; the lab has {CLASSES} at most, labels 0 to {CLASSES - 1}. Take some out."
        )
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{folder}: images of train/ are {tuple(train_images.shape[1:])}, "
            f"of test/ {tuple(test_images.shape[1:])} (C, H, W); they must be alike."
        )
    note = ", JPEG-compressed: close to the original, not equal" if kind == "JPEG copy" else ""
    source = Source(
        kind,
        f"{len(train_labels):,} training and {len(test_labels):,} test images from class folders{note}",
        str(folder),
        genuine=kind != "JPEG copy",
    )
    return Dataset(name, source, tuple(classes), train_images, train_labels, test_images, test_labels)


def _image_folder(folder: Path) -> tuple[Tensor, Tensor, list[str]]:
    """Class folders have no order of their own: classes are mixed by a fixed shuffle."""
    from torchvision.datasets import ImageFolder

    try:
        found = ImageFolder(str(folder))
    except FileNotFoundError as error:
        raise DataError(f"{folder} must hold one folder of images for each class. {error}") from error
    images, first = [], None
    for path, _ in found.samples:
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
        except OSError as error:
            raise DataError(
                f"{path} is no image that can be read whole ({error}). Replace it or take it out."
            ) from error
        first = first or (pixels.shape, path)
        if pixels.shape != first[0]:
            raise DataError(
                f"{path} is {pixels.shape}, {first[1]} is {first[0]} (height, width, channels): "
                "all images must be alike."
            )
        images.append(torch.from_numpy(pixels.copy()))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    stacked = torch.stack(images)[order]
    stacked = stacked[:, None] if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2).contiguous()
    return stacked, torch.tensor(found.targets)[order], found.classes
