"""``lab``, or ``python -m lib.cli``: the kit's commands."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lib.cli import LabError, assignment, with_kit
from lib.files import ROOT, NotWritten


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    lab = argparse.ArgumentParser(prog="lab", description="The SimCLR lab kit.")
    add = lab.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser
    verbose = argparse.ArgumentParser(add_help=False)
    verbose.add_argument("--verbose", action="store_true", help="print the logs too")

    report = add("report", parents=[verbose], help="make the runs of a profile that are out of date, and their report")
    report.add_argument("profile", nargs="?", default="quick", help="default: quick")
    report.add_argument("--only", metavar="NAME", default="", help="only runs whose name begins so")
    report.add_argument("--words", metavar="FILE", help="your own words; default: my-report/observations.<language>.md")
    report.add_argument("--all", action="store_true", help="with the runs that need a GPU, though there is none")
    run = add("run", parents=[verbose], help="make one run of a profile if it is out of date")
    run.add_argument("run", metavar="PROFILE/RUN", help="for example quick/mnist, improved/mnist-seed1")
    published = add("published", parents=[verbose], help="a report on the records that come with the kit, no training")
    published.add_argument("profile", nargs="?", default="quick", help="default: quick")
    published.add_argument("--words", metavar="FILE", help="a file of your own words, to be in it")
    notebooks = add("notebooks", help="open JupyterLab on your own copies of the notebooks, in my-notebooks/")
    notebooks.add_argument("--language", choices=("en", "zh"), help="default: the system's")
    add("papermill", help="run a notebook with other settings; what follows goes to papermill", add_help=False)
    data = add("data", help="download the data sets, where they are not here yet")
    data.add_argument("names", nargs="*", metavar="NAME", help="default: mnist cifar10")
    lessons = add("lessons", help="make the notebooks from their sources, notebooks/lessons/")
    lessons.add_argument("names", nargs="*", metavar="LESSON", help="default: all")
    lessons.add_argument("--check", action="store_true", help="write nothing, say what is not as its source has it")
    add("test", help="run the tests, all of them over the cores; what follows goes to pytest", add_help=False)
    add("bench", help="measure the kit; what follows goes to bench.run", add_help=False)
    add("check", help="what this machine has: Python, torch, GPU, fonts, PDF, data, disk")
    assignment.add_to(add)
    for made in (report, published):
        made.add_argument("--docx", action="store_true", help="the report as a Word file too")
    clean = add("clean", help="remove every run and report")
    clean.add_argument("--yes", action="store_true", help="without asking")
    return lab


def main(words: Sequence[str] | None = None) -> int:
    """Carry out a command; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal of another character set shows ? for what it lacks
    asked, rest = parser().parse_known_args(words)
    if rest and asked.command not in ("test", "bench", "papermill"):
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    start = Path(os.environ.pop("LAB_FROM", "")).absolute()  # where the command was given: paths start from there
    for name in ("LAB_DATA", "LAB_RUNS"):
        if given := os.environ.get(name):
            os.environ[name] = str(start / Path(given).expanduser())
    if getattr(asked, "words", None):
        os.environ["LAB_WORDS"] = (start / asked.words).as_posix()
    for name, value in vars(asked).items():
        if isinstance(value, Path):
            setattr(asked, name, start / value)
        elif isinstance(value, list):
            setattr(asked, name, [start / p if isinstance(p, Path) else p for p in value])
    os.chdir(ROOT)
    try:
        return _carry_out(asked, rest, start)
    except (LabError, NotWritten) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        where = "where it was" if asked.command == "assignment" else "from the last whole epoch"
        print(f"\nInterrupted. The same command goes on {where}.", file=sys.stderr)
        return 130


def _from(start: Path, words: list[str]) -> list[str]:
    """papermill's words with its two notebooks, in and out, as paths from where the command was given."""
    if start == ROOT:
        return words
    count = next((i for i, word in enumerate(words[:2]) if word.startswith("-")), len(words[:2]))
    return [word if "://" in word else str(start / word) for word in words[:count]] + words[count:]


def _carry_out(asked: argparse.Namespace, rest: list[str], start: Path) -> int:
    match asked.command:
        case "report" | "published" | "run":
            return _make(asked) or _word(asked)
        case "notebooks":
            from lib.cli import lessons

            language = asked.language or lessons.of_system()
            for line in lessons.lay_out(language):
                print(line)
            # the whole kit is in reach, the first lesson in sight
            first = lessons.copy_of(lessons.LESSONS[0], language).relative_to(ROOT).as_posix()
            settings = ROOT / "lib/cli/jupyterlab"  # no question about news before the first lesson
            options = [f"--LabApp.default_url=/lab/tree/{first}", f"--LabApp.app_settings_dir={settings}"]
            return _module("jupyterlab", f"--ServerApp.root_dir={ROOT}", *options)
        case "lessons":
            return _module("lib.cli.generate", *asked.names, *(["--check"] if asked.check else []))
        case "test":
            return _module("pytest", *(rest or _spread()))
        case "papermill":
            return _module("papermill", *_from(start, rest))
        case "bench":
            return _module("bench.run", *rest)
        case "assignment":
            return assignment.main(asked)
        case "data":
            from lib.cli import fetch

            return fetch.main(asked.names or ["mnist", "cifar10"])
        case "check":
            from lib.cli import check

            return check.main()
        case _:
            from lib.cli import make

            return make.clean(asked.yes)


def _spread() -> list[str]:
    """All tests, over the cores: each process computes on one thread, for four at once would wait for one another."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return ["-n", "logical", "--maxprocesses", "4", "--no-loadscope-reorder"]


def _make(asked: argparse.Namespace) -> int:
    from lib.cli import make, plan

    if asked.command == "published":
        wanted = plan.make(asked.profile, published=True)
        make.see_to_words(wanted)
        return make.report(wanted, verbose=asked.verbose)
    if asked.command == "run":
        profile, _, name = asked.run.replace("\\", "/").partition("/")
        return make.runs(plan.one(profile, name), asked.verbose)
    wanted = plan.make(asked.profile, asked.only, True if asked.all else None)
    if wanted.left_out:
        print(
            f"Left out, for there is no GPU here: {', '.join(wanted.left_out)}. What they would take stands in "
            f"docs/cifar10.md; to run them all the same: python lab.py report {asked.profile} --all"
        )
    make.see_to_words(wanted)
    return make.report(plan.make(asked.profile, asked.only, True if asked.all else None), asked.only, asked.verbose)


def _word(asked: argparse.Namespace) -> int:
    from lib.cli import make, plan

    if not getattr(asked, "docx", False):
        return 0
    return make.word(Path(plan.make(asked.profile, published=asked.command == "published").folder))


def _module(name: str, *words: str) -> int:
    process = subprocess.Popen([sys.executable, "-m", name, *words], env=with_kit())
    while True:
        with suppress(KeyboardInterrupt):  # it has heard it too: JupyterLab asks back
            return process.wait()


if __name__ == "__main__":
    sys.exit(main())
