"""``compare``: runs made one after the other, each in a process of its own, and shown while they are made.

A run that is killed takes no notebook with it; a notebook that ends takes its run with it; what is finished stays.
"""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from IPython.display import DisplayHandle, display

from lib import progress, words
from lib.cli import LabError, jobs, state
from lib.cli.follow import Followed
from lib.compare import estimate
from lib.compare.grid import PROFILE, Asked, check_data, expand
from lib.compare.shown import Row, Table, drawn, rows
from lib.files import ROOT
from lib.report.live import Picture, cell
from lib.runs import records
from lib.runs.trained import same_data

REDRAWN = 1.0  # seconds between two looks of the table at least


def compare(notebook: str, seeds: Sequence[int] | int = (0,), **parameters: Any) -> "Comparison":
    """Make the runs that a list of values asks for, or find them, and set them side by side.

    ``compare("mnist", temperature=[0.05, 0.5, 1], recipe="quick")`` makes three runs; several lists make a run for
    each combination. Each run has a folder of its own in ``runs/explore/``: the same setting is found there when it is
    asked for again, and a run that was cut off goes on from its last whole epoch. Interrupt the kernel (■) to stop;
    what is finished stays.

    Args:
        notebook: ``mnist`` or ``cifar10``.
        seeds: every setting is run with each; the table then has mean ± deviation.
        parameters: parameters of the notebook, each a value or a list of values.
    Raises:
        ParameterError: a name or a value is not right, said before anything is trained.
        LabError: another comparison, or a report, is at work on these runs.
    """
    asked = expand(notebook, [seeds] if isinstance(seeds, int) else seeds, parameters)
    comparison = Comparison(asked, check_data(asked))
    comparison.make()
    return comparison


class Comparison:
    """Runs side by side: ``records`` of those that are finished, ``table`` as text, ``figure``."""

    def __init__(self, asked: Sequence[Asked], datasets: dict[str, dict[str, Any]]):
        self.asked, self.datasets, self.rows = asked, datasets, rows(asked)
        self.folder = records.runs_folder() / PROFILE
        self.line: DisplayHandle | None = None
        self.cell = cell()
        self.picture, self.shown_at, self.drawn = Picture(), 0.0, []
        self.known, self.expected, self.began, self.current = estimate.known(), {}, 0.0, ""

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records that there are, in the order of the table."""
        return [record for row in self.rows for record in row.records.values()]

    @property
    def table(self) -> Table:
        """The sentences and the rows as they are now."""
        return Table(self._sentences(), self.rows)

    @property
    def figure(self) -> Any:
        """The figure as it is now; None before the first epoch of the first run."""
        return drawn(self.rows, next(iter(self.datasets.values())))

    def make(self) -> None:
        """Make what is not there, one run after the other; show it all."""
        for row, run in self._each():
            if state.stands(self.folder / run.folder, jobs.asked(*self._words(run))):
                record = records.load(self.folder / run.folder)
                if same_data(record["dataset"], self.datasets[run.parameters.dataset]):
                    row.records[run.parameters.seed] = record
                else:  # the sample then, say, and the real images now: such runs must not stand side by side
                    state.disown(self.folder / run.folder)
                row.state = "done" if len(row.records) == len(row.runs) else "waiting"
        if any(row.state != "done" for row in self.rows):
            with state.locked(self.folder):
                self._show()
                try:
                    for row, run in self._each():
                        if run.parameters.seed not in row.records:
                            self._run(row, run)
                except KeyboardInterrupt:
                    for row in self.rows:
                        row.state = row.state if row.state in ("done", "failed") else "interrupted"
        self._show(last=True)

    def _each(self) -> Iterator[tuple[Row, Asked]]:
        return ((row, run) for row in self.rows for run in row.runs)

    @staticmethod
    def _words(run: Asked) -> tuple[str, dict[str, Any], list[str]]:
        return str(ROOT / "notebooks" / f"{run.notebook}.ipynb"), run.given, []

    def _run(self, row: Row, run: Asked) -> None:
        """Make one run; what keeps it from its end stands in its row, and the others go on."""
        notebook, given, after = self._words(run)
        folder = self.folder / run.folder
        follower = Followed(folder)
        row.state, row.doing, self.began, self.current = "running", None, time.monotonic(), run.folder

        def watch() -> None:
            row.doing = follower.look()
            if time.monotonic() - self.shown_at > REDRAWN:
                self._show()

        try:
            jobs.run(notebook, folder, given, after, torch.get_num_threads(), watch)
            row.records[run.parameters.seed] = record = records.load(folder)
            self.known.insert(0, (True, record))
            self.expected.clear()
            row.state = "done" if len(row.records) == len(row.runs) else "waiting"
        except (LabError, records.RecordError) as error:
            follower.look()
            row.state, row.note = "failed", words.current().error(follower.failed or str(error))
        row.doing = None
        self._show()

    def _left(self) -> tuple[float | None, bool]:
        """Seconds that the runs which are still to be made will take, and whether this machine's own runs say so."""
        total, own = 0.0, True
        for row, run in self._each():
            if run.parameters.seed in row.records or row.state not in ("waiting", "running"):
                continue
            if run.folder not in self.expected:
                dataset = self.datasets[run.parameters.dataset]
                self.expected[run.folder] = estimate.seconds(run.parameters, dataset, self.known)
            if (told := self.expected[run.folder]) is None:
                return None, False
            done = time.monotonic() - self.began if run.folder == self.current else 0.0
            total, own = total + max(0.0, told[0] - done), own and told[1]
        return total, own

    def _sentences(self) -> list[str]:
        say = words.current().plain
        done = len(self.records)
        said = [say("compare.runs", all=len(self.asked), done=done)]
        if any(row.state in ("waiting", "running") for row in self.rows):
            left, own = self._left()
            key = "unknown" if left is None else "left_here" if own else "left_published"
            said.append(say(f"compare.{key}", left=progress.duration(left or 0)))
        else:
            if any(row.state == "interrupted" for row in self.rows):
                said.append(say("compare.again"))
            said.append(say("compare.report", folder=_near(self.folder)))
        if sample := [d for d in self.datasets.values() if not d["genuine"]]:
            said.append(say("compare.sample", names=", ".join(d["description"] for d in sample)))
        return said

    def _show(self, last: bool = False) -> None:
        self.shown_at = time.monotonic()
        if self.line:
            self.line.update(self.table)
        else:
            self.line = display(self.table, display_id=True)
        now = [(len(run.accuracies), *map(len, run.histories)) for run in (row.shown for row in self.rows)]
        if (last or (self.picture.due and now != self.drawn)) and (figure := self.figure):
            self.picture.show(figure, last=last)
            self.drawn = now

    def _ipython_display_(self) -> None:
        """Nothing in the cell that has made it: there it stands already. Elsewhere table and figure as they are now."""
        if self.cell != (now := cell()):
            self.cell, self.line, self.picture = now, None, Picture()
            self._show(last=True)

    def __repr__(self) -> str:
        return words.current().plain("compare.runs", all=len(self.asked), done=len(self.records))


def _near(folder: Path) -> str:
    """A folder as seen from the kit, where it lies in it."""
    return os.path.relpath(folder, ROOT) if folder.is_relative_to(ROOT) else str(folder)
