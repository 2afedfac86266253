"""What was handed in: notebooks in a folder, in folders, in zip files as Moodle, Canvas or 超星学习通 export them.

Nothing is unpacked to the disk: a zip's members are read into memory, so many bytes and no more.
"""

import hashlib
import io
import posixpath
import re
import stat
import unicodedata
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, pairwise
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import nbformat

from lib.teach import words
from lib.teach.box.channel import writable
from lib.teach.master import grade_id, parsed, role
from lib.teach.variants import normalised

LARGEST = 50 << 20  # bytes of a notebook, pictures in its outputs included
ARCHIVE = 4 << 30  # bytes that all members of one archive may have together
SMALL, PACKED = 200 << 20, 20  # bytes that any archive may hold, and how many times its own size a larger one may
MEMBERS = 20_000
NUMBER = re.compile(r"(?:(?<![A-Za-z])[A-Za-z]{1,3})?(?<!\d)\d{5,20}(?!\d)")  # such as students have, SA23010001 too
PHONE = re.compile(r"1[3-9]\d{9}")
CHINESE = "[\u4e00-\u9fff]"
SHORT = 20_000  # characters of a cell that may say a name and number
STUB = re.compile(r"#.*\n\s*raise NotImplementedError\(\)")  # what stands in place of a solution, in any language
LONGEST = 10**20  # no number of a student has so many digits, and of much longer ones Python makes no text
DEEP = 3  # a zip of a class holds a zip of each student, which holds a zip of a folder
OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
NOTEBOOKS = (".ipynb", ".ipynb.txt", ".ipynb.json")  # the last two are what browsers and mail programs make of it
READ = (".ipynb", ".zip")
NOTHING = ("nothing", "empty")
SKIPPED = ("__MACOSX", ".ipynb_checkpoints")


@dataclass
class HandIn:
    """One file that was handed in. ``problem`` is a word for why it cannot be graded, with ``detail``."""

    place: str  # its path, through archives too
    content: bytes = b""  # its SHA-256 once the notebook is read
    time: float = 0
    problem: str = ""
    detail: str = ""
    number: str = ""
    name: str = ""
    notebook: Any = None
    who: str = ""  # the number, else the name, else the file, made unique
    folder: str = ""  # the student whom the path names
    loose: bool = False  # counts only if the path names a student
    others: list[str] = field(default_factory=list)  # places of what else the same student handed in
    notes: list[Any] = field(default_factory=list)  # words, or (word, what it is told with)


def collect(folder: Path, fits: Callable[[HandIn], bool] = lambda item: True) -> list[HandIn]:
    """Everything below a folder, or in one zip file, with each student's number and name.

    Of several notebooks of a student whom the path names the newest with work in it that ``fits`` counts; it names the
    ``others``. ``fits`` says whether a notebook that could be read is of this assignment. Who handed in something, but
    no notebook, is among them with a problem.
    """
    found = []
    for item in _walk(folder) if folder.is_dir() else _file(folder.resolve(), folder.name):
        _open(item)
        found.append(item)
    root = folder.name if folder.is_file() else ""
    found = _with_nothing(found, root)
    _name(found, root)
    for item, place in zip(found, _unlike([item.place for item in found]), strict=True):
        item.place = place
    return _newest([item for item in found if item.folder or not item.loose], fits)


def _unlike(places: list[str]) -> list[str]:
    """The places, each once: a zip may hold several members of one name. They get #2, #3 … behind them."""
    given: dict[str, None] = {}
    times: Counter[str] = Counter()
    for place in places:
        times[place] += 1
        one = next(name for n in count(times[place]) if (name := place if n == 1 else f"{place}#{n}") not in given)
        given[one] = None
    return list(given)


def _with_nothing(found: list[HandIn], root: str) -> list[HandIn]:
    """The notebooks and archives, and one hand-in with a problem for each folder or archive that gave none of them.

    It is the outermost such folder. Where the path names nobody only those count that lie where all hand-ins lie, for
    others may be within a student's own; a single file counts only if it names a student.
    """
    given = [item for item in found if item.problem not in NOTHING]
    held = Counter(up for item in given for path in [PurePosixPath(item.place)] for up in (path, *path.parents))
    names: dict[PurePosixPath, list[str]] = defaultdict(list)
    for item in found:
        path = PurePosixPath(item.place)
        outermost = (up for up in (*reversed(path.parents), path) if not held[up] and up.name not in ("", root))
        if item.problem in NOTHING and (top := next(outermost, None)):
            names[top] += [str(path.relative_to(top))] if item.problem == "nothing" else []
    common = posixpath.commonpath([PurePosixPath(item.place).parent for item in given]) if given else None
    for top, there in names.items():
        beside = bool(given) and top.parent.as_posix() in (".", root, common)
        told = ", ".join("" if name == "." else name for name in there[:5]) + (" …" if len(there) > 5 else "")
        item = HandIn(top.as_posix(), problem="nothing" if there else "empty", detail=told or top.name)
        item.loose = there == ["."] or not beside
        given.append(item)
    return given


