"""Where the kit lies, which of its files a measured figure depends on, and how a file is written whole."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIB = ROOT / "lib"
#: What a profile or a run may be called, for folders have these names: no "..", nothing hidden, nothing that Windows
#: takes for another name.
NAME = r"^\w([\w.-]*[\w-])?$"
#: What a training depends on: after an edit here a checkpoint is of another training.
TRAINED_BY = ("loss.py", "models.py", "weights.py", "augment", "data", "methods", "training")
#: What a record depends on: after an edit here its run is made again. An edit in ``report`` changes no figure.
METHOD = (*TRAINED_BY, "evaluation", "runs")


def sources(*parts: str) -> list[Path]:
    """The Python files of these parts of ``lib/``, files or folders, in order."""
    return [
        path
        for part in parts
        for path in ([LIB / part] if part.endswith(".py") else sorted((LIB / part).rglob("*.py")))
    ]


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as ``sha256sum`` prints it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Where to write a file so that no reader meets half of it: beside its place, and renamed when it is done.

    The folder is made if need be. After an error the old file is still there, and nothing is left beside it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def between_marks(page: str, mark: str, content: str) -> str:
    """A Markdown page with this content between its marks ``<!-- mark -->`` and ``<!-- end -->``.

    Raises:
        ValueError: the page has no such marks.
    """
    place = re.compile(rf"(?<=<!-- {re.escape(mark)} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    filled, found = place.subn(lambda _: content, page, count=1)
    if not found:
        raise ValueError(f"no place for this content: the page lacks the mark <!-- {mark} --> with <!-- end --> below.")
    return filled


class DiskFull(OSError):
    """No room for a file: the message says how much it needs, how much there is, and where."""


def write_whole(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file of these bytes as ``written_whole`` does.

    Raises:
        DiskFull: they find no room; the old file is still there.
    """
    try:
        with written_whole(path) as part:
            part.write_bytes(content)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        folder = Path(path).absolute().parent
        needed, free = _size(len(content)), _size(shutil.disk_usage(folder).free)
        raise DiskFull(
            f"The disk is full: {path} needs {needed}, and {free} are free in {folder}. "
            "Make room there and run the same command again; what was saved before is kept."
        ) from error


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"
