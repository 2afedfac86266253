"""What lies on the disk already."""

from pathlib import Path

from lib.data import folders, idx
from lib.data.dataset import Dataset


def find(name: str, place: Path, kind: str = "local") -> Dataset | None:
    """The data set of a name in a folder, in whichever of its forms lies there; None if there is none."""
    if name in idx.FOLDERS:
        raw = place / idx.FOLDERS[name] / "raw"
        return idx.read(name, raw, kind) if any(raw.glob("*-ubyte*")) else None
    if (place / "cifar-10-batches-py").is_dir():
        return folders.read_cifar10(place, kind)
    if (place / name / "train").is_dir():
        lossy = next((place / name / "train").glob("*/*.jp*g"), None)
        return folders.read_folder(name, place / name, "JPEG copy" if lossy else kind, own=False)
    return None
