"""A hand-in laid beside its master: which cell is which, what runs in what order, what was done to given cells."""

import ast
import re
import symtable
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from lib.teach.box.judge import Piece
from lib.teach.handins import LONGEST
from lib.teach.master import BEGIN_HIDDEN, END_HIDDEN, Master, grade_id, parsed, role

WITH_LOSS = ("lib.loss", "lib.methods", "lib.explore.loss", "lib.teach.checks")
CHECKS = tuple(f"lib.teach.checks.{name}" for name in ("en", "zh", "Tutor", "CheckFailed"))  # what students may import
INSIDE = {"nt_xent_loss", "__globals__", "__func__", "__closure__", "__code__"}  # names by which the kit's is reached


@dataclass
class Aligned:
    """``pieces`` are what is run; ``roles`` what each cell of the hand-in is, and of which of the master's.

    ``notes`` are (word, ids): copied, deleted, edited, moved, unnamed, renumbered.
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
    """What students wrote anywhere from a question to the master's next cell answers it: in cells of any kind.

    Where a question's cell is missing, nobody knows which text was its answer: the teacher is shown all of it.
    """
    given, answer_of, answer, astray = {cell.source.strip() for cell in master.cells}, _answer_of(master), "", []
    near: dict[str, list[str]] = {name: [] for name in master.manual}
    for cell, (kind, name) in zip(cells, laid.roles, strict=True):
        text = cell.source.strip()
        if name or text in given:
            answer = answer_of.get(name or text, "")
        if kind == "given" and answer:
            known = master.by_id[name].source.splitlines()
            text = "\n".join(line for line in text.splitlines() if line.strip() and line not in known)
        elif kind != "own" or text in given:
            continue
        if answer and text:
            near[answer].append(text)
        elif text and kind == "own" and cell.cell_type != "code":
            astray.append(text)
    for name, texts in near.items():
        whole = [laid.answers[name], *texts] if name in laid.answers else texts + astray
        laid.answers[name] = "\n\n".join(whole)


def _answer_of(master: Master) -> dict[str, str]:
    """The answer's cell by its id, and by id and text of the question above it."""
    found, question = {}, None
    for cell in master.cells:
        if role(cell) == "manual":
            keys = [grade_id(cell)] + ([grade_id(question), question.source.strip()] if question else [])
            found |= dict.fromkeys(filter(None, keys), grade_id(cell))
        elif cell.cell_type == "markdown":
            question = cell
    return found


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
    that it defines, or by the text given, below which a student may have written.
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
    texts = {name: cell.source.strip() for name, cell in master.by_id.items() if role(cell) == "given"}
    longest_first = sorted(texts.items(), key=lambda entry: -len(entry[1]))
    for index, cell in enumerate(cells):
        if names[index]:
            continue
        name = by_cell.get(cell.get("id"), "")
        if not name and cell.cell_type == "code":
            name = next((by_function[f] for f in _defines(cell.source) if f in by_function), "")
        elif not name:
            name = next((n for n, text in longest_first if text and cell.source.strip().startswith(text)), "")
        if name and name not in there:
            names[index] = name
    return names


def _defines(source: str) -> list[str]:
    return [node.name for node in code(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


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
    laid.notes.append(("renumbered", _renumbered(laid, cells)))
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
        if BEGIN_HIDDEN in line:
            hidden = True
        elif END_HIDDEN in line:
            hidden = False
        elif not hidden:
            kept.append(line)
    return "\n".join(kept)


def _bare(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.splitlines() if line.strip())


@lru_cache(256)  # hundreds of lines of magic take IPython seconds
def code(source: str) -> ast.Module:
    """A cell's code, not to be changed, also below lines such as ``%%time``, of which IPython takes it for the text."""
    return parsed(re.sub(r"\A(\s*%%.*\n?)+", "", source))


def borrowed(laid: Aligned, cells: Sequence[Any], master: Master) -> list[str]:
    """Solutions that use the kit's own loss where the master's do not: the thing that was to be written.

    The student's own cells count too, by their place (``#3`` is the third), for a solution may call what they import.
    """
    found = []
    for place, (cell, (kind, name)) in enumerate(zip(cells, laid.roles, strict=True), 1):
        theirs = kind in ("own", "solution") and cell.cell_type == "code"
        if theirs and _borrows(cell.source) and not (name and _borrows(master.by_id[name].source)):
            found.append(name or f"#{place}")
    return list(dict.fromkeys(found))


def _borrows(source: str) -> bool:
    """Whether a part of the kit that has the loss is imported or named, or a way to it."""
    for node in ast.walk(code(source)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        if any(n.startswith(WITH_LOSS) or n.split(".")[-1] in INSIDE for n in names if n not in CHECKS):
            return True
    return False


def _renumbered(laid: Aligned, cells: Sequence[Any]) -> list[str]:
    """Cells that set the student number to another value than the first that does: step 7 is drawn from the last."""
    first, found = None, []
    for place, (cell, (kind, name)) in enumerate(zip(cells, laid.roles, strict=True), 1):
        values = _numbers(cell.source) if kind in ("own", "solution") and cell.cell_type == "code" else []
        first = first or next(iter(values), None)
        if set(values) - {first}:
            found.append(name or f"#{place}")
    return found


def _numbers(source: str) -> list[str]:
    """What a cell sets ``number`` to; the cell's text itself stands for what is no plain value."""
    plain, rest = [], []
    for node in code(source).body:
        names = [getattr(target, "id", "") for target in getattr(node, "targets", [])]
        value = getattr(getattr(node, "value", None), "value", None)
        short = isinstance(value, str) or (isinstance(value, int) and abs(value) < LONGEST)
        if names == ["number"] and short:
            plain.append(str(value))
        else:
            rest.append(node)
    return [value for value in plain if value.strip()] + [source] * _sets_number(ast.Module(rest, []))


def _sets_number(tree: ast.Module) -> bool:
    """Whether code sets the notebook's ``number``: at its top level, by ``global``, or as ``globals()["number"]``."""
    try:
        tables = [symtable.symtable(ast.unparse(tree), "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError):  # code that would not run, or that Python cannot write down
        return False
    for table in tables:
        tables += table.get_children()
    there = [(table, table.lookup("number")) for table in tables if "number" in table.get_identifiers()]
    stored = [n.slice for n in ast.walk(tree) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    return any(one.is_assigned() and (one.is_declared_global() or table is tables[0]) for table, one in there) or any(
        isinstance(key, ast.Constant) and key.value == "number" for key in stored
    )
