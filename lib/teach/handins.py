"""What was handed in: notebooks in a folder, in folders, in zip files as Moodle, Canvas or 超星学习通 export them.

Nothing is unpacked to the disk: a zip's members are read into memory, so many bytes and no more.
"""

import io
import re
import stat
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat

from lib.teach.master import grade_id, parsed

LARGEST = 50 << 20  # bytes of a notebook, pictures in its outputs included
ARCHIVE = 4 << 30  # bytes that all members of one archive may have together
MEMBERS = 20_000
NUMBER = re.compile(r"(?<!\d)\d{5,20}(?!\d)")  # such as students have
LONGEST = 10**20  # no number of a student has so many digits, and of much longer ones Python makes no text
DEEP = 3  # a zip of a class holds a zip of each student, which holds a zip of a folder
OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
SKIPPED = ("__MACOSX", ".ipynb_checkpoints")


@dataclass
class HandIn:
    """One file that was handed in. ``problem`` is a word for why it cannot be graded, with ``detail``."""

    place: str  # its path, through archives too
    content: bytes = b""
    time: float = 0
    problem: str = ""
    detail: str = ""
    number: str = ""
    name: str = ""
    notebook: Any = None
    who: str = ""  # the number, else the name, else the file, made unique
    folder: str = ""  # the student whom the path names
    others: list[str] = field(default_factory=list)  # places of what the same student handed in before
    notes: list[str] = field(default_factory=list)  # number: another in the path; twice: another has the same


def collect(folder: Path, fits: Callable[[HandIn], bool] = lambda item: True) -> list[HandIn]:
    """Everything below a folder, or in one zip file, with each student's number and name.

    Of several notebooks of a student whom the path names the newest that ``fits`` counts; it names the ``others``.
    ``fits`` says whether a notebook that could be read is of this assignment.
    """
    found = list(_walk(folder) if folder.is_dir() else _file(folder.resolve(), folder.name))
    for item in found:
        _open(item)
    _name(found, folder.name if folder.is_file() else "")
    return _newest(found, fits)


def _walk(folder: Path) -> Iterator[HandIn]:
    for path in sorted(folder.rglob("*")):
        place = _writable(path.relative_to(folder).as_posix())
        if any(part in SKIPPED or part.startswith(".") for part in PurePosixPath(place).parts) or path.is_dir():
            continue
        try:
            yield from _file(path, place)
        except OSError as error:  # no permission, or held by another program: the others are graded
            yield HandIn(place, problem="unreadable", detail=f"{type(error).__name__}: {error.strerror}")


def _file(path: Path, place: str) -> Iterator[HandIn]:
    if path.is_symlink() or not path.is_file():
        yield HandIn(place, problem="link")
    elif path.suffix.lower() == ".zip" and path.stat().st_size <= ARCHIVE:
        with path.open("rb") as file:
            yield from _archive(place, file, 1)
    elif path.stat().st_size > LARGEST:
        yield HandIn(place, problem="large")
    else:
        yield from _one(place, path.read_bytes() if path.suffix.lower() == ".ipynb" else b"", path.stat().st_mtime)


def _one(place: str, content: bytes, time: float, depth: int = 0) -> Iterator[HandIn]:
    """A file by its ending; what is neither notebook nor archive is not a hand-in of this kind."""
    ending = PurePosixPath(place).suffix.lower()
    if ending == ".ipynb":
        yield HandIn(place, content, time)
    elif ending == ".zip":
        yield from _archive(place, io.BytesIO(content), depth + 1)
    elif ending in OTHER_ARCHIVES:
        yield HandIn(place, problem="archive", detail=ending)


def _archive(place: str, file: Any, depth: int) -> Iterator[HandIn]:
    """The members of a zip file, those refused that a careless program would be harmed by."""
    if depth > DEEP:
        yield HandIn(place, problem="nested")
        return
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS or sum(member.file_size for member in members) > ARCHIVE:
                yield HandIn(place, problem="bomb")
                return
            left = ARCHIVE
            for member in members:
                for item in _member(place, archive, member, depth):
                    left -= len(item.content)
                    yield item
                if left < 0:
                    yield HandIn(place, problem="bomb")
                    return
    except Exception as error:  # whatever a student's archive makes zipfile and its decompressors raise
        yield HandIn(place, problem="broken", detail=str(error)[:200])


