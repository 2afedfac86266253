"""Images as uint8 tensors in memory, where they came from, and the lab's chunks of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


class DataError(ValueError):
    """Data that is damaged, incomplete or of a form the kit does not take."""


@dataclass(frozen=True)
class Source:
    """Where the images came from; ``kind`` is one of local, downloaded, JPEG copy, embedded sample.

    ``genuine`` is False where figures obtained on the images must not be set beside those
    published for the data set of that name.
    """

    kind: str
    description: str
    path: str | None = None
    genuine: bool = True


@dataclass(frozen=True)
class Dataset:
    """Images (N, C, H, W) uint8 and labels (N,) int64 for training and test, in the set's own order."""

    name: str
    source: Source
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return tuple(self.train_images.shape[1:])

    def describe(self) -> dict:
        """What a record keeps of the data."""
        return {
            "name": self.name,
            "source": self.source.kind,
            "description": self.source.description,
            "path": self.source.path,
            "genuine": self.source.genuine,
            "train": len(self.train_images),
            "test": len(self.test_images),
            "shape": list(self.image_shape),
            "classes": list(self.classes),
        }


def chunks(dataset: Dataset, *sizes: int) -> list[range]:
    """The lab's slices of the training set, one after the other in its own order, as index ranges.

    ``chunks(mnist, *[6000] * 10)`` are the ten of the original lab; chunk 1 is element 0.

    Raises:
        ValueError: a size below 1, or more images asked for than there are.
    """
    total = len(dataset.train_images)
    if not sizes or min(sizes) < 1 or sum(sizes) > total:
        raise ValueError(f"chunks of {list(sizes)} images (each at least 1) do not fit the {total:,} training images.")
    ends = np.cumsum(sizes).tolist()
    return [range(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def equal_chunks(dataset: Dataset, count: int) -> list[range]:
    """The training set in ``count`` chunks of the same size; what does not divide is left over.

    Raises:
        ValueError: fewer than one, or more than there are images.
    """
    total = len(dataset.train_images)
    if not 1 <= count <= total:
        raise ValueError(f"chunk_count = {count:,} chunks cannot be made of the {total:,} training images.")
    return chunks(dataset, *[len(dataset.train_images) // count] * count)


def join(parts: Sequence[range], numbers: Sequence[int]) -> Tensor:
    """Indices of the images in the chunks of these numbers, counted from 1 as the lab does.

    Raises:
        ValueError: no number, a number twice, or a chunk that does not exist.
    """
    if not numbers or len(set(numbers)) != len(numbers) or not set(numbers) <= set(range(1, len(parts) + 1)):
        raise ValueError(
            f"chunks {list(numbers)} were asked for; choose from 1 to {len(parts)}, each once, at least one."
        )
    return torch.cat([torch.arange(parts[n - 1].start, parts[n - 1].stop) for n in numbers])
