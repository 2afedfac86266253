"""MNIST and Fashion-MNIST from their IDX files (http://yann.lecun.com/exdb/mnist, section "File formats")."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np
import torch

from lib.data.dataset import DataError, Dataset, Source
from lib.data.folders import MEMORY, check_file

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
MNIST_MD5 = (
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)
REPAIR = "Delete it and fetch it again (`python lab.py report` downloads what is missing)."


def _read_idx(path: Path, dimensions: int) -> tuple[np.ndarray, str]:
    """The array of an IDX file, plain or gzipped, and the MD5 sum of its plain bytes."""
    packed = path.with_name(path.name + ".gz")
    if not path.exists() and not packed.exists():
        raise DataError(
            f"{path} is missing, though other files of the same data set are there. Put it back or {REPAIR.lower()}"
        )
    path, opened = (path, open) if path.exists() else (packed, gzip.open)
    check_file(path)
    try:
        with opened(path, "rb") as file:
            head = file.read(4 + 4 * dimensions)
            if len(head) < 4 + 4 * dimensions or head[:4] != bytes([0, 0, 8, dimensions]):
                raise DataError(
                    f"{path} is no IDX file of bytes in {dimensions} dimension{'s' if dimensions > 1 else ''} "
                    f"(it begins with {head[:4].hex() or 'nothing'}). {REPAIR}"
                )
            shape = np.frombuffer(head, ">u4", dimensions, offset=4).tolist()
            promised = math.prod(shape)
            if not 0 < promised <= MEMORY:
                raise DataError(
                    f"{path} is damaged: its header promises {promised:,} bytes of data "
                    f"({' × '.join(map(str, shape))}), and the kit takes 1 to {MEMORY:,}. {REPAIR}"
                )
            content = file.read(promised + 1)  # and no more: what was packed may be of any length
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged ({error}). {REPAIR}") from error
    if len(content) != promised:
        held = f"{len(content):,}" if len(content) < promised else "more"
        raise DataError(
            f"{path} is truncated or damaged: its header promises {promised:,} bytes of data "
            f"({' × '.join(map(str, shape))}), it holds {held}. {REPAIR}"
        )
    code = hashlib.md5(head)
    code.update(content)
    return np.frombuffer(bytearray(content), np.uint8).reshape(shape), code.hexdigest()


def read(name: str, raw: Path, kind: str) -> Dataset:
    """MNIST or Fashion-MNIST from the folder of its four files, each plain or gzipped.

    Raises:
        DataError: a file is missing, truncated, damaged or no file at all; it is named.
    """
    arrays, sums = zip(*(_read_idx(raw / f"{file}-ubyte", 3 if "images" in file else 1) for file in FILES), strict=True)
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
    if arrays[0].shape[1:] != arrays[2].shape[1:]:
        sizes = (" × ".join(map(str, array.shape[1:])) for array in arrays[::2])
        raise DataError(f"{raw}: training images are {next(sizes)} pixels, test images {next(sizes)}. {REPAIR}")
    source = Source(kind, description, str(raw), genuine=name != "mnist" or sums == MNIST_MD5)
    return Dataset(name, source, tuple(classes), images[0], labels[0], images[1], labels[1])
