"""How long a class takes to grade: hand-ins made from the master, graded as ``lab assignment grade`` does.

python -m bench.grading [HAND-INS] [AT ONCE]: by default 10, and one a core. A third are the master's own solution, a
third have one step not written, and of the others one cell never ends or ends its process.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from lib.files import ROOT
from lib.teach import grade, handins, release, results
from lib.teach.box import walls
from lib.teach.box.process import Limits
from lib.teach.master import grade_id, role

MASTER = ROOT / "notebooks" / "assignment"
CLASS = 80  # hand-ins of the class that the time is told for
HARM = ("\nwhile True:\n    pass", "\nimport os\nos._exit(1)")


def hand_in(path: Path, number: int, draw: random.Random):
    """A hand-in of student ``number`` made from a master."""
    notebook = nbformat.read(path, as_version=4)
    steps = [cell for cell in notebook.cells if role(cell) == "solution" and grade_id(cell) != "student"]
    for cell in notebook.cells:
        if grade_id(cell) == "student":
            cell.source = f"student = 'Student {number}'\nnumber = '{20260000 + number}'"
    chosen = draw.choice(steps)
    if number % 3 == 1:
        chosen.source = "raise NotImplementedError()"
    elif number % 3 == 2:
        chosen.source += draw.choice(HARM)
    return notebook


def main(count: int = 10, jobs: int = 0) -> None:
    """Make, grade, and print the times."""
    jobs, draw = jobs or grade.cores(), random.Random(0)
    masters = release.masters(MASTER)
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "in", Path(folder) / "out"
        given.mkdir()
        for number in range(count):
            made = hand_in(masters[number % len(masters)].path, number, draw)
            nbformat.write(made, given / f"{20260000 + number}.ipynb")
        level, began = walls.best(), time.perf_counter()
        room = results.Room(out, masters, Limits(), level, [given, out, MASTER])
        for one, _ in room.grade(handins.collect(given), jobs):
            print(f"{one.who}: {one.by_tests:g} points, {one.seconds:.0f} s {one.problem}", flush=True)
        room.write()
        took = time.perf_counter() - began
    minutes = took / count * CLASS / 60
    print(f"{count} hand-ins, {jobs} at once, {level}: {took:.0f} s; {CLASS} would take {minutes:.1f} min")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
