"""What the folder that grading writes keeps of the last time: which hand-ins, which limits, whose pages."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib.files import write_whole
from lib.teach.box.process import Limits

FILE = "grading.json"
WRITTEN = ("grades.csv", "overview.html", "answers.html", "feedback")
LIMITS = {"seconds": 40.0, "total": 600.0, "memory": 4.0}


class FolderError(ValueError):
    """What is in a folder is not grading's to replace."""


class Kept:
    """A folder's ``grading.json``, which also marks it as one that grading may write into."""

    def __init__(self, out: Path, source: Path | None = None):
        """``source`` are the hand-ins.

        Raises:
            FolderError: something in the folder is another's, or it holds the grades of other hand-ins.
        """
        self.out, self.said = out, _read(out / FILE)
        theirs = [name for name in WRITTEN if (out / name).exists()]
        earlier = (out / "results").glob(f"{'[0-9a-f]' * 64}.json")  # of a version of the kit that wrote no such file
        if theirs and not (out / FILE).exists() and not any(earlier):
            raise FolderError(
                f"{out} was not made by grading and holds {', '.join(theirs)}, which would be replaced. Name another "
                "folder with --out."
            )
        before, now = self.said.get("handins"), source and _from(out, source)
        if before and now and before != now:
            raise FolderError(
                f"{out} holds the grades of {Path(os.path.normpath(out / before))}, which would be replaced by those "
                f"of {source}. Name another folder with --out. If these are the same hand-ins in another place, delete "
                f"{FILE} there and give the command again, with its limits if they were others than usual."
            )
        self.said |= {"handins": now} if now else {}

    def limits(self, **given: float | None) -> Limits:
        """Those given, else those of the last time in this folder: other limits would change everybody's points."""
        given = {name: value for name, value in given.items() if value is not None}
        found = LIMITS | self.said.get("limits", {}) | given
        self.said["limits"] = found
        return Limits(found["seconds"], found["total"], int(found["memory"] * 2**30))

    def write(self) -> None:
        write_whole(self.out / FILE, json.dumps(self.said, ensure_ascii=False, indent=1).encode())

    def feedback(self, names: Iterable[str]) -> None:
        """Remove pages that grading wrote and that are none of these, and keep which these are."""
        names = sorted(names)
        for stale in set(self.said.get("feedback", [])) - set(names):
            (self.out / "feedback" / stale).unlink(missing_ok=True)
        self.said["feedback"] = names
        self.write()


def _from(out: Path, source: Path) -> str:
    """The hand-ins as seen from the folder: the two may be moved together."""
    try:
        return Path(os.path.relpath(source.resolve(), out.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return source.resolve().as_posix()


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
