"""A master notebook as the grader sees it: what is given, to be written, tested, marked by hand."""

import ast
import contextlib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

BEGIN_HIDDEN, END_HIDDEN = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"
LONG, MAGICS = 20_000, 30  # characters and lines of magic, up to which IPython is fast
LONGEST = 1_000_000  # characters that anybody writes into a cell; of many more, reading them takes gigabytes
MAGIC = re.compile(r"^([ \t]*)(?:[%!?,;/].*|.*=[ \t]*[%!].*|.*\?[ \t]*)$", re.M)


class MasterError(ValueError):
    """A notebook that nothing can be graded by."""


@dataclass(frozen=True)
class Test:
    """A test cell."""

    id: str
    source: str
    points: float
    before: tuple[str, ...]  # ids of the solution cells that come before it
    title: str = ""  # the heading above it

    @property
    def file(self) -> str:
        """What its lines are said to be of in a traceback."""
        return f"<test {self.id}>"

    @cached_property
    def hidden(self) -> list[tuple[int, int]]:
        """First and last line of each hidden part, markers included."""
        lines = self.source.splitlines()
        begins = [n for n, line in enumerate(lines, 1) if BEGIN_HIDDEN in line]
        ends = [n for n, line in enumerate(lines, 1) if END_HIDDEN in line]
        return list(zip(begins, ends, strict=True))

    @cached_property
    def uses(self) -> set[str]:
        """Names that its code reads."""
        return _names(parsed(self.source), ast.Load)

    @cached_property
    def sets(self) -> set[str]:
        """Names that its code sets, for tests that come later."""
        return names_set(self.source)


@dataclass(frozen=True)
class Manual:
    """A cell that the teacher marks: a question to be answered in words."""

    id: str
    points: float
    source: str
    question: str  # the text above it
    title: str = ""  # the heading above it


