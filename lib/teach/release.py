"""What is handed out: the master without solutions, hidden tests, mark schemes, outputs and most metadata."""

import copy
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from lib.files import write_whole
from lib.teach import words
from lib.teach.master import BEGIN_HIDDEN, END_HIDDEN, Master, grade_id, load, refuse_others, role

#: Parts of a master that no student sees, by the words around them.
SECRET = (("BEGIN SOLUTION", "END SOLUTION"), (BEGIN_HIDDEN, END_HIDDEN), ("BEGIN MARK SCHEME", "END MARK SCHEME"))
KEPT = {"kernelspec", "language_info", "lab"}  # of a notebook's metadata
KEPT_OF_CELLS = {"nbgrader", "deletable", "editable"}


class ReleaseError(ValueError):
    """What must not be handed out."""


def masters(folder: Path) -> list[Master]:
    """The masters of a folder, or the one that a file holds.

    Raises:
        ReleaseError: there is none.
        MasterError: one cannot be read, or they are not one of each language that ask for the same.
    """
    paths = [folder] if folder.is_file() else sorted(folder.glob("*.ipynb"))
    if not paths:
        raise ReleaseError(f"{folder} holds no master notebook: name one, or a folder of one for each language.")
    found = [load(path) for path in paths]
    refuse_others(found)
    return found


def release(source: Path, target: Path, overwrite: bool = False) -> list[Path]:
    """Write what students get: a notebook a language, and a README a language; the files.

    Raises:
        ReleaseError: the folder is there already, or is a file; a master would show what is hidden.
        ImportError: nbgrader is not installed.
    """
    if file := next((path for path in (target, *target.parents) if path.is_file()), None):
        raise ReleaseError(f"{file} is a file, not a folder: name another folder with --out.")
    there = list(target.iterdir()) if target.exists() else []
    if there and not overwrite:
        raise ReleaseError(
            f"{target} is there already and stays as it is. Name another folder with --out, or replace it with "
            "--overwrite."
        )
    made = {}
    for master in masters(source):  # all are made before one is written, or anything is removed
        notebook = stripped(nbformat.read(master.path, as_version=4), master.language)
        made[master.path.name] = f"{nbformat.writes(notebook)}\n"
        made["README.md" if master.language == "en" else f"README.{master.language}.md"] = _readme(master)
    if there:
        ours = all(path.name in made and path.is_file() for path in there)
        if not ours or target.resolve() in (source.resolve(), *source.resolve().parents):
            raise ReleaseError(
                f"{target} holds no assignment handed out before, so it is not replaced: name another folder."
            )
        shutil.rmtree(target)
    for name, content in made.items():
        write_whole(target / name, content.encode())
    return sorted(target.iterdir())


def stripped(notebook: Any, language: str) -> Any:
    """A copy of a master notebook as it is handed out.

    Raises:
        ReleaseError: something hidden would still be in it.
    """
    from nbgrader import preprocessors
    from traitlets.config import Config

    say = words.load(language)
    stubs = {"code_stub": {"python": say["stub.code"]}, "text_stub": say["stub.text"]}
    steps = ("ClearSolutions", "LockCells", "ClearOutput", "CheckCellMetadata", "ClearHiddenTests", "ClearMarkScheme")
    given, resources = copy.deepcopy(notebook), {}
    for name in (*steps, "ComputeChecksums"):
        step = getattr(preprocessors, name)(config=Config({"ClearSolutions": stubs}))
        try:
            given, resources = step.preprocess(given, resources)
        except Exception as error:  # nbgrader's own kinds, with no common base
            raise ReleaseError(f"nbgrader's {name} does not take the master: {error}") from error
    given.metadata = nbformat.from_dict({key: value for key, value in given.metadata.items() if key in KEPT})
    for cell in given.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in KEPT_OF_CELLS})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    _refuse_secrets(notebook, given)
    return given


def _refuse_secrets(master: Any, given: Any) -> None:
    """Nothing of a secret part may stand anywhere in what is handed out, metadata and attachments included."""
    shown = json.dumps(given, ensure_ascii=False)
    for mark in [mark for pair in SECRET for mark in pair]:
        if mark in shown:
            raise ReleaseError(f"“{mark}” would still be in what is handed out.")
    public = {line.strip() for cell in given.cells for line in cell.source.splitlines()}
    for cell in master.cells:
        for line in secret_lines(cell):
            if line not in public and json.dumps(line, ensure_ascii=False)[1:-1] in shown:
                raise ReleaseError(
                    f"A line of the solutions or hidden tests ({grade_id(cell)}) would be handed out: {line}"
                )


def secret_lines(cell: Any) -> list[str]:
    """The lines of a master's cell that no student sees, those too short to tell anything left out."""
    kept: list[str] = []
    hidden = whole = role(cell) == "manual" or (role(cell) == "solution" and SECRET[0][0] not in cell.source)
    for line in cell.source.splitlines():
        if any(begin in line for begin, _ in SECRET):
            hidden = True
        elif any(end in line for _, end in SECRET):
            hidden = whole
        elif hidden:
            kept.append(line.strip())
    return [line for line in kept if len(re.sub(r"\W", "", line)) >= 12]


def _readme(master: Master) -> str:
    """How to open, work and hand in."""
    say = words.load(master.language)
    total, hand = master.most, by_hand(master)
    given = {"points": f"{total:g}", "by_tests": f"{total - hand:g}", "by_hand": f"{hand:g}"}
    return say("readme", title=master.title, notebook=master.path.name, **given)


def by_hand(master: Master) -> float:
    """Points that the teacher gives."""
    return sum(step.points for step in master.manual.values())


__all__: Sequence[str] = ("ReleaseError", "masters", "release", "stripped")
