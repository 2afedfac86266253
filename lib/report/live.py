"""A training in a notebook: one short line, and under it the curves, redrawn while it goes on.

``follow(record)`` once in a notebook is all: from then on ``lib.progress`` calls for every training. In JupyterLab line
and figure change in place. Where nobody looks on (papermill, nbmake) lines are printed and each figure is drawn once,
at its end, so that the executed file holds no more than one would see in the end.
"""

import time
from functools import partial
from typing import Any

from IPython import get_ipython
from IPython.display import DisplayHandle, display
from markupsafe import escape
from matplotlib.figure import Figure

from lib import progress, words
from lib.progress import Training
from lib.report import plots
from lib.runs.records import Run


def follow(run: Run) -> None:
    """Show the trainings from here on, those of ``run`` with their curves; outside of a notebook nothing changes."""
    if getattr(get_ipython(), "kernel", None):
        progress.WATCHERS[:] = [Live(run)]


def cell() -> str:
    """What tells the execution of a notebook's cell that is going on from others; empty outside of a notebook."""
    kernel = getattr(get_ipython(), "kernel", None)
    return kernel.get_parent()["header"]["msg_id"] if kernel else ""


def say(training: Training, key: str, value: str) -> str:
    """A piece of the line, in words: see ``progress.line``. Who does not know the images of a head leaves them out."""
    spoken = words.current()
    if key != "name":
        return spoken.plain(f"live.{key}", value=value)
    if f"head.{value}" in spoken:
        return spoken.plain(f"head.{value}")
    if f"way.{(way := value.partition(', ')[0])}" in spoken:
        return spoken.plain("live.way", way=spoken.plain(f"way.{way}"), labels=f"{training.images:,}")
    if not value.startswith("classifier"):
        return spoken.or_as_is("phase", value)
    if training.images:
        return spoken.plain("phase.classifier", labels=f"{training.images:,}")
    return spoken.plain("table.classifier")


class Sentence:
    """A line of text as a notebook shows it, never wrapped."""

    def __init__(self, text: str):
        self.text = text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        style = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis;font-variant-numeric:tabular-nums"
        return {"text/plain": self.text, "text/html": f'<div style="{style}">{escape(self.text)}</div>'}

    def __repr__(self) -> str:
        return self.text


class Picture:
    """A figure shown in one place again and again, for a small share of the time that passes."""

    SHARE = 0.05  # of the time, at most, goes into drawing; an epoch of MNIST takes a hundred times as long as a figure
    APART = 1.0  # seconds between two drawings at least

    def __init__(self):
        self.handle: DisplayHandle | None = None
        self.next, self.places = 0.0, []

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last drawing."""
        return time.monotonic() >= self.next

    def show(self, drawn: Figure, last: bool = False) -> None:
        """Draw it. The layout, half of the work, is made for the first and for the last one."""
        start = time.monotonic()
        if kept := self.handle and not last and len(self.places) == len(drawn.axes):
            drawn.set_layout_engine("none")
            for axis, place in zip(drawn.axes, self.places, strict=True):
                axis.set_position(place)
        if self.handle:
            self.handle.update(drawn)
        else:
            self.handle = display(drawn, display_id=True)
        self.places = [axis.get_position() for axis in drawn.axes]
        end = time.monotonic()  # the first one takes longer: fonts are looked for, the layout is made
        self.next = end + max(self.APART, (end - start) / self.SHARE if kept else 0.0)


class Live:
    """Watches trainings for the cell in which they run: a line for all, a figure of those that belong to the run."""

    def __init__(self, run: Run):
        self.run, self.cell = run, ""

    def __call__(self, training: Training) -> None:
        if self.cell != (now := cell()):
            self.cell, self.trainings = now, {}
            self.line, self.picture, self.epochs = None, Picture(), -1
            self.printed = progress.Lines()
        if training.name not in self.trainings:
            self.picture.places = []  # another curve, another layout
        self.trainings[training.name] = training
        # whoever executes a notebook unwatched has nobody to answer input()
        if watched := get_ipython().kernel.get_parent()["content"].get("allow_stdin", True):
            self._write(training)
        else:
            self.printed.say = partial(say, training)
            self.printed(training)
        news = watched and self.picture.due and self.epochs != len(training.history) < training.epochs
        if self._has_figure(training) and (training.ended or news):
            self.picture.show(self._figure(training), last=training.ended)
            self.epochs = -1 if training.ended else len(training.history)

    def _write(self, training: Training) -> None:
        sentence = Sentence(progress.line(training, partial(say, training)))
        if self.line:
            self.line.update(sentence)
        else:
            self.line = display(sentence, display_id=True)

    def _has_figure(self, training: Training) -> bool:
        known = self.run.dataset and training.name.startswith(f"{self.run.profile}/{self.run.name} ")
        return bool(known and training.history)

    def _figure(self, training: Training) -> Figure:
        """The finished figure's axes from the start, so that a curve grows into them."""
        drawn = self._plot(training)
        for axis in drawn.axes:
            axis.set_xlim(0.5, training.epochs + 0.5)
        return drawn

    def _plot(self, training: Training) -> Figure:
        if progress.short(training.name) == "pretraining":
            return plots.pretraining([self.run.content | {"history": {"pretraining": training.history}}])
        heads = {name: t for name, t in self.trainings.items() if t.history and progress.short(name) != "pretraining"}
        entries = [{"labels": head.images, "history": name} for name, head in heads.items()]
        history = {name: head.history for name, head in heads.items()}
        return plots.classifier([self.run.content | {"history": history, "results": {"classifiers": entries}}])
