"""``lab assignment grade``: every hand-in in a process of its own, several at once, none twice.

What each gave lies in ``results/``, by a hash of the hand-in, the master, the limits and the grader. So a second call
grades what is new, and an interrupted one goes on.
"""

import hashlib
import json
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from lib.files import LIB, write_whole
from lib.teach import align, handins, master, words
from lib.teach.box import walls
from lib.teach.box.judge import Judge
from lib.teach.box.process import Box, Limits
from lib.teach.handins import HandIn
from lib.teach.master import Master

MOST_PROCESSES = 61  # that Windows can wait for at once


@dataclass
class Graded:
    """A hand-in with all that is known of it. ``problem`` is a word for why it has no points."""

    who: str
    number: str
    name: str
    place: str
    language: str = "en"
    problem: str = ""
    detail: str = ""
    others: list[str] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)  # (word, ids) of ``align``, words of ``handins``
    tests: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    solutions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0

    @property
    def by_tests(self) -> float:
        return sum(test["points"] for test in self.tests)


def cores() -> int:
    """How many hand-ins are graded at once: as many as there are cores for this process."""
    count = getattr(os, "process_cpu_count", os.cpu_count)  # the first is of Python 3.13
    return count() or 1


def grade_all(
    items: Sequence[HandIn], masters: Sequence[Master], box: Box, kept: Path, jobs: int
) -> Iterator[tuple[Graded, bool]]:
    """Grade hand-ins, ``jobs`` at a time; each as it is done, and whether its result was there before.

    Args:
        items: from ``handins.collect``.
        masters: one for each language.
        box: what each student's process is kept in.
        kept: where results are kept.
    """
    waiting: list[tuple[HandIn, Path]] = []
    said = _said(masters, box)
    for item in items:
        path = kept / f"{hashlib.sha256(item.content + said).hexdigest()}.json"
        if item.problem:
            yield _named(Graded(item.who, item.number, item.name, item.place), item), True
        elif (before := _read(path)) is not None:
            yield _named(before, item), True
        else:
            waiting.append((item, path))
    for item, path, result in _in_processes(waiting, masters, box, jobs):
        if result.problem != "grader":  # what the grader itself failed at is tried again
            write_whole(path, json.dumps(asdict(result), ensure_ascii=False).encode("utf-8", "backslashreplace"))
        yield _named(result, item), False


def _named(graded: Graded, item: HandIn) -> Graded:
    """With the names that the hand-in has now: a renamed file is not graded again. All of it can be written."""
    graded.who, graded.number, graded.name, graded.place = item.who, item.number, item.name, item.place
    graded.others = item.others
    graded.notes = [note for note in graded.notes if not isinstance(note, str)] + list(item.notes)
    graded.problem, graded.detail = item.problem or graded.problem, item.detail or graded.detail
    return Graded(**json.loads(json.dumps(asdict(graded), ensure_ascii=False).encode("utf-8", "replace")))


def _said(masters: Sequence[Master], box: Box) -> bytes:
    """All that a grade depends on but for the hand-in. Hidden tests and solutions call much of the kit."""
    files = sorted([*LIB.rglob("*.py"), *(LIB / "teach").rglob("*.yaml")])
    given = [[one.digest for one in masters], box.limits, box.level, version("torch"), os.environ.get("LAB_DATA")]
    return repr(given).encode() + b"".join(path.read_bytes() for path in files)


