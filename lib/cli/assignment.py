"""``lab assignment``: what a teacher hands out, grades and checks."""

import argparse
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from lib.cli import LabError
from lib.files import ROOT
from lib.progress import duration

MASTERS = ROOT / "notebooks" / "assignment"
WITHOUT = '{name} is missing, which only teachers need. This installs it: "{python}" -m pip install -e "{root}[teach]"'


def add_to(add: Any) -> None:
    """The commands and their options, for ``lab``'s parser."""
    assignment = add("assignment", help="for teachers: hand out an assignment, grade it, check reports")
    commands = assignment.add_subparsers(dest="what", required=True, metavar="COMMAND").add_parser
    master = argparse.ArgumentParser(add_help=False)
    place = {"type": Path, "metavar": "FOLDER"}
    master.add_argument("--master", type=Path, default=MASTERS, help="master notebook, or a folder of one a language")
    release = commands("release", parents=[master], help="write what students get, without solutions and hidden tests")
    release.add_argument("--out", default=ROOT / "handout", help="where to; default: handout/", **place)
    release.add_argument("--overwrite", action="store_true", help="replace what was handed out before")
    grade = commands("grade", parents=[master], help="grade a folder or a zip file of handed-in notebooks")
    grade.add_argument("handins", type=Path, metavar="FOLDER", help="notebooks and zip files, by any name")
    grade.add_argument("--out", help="default: FOLDER-graded beside it", **place)
    grade.add_argument("--jobs", type=int, default=0, metavar="N", help="how many at once; default: one a core")
    last = "default: as the last time into the same folder, at first"
    grade.add_argument("--seconds", type=float, metavar="S", help=f"for one cell or test; {last}: 40")
    grade.add_argument("--total", type=float, metavar="S", help=f"for one hand-in; {last}: 600")
    grade.add_argument("--memory", type=float, metavar="GB", help=f"for one hand-in; {last}: 4")
    check = commands("check", help="say what can be said of handed-in reports and their records")
    check.add_argument("reports", type=Path, nargs="+", metavar="REPORT", help="reports, or folders of them")
    check.add_argument("--out", default=None, type=Path, metavar="FILE", help="a table of it as CSV")


def main(asked: argparse.Namespace) -> int:
    """Carry out a command; the exit status."""
    try:
        return {"release": _release, "grade": _grade, "check": _check}[asked.what](asked)
    except ModuleNotFoundError as error:
        if error.name not in ("nbgrader", "psutil"):
            raise
        raise LabError(WITHOUT.format(name=error.name, python=sys.executable, root=ROOT)) from None


def _release(asked: argparse.Namespace) -> int:
    from lib.teach import master, release

    try:
        files = release.release(asked.master, asked.out, asked.overwrite)
    except (release.ReleaseError, master.MasterError) as error:
        raise LabError(str(error)) from None
    print(f"To hand out, in {asked.out.absolute()}:")
    for path in files:
        print(f"  {path.name}")
    return 0


def _grade(asked: argparse.Namespace) -> int:
    if not asked.handins.exists():
        raise LabError(f"There is no {asked.handins}: name the folder, or the zip file, of what was handed in.")

    from lib.teach import grade, handins, kept, marks, master, release, results
    from lib.teach.box import walls

    name = asked.handins.name if asked.handins.is_dir() else asked.handins.stem
    out = asked.out or asked.handins.with_name(f"{name}-graded")
    if out.resolve().is_relative_to(asked.handins.resolve()):
        raise LabError(f"{out} lies in the folder of hand-ins: name a folder outside of it with --out.")
    if out.is_file():
        raise LabError(f"{out} is a file, not a folder: name another folder with --out.")
    try:
        masters = release.masters(asked.master)
        before = kept.Kept(out, asked.handins)
        limits = before.limits(seconds=asked.seconds, total=asked.total, memory=asked.memory)
        items = handins.collect(asked.handins, lambda item: grade.choose(item, masters) is not None)
        if not items:
            raise LabError(f"{asked.handins} holds no notebook and no archive: nothing was handed in there.")
        level = walls.best()
        print(_told(level), flush=True)
        whole = f"{limits.total:g} s and {limits.memory / 2**30:g} GB"
        print(f"Limits: {limits.cell:g} s for a cell or test, {whole} for a hand-in.", flush=True)
        room = results.Room(out, masters, limits, level, [asked.handins, out, asked.master], before)
        return _followed(room, items, asked.jobs)
    except (release.ReleaseError, master.MasterError, marks.MarksError, kept.FolderError) as error:
        raise LabError(str(error)) from None


def _told(level: str) -> str:
    from lib.teach import words

    return f"{'' if level == 'bubblewrap' else 'WARNING: '}{level}: {words.load('en')[f'walls.{level}']}"


def _followed(room: Any, items: list, jobs: int) -> int:
    from rich.console import Console

    began, counts, took = time.monotonic(), Counter(), 0
    alive = Console(highlight=False).status(f"0 of {len(items)}") if sys.stdout.isatty() else None
    with alive or nullcontext():
        for number, (one, before) in enumerate(room.grade(items, jobs), 1):
            counts["problem" if one.problem else "before" if before else "new"] += 1
            took += not before  # what was there before comes first and takes no time
            so_far, left = f"{number} of {len(items)}", ""
            if took and number < len(items):
                left = f" · {duration((time.monotonic() - began) / took * (len(items) - number))} left"
            if one.problem:
                print(f"{so_far} · {one.who} · cannot be graded: {room.problem(one)}{left}", flush=True)
            elif not before:
                points = f"{one.by_tests:g} points by tests · {one.seconds:.0f} s"
                print(f"{so_far} · {one.who} · {points}{left}", flush=True)
            if alive:
                alive.update(so_far + left)
    for who, why in room.write().items():
        print(f"{who} · has a page with the points alone, for the whole could not be made: {why}", flush=True)
    print(
        f"Of {len(items)} hand-ins: {counts['new']} graded in {time.monotonic() - began:.0f} s, {counts['before']} "
        f"unchanged since they were graded, {counts['problem']} that cannot be."
    )
    for name in ("overview.html", "grades.csv", "manual.csv", "answers.html", "feedback"):
        print(f"  {room.out.absolute() / name}")
    return 0


def _check(asked: argparse.Namespace) -> int:
    from lib.teach import reports

    found = reports.find(asked.reports)
    if not found:
        raise LabError("There is no report among these: name HTML files that `lab report` made, or folders of them.")
    lines = reports.table(found)
    print(reports.shown(lines))
    if asked.out:
        from lib.teach import marks

        marks.write_csv(asked.out, lines)
        print(f"Table: {asked.out.absolute()}")
    return 0
