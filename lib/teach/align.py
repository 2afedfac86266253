"""A hand-in laid beside its master: which cell is which, what runs in what order, what was done to given cells."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lib.teach.box.judge import Piece
from lib.teach.master import Master, grade_id, parsed, role

WITH_LOSS = ("lib.loss", "lib.methods", "lib.teach.checks.losses", "lib.teach.checks.ntxent")


@dataclass
class Aligned:
    """``pieces`` are what is run; ``roles`` what each cell of the hand-in is, and of which of the master's.

    ``notes`` are (word, ids): copied, deleted, edited, moved, unnamed.
    """

    pieces: list[Piece] = field(default_factory=list)
    roles: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, list[str]]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    solutions: dict[str, str] = field(default_factory=dict)


def align(cells: Sequence[Any], master: Master) -> Aligned:
    """Lay a hand-in's cells beside its master's.

    Cells that are locked or test come from the master, whatever the hand-in says of them. Solutions and cells of one's
    own keep their order. A test is run behind all the solutions that it tests, however often they were copied.
    """
    laid, names = Aligned(), _identify(cells, master)
    positions: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        positions.setdefault(name, []).append(index)
        laid.roles.append((role(master.by_id[name]) if name else "own", name))
    _notes(laid, cells, master, names, positions)
    slots: list[tuple[float, int, Piece]] = []
    for index, (cell, name) in enumerate(zip(cells, names, strict=True)):
        kind = laid.roles[index][0]
        if kind == "manual":
            laid.answers[name] = "\n\n".join(filter(None, [laid.answers.get(name, ""), cell.source]))
        if kind == "solution":
            laid.solutions[name] = "\n".join(filter(None, [laid.solutions.get(name, ""), cell.source]))
        if cell.cell_type == "code" and (kind in ("own", "solution") or (kind == "manual" and cell.source)):
            slots.append((index, index, Piece(cell.source, cell=index)))
    _add_own_text(laid, cells, master)
    slots += _from_master(master, positions)
    laid.pieces = [piece for *_, piece in sorted(slots, key=lambda slot: slot[:2])]
    return laid


def _add_own_text(laid: Aligned, cells: Sequence[Any], master: Master) -> None:
    """Text that students wrote into cells of their own is an answer too: to the question in whose cell or under it.

    Where a question's cell is missing, nobody knows which text was its answer: the teacher is shown all of it.
    """
    given, above, astray = {cell.source.strip() for cell in master.cells}, "", []
    for cell, (kind, name) in zip(cells, laid.roles, strict=True):
        text = cell.source.strip()
        above = name if name or text in given else above
        if text and text not in given and kind == "own" and cell.cell_type == "markdown":
            if above in laid.answers:
                laid.answers[above] += f"\n\n{cell.source}"
            else:
                astray.append(cell.source)
    laid.answers |= dict.fromkeys((name for name in master.manual if name not in laid.answers), "\n\n".join(astray))


def _from_master(master: Master, positions: dict[str, list[int]]) -> list[tuple[float, int, Piece]]:
    """Tests and given cells, each with its place among the hand-in's cells."""
    slots, reached, behind = [], -1.0, -1.0
    for order, cell in enumerate(master.cells):
        name = grade_id(cell)
        here = positions.get(name, [])
        if role(cell) == "test":
            tested = [i for solution in master.tests[name].before for i in positions.get(solution, [])]
            reached = max([reached, *tested, *here[:1]])
            slots.append((reached + 0.5, order, Piece(test=name)))
        elif role(cell) == "given" and name and cell.cell_type == "code":
            place = here[0] if here else behind + 0.25  # a deleted one comes back behind the cell before it
            slots.append((place, order - len(master.cells), Piece(cell.source, cell=here[0] if here else -1)))
        behind = here[0] if here else behind
    return slots


def _identify(cells: Sequence[Any], master: Master) -> list[str]:
    """For each cell the id of the master's cell that it is, or nothing.

    By nbgrader's id; where a program has dropped the metadata, by the notebook format's own id, then by the functions
    that it defines.
    """
    names = [name if (name := grade_id(cell)) in master.by_id else "" for cell in cells]
    there = set(names)
    by_cell = {cell.get("id"): grade_id(cell) for cell in master.cells if grade_id(cell) and cell.get("id")}
    by_function = {
        function: name
        for name, cell in master.by_id.items()
        if role(cell) == "solution"
        for function in _defines(cell.source)
    }
    for index, cell in enumerate(cells):
        if names[index]:
            continue
        name = by_cell.get(cell.get("id"), "")
        if not name and cell.cell_type == "code":
            name = next((by_function[f] for f in _defines(cell.source) if f in by_function), "")
        if name and name not in there:
            names[index] = name
    return names


def _defines(source: str) -> list[str]:
    return [node.name for node in parsed(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def _notes(
    laid: Aligned, cells: Sequence[Any], master: Master, names: list[str], positions: dict[str, list[int]]
) -> None:
    """What a student did to cells that were not theirs to change."""
    wanted = [grade_id(cell) for cell in master.cells if grade_id(cell)]
    laid.notes.append(("copied", [n for n in wanted if len(positions.get(n, [])) > 1]))
    laid.notes.append(("deleted", [n for n in wanted if n not in positions]))
    laid.notes.append(("edited", [n for i, n in enumerate(names) if n and _edited(cells[i], master.by_id[n])]))
    first = [positions[n][0] for n in wanted if n in positions]
    moved = [
        n
        for n, here, before in zip([n for n in wanted if n in positions][1:], first[1:], first, strict=False)
        if here < before
    ]
    laid.notes.append(("moved", moved))
    bare = [n for i, n in enumerate(names) if n and not grade_id(cells[i])]
    laid.notes.append(("unnamed", bare))
    laid.notes = [(word, ids) for word, ids in laid.notes if ids]


def _edited(cell: Any, given: Any) -> bool:
    """Whether a cell that only the master writes says something else than what was handed out."""
    if role(given) == "test":
        handed_out = visible(given.source)
    elif role(given) == "given":
        handed_out = given.source
    else:
        return False
    return _bare(cell.source) != _bare(handed_out)


def visible(source: str) -> str:
    """A test cell without its hidden parts, as it is handed out."""
    kept, hidden = [], False
    for line in source.splitlines():
        if "BEGIN HIDDEN TESTS" in line:
            hidden = True
        elif "END HIDDEN TESTS" in line:
            hidden = False
        elif not hidden:
            kept.append(line)
    return "\n".join(kept)


def _bare(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.splitlines() if line.strip())


def borrowed(laid: Aligned, cells: Sequence[Any], master: Master) -> list[str]:
    """Solutions that use the kit's own loss where the master's do not: the thing that was to be written.

    The student's own cells count too, by their place (``#3`` is the third), for a solution may call what they import.
    """
    found = [
        name
        for name, source in laid.solutions.items()
        if _borrows(source) and name in master.by_id and not _borrows(master.by_id[name].source)
    ]
    for place, (cell, (kind, _)) in enumerate(zip(cells, laid.roles, strict=True), 1):
        if kind == "own" and cell.cell_type == "code" and _borrows(cell.source):
            found.append(f"#{place}")
    return found


def _borrows(source: str) -> bool:
    """Whether a part of the kit that has the loss is imported or named."""
    for node in ast.walk(parsed(source)):
        names: list[Any] = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant):
            names = [node.value]
        if any(str(name).startswith(WITH_LOSS) for name in names):
            return True
    return False
