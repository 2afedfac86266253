"""The student's own copies of the notebooks: git does not track them, and no update of the kit collides with them."""

import hashlib
import json
import locale
import os
from itertools import count
from pathlib import Path

import nbformat

from lib import words
from lib.files import ROOT, write_whole

FOLDER = ROOT / "my-notebooks"
#: In the order in which they are read; a copy's name begins with its place, so that a file browser keeps it.
LESSONS = ("mnist", "cifar10", "comparison", "evidence", "explore", "methods")


def file_name(lesson: str, language: str) -> str:
    """A lesson's notebook in a language; the English ones have no language in their names."""
    return f"{lesson}.ipynb" if language == "en" else f"{lesson}.{language}.ipynb"


def copy_of(lesson: str, language: str, folder: Path = FOLDER) -> Path:
    """Where the student's copy of a lesson lies."""
    return folder / f"{LESSONS.index(lesson) + 1}-{file_name(lesson, language)}"


def of_system() -> str:
    """The language of this system, as far as the kit has it; else English."""
    asked = [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    named = next(filter(None, asked), None) or locale.getlocale()[0] or ""  # Windows: "Chinese (Simplified)_China"
    return "zh" if named.lower().startswith(("zh", "chinese")) else "en"


def lay_out(language: str = "en", lessons: Path = ROOT / "notebooks", folder: Path = FOLDER) -> list[str]:
    """Copy the notebooks in a language to a folder, and say in a sentence each what had to be said.

    A copy that holds the student's changes stays as it is; if the kit has a newer version of that notebook, it is laid
    beside as ``<name>.new.ipynb``. Outputs are no changes.
    """
    kept = folder / ".given.json"
    given = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    said = []
    for lesson in LESSONS:
        source, copy = lessons / file_name(lesson, language), copy_of(lesson, language, folder)
        before = given.get(source.name) or given.get(lesson)  # an earlier kit knew one language
        newest = _digest(source)
        _follow(copy, source.name)
        if copy.exists() and before == newest:
            continue
        if copy.exists() and _digest(copy) not in (before, newest):
            mine, copy = copy, _beside(copy, before)
            said.append(words.load(language).plain("lesson.newer", mine=mine.name, new=copy.name))
        write_whole(copy, source.read_bytes())
        given[source.name] = newest
    write_whole(kept, json.dumps(given, indent=1).encode())
    return said


def _follow(copy: Path, name: str) -> None:
    """Give a copy that an earlier kit laid out its place of today."""
    for old in (copy.with_name(name), *copy.parent.glob(f"[0-9]-{name}")):
        if old.exists() and not copy.exists():
            old.rename(copy)


def _beside(copy: Path, before: str | None) -> Path:
    """Where a newer version goes: over one laid there earlier, but not over one that the student has changed."""
    names = (copy.with_suffix(f".new{number if number > 1 else ''}.ipynb") for number in count(1))
    return next(path for path in names if not path.exists() or _digest(path) == before)


def _digest(notebook: Path) -> str:
    """A hash of what a notebook's cells say, whatever they have put out; of a file that is none, of its bytes."""
    try:
        cells = nbformat.read(os.fspath(notebook), as_version=4).cells
        content = json.dumps([(cell.cell_type, cell.source.strip()) for cell in cells]).encode()
    except Exception:  # whatever a student's file holds, it is kept
        content = notebook.read_bytes()
    return hashlib.sha256(content).hexdigest()