@dataclass
class Master:
    """One master notebook; ``cells`` are its cells, the ids of graded ones unique."""

    path: Path
    cells: list[Any]
    language: str
    tests: dict[str, Test] = field(default_factory=dict)
    manual: dict[str, Manual] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> dict[str, Any]:
        """Cells by their grade_id."""
        return {grade_id(cell): cell for cell in self.cells if grade_id(cell)}

    @cached_property
    def given(self) -> str:
        """Imports, functions and classes of the cells that students are given."""
        kept = []
        for cell in self.cells:
            if role(cell) == "given" and cell.cell_type == "code":
                body = parsed(cell.source).body
                kept += [n for n in body if isinstance(n, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)]
        return ast.unparse(ast.Module(kept, []))

    @cached_property
    def given_uses(self) -> set[str]:
        """Names that the given functions read: some may be the student's."""
        bodies = [n for n in parsed(self.given).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        return {n.id for body in bodies for n in ast.walk(body) if isinstance(n, ast.Name)}

    @cached_property
    def title(self) -> str:
        """Its first heading."""
        texts = [cell.source for cell in self.cells if cell.cell_type == "markdown"]
        heading = re.search(r"^# +(.+)$", "\n".join(texts), re.M)
        return heading[1].strip() if heading else self.path.stem

    @property
    def most(self) -> float:
        """All points there are."""
        return sum(step.points for step in (*self.tests.values(), *self.manual.values()))

    @cached_property
    def digest(self) -> str:
        """A hash of all that a grade depends on."""
        said = [(role(cell), grade_id(cell), cell.source, points(cell)) for cell in self.cells]
        return hashlib.sha256(repr(said).encode()).hexdigest()


def about(cell: Any) -> dict[str, Any]:
    """A cell's nbgrader metadata; nothing where there is none that can be read."""
    found = cell.get("metadata", {}).get("nbgrader", {})
    return found if isinstance(found, dict) else {}


def grade_id(cell: Any) -> str:
    """A cell's id for nbgrader, or nothing."""
    return str(about(cell).get("grade_id") or "")


def points(cell: Any) -> float:
    """What a cell is worth."""
    return float(about(cell).get("points") or 0)


def role(cell: Any) -> str:
    """What a cell of a master is for: given, solution, test or manual."""
    said = about(cell)
    if said.get("task") or (said.get("grade") and said.get("solution")):
        return "manual"
    if said.get("grade"):
        return "test"
    return "solution" if said.get("solution") else "given"


def parsed(source: str) -> ast.Module:
    """A cell's code; an empty module where it has none that can be read.

    IPython reads all of a cell anew for each line of magic in it: where that would take long, such lines are passed by.
    """
    if len(source) > LONGEST:
        return ast.Module([], [])
    for change in (str, _transformed):
        with contextlib.suppress(SyntaxError, ValueError, RuntimeError, MemoryError):
            return ast.parse(change(source))
    return ast.Module([], [])


def _transformed(source: str) -> str:
    """The source in plain Python."""
    if len(source) > LONG or len(MAGIC.findall(source)) > MAGICS:
        return MAGIC.sub(r"\1pass", source)
    return TransformerManager().transform_cell(source)


def load(path: Path) -> Master:
    """Read a master notebook.

    Raises:
        MasterError: it is none, or two of its cells have one id.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises what json, jsonschema and its own readers raise
        raise MasterError(f"{path} is no notebook that can be read: {error}") from error
    master = Master(path, notebook.cells, language_of(notebook))
    ids = [grade_id(cell) for cell in notebook.cells if grade_id(cell)]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise MasterError(f"{path} has several cells with the id {', '.join(twice)}: each needs one of its own.")
    solutions: list[str] = []
    text = title = ""
    for cell in notebook.cells:
        name, kind = grade_id(cell), role(cell)
        if (
            cell.cell_type == "markdown"
            and kind == "given"
            and (heading := re.search(r"^#+ +(.+)$", cell.source, re.M))
        ):
            title = heading[1].strip()
        if kind == "solution":
            solutions.append(name)
        elif kind == "test":
            master.tests[name] = Test(name, cell.source, points(cell), tuple(solutions), title)
            if cell.source.count(BEGIN_HIDDEN) != cell.source.count(END_HIDDEN):
                raise MasterError(f"{path}, cell {name}: a part of hidden tests has no begin or no end.")
        elif kind == "manual":
            master.manual[name] = Manual(name, points(cell), cell.source, text, title)
        text = cell.source if cell.cell_type == "markdown" else text
    if not master.tests:
        raise MasterError(
            f"{path} has no test cell (nbgrader: grade without solution), so nothing can be graded by it."
        )
    return master


def refuse_others(masters: Sequence[Master]) -> None:
    """A hand-in is graded by the master of its language: there is one of each, and all ask for the same.

    Raises:
        MasterError: two are of one language, or differ in the ids or points of their cells.
    """
    for one, other in combinations(masters, 2):
        if one.language == other.language:
            raise MasterError(
                f"{one.path} and {other.path} are both masters in the language “{one.language}”: keep one of them in "
                "the folder, or name it with --master."
            )
        cells = [{(grade_id(cell), role(cell), points(cell)) for cell in master.cells} for master in (one, other)]
        if apart := sorted({name for name, kind, _ in cells[0] ^ cells[1] if kind != "given"}):
            raise MasterError(
                f"{one.path} and {other.path} differ in these cells or their points, but must ask for the same: "
                f"{', '.join(apart)}."
            )


def language_of(notebook: Any) -> str:
    """en or zh: what the notebook's metadata says, else what its text is written in."""
    said = notebook.metadata.get("lab", {})
    if isinstance(said, dict) and said.get("language") in ("en", "zh"):
        return said["language"]
    text = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return "zh" if len(re.findall("[\u4e00-\u9fff]", text)) * 5 > len(text) else "en"


def names_set(source: str) -> set[str]:
    """The names that a cell's code makes."""
    tree = parsed(source)
    found = _names(tree, ast.Store)
    found |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    return found | {(alias.asname or alias.name).split(".")[0] for n in imports for alias in n.names}


def _names(tree: ast.Module, use: type) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, use)}