def _walk(folder: Path) -> Iterator[HandIn]:
    for path in sorted(folder.rglob("*")):
        place = writable(path.relative_to(folder).as_posix())
        if any(part in SKIPPED or part.startswith(".") for part in PurePosixPath(place).parts):
            continue
        if path.is_dir() and not path.is_symlink():
            yield HandIn(place, problem="empty")
            continue
        try:
            yield from _file(path, place)
        except OSError as error:  # no permission, or held by another program: the others are graded
            yield HandIn(place, problem="unreadable", detail=f"{type(error).__name__}: {error.strerror}")


def _file(path: Path, place: str) -> Iterator[HandIn]:
    if path.is_symlink() or not path.is_file():
        yield HandIn(place, problem="link")
        return
    ending, about = _ending(place), path.stat()
    if ending == ".zip" and about.st_size <= ARCHIVE:
        with path.open("rb") as file:
            yield from _dated(_archive(place, file, about.st_size, 1), about.st_mtime)
    elif ending in (".zip", ".ipynb") and about.st_size > LARGEST:
        yield HandIn(place, time=about.st_mtime, problem="large")
    else:
        yield from _dated(_one(place, path.read_bytes() if ending == ".ipynb" else b""), about.st_mtime)


def _dated(items: Iterator[HandIn], time: float) -> Iterator[HandIn]:
    """The items, with this time where they have none of their own."""
    for item in items:
        item.time = item.time or time
        yield item


def _ending(name: str) -> str:
    """The kind of file that a name promises."""
    return ".ipynb" if name.lower().endswith(NOTEBOOKS) else PurePosixPath(name).suffix.lower()


def _one(place: str, content: bytes, depth: int = 0) -> Iterator[HandIn]:
    """A file by its ending; what is neither notebook nor archive is not a hand-in of this kind."""
    ending = _ending(place)
    if ending == ".ipynb":
        yield HandIn(place, content)
    elif ending == ".zip":
        yield from _archive(place, io.BytesIO(content), len(content), depth + 1)
    elif ending in OTHER_ARCHIVES:
        yield HandIn(place, problem="archive", detail=ending)
    else:
        yield HandIn(place, problem="nothing")


def _archive(place: str, file: Any, size: int, depth: int) -> Iterator[HandIn]:
    """The members of a zip file, those refused that a careless program would be harmed by."""
    if depth > DEEP:
        yield HandIn(place, problem="nested")
        return
    yield HandIn(place, problem="empty")
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            names = _names(members)
            left = min(ARCHIVE, max(SMALL, PACKED * size))
            read = sum(m.file_size for m, name in zip(members, names, strict=True) if _ending(name) in READ)
            if len(members) > MEMBERS or read > left:
                yield HandIn(place, problem="bomb")
                return
            for member, name in zip(members, names, strict=True):
                for item in _dated(_member(place, archive, member, name, depth), _seconds(member.date_time)):
                    left -= len(item.content)
                    yield item
                if left < 0:
                    yield HandIn(place, problem="bomb")
                    return
    except Exception as error:  # whatever a student's archive makes zipfile and its decompressors raise
        yield HandIn(place, problem="broken", detail=str(error)[:200])


def _member(place: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, depth: int) -> Iterator[HandIn]:
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
    ending = _ending(name)
    if ending not in READ:
        yield from _one(inner, b"", depth)
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
    yield from _one(inner, content, depth)


