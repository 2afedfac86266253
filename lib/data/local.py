"""What lies on the disk already."""

from pathlib import Path

from lib.data import folders, idx
from lib.data.dataset import Dataset


def lies_in(name: str, place: Path) -> bool:
    """Whether a folder holds the data set of a name, by the names of its files: to read 70,000 images takes longer."""
    if name in idx.FOLDERS:
        return any((place / idx.FOLDERS[name] / "raw").glob("*-ubyte*"))
    return (place / "cifar-10-batches-py").is_dir() or (place / name / "train").is_dir()


def find(name: str, place: Path, kind: str = "local") -> Dataset | None:
    """The data set of a name in a folder, in whichever of its forms lies there; None if there is none."""
    if not lies_in(name, place):
        return None
    if name in idx.FOLDERS:
        return idx.read(name, place / idx.FOLDERS[name] / "raw", kind)
    if (place / "cifar-10-batches-py").is_dir():
        return folders.read_cifar10(place, kind)
    lossy = next((place / name / "train").glob("*/*.jp*g"), None)
    return folders.read_folder(name, place / name, "JPEG copy" if lossy else kind, own=False)
