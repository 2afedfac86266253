"""How far a training is: told to whoever started its process, shown to whoever watches it in this one.

A training must not wait for its display, nor fall with it. So both are one-way: ``tell`` adds a line to a file, and
``show`` calls the watchers, which are the terminal's ``Lines`` until a notebook puts its own in their place.
"""

import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

#: The environment variable that names the file; without it nothing is told.
VARIABLE = "LAB_PROGRESS"


def tell(**what: Any) -> None:
    """Add a line of JSON to the file. A training is worth more than its display: no error comes from here."""
    if path := os.environ.get(VARIABLE):
        with suppress(OSError), open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(what) + "\n")


@dataclass
class Training:
    """A training as it is seen from outside.

    ``history`` grows by a dict an epoch (``lib.training.History``); ``images`` is the number it learns from;
    ``left`` are seconds, None as long as nobody knows.
    """

    name: str
    epochs: int
    history: list[dict[str, float]]
    images: int = 0
    left: float | None = None
    ended: bool = False

    def expect(self) -> None:
        """Take the last epoch, its probe included, for the measure of those to come."""
        last = self.history[-1]
        self.left = (last["seconds"] + last.get("probe_seconds", 0)) * (self.epochs - len(self.history))

    @property
    def interrupted(self) -> bool:
        """Whether it ended before its last epoch."""
        return self.ended and len(self.history) < self.epochs


def short(name: str) -> str:
    """A training's name without the run it belongs to: ``explore/mnist-seed0 pretraining`` is ``pretraining``."""
    first, _, rest = name.partition(" ")
    return rest if rest and "/" in first else name


def duration(seconds: float) -> str:
    """As a clock on the wall would tell it: 35 s, 12 min, 2 h 5 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


ENGLISH = {
    "loss": "loss {}",
    "knn_accuracy": "kNN {}",
    "accuracy": "training {}",
    "left": "{} left",
    "interrupted": "interrupted",
}
MEASURES = {"loss": "{:.2f}", "knn_accuracy": "{:.1%}", "accuracy": "{:.1%}"}


def in_english(key: str, value: str = "") -> str:
    """A piece of the line; a training's name is English already."""
    return ENGLISH[key].format(value) if key != "name" else value


def line(training: Training, say: Callable[[str, str], str] = in_english) -> str:
    """``pretraining 3/10 · loss 4.18 · kNN 72.1% · 40 s left``; ``say`` puts a value, by its key, into words."""
    parts = [f"{say('name', short(training.name))} {len(training.history)}/{training.epochs}"]
    last = training.history[-1] if training.history else {}
    parts += [say(key, form.format(last[key])) for key, form in MEASURES.items() if key in last]
    if training.interrupted:
        parts.append(say("interrupted", ""))
    elif training.left is not None and not training.ended:
        parts.append(say("left", duration(training.left)))
    return " · ".join(parts)


class Lines:
    """A training on a terminal: one line that is written anew; into a file or a pipe a line every few seconds."""

    APART = 10  # seconds between two lines where each stays

    def __init__(self, output: TextIO | None = None, say: Callable[[str, str], str] = in_english):
        self.output, self.say, self.name, self.seen, self.shown_at = output, say, "", 0, 0.0

    def __call__(self, training: Training) -> None:
        output, text, now = self.output or sys.stdout, line(training, self.say), time.monotonic()
        if self.name != training.name or training.ended:
            self.name, self.seen, self.shown_at = training.name, len(training.history), now
        news = len(training.history) != self.seen and now - self.shown_at > self.APART
        if output.isatty():
            width = shutil.get_terminal_size().columns - 1  # in the last column some terminals wrap
            output.write(f"\r{text[:width]:{width}}" + ("\n" if training.ended else ""))
        elif training.ended or news:
            output.write(f"{text}\n")
            self.seen, self.shown_at = len(training.history), now
        output.flush()


Watcher = Callable[[Training], None]
WATCHERS: list[Watcher] = [Lines()]


def show(training: Training) -> None:
    """Have every watcher look at a training. One that fails is let go, with a warning; the training goes on."""
    for watcher in list(WATCHERS):
        try:
            watcher(training)
        except Exception as error:
            WATCHERS.remove(watcher)
            warnings.warn(f"The display of the training failed and was left out: {error!r}", stacklevel=2)