def _names(members: list[zipfile.ZipInfo]) -> list[str]:
    """The members' paths. Programs on Chinese Windows write GBK and do not say so; zipfile then reads it as cp437.

    One program wrote them all, so all are in one encoding: many a name in GBK alone could be UTF-8 as well.
    """
    names = [member.filename for member in members]
    unsaid = [n for n, member in enumerate(members) if not member.flag_bits & 0x800]
    for encoding in ("utf-8", "gb18030"):
        try:
            for n, name in [(n, members[n].filename.encode("cp437").decode(encoding)) for n in unsaid]:
                names[n] = name
            break
        except UnicodeError:
            continue
    return [name.replace("\\", "/") for name in names]


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
            cell.source = writable(cell.source if isinstance(cell.source, str) else "".join(cell.source))
            cell.cell_type, cell.metadata = str(cell.cell_type), dict(cell.metadata)
            for name in ("outputs", "attachments"):  # nothing is graded by them, and they may be large
                cell.pop(name, None)
        item.notebook = notebook
    except Exception as error:  # whatever a student's file makes nbformat raise
        item.problem, item.detail = "unreadable", f"{type(error).__name__}: {error}"[:200]
    item.content = hashlib.sha256(item.content).digest()


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
    for place, (number, name) in zip(placed, own, strict=True):
        named[place.folder].update(filter(None, [normalised(number) or name]))
    for item, place, (number, name) in zip(found, placed, own, strict=True):
        item.folder = place.folder
        if place.number and normalised(place.number) not in named[place.folder] and len(named[place.folder]) > 1:
            item.folder = f"{place.folder} {number or name}" if number or name else ""
    holders: dict[str, set[str]] = defaultdict(set)
    for item, place in zip(found, placed, strict=True):
        holders[place.number].add(item.folder or item.place)
    for item, place, (number, name) in zip(found, placed, own, strict=True):
        in_path = place.number if len(holders[place.number]) == 1 else ""
        if in_path and number and normalised(in_path) != normalised(number):
            phone = PHONE.fullmatch(in_path) and not PHONE.fullmatch(number)
            item.notes.append(("phone", [in_path, number]) if phone else "number")
            in_path = "" if phone else in_path
        item.number, item.name = in_path or number, name or place.name
        if name and place.name and place.by != "guess":
            item.name = _both(place, name)
            # of 李四 and Li Si nobody can tell without a dictionary whether they are one
            if not _same(place.name, name) and _is_chinese(place.name) == _is_chinese(name):
                item.notes.append(("name", [place.name, name]))


def _both(place: "Placed", name: str) -> str:
    """The name to be shown for the one in the path and the one in the notebook."""
    if _same(place.name, name):
        return max(place.name, name, key=len)
    # what a platform calls its users, or a Latin word in a path, may be no name that the teacher knows
    return place.name if place.by == "path" and _is_chinese(place.name) else f"{place.name} ({name})"


def _same(one: str, other: str) -> bool:
    """Whether two names may be one: words of it left out, or its letters in another order, as Canvas has them."""
    first, second = (set(re.findall(r"\w+", unicodedata.normalize("NFKC", name).casefold())) for name in (one, other))
    part = bool(first and second) and (first <= second or second <= first)
    return part or sorted(normalised(one)) == sorted(normalised(other))


def _is_chinese(name: str) -> bool:
    return bool(re.search(CHINESE, name))


def _said(notebook: Any) -> dict[str, str]:
    """What the notebook's cell for it says: ``student = "…"`` and ``number = "…"``, texts or whole numbers."""
    found: dict[str, str] = {}
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and len(cell.source) <= SHORT]
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


class Placed(NamedTuple):
    """What a path says: number and name, the student whom they tell apart, and what put them there."""

    number: str = ""
    name: str = ""
    folder: str = ""
    by: str = ""  # platform, path, or guess for a Latin word in the name of a file


def _placed(places: list[str]) -> list[Placed]:
    """Number and name that a platform put into each path, and what it tells its students apart by.

    Moodle ``Ada Lovelace_12345_assignsubmission_file/x.ipynb``, Canvas ``lovelaceada_LATE_12345_67890_x.ipynb``,
    超星学习通 ``2023001-张三/x.ipynb`` or ``张三-2023001-x.ipynb``.

    Platforms write theirs around whatever a student handed in, so the outermost counts: an archive in which a student
    imitates it is still that student's. With 超星学习通 it is the outermost part with a number, but for one that holds
    parts of several numbers and names: that is the archive of a class. Two files are one student's only if the rest of
    their paths down to there is the same as well, for what looks like a student's number may be a date.
    """
    paths = [
        [
            p
            for p in re.sub(r"\.(zip|ipynb(\.txt|\.json)?)(?=/|$)|\.[a-z]\w{1,4}$", "", place, flags=re.I).split("/")
            if p
        ]
        for place in places
    ]
    seen = Counter(number for place in set(places) for number in set(NUMBER.findall(place)))
    taken = [[(at, *found) for at, part in enumerate(parts) if (found := _numbered(part, seen))] for parts in paths]
    numbers: dict[Any, set[str]] = defaultdict(set)  # by place in the path, and by what is written beside them there
    for at, number, pieces in (entry for some in taken for entry in some):
        for key in (at, *((at, piece) for piece in pieces)):
            numbers[key].add(number)

    def shared(at: int, piece: str) -> bool:  # 实验五 and 计科 are of many students, a name is of one or two
        here, of = len(numbers[at]), len(numbers[at, piece])
        return of > 1 and (of == here or of > max(2, here / 10))

    def named(at: int, pieces: list[str]) -> str:
        chinese = [piece for piece in pieces if re.fullmatch(f"(?:{CHINESE}|·){{2,10}}", piece)]
        return next((piece for piece in chinese if not shared(at, piece)), [*chinese, *pieces, ""][0])

    numbered = [[(at, number, named(at, pieces)) for at, number, pieces in some] for some in taken]
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
            found.append(Placed("", *platform, "platform"))
        elif own:
            at, number, name = own[0]
            by = "path" if _is_chinese(name) or at < len(parts) - 1 else "guess"
            shown = "" if shared(at, name) else name
            found.append(Placed(number, shown, "/".join([*parts[:at], number, name]), by))
        else:
            found.append(Placed())
    return found