def _member(place: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, depth: int) -> Iterator[HandIn]:
    name = _member_name(member)
    inner = f"{place}/{name}"
    parts = PurePosixPath(name).parts
    if member.is_dir() or any(part in SKIPPED or part.startswith("._") for part in parts):
        return
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name):
        yield HandIn(inner, problem="path")
        return
    if stat.S_ISLNK(member.external_attr >> 16):
        yield HandIn(inner, problem="link")
        return
    ending = PurePosixPath(name).suffix.lower()
    if ending not in (".ipynb", ".zip"):
        yield from _one(inner, b"", 0, depth)
        return
    if member.flag_bits & 1:
        yield HandIn(inner, problem="locked")
        return
    most = LARGEST if ending == ".ipynb" else ARCHIVE // 4
    try:
        with archive.open(member) as file:
            content = file.read(most + 1)  # what the archive says of its sizes is not believed
    except Exception as error:  # likewise
        yield HandIn(inner, problem="broken", detail=str(error)[:200])
        return
    if len(content) > most:
        yield HandIn(inner, problem="bomb" if member.compress_size * 100 < most else "large")
        return
    yield from _one(inner, content, _seconds(member.date_time), depth)


def _member_name(member: zipfile.ZipInfo) -> str:
    """A member's path. Programs on Chinese Windows write GBK and do not say so; zipfile then reads it as cp437."""
    name = member.filename
    if not member.flag_bits & 0x800:
        try:
            raw = name.encode("cp437")
        except UnicodeEncodeError:
            return name.replace("\\", "/")
        for encoding in ("utf-8", "gb18030"):
            try:
                return raw.decode(encoding).replace("\\", "/")
            except UnicodeDecodeError:
                continue
    return name.replace("\\", "/")


def _seconds(date: tuple[int, ...]) -> float:
    """A member's date as a plain file's ``st_mtime`` has it, for the two are compared; 0 where it is no date."""
    try:
        return datetime(*date).timestamp()
    except (ValueError, OSError):
        return 0.0


def _open(item: HandIn) -> None:
    """Read the notebook, or say why it is none."""
    if item.problem:
        return
    try:
        text = item.content.decode("utf-8-sig")
        notebook = nbformat.reads(text, as_version=4)
        for cell in notebook.cells:  # nbformat warns of much and raises nothing
            cell.source = _writable(cell.source if isinstance(cell.source, str) else "".join(cell.source))
            cell.cell_type, cell.metadata = str(cell.cell_type), dict(cell.metadata)
            for name in ("outputs", "attachments"):  # nothing is graded by them, and they may be large
                cell.pop(name, None)
        item.notebook = notebook
    except Exception as error:  # whatever a student's file makes nbformat raise
        item.problem, item.detail = "unreadable", f"{type(error).__name__}: {error}"[:200]


def _writable(text: str) -> str:
    """The text with a question mark for each half of a character, which no file could be written with."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _name(found: list[HandIn], root: str) -> None:
    """Number and name. What a platform wrote into the path counts more than what the notebook's own cell says.

    But where the path gives notebooks to one student, and their cells name several, none with the path's number, they
    are of several. And a number in the path that several have is none of theirs, but a date, say: then the notebook's
    own counts.
    """
    placed = _placed([item.place.removeprefix(f"{root}/") for item in found])
    said = [_said(item.notebook) if item.notebook is not None else {} for item in found]
    own = [(_clean(one.get("number", "")), _clean(one.get("student", ""))) for one in said]
    named: dict[str, set[str]] = defaultdict(set)
    for (_, _, folder), (number, name) in zip(placed, own, strict=True):
        named[folder].update(filter(None, [number or name]))
    for item, (in_path, _, folder), (number, name) in zip(found, placed, own, strict=True):
        item.folder = folder
        if in_path and in_path not in named[folder] and len(named[folder]) > 1:
            item.folder = f"{folder} {number or name}" if number or name else ""
    holders: dict[str, set[str]] = defaultdict(set)
    for item, (number, *_) in zip(found, placed, strict=True):
        holders[number].add(item.folder or item.place)
    for item, (number, name, _), (own_number, own_name) in zip(found, placed, own, strict=True):
        alone = len(holders[number]) == 1
        item.number, item.name = (number if alone else "") or own_number, own_name or name
        if alone and number and own_number and number != own_number:
            item.notes.append("number")


def _said(notebook: Any) -> dict[str, str]:
    """What the notebook's cell for it says: ``student = "…"`` and ``number = "…"``, texts or whole numbers."""
    found: dict[str, str] = {}
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in sorted(cells, key=lambda cell: grade_id(cell) != "student")[:5]:
        for node in parsed(cell.source).body:
            target = getattr(node, "targets", [None])[0]
            value = getattr(getattr(node, "value", None), "value", None)
            if (
                getattr(target, "id", None) in ("student", "number")
                and (isinstance(value, str) or (isinstance(value, int) and abs(value) < LONGEST))
                and str(value).strip()
            ):
                found.setdefault(target.id, str(value))
    return found


