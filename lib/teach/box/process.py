"""Starts a student's process, asks it, and ends it when it takes too long, too much, or too many."""

import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lib.files import ROOT
from lib.teach.box import channel, walls

LOOK = 0.25  # seconds between two looks at memory and processes
START = 120  # seconds until Python and torch have been imported, on a machine that does much else


@dataclass(frozen=True)
class Limits:
    """What one hand-in may take."""

    cell: float = 40  # seconds for a cell, or for the calls of a test
    total: float = 600  # seconds for all of them
    memory: int = 4 << 30  # bytes
    processes: int = 64
    file: int = 200 << 20  # bytes of a file it writes
    threads: int = 1


@dataclass(frozen=True)
class Box:
    """What is around a hand-in: walls, limits, what it may read, what it must not see."""

    level: str
    limits: Limits = field(default_factory=Limits)
    readable: Sequence[Path] = ()
    hidden: Sequence[Path] = ()
    environment: dict[str, str] = field(default_factory=dict)


class Killed(BaseException):
    """The student's process is no more; ``reason`` says why: time, memory, processes, ended, nonsense.

    No ``Exception``: a test that expects one must not swallow it.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class NotStarted(RuntimeError):
    """A box in which nothing of a student has run yet has ended: no fault of the hand-in."""


class Process:
    """One student's process. ``ask`` sends a message and waits for the answer."""

    def __init__(self, box: Box):
        self.box, self.token = box, secrets.token_hex(16)
        self.folder = tempfile.TemporaryDirectory(prefix="lab-box-", ignore_cleanup_errors=True)
        self.child = subprocess.Popen(
            [*walls.around(box.level, box.readable, box.hidden), *self._command()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=self.folder.name, env=self._environment(), start_new_session=True,
        )  # fmt: skip
        self.answers: queue.Queue = queue.Queue(maxsize=2)
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._wait(time.monotonic() + START)
        except Killed as killed:
            self.end()
            raise NotStarted(
                f"The process that cells are run in ended before the first of them ({killed.reason}), at level "
                f"{box.level}, with {box.limits.memory / 2**30:g} GB of memory. More memory may help."
            ) from None

    def ask(self, message: dict[str, Any], blobs: list[bytes], seconds: float) -> tuple[dict[str, Any], list[bytes]]:
        """The answer to a message.

        Raises:
            Killed: there is none, and the process is no more.
        """
        # Beside the waiting: who never reads what is written must not hold the grader up longer than anybody else.
        threading.Thread(target=self._write, args=(message, blobs), daemon=True).start()
        return self._wait(time.monotonic() + seconds)

    def _write(self, message: dict[str, Any], blobs: list[bytes]) -> None:
        with suppress(OSError, ValueError):  # of one that has ended; waiting says so
            channel.write(self.child.stdin, message, blobs)

    def end(self) -> None:
        """End the process and all that it started."""
        _end(self.child, self.token if self.box.level in ("limits", "watched") else None)
        for stream in (self.child.stdin, self.child.stdout):  # where something still holds the other end, it waits
            threading.Thread(target=_close, args=(stream,), daemon=True).start()
        self.folder.cleanup()

    def _command(self) -> list[str]:
        limits = self.box.limits
        counted = self.box.level == "bubblewrap" and walls.counts_own_processes()
        given = {
            "memory": limits.memory, "file": limits.file, "cpu": int(4 * limits.total) + 60, "threads": limits.threads,
            "processes": limits.processes + limits.threads if counted else None,
        }  # fmt: skip
        return [sys.executable, "-m", "lib.teach.box.worker", json.dumps(given)]

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TZ") if name in os.environ}
        home = "/tmp" if self.box.level == "bubblewrap" else self.folder.name
        homes = dict.fromkeys(("HOME", "USERPROFILE", "IPYTHONDIR", "MPLCONFIGDIR", "TMPDIR", "TEMP", "TMP"), home)
        threads = {"OMP_NUM_THREADS": str(self.box.limits.threads), "MKL_NUM_THREADS": str(self.box.limits.threads)}
        own = {
            "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", "LAB_OFFLINE": "1",
            "MPLBACKEND": "Agg", "LAB_BOX": self.token, "PYTHONHASHSEED": "0",
        }  # fmt: skip
        return kept | homes | threads | own | self.box.environment

    def _listen(self) -> None:
        """Read answers until there are no more; what is none ends it."""
        while True:
            try:
                answer = channel.read(self.child.stdout)
            except channel.ChannelError:
                answer = "nonsense"
            except (OSError, ValueError):
                answer = None
            self.answers.put(answer or "ended")
            if not isinstance(answer, tuple):
                return

    def _wait(self, until: float) -> tuple[dict[str, Any], list[bytes]]:
        looked = time.monotonic()
        while True:
            try:
                answer = self.answers.get(timeout=LOOK)
            except queue.Empty:
                answer = None
            if isinstance(answer, tuple):
                return answer
            reason = answer or ("time" if time.monotonic() > until else None)
            if reason is None and time.monotonic() - looked >= LOOK:
                reason, looked = self._too_much(), time.monotonic()
            if reason:
                self.end()
                raise Killed(reason)

    def _too_much(self) -> str | None:
        """What it has too much of: memory or processes."""
        try:
            child = psutil.Process(self.child.pid)
            family = [child, *child.children(recursive=True)]
        except psutil.Error:
            return None
        if len(family) > self.box.limits.processes:
            return "processes"
        used = 0
        for process in family:
            with suppress(psutil.Error):
                used += process.memory_info().rss
        return "memory" if used > self.box.limits.memory else None


def _close(stream: Any) -> None:
    with suppress(OSError, ValueError):
        stream.close()


def _end(child: subprocess.Popen, token: str | None) -> None:
    """End a process with its descendants; with a token, those too that it set free and that carry it."""
    for _ in range(20):  # those that fork while they are being ended are found the next time
        family = []
        with suppress(psutil.Error):
            family = psutil.Process(child.pid).children(recursive=True)
        strays = _carrying(token) if token else []
        with suppress(OSError):
            child.kill()
        for process in [*family, *strays]:
            with suppress(psutil.Error):
                process.kill()
        if not family and not strays:
            break
        psutil.wait_procs([*family, *strays], timeout=0.2)
    with suppress(subprocess.TimeoutExpired):
        child.wait(10)


def _carrying(token: str) -> list[psutil.Process]:
    """The processes of whose environment a token is part."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("LAB_BOX") == token:
                found.append(process)
    return found
