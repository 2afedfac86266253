"""Runs a hand-in: its cells in the student's process, the master's test cells here, and says what each test gave.

A test cell never reaches the student's process. So it cannot be read there, nor edited, nor outwitted by a changed
``torch.allclose``; and what a student prints is no result. A cell or a test that ends the process costs itself: the
process is started again without it.
"""

import ast
import builtins
import contextlib
import io
import random
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from IPython.core.inputtransformer2 import TransformerManager

from lib.teach.box.channel import ChannelError, writable
from lib.teach.box.process import Box, Killed
from lib.teach.box.remote import Session, StudentError, checked
from lib.teach.master import Master, Test, names_set


@dataclass
class Piece:
    """A cell to be run, in its order: one of the student's, or a test of the master's by its id."""

    source: str = ""
    test: str = ""
    cell: int = -1  # its place in the hand-in, -1 for one that the master gave back


@dataclass
class Outcome:
    """What a test gave.

    ``failed`` is where: "" (nowhere), "visible", "hidden", or why the process ended: time, memory, processes, ended,
    nonsense; "unrun" when there was no time left for it. ``message`` is for the student, and empty for a hidden test.
    """

    id: str
    points: float
    most: float
    failed: str = ""
    message: str = ""


class Judge:
    """One hand-in on its way through the tests."""

    def __init__(self, master: Master, box: Box):
        self.master, self.box = master, box
        self.until = time.monotonic() + box.limits.total
        self.session: Session | None = None
        self.ran: list[Piece] = []
        self.errors: dict[str, dict[str, Any]] = {}
        self.lost: dict[str, str] = {}  # names that an ended cell would have made, and why it was ended
        self.names = _given_names(master)

    def grade(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """Outcomes of the tests and errors of the cells, as JSON holds them."""
        began, outcomes = time.monotonic(), []
        last = max((i for i, piece in enumerate(pieces) if piece.test), default=-1)
        try:
            for piece in pieces[: last + 1]:
                if piece.test:
                    outcomes.append(self._test(self.master.tests[piece.test]))
                else:
                    self._cell(piece)
        finally:
            self._end()
        return {
            "tests": [asdict(outcome) for outcome in outcomes], "errors": self.errors,
            "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip

    def _cell(self, piece: Piece) -> None:
        try:
            answer = self._run(self._ready(), piece)
        except Killed as killed:
            self._lose(piece, killed)
            return
        self.ran.append(piece)
        if "failed" in answer:
            self.errors[str(piece.cell)] = checked(answer["failed"])

    def _run(self, session: Session, piece: Piece) -> dict[str, Any]:
        session.allow(self.box.limits.cell)
        return session.cell(piece.source)

    def _ready(self) -> Session:
        """The student's process; a new one, with all that it had run, if the last was ended.

        A cell that was just quick enough may be too slow when it is repeated; then it is that cell that is lost.
        """
        while self.session is None:
            if time.monotonic() > self.until:
                raise Killed("unrun")
            self.session = Session(self.box, self.until)
            for piece in list(self.ran):
                try:
                    self._run(self.session, piece)
                except Killed as killed:
                    self._end()
                    if time.monotonic() < self.until:
                        self._lose(piece, killed)
                    break
        return self.session

    def _lose(self, piece: Piece, killed: Killed) -> None:
        """Go on without a cell that has ended the process."""
        self._end()
        self.ran = [other for other in self.ran if other is not piece]
        self.errors[str(piece.cell)] = {"killed": killed.reason}
        self.lost |= dict.fromkeys(names_set(piece.source), killed.reason)

    def _end(self) -> None:
        if self.session is not None:
            self.session.process.end()
            self.session = None

    def _test(self, test: Test) -> Outcome:
        try:
            session = self._ready()
            session.allow(self.box.limits.cell)
            return self._asked(test, session)
        except Killed as killed:
            self._end()
            return Outcome(test.id, 0, test.points, killed.reason)

    def _asked(self, test: Test, session: Session) -> Outcome:
        names = dict(self.names)
        try:
            for name in self._lacking(test):
                there, value = session.name(name)
                if there:
                    names[name] = value
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _as_found():
                value = _execute(test, names)
        except Exception as error:  # a test says by an exception that it failed
            lost = self.lost.get(error.name or "") if isinstance(error, NameError) else None
            return Outcome(test.id, 0, test.points, lost) if lost else _failed(test, error)
        self.names |= {name: value for name, value in names.items() if name in test.sets}
        return Outcome(test.id, _partial(value, test.points), test.points)

    def _lacking(self, test: Test) -> list[str]:
        """The names that a test needs of the student."""
        wanted = test.uses | self.master.given_uses
        return sorted(name for name in wanted if name not in self.names and not hasattr(builtins, name))


def _given_names(master: Master) -> dict[str, Any]:
    """Imports, functions and classes of the cells that the master gives: in tests they are the master's own."""
    names: dict[str, Any] = {"__name__": "__test__"}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(master.given, "<given>", "exec"), names)
    return names


def _execute(test: Test, names: dict[str, Any]) -> Any:
    """Run a test cell; the value of its last line if that is an expression."""
    tree = ast.parse(TransformerManager().transform_cell(test.source))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, test.file, "exec"), names)
    return eval(compile(ast.Expression(last.value), test.file, "eval"), names) if last else None


def _partial(value: Any, points: float) -> float:
    """nbgrader's rule: a number as the last line is the points, else all are given."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(min(max(value, 0), points)) if number and value == value else points


def _failed(test: Test, error: Exception) -> Outcome:
    """A failed test. Of a hidden one no more is told than the built-in kind of what the student's code raised."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == test.file]
    hidden = bool(lines) and any(first <= (lines[-1] or 0) <= last for first, last in test.hidden)
    if isinstance(error, ChannelError):
        error = TypeError(str(error))
    if hidden:
        kind = next((k.__name__ for k in type(error).__mro__ if k.__module__ == "builtins"), "")
        return Outcome(test.id, 0, test.points, "hidden", kind if isinstance(error, StudentError) else "")
    message = str(error)
    if not isinstance(error, AssertionError) or isinstance(error, StudentError):
        message = f"{type(error).__name__}: {message}"
        for line, function, text in getattr(error, "told", {}).get("where", [])[-1:]:
            message += f"\n{function}, {line}: {text}"
    return Outcome(test.id, 0, test.points, "visible", writable(message[:4000]))


@contextlib.contextmanager
def _as_found() -> Any:
    """A test leaves torch as it found it, for the next hand-in in this process."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    threads, grad, dtype = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
