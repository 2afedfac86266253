"""CIFAR-10 from its own files, and any data set from folders of images."""

import os
import stat
import warnings
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lib.data.dataset import DataError, Dataset, Source
from lib.data.decoded import kept

CLASSES = 10
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
# Both are far above what the encoders are for, and far below what a machine dies of.
PIXELS = 1024 * 1024  # of an image
MEMORY = 2 * 2**30  # bytes of all images of a part


def read_cifar10(place: Path, kind: str) -> Dataset:
    """CIFAR-10 from its own Python batches; raises DataError where they are incomplete or damaged."""
    from torchvision.datasets import CIFAR10

    folder = place / "cifar-10-batches-py"
    try:
        for path in folder.iterdir():
            check_file(path)  # a pipe would be waited for, for ever
        train, test = (CIFAR10(place, train=part) for part in (True, False))
    except Exception as error:
        raise DataError(f"{folder} is incomplete or damaged ({error}). Delete it and fetch it again.") from error
    images = [torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous() for part in (train, test)]
    labels = [torch.tensor(part.targets) for part in (train, test)]
    source = Source(kind, f"{len(train):,} training and {len(test):,} test images", str(place))
    return Dataset("cifar10", source, tuple(train.classes), images[0], labels[0], images[1], labels[1])