def _placed(places: list[str]) -> list[tuple[str, str, str]]:
    """Number and name that a platform put into each path, and what it tells its students apart by.

    Moodle ``Ada Lovelace_12345_assignsubmission_file/x.ipynb``, Canvas ``lovelaceada_LATE_12345_67890_x.ipynb``,
    超星学习通 ``2023001-张三/x.ipynb`` or ``张三-2023001-x.ipynb``.

    Platforms write theirs around whatever a student handed in, so the outermost counts: an archive in which a student
    imitates it is still that student's. With 超星学习通 it is the outermost part with a number, but for one that holds
    parts of several numbers and names: that is the archive of a class. Two files are one student's only if the rest of
    their paths down to there is the same as well, for what looks like a student's number may be a date.
    """
    paths = [[p for p in re.sub(r"\.(zip|ipynb)(?=/|$)", "", place, flags=re.I).split("/") if p] for place in places]
    seen = Counter(number for place in set(places) for number in set(NUMBER.findall(place)))
    numbered = [[(at, *found) for at, part in enumerate(parts) if (found := _numbered(part, seen))] for parts in paths]
    inside: dict[tuple[str, ...], set[tuple[str, str]]] = defaultdict(set)
    for parts, some in zip(paths, numbered, strict=True):
        for (at, *_), (_, *following) in pairwise(some):
            inside[tuple(parts[: at + 1])].add(tuple(following))

    def of_a_class(parts: list[str]) -> bool:
        numbers_names = list(zip(*inside[tuple(parts)], strict=True))
        return bool(numbers_names) and all(len(set(several)) > 1 for several in numbers_names)

    # one that looks like Canvas's of all files alike, as ``lab_5_1_x`` does, is what somebody called the lab
    canvases = len(paths) == 1 or len({_by_canvas(part) for parts in paths for part in parts} - {None}) > 1
    found = []
    for parts, some in zip(paths, numbered, strict=True):
        own = [entry for entry in some if not of_a_class(parts[: entry[0] + 1])]
        outermost = own[0][0] if own else len(parts)
        moodle = next(filter(None, map(_by_moodle, parts)), None)
        canvas = next(filter(None, map(_by_canvas, parts[: outermost + 1])), None) if canvases else None
        if platform := moodle or canvas:
            found.append(("", *platform))
        elif own:
            at, number, name = own[0]
            found.append((number, name, "/".join([*parts[:at], number, name])))
        else:
            found.append(("", "", ""))
    return found


def _by_moodle(part: str) -> tuple[str, str] | None:
    """The name in what Moodle made of it, and the same with the number by which it knows the student."""
    found = re.match(r"(.+?)_(\d+)_assignsubmission", part)
    return (found[1], f"{found[1]} {found[2]}") if found else None


def _by_canvas(part: str) -> tuple[str, str] | None:
    """The same of Canvas."""
    found = re.match(r"([^\W\d_]+)(?:_LATE)?_(\d+)_\d+_", part)
    return (found[1], f"{found[1]} {found[2]}") if found else None


def _numbered(part: str, seen: Counter[str]) -> tuple[str, str] | None:
    """A number such as students have, and the name beside it. Of several the rarest by ``seen``: others are dates."""
    numbers = [found[0] for found in NUMBER.finditer(part) if not re.match(r"\s*[班组级届]", part[found.end() :])]
    if not numbers:
        return None
    number = min(numbers, key=seen.__getitem__)
    pieces = [p for p in re.split(r"[-_—+\s()（）\d]+", part) if p]
    chinese = next((p for p in pieces if re.fullmatch("[\u4e00-\u9fff·]{2,10}", p)), "")
    return number, chinese or (pieces[0] if pieces else "")


def _clean(text: str) -> str:
    """A name or number without what a spreadsheet or a page would make something of."""
    text = "".join(c for c in str(text) if c.isprintable())
    return " ".join(text.split())[:60]


def _newest(found: list[HandIn], fits: Callable[[HandIn], bool] = lambda item: True) -> list[HandIn]:
    """One hand-in for each student whom the path names, the newest that can be graded; all others stand for themselves.

    So nobody can take another's place by writing their number into a notebook: both are graded, and both are told of.
    """
    groups: dict[str, list[HandIn]] = {}
    for item in found:
        groups.setdefault(f"student {item.folder}" if item.folder else f"file {item.place}", []).append(item)
    kept = []
    for items in groups.values():
        items.sort(key=lambda item: (not item.problem and fits(item), not item.problem, item.time, item.place))
        items[-1].others = [item.place for item in items[:-1]]
        kept.append(items[-1])
    kept.sort(key=lambda item: (item.number, item.name, item.place))
    for item in kept:
        base = item.number or item.name or item.place
        twins = [other for other in kept if (other.number or other.name or other.place) == base]
        item.who = base if len(twins) == 1 else f"{base} ({item.place})"
        if len(twins) > 1:
            item.notes.append("twice")
    return kept