def _by_moodle(part: str) -> tuple[str, str] | None:
    """The name in what Moodle made of it, and the same with the number by which it knows the student."""
    found = re.match(r"(.+?)_(\d+)_assignsubmission", part)
    return (found[1], f"{found[1]} {found[2]}") if found else None


def _by_canvas(part: str) -> tuple[str, str] | None:
    """The same of Canvas, whose own numbers look like no student's: ``张三_20230010_1_simclr`` is not its work."""
    found = re.match(r"([^\W\d_]+)(?:_LATE)?_(\d+)_(\d+)_", part)
    if found is None or (len(found[2]) >= 8 and (found[2].startswith(("19", "20")) or len(found[3]) < 4)):
        return None
    return found[1], f"{found[1]} {found[2]}"


def _numbered(part: str, seen: Counter[str]) -> tuple[str, list[str]] | None:
    """A number such as students have, and the words beside it. Of several the rarest by ``seen``: others are dates."""
    numbers = [found[0] for found in NUMBER.finditer(part) if not re.match(r"\s*[班组级届]", part[found.end() :])]
    if not numbers:
        return None
    rest = NUMBER.sub(" ", part)
    pieces = [p for p in re.split(r"[-_—+\s()（）\d]+", rest) if p]
    counted = re.findall(rf"({CHINESE}+)\d", rest)  # 计科2301, 实验5: rarely a name
    return min(numbers, key=seen.__getitem__), sorted(pieces, key=counted.__contains__)


def _clean(text: str) -> str:
    """A name or number without what a spreadsheet or a page would make something of."""
    text = "".join(c for c in str(text) if c.isprintable())
    return " ".join(text.split())[:60]


def _newest(found: list[HandIn], fits: Callable[[HandIn], bool] = lambda item: True) -> list[HandIn]:
    """One hand-in for each student whom the path names; all others stand for themselves.

    It is the newest that can be graded, before one without work. A newer one that cannot be read stands beside it. So
    nobody can take another's place by writing their number into a notebook: both are graded, and both are told of.
    """
    groups: dict[str, list[HandIn]] = {}
    for item in found:
        groups.setdefault(f"student {item.folder}" if item.folder else f"file {item.place}", []).append(item)
    kept, unread = [], []
    for items in groups.values():
        items.sort(key=lambda item: (*_rank(item, fits), item.time, item.place))
        *rest, best = items
        newer = [item for item in rest if item.problem not in ("", *NOTHING) and item.time >= best.time][-1:]
        if newer and not best.problem:
            best.notes.append(("unread", [newer[0].place]))
            unread += newer
            rest.remove(newer[0])
        best.others = [item.place for item in rest if item.problem not in NOTHING or best.problem in NOTHING]
        kept.append(best)
    bases = Counter(map(_base, kept))
    twins = [item for item in kept if bases[_base(item)] > 1]
    for item in twins:
        item.notes.append("twice")
    long = [(item, f"{_base(item)} ({item.place})") for item in (*unread, *twins)]
    short = [(item, _base(item)) for item in kept if bases[_base(item)] == 1]
    taken: set[str] = set()
    for item, who in [*long, *short]:  # in this order nobody can choose to be called what another is
        while who in taken:
            who += f" ({item.place})"
        item.who = who
        taken.add(who)
    return sorted([*kept, *unread], key=lambda item: (item.number, item.name, item.place))


def _base(item: HandIn) -> str:
    return item.number or item.name or item.place


def _rank(item: HandIn, fits: Callable[[HandIn], bool]) -> tuple[bool, ...]:
    """What counts before time."""
    good = not item.problem
    return good and fits(item), good, good and _worked(item.notebook), item.problem not in NOTHING


def _worked(notebook: Any) -> bool:
    """Whether a cell that the student was to write holds something else than what was handed out."""
    own = [cell for cell in notebook.cells if role(cell) in ("solution", "manual") and grade_id(cell) != "student"]
    texts = {"", *(words.load(language)["stub.text"] for language in ("en", "zh"))}
    return any(cell.source.strip() not in texts and not STUB.search(cell.source) for cell in own or notebook.cells)