def check_file(path: str | Path) -> None:
    """Refuse what is there under a file's name and is no file: a folder, or a pipe, which nobody may ever write to.

    Raises:
        DataError: naming it.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
        raise DataError(f"{path} is {kind}, where a file with data should be. Replace it or take it out.")


def read_folder(name: str, folder: Path, kind: str, own: bool = True) -> Dataset:
    """A data set from a folder with ``train/<class>/`` and ``test/<class>/`` images.

    ``own``: somebody's own images, among which the same one may lie twice; of a published set that is known.

    Raises:
        DataError: classes or sizes that differ, an image that cannot be read or is of a kind that 8 bits a channel
            do not hold, a link out of the folder, fewer than two classes or more than ten, the same image in
            train and test.
    """
    parts = {part: _image_folder(folder / part) for part in ("train", "test")}
    (train_images, train_labels, classes, train_paths), (test_images, test_labels, others, test_paths) = parts.values()
    if classes != others:
        raise DataError(f"{folder}: train/ has the classes {classes}, test/ {others}; they must be the same.")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{folder}: images of train/ are {tuple(train_images.shape[1:])}, "
            f"of test/ {tuple(test_images.shape[1:])} (C, H, W); they must be alike."
        )
    note = ", JPEG-compressed: close to the original, not equal" if kind == "JPEG copy" else ""
    if own:
        note += _repeated(folder, (train_images, train_paths), (test_images, test_paths))
    source = Source(
        kind,
        f"{len(train_labels):,} training and {len(test_labels):,} test images from class folders{note}",
        str(folder),
        genuine=kind != "JPEG copy",
    )
    names = (name.encode("utf-8", "replace").decode() for name in classes)  # a name may be no text at all
    return Dataset(name, source, tuple(names), train_images, train_labels, test_images, test_labels)


def _repeated(folder: Path, train: tuple[Tensor, list[Path]], test: tuple[Tensor, list[Path]]) -> str:
    """A note on training images that lie there more than once, pixel by pixel.

    Raises:
        DataError: a test image is among the training images.
    """
    known, tested = (
        [blake2b(image.numpy().tobytes(), digest_size=16).digest() for image in images] for images, _ in (train, test)
    )
    places = dict(zip(known, train[1], strict=True))
    both = [(path, places[code]) for code, path in zip(tested, test[1], strict=True) if code in places]
    if both:
        one, other = (path.relative_to(folder) for path in both[0])
        raise DataError(
            f"{folder}: {len(both):,} of the {len(tested):,} test images are training images too, pixel by pixel "
            f"({one} is {other}), so a test accuracy would tell nothing. Take them out of train/ or of test/."
        )
    copies = sum(count - 1 for count in Counter(known).values())
    return f"; {copies:,} of the training images are copies of others" if copies else ""


def _image_folder(folder: Path) -> tuple[Tensor, Tensor, list[str], list[Path]]:
    """Images, labels, classes and files of one part.

    Class folders have no order of their own: classes are mixed by a fixed shuffle.
    """
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
    if len(classes) < 2:
        raise DataError(
            f"{folder} must hold a folder of images for each of two classes or more; "
            f"{f'it holds one, {classes[0]}' if classes else 'there is none'}."
        )
    if len(classes) > CLASSES:
        raise DataError(
            f"{folder.parent} holds {len(classes)} classes ({', '.join(classes[:CLASSES])}, …), so labels up to "
            f"{len(classes) - 1}; the lab has {CLASSES} at most, labels 0 to {CLASSES - 1}. Take some out."
        )
    found = [(path, label) for label, name in enumerate(classes) for path in _files(folder, name)]
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(0)).tolist()
    files = [found[i][0] for i in order]
    images = kept(files, folder, lambda: _decode(files, folder))
    return images, torch.tensor([found[i][1] for i in order]), classes, files


def _decode(files: list[Path], folder: Path) -> Tensor:
    """The images of these files, uint8 (N, C, H, W).

    Raises:
        DataError: one cannot be read or is not like the first, or all are more than memory holds.
    """
    images, first = None, None
    for i, path in sorted(enumerate(files), key=lambda numbered: str(numbered[1])):
        pixels = _pixels(path)
        if first is None:
            first = (pixels.shape, path)
            if pixels.nbytes * len(files) > MEMORY:
                raise DataError(
                    f"{folder} holds {len(files):,} images like {path}, {pixels.shape}: in memory they take "
                    f"{pixels.nbytes * len(files) / 1e9:,.0f} GB. Take fewer, or make them smaller."
                )
            images = np.empty((len(files), *(pixels.shape[2:] or (1,)), *pixels.shape[:2]), np.uint8)
        if pixels.shape != first[0]:
            raise DataError(
                f"{path} is {pixels.shape}, {first[1]} is {first[0]} (height, width, channels): "
                "all images must be alike."
            )
        images[i] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(images)


def _files(folder: Path, name: str) -> list[Path]:
    """The image files of a class, each once: a link to what lies in the folder anyway is passed over.

    Raises:
        DataError: there is none, or a link leads out of the folder, to what may be another part or anything.
    """
    home, files = os.path.realpath(folder), []
    for root, folders, names in sorted(os.walk(folder / name)):  # which goes into no link
        for path in (os.path.join(root, entry) for entry in [*folders, *sorted(names)]):
            linked = os.path.islink(path)
            if linked and not Path(os.path.realpath(path)).is_relative_to(home):
                raise DataError(f"{path} is a link out of {folder}. Put the images themselves there.")
            if path.lower().endswith(SUFFIXES) and not linked:
                check_file(path)
                files.append(Path(path))
    if not files or (folder / name).is_symlink():
        raise DataError(f"{folder / name} holds no image ({', '.join(SUFFIXES)}). Put some in or take it out.")
    return files


def _pixels(path: Path) -> np.ndarray:
    """An image as uint8, (H, W) of a grey one, else (H, W, 3).

    Raises:
        DataError: it cannot be read whole, is larger than ``PIXELS``, or says what these values cannot.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path)  # its header only
        with image:
            if image.width * image.height > PIXELS:
                raise Image.DecompressionBombError
            if image.mode[0] in "IF":
                raise DataError(
                    f"{path} is a grey image of more than 8 bits a pixel ({image.mode}), and which of its values is "
                    "white the kit cannot know. Save it with 8 bits, white as 255."
                )
            may_be_transparent = "A" in image.getbands() or "transparency" in image.info
            if may_be_transparent and image.convert("RGBA").getextrema()[3][0] < 255:
                raise DataError(f"{path} is transparent in places, and what is behind is unknown. Save it opaque.")
            return np.asarray(image.convert("L" if image.mode == "L" else "RGB"))
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path} has more than {PIXELS:,} pixels. Make it smaller or take it out.") from error
    except Exception as error:  # every decoder has errors of its own
        raise DataError(f"{path} is no image that can be read whole ({error}). Replace it or take it out.") from error