def _read(path: Path) -> Graded | None:
    try:
        return Graded(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _in_processes(
    waiting: Sequence[tuple[HandIn, Path]], masters: Sequence[Master], box: Box, jobs: int
) -> Iterator[tuple[HandIn, Path, Graded]]:
    """Grade in ``jobs`` processes. Where one is ended from outside, what it and its neighbours had is graded alone."""
    queue = list(waiting)
    while queue:
        left = dict(enumerate(queue))  # by number: of two archives of one name, places may be the same
        try:
            for number, result in _pool(queue, masters, box, jobs):
                yield *left.pop(number), result
        except BrokenProcessPool:
            for number in list(left)[:jobs]:
                item, path = left.pop(number)
                yield item, path, _by_itself(item, masters, box)
        queue = list(left.values())


def _pool(
    queue: Sequence[tuple[HandIn, Path]], masters: Sequence[Master], box: Box, jobs: int
) -> Iterator[tuple[int, Graded]]:
    """The results by their places in the queue, each as it is done."""
    jobs = max(1, min(jobs, len(queue), MOST_PROCESSES))
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_obey)
    running: dict[Future, int] = {}
    todo = enumerate(queue)
    try:
        while True:
            for number, (item, _) in todo:
                running[pool.submit(grade_one, replace(item, content=b""), masters, box)] = number
                if len(running) >= jobs:
                    break
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    finally:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=not running, cancel_futures=True)
        for process in processes if running else []:  # interrupted: what they are at is graded again
            process.terminate()


def _obey() -> None:
    """Ctrl-C is for the grader to hear; asked to end, its processes end what they have started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)


def _stop(*_: Any) -> None:
    raise SystemExit(1)


def _by_itself(item: HandIn, masters: Sequence[Master], box: Box) -> Graded:
    try:
        ((_, result),) = _pool([(item, Path())], masters, box, 1)
    except BrokenProcessPool:
        result = Graded(item.who, item.number, item.name, item.place, problem="grader", detail="ended")
    return result


def grade_one(item: HandIn, masters: Sequence[Master], box: Box) -> Graded:
    """Grade one hand-in, in this process and one of the student's."""
    graded = Graded(item.who, item.number, item.name, item.place)
    try:
        _grade(graded, item, masters, box)
    except Exception as error:  # the grader's own fault, and no reason to stop the class
        graded.problem, graded.detail = "grader", f"{type(error).__name__}: {error}"[:300]
    return graded


def _grade(graded: Graded, item: HandIn, masters: Sequence[Master], box: Box) -> None:
    chosen = choose(item, masters)
    if chosen is None:
        graded.problem = "other"
        return
    import torch

    torch.set_num_threads(box.limits.threads)
    graded.language = chosen.language
    laid = align.align(item.notebook.cells, chosen)
    graded.notes = [*map(list, laid.notes)]
    if kits := align.borrowed(laid, item.notebook.cells, chosen):
        graded.notes.append(["borrowed", kits])
    empty = words.load(chosen.language)["stub.text"]
    graded.answers = {name: text.strip().removeprefix(empty).strip() for name, text in laid.answers.items()}
    graded.solutions = laid.solutions
    result = Judge(chosen, box).grade(laid.pieces)
    graded.tests, graded.seconds = result["tests"], result["seconds"]
    graded.cells = [
        {"source": cell.source[:20_000], "code": cell.cell_type == "code", "role": kind, "id": name}
        | ({"error": result["errors"][str(i)]} if str(i) in result["errors"] else {})
        for i, (cell, (kind, name)) in enumerate(zip(item.notebook.cells, laid.roles, strict=True))
    ]


def choose(item: HandIn, masters: Sequence[Master]) -> Master | None:
    """The master that a notebook was made from; None if it is another assignment's."""
    texts = {cell.source for cell in item.notebook.cells}
    ids = {master.grade_id(cell) for cell in item.notebook.cells}
    found = []
    for one in masters:
        cells = [cell for cell in one.cells if master.role(cell) == "given"]
        same = sum(cell.source in texts for cell in cells)
        known = len(ids & (set(one.by_id) - {master.grade_id(cell) for cell in cells}))
        if known or same > len(cells) / 2:
            found.append((same, one.language == master.language_of(item.notebook), known, one))
    return max(found, key=lambda entry: entry[:3])[-1] if found else None


def box_for(level: str, limits: Limits, hidden: Sequence[Path]) -> Box:
    """The box of this level around each hand-in."""
    data = os.environ.get("LAB_DATA")
    readable = [Path(data)] if data and Path(data).is_dir() else []
    return Box(level, limits, readable, tuple(hidden), {"LAB_DATA": data} if readable else {})


__all__ = ["Graded", "box_for", "cores", "grade_all", "grade_one", "handins", "walls"]
