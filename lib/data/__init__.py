"""Images as uint8 tensors in memory: local copies, downloads, embedded samples; the lab's chunks."""

import os
from pathlib import Path

from lib.data import download, folders, local, samples
from lib.data.dataset import DataError, Dataset, Source, chunks, equal_chunks, join
from lib.files import ROOT

__all__ = ["NAMES", "DataError", "Dataset", "Source", "chunks", "equal_chunks", "join", "load"]

NAMES = ("mnist", "fashion_mnist", "cifar10")


def load(name: str, root: str | Path | None = None, download_it: bool = True) -> Dataset:
    """A data set by name, or a folder that holds ``train/<class>/`` and ``test/<class>/`` images.

    A name is looked for in ``root`` (default: the environment's ``LAB_DATA``), then in ``data/``
    of the project, then downloaded into ``data/`` through torchvision, which checks the sums;
    failing all that (or with ``LAB_OFFLINE`` set) an embedded sample stands in: 5,000 digits for
    MNIST, synthetic colour shapes for CIFAR-10. ``Dataset.source`` says which one it was. Without
    ``download_it`` only what is on this machine counts, as with ``LAB_OFFLINE``.

    Raises:
        DataError: a file is truncated or damaged (it is named), images of a folder differ in size
            or mode, lie in train and test alike, or a name has neither data nor sample.
        ValueError: an unknown name that is no folder either.
    """
    if name not in NAMES:
        if Path(name).is_dir():
            return folders.read_folder(Path(name).name, Path(name), "local")
        raise ValueError(f"no data set named {name!r} and no such folder; there are: {', '.join(NAMES)}.")
    own = ROOT / "data"
    places = [Path(p) for p in (root or os.environ.get("LAB_DATA"), own) if p]
    if not all(place.is_dir() for place in places[:-1]):
        raise DataError(
            f"LAB_DATA (or root) is {str(places[0])!r}, and there is no such folder. "
            "Name one that holds MNIST/raw or cifar10/, or leave it unset."
        )
    for place in places:
        if found := local.find(name, place):
            return found
    if download_it and not os.environ.get("LAB_OFFLINE"):
        download.fetch(name, own)
        if found := local.find(name, own, kind="downloaded"):
            return found
    if name not in samples.SAMPLES:
        looked = ", ".join(str(p) for p in places)
        raise DataError(f"{name} is not in {looked}, cannot be downloaded here and has no embedded sample.")
    return samples.SAMPLES[name]()
