"""MNIST and Fashion-MNIST from their IDX files (http://yann.lecun.com/exdb/mnist, section "File formats")."""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np
import torch

from lib.data.dataset import DataError, Dataset, Source

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
MNIST_MD5 = (
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)
REPAIR = "Delete it and fetch it again (`make report` downloads what is missing)."


def _read_idx(path: Path) -> tuple[np.ndarray, str]:
    """The array of an IDX file, plain or gzipped, and the MD5 sum of its plain bytes."""
    plain, packed = path, path.with_name(path.name + ".gz")
    if not plain.exists() and not packed.exists():
        raise DataError(
            f"{plain} is missing, though other files of the same data set are there. Put it back or {REPAIR.lower()}"
        )
    try:
        content = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{packed} is truncated or damaged ({error}). {REPAIR}") from error
    path = plain if plain.exists() else packed
    dimensions = content[3] if len(content) >= 4 and content[:3] == b"\x00\x00\x08" else 0
    start = 4 + 4 * dimensions
    if not dimensions or len(content) < start:
        raise DataError(
            f"{path} is no IDX file of bytes ({len(content):,} bytes, first {content[:4].hex() or 'none'}). {REPAIR}"
        )
    shape = np.frombuffer(content, ">u4", dimensions, offset=4).astype(int)
    if len(content) - start != shape.prod():
        raise DataError(
            f"{path} is truncated or damaged: its header promises {shape.prod():,} bytes of data "
            f"({' × '.join(map(str, shape))}), it holds {len(content) - start:,}. {REPAIR}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy(), hashlib.md5(content).hexdigest()


def read(name: str, raw: Path, kind: str) -> Dataset:
    """MNIST or Fashion-MNIST from the folder of its four files, each plain or gzipped.

    Raises:
        DataError: a file is missing, truncated or damaged; it is named.
    """
    arrays, sums = zip(*(_read_idx(raw / f"{file}-ubyte") for file in FILES), strict=True)
    description = f"{len(arrays[0]):,} training and {len(arrays[2]):,} test images"
    if name == "mnist" and sums != MNIST_MD5:
        # of the published size yet not the published bytes: damaged; of another size: somebody's own set
        for file, array, found, wanted in zip(FILES, arrays, sums, MNIST_MD5, strict=True):
            if len(array) in (60_000, 10_000) and found != wanted:
                raise DataError(f"{raw / file}-ubyte is damaged: MD5 sum {found}, published {wanted}. {REPAIR}")
        description += ", not the published MNIST"
    classes = list("0123456789")
    if name == "fashion_mnist":
        from torchvision.datasets import FashionMNIST  # where it is used, as in models.py

        classes = FashionMNIST.classes
    images = [torch.from_numpy(a)[:, None] for a in arrays[::2]]
    labels = [torch.from_numpy(a).long() for a in arrays[1::2]]
    for image, label, file in zip(images, labels, FILES[1::2], strict=True):
        if len(image) != len(label) or label.max() > 9:
            raise DataError(
                f"{raw / file}-ubyte holds {len(label):,} labels up to {label.max()} "
                f"for {len(image):,} images of 10 classes. {REPAIR}"
            )
    source = Source(kind, description, str(raw), genuine=name != "mnist" or sums == MNIST_MD5)
    return Dataset(name, source, tuple(classes), images[0], labels[0], images[1], labels[1])
