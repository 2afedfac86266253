"""What stands on the terminal while runs are made: a line a run, alive where the output is a terminal.

Elsewhere (a file, a pipe) a line is printed when a run starts, when one of its phases ends, and when it is done.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from lib.cli.follow import Followed, Tail
from lib.cli.jobs import ENGINE, LOG
from lib.progress import duration

PATIENCE = 300  # seconds after which a long phase says again how far it is, where the output is no terminal


class Work(Followed):
    """How far a run, or the report, is, in words."""

    def __init__(self, name: str, folder: Path):
        super().__init__(folder)
        self.name, self.logs = name, [Tail(folder / file) for file in (LOG, ENGINE)]

    @property
    def ended(self) -> bool:
        """Of a report that is done, the page and the PDF are still to come."""
        return bool(self.failed or self.interrupted or (self.done and self.name != "report"))

    @property
    def epochs(self) -> int:
        return self.training.epochs if self.training else 0

    def columns(self) -> list[str]:
        """Name, phase, epoch, measures, time left; empty what is not known."""
        epoch = remaining = ""
        if training := self.now():
            epoch = f"epoch {min(len(training.history) + 1, training.epochs)}/{training.epochs}"
            remaining = f"{duration(training.left)} left" if training.left else ""
        return [self.name, self.doing(), epoch, self.shown(), remaining]

    def doing(self) -> str:
        """The phase, in words."""
        words = {"notebook": "figures and text" if self.name == "report" else "starting", "data": "reading the data"}
        return words.get(self.phase, self.phase)

    def shown(self) -> str:
        """The last epoch's measures."""
        words = {"loss": "loss {:.3f}", "knn_accuracy": "kNN {:.1%}", "accuracy": "training {:.1%}"}
        last = self.training.history[-1] if self.training and self.training.history else {}
        return ", ".join(form.format(last[key]) for key, form in words.items() if key in last)


def result(record: dict[str, Any]) -> str:
    """A record's headline: accuracy, what it cost in labels and time, and what the images were."""
    results, parts = record["results"], []
    if classifiers := results.get("classifiers"):
        parts.append(", ".join(f"{c['test_accuracy']:.2%} with {c['labels']:,} labels" for c in classifiers))
    elif clusterings := results.get("clusterings"):
        best = max(clusterings, key=lambda row: row["majority"])
        parts.append(f"{best['majority']:.2%}, {best['method']} on {best['input']}, no labels")
    elif "test_accuracy" in results:
        parts.append(f"{results['test_accuracy']:.2%}")
    parts.append(duration(sum(record["seconds"].values())))
    if not record["dataset"].get("genuine", True):
        parts.append(f"data: {record['dataset']['source']}")
    return " · ".join(parts).replace("%", " %")


class Display:
    """Follows the work of a list of runs; ``update`` is called a few times a second."""

    def __init__(self, work: list[Work], verbose: bool = False):
        self.work, self.verbose, self.live = work, verbose, None
        self.phases: dict[str, tuple[str, float]] = {}
        self.finished: set[str] = set()
        if sys.stdout.isatty():
            from rich.console import Console
            from rich.live import Live

            self.console = Console(highlight=False)
            self.live = Live(console=self.console, transient=True, refresh_per_second=4)

    def __enter__(self) -> "Display":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_) -> None:
        if self.live:
            self.live.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        if self.live:
            self.console.print(line, markup=False, soft_wrap=True)
        else:
            print(line, flush=True)

    def update(self) -> None:
        """Read what the runs have told since, and show it."""
        for work in self.work:
            for event in work.events():
                before = (work.phase, work.epochs, work.shown())
                work.take(event)
                if not self.live:
                    self._print(work, before)
            if self.verbose:
                for line in (line for log in work.logs for line in log.lines()):
                    self.say(f"{work.name} | {line}")
        for work in self.work:
            if work.ended and work.name not in self.finished:
                self.finished.add(work.name)
                self._end(work)
        if self.live:
            self.live.update(self._table())

    def _end(self, work: Work) -> None:
        if work.failed:
            self.say(f"{work.name} failed. {work.failed}\n  Log: {work.folder / LOG}")
        elif work.name != "report" and not work.interrupted:
            self.say(f"{work.name} · {outcome(work.folder)}")

    def _print(self, work: Work, before: tuple[str, int, str]) -> None:
        phase, shown_at = self.phases.get(work.name, ("", 0.0))
        if phase != work.phase:
            was, epochs, shown = before
            if epochs:
                self.say(f"{work.name}: {was} done, {shown}")
            if work.name == "report" or work.phase == "notebook":
                self.say(f"{work.name}: {work.doing()}")
            self.phases[work.name] = (work.phase, time.monotonic())
        elif time.monotonic() - shown_at > PATIENCE and work.epochs:
            self.say("  ".join(filter(None, work.columns())))
            self.phases[work.name] = (work.phase, time.monotonic())

    def _table(self) -> Any:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for work in self.work:
            if work.started and not work.ended:
                table.add_row(*work.columns(), duration(time.monotonic() - work.started))
        return table


def outcome(folder: Path) -> str:
    """The headline of the record in a folder."""
    try:
        return result(json.loads((folder / "record.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its record cannot be read ({error})"
