"""Where the kit lies, which of its files a measured figure depends on, and how a file is written whole."""

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIB = ROOT / "lib"
#: What a profile or a run may be called, for folders have these names: no "..", nothing hidden, nothing that Windows
#: takes for another name or, as CON and NUL.txt, for a device. Compiled: as a text, pydantic knows no look-ahead.
NAME = re.compile(r"^(?!(?i:CON|PRN|AUX|NUL|COM[1-9¹²³]|LPT[1-9¹²³])(\.|\Z))\w([\w.-]*[\w-])?\Z")
#: What a training depends on: after an edit here a checkpoint is of another training.
TRAINED_BY = ("loss.py", "models.py", "weights.py", "augment", "data", "methods", "training")
#: What a record depends on: after an edit here its run is made again. An edit in ``report`` changes no figure.
METHOD = (*TRAINED_BY, "evaluation", "runs")
#: What a name that is refused is told.
NAMING = "letters, digits, '_', '-' and '.' within are right, but no name of a device of Windows (CON, NUL, COM1)"
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # seconds between tries to rename what another program holds


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

    Raises:
        FileHeld: another program holds the old file, or the new one, as on Windows.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def replace(source: Path, target: Path) -> None:
    """Rename a file, over an old one too, or a folder.

    On Windows a program that has either open is in the way: a virus scanner or a sync client for a moment, Excel until
    the file is closed.

    Raises:
        FileHeld: it is in the way for longer.
    """
    for pause in PAUSES:
        with suppress(PermissionError):
            os.replace(source, target)
            return
        time.sleep(pause)
    try:
        os.replace(source, target)
    except PermissionError:
        if target.is_dir() or not os.access(target if target.exists() else target.parent, os.W_OK):
            raise  # it is protected, and not held
        raise FileHeld(
            f"{target} is open in another program: close it there and run the same command again; "
            "the old file is still there."
            if target.exists()
            else f"{target} could not be put in its place: another program, such as a virus scanner or a sync client, "
            "holds it. Run the same command again."
        ) from None


def fill(path: Path, mark: str, content: str) -> None:
    """Put this content between a Markdown file's marks; raises as ``between_marks`` and ``write_whole`` do."""
    write_whole(path, between_marks(path.read_text(encoding="utf-8"), mark, content).encode())


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


class NotWritten(OSError):
    """A file that could not be written: the message is a paragraph for who gave the command."""


class DiskFull(NotWritten):
    """No room for a file: the message says how much it needs, how much there is, and where."""


class FileHeld(NotWritten):
    """Another program has a file open, and the system lets nobody replace it meanwhile."""


def write_whole(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file of these bytes as ``written_whole`` does.

    Raises:
        DiskFull: they find no room; the old file is still there.
        FileHeld: another program holds the old file.
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
