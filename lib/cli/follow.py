"""A process followed from outside, by the lines that it tells (``lib.progress.tell``): for terminal and notebook."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.cli.jobs import PROGRESS
from lib.progress import Training, short


class Tail:
    """The whole lines that are added to a file from now on."""

    def __init__(self, path: Path):
        self.path, self.place = path, 0

    def lines(self) -> list[str]:
        """What was added since the last call; a file that was begun anew is read from its start."""
        try:
            if self.path.stat().st_size < self.place:
                self.place = 0
            with open(self.path, "rb") as file:
                file.seek(self.place)
                added = file.read()
        except OSError:
            return []
        whole = added[: added.rfind(b"\n") + 1]
        self.place += len(whole)
        return whole.decode("utf-8", "replace").splitlines()


@dataclass
class Followed:
    """How far a process is: its ``phase``, the training that is going on, and how it ended.

    ``folder`` is where it tells; ``started`` is when its first line came, by ``time.monotonic``; 0 before.
    """

    folder: Path
    phase: str = ""
    training: Training | None = None
    started: float = 0.0
    done: bool = False
    interrupted: bool = False
    failed: str = ""
    since: float = field(default=0.0, init=False)  # when the training's time left was true

    def __post_init__(self):
        self.told = Tail(self.folder / PROGRESS)

    def events(self) -> Iterator[dict[str, Any]]:
        """What was told since the last call, each to be taken; what is no JSON is passed over."""
        for line in self.told.lines():
            with suppress(ValueError):
                yield json.loads(line)

    def take(self, event: dict[str, Any]) -> None:
        """Follow one event; of one that another version of the kit tells otherwise, nothing is taken."""
        now = time.monotonic()
        self.started = self.started or now
        match event:
            case {"failed": str(said)}:
                self.failed = said
            case {"interrupted": _}:
                self.interrupted = True
            case {"done": _}:
                self.done = True
            case {"step": name} | {"phase": name}:
                self.phase, self.training = name, None
            case {"name": name, "epochs": epochs, "history": history}:
                self.training, self.since = Training(short(name), epochs, history), now
                self.phase = self.training.name
            case {"left": left} if self.training:
                self.training.left, self.since = left, now
            case {"loss": _, "seconds": _} if self.training:
                self.training.history.append(event)
                self.training.expect()
                self.since = now

    def look(self) -> Training | None:
        """Take what is new; the training that is going on."""
        for event in self.events():
            self.take(event)
        return self.now()

    def now(self) -> Training | None:
        """The training that is going on, its time left counted down."""
        now = time.monotonic()
        if self.training and self.training.left is not None:
            self.training.left = max(0.0, self.training.left - (now - self.since))
        self.since = now
        return self.training
