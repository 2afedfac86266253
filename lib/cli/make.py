"""``lab report``, ``lab run`` and ``lab published``: Snakemake makes what is out of date, the terminal shows it."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from lib.cli import LabError, jobs, state
from lib.cli.display import Display, Work, outcome
from lib.cli.plan import Plan, language, own_words
from lib.files import ROOT

ROOM = 0.8  # of the memory, for runs
MANY = 8  # runs made before, of which one line each is still read


def report(plan: Plan, only: str = "", verbose: bool = False) -> int:
    """Make what is out of date, and the report; the exit status.

    A report that cannot be made leaves none behind that could be taken for it.

    Raises:
        LabError: somebody else is at work in the same folder.
    """
    folder = Path(plan.folder)
    with state.locked(folder):
        _take_real_images(plan)
        if state.is_current(plan):
            _results(plan, set(), print)
            return _where(plan, "Nothing to do: ")
        words = [f"only={only}", f"all={'no' if plan.left_out else 'yes'}"]
        works, ended = _make(plan, ["report"], words + (["published=yes"] if plan.published else []), verbose)
        *_, step = works
        if ended == 0:
            state.forget_outdated(folder)
            state.mark_current(plan)
            return _where(plan)
        if step.phase == "PDF" and (folder / "report.html").exists():
            print(f"Report: {(folder / 'report.html').absolute()}, but no PDF: {step.failed}")
            return 1
        state.set_aside_report(folder)
        outdated = sorted(path.name for path in folder.glob("report.outdated.*"))
        print(
            "No report was made. Mend what is said above, and give the same command again."
            + (f" The report of before is now {' and '.join(outdated)}." if outdated else "")
        )
        return 1


def see_to_words(plan: Plan) -> None:
    """Make the file for the student's own words, or add to it the fields that this report has and it lacks.

    Raises:
        LabError: a file was named that is not there, or it cannot be read.
    """
    named = os.environ.get("LAB_WORDS")
    if plan.published or named:
        if named and not Path(named).is_file():
            raise LabError(
                f"There is no file {named}. `lab report` without --words makes {own_words()}: begin with that."
            )
        return
    from lib.report.chapters import own_file
    from lib.words import load

    runs = [run.resolved for run in plan.runs.values()]
    datasets = dict.fromkeys(Path(run["dataset"]).name for run in runs if "dataset" in run)
    wanted = own_file.fields(datasets, any(run.notebook == "evidence" for run in plan.runs.values()))
    try:
        own_file.prepare(own_words(), wanted, load(language()))
    except (own_file.OwnWordsError, OSError) as error:
        raise LabError(f"{error}") from None


def runs(plan: Plan, verbose: bool = False) -> int:
    """Make these runs if they are out of date, and what they build on; the exit status. Raises as ``report``."""
    with state.locked(Path(plan.folder)):
        _take_real_images(plan)
        _, ended = _make(plan, [plan.made(run) for run in plan.runs], ["all=yes"], verbose)
        return 1 if ended else 0


def _take_real_images(plan: Plan) -> None:
    if again := [] if plan.published else state.disown_samples(plan):
        print(f"The real images are here now. Made again, no longer on built-in samples: {', '.join(again)}.")


def _make(plan: Plan, targets: list[str], settings: list[str], verbose: bool) -> tuple[list[Work], int]:
    """Have Snakemake make these files and follow it; what was worked on, the report last, and the exit status."""
    folder = Path(plan.folder)
    state.sweep(folder, shared=plan.by_hand)
    for sentence in [] if plan.published else state.set_aside_damaged(folder):
        print(sentence)
    log = folder / jobs.ENGINE
    for empty in (log, folder / jobs.LOG):
        empty.write_bytes(b"")
    works = [Work(_short(plan, run), folder / run) for run in plan.runs] + [Work("report", folder)]
    for work in works:
        (work.folder / jobs.PROGRESS).unlink(missing_ok=True)
        for old in work.logs:
            old.lines()
    began = time.monotonic()
    with open(log, "ab") as output, Display(works, verbose) as display:
        options = ["--cores", "all", "--nolock", "--rerun-incomplete", "--force-use-threads", "--keep-going"]
        options += ["--scheduler", "greedy"]  # a handful of jobs need no solver
        room = int(ROOM * psutil.virtual_memory().total / 1e6)  # MB; and runs take turns at the one accelerator
        options += ["--resources", f"mem_mb={room}", "gpu=1"]
        words = [*options, "--config", f"profile={plan.profile}", f"room={room}", *settings, "--", *targets]
        engine = jobs.python("lib.cli.engine", *words, log=output, LAB_SAID="once")
        try:
            while engine.poll() is None:
                display.update()
                time.sleep(0.2)
        except KeyboardInterrupt:
            _stop(engine)
            raise
        finally:
            display.update()
        if engine.returncode == 0:
            _results(plan, {work.name for work in works if work.started}, display.say)
    if engine.returncode and not any(work.failed for work in works):
        print(f"{_last_words(log)}\n  Log: {log}, after {time.monotonic() - began:.0f} s")
    return works, engine.returncode


def _stop(engine: subprocess.Popen) -> None:
    """Ctrl-C reached Snakemake and its steps as well; they get half a minute to end."""
    try:
        engine.wait(30)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        engine.kill()


def _short(plan: Plan, run: str) -> str:
    """A run's name; with its seed where the profile has several."""
    name = plan.runs[run].name
    return name if sum(other.name == name for other in plan.runs.values()) == 1 else run


def _results(plan: Plan, new: set[str], say) -> None:
    if plan.by_hand:
        for folder in [Path(path).parent for path in plan.inputs][:MANY]:
            say(f"{folder.name} · {outcome(folder)}")
        say(f"The report has {len(plan.inputs)} runs that were made by hand.")
        return
    before = [run for run in plan.runs if _short(plan, run) not in new]
    if len(before) > MANY:
        say(f"{len(before)} runs were made before; the report has them.")
        return
    for run in before:
        say(f"{_short(plan, run)} · {outcome(Path(plan.folder) / run)} · made before")


def _samples(plan: Plan) -> str:
    """What to do about runs whose images could not be had; empty if there is none."""
    if plan.published or os.environ.get("LAB_OFFLINE") or not (made := state.on_samples(plan)):
        return ""
    return (
        f"Made on built-in samples, because the real images could not be downloaded: "
        f"{', '.join(folder.name for folder in made)}. `python lab.py data` tries again; "
        "the same command then makes these runs anew."
    )


def _where(plan: Plan, before: str = "") -> int:
    folder = Path(plan.folder)
    print(f"{before}{'the report is ' if before else 'Report: '}{(folder / 'report.html').absolute()}")
    if (folder / "report.pdf").exists():
        print(f"        {(folder / 'report.pdf').absolute()}")
    else:
        from lib.report.pdf import HINT

        print(f"No PDF: {HINT}")
    if told := _samples(plan):
        print(told)
    if plan.words:
        print(f"Your own words go into {Path(plan.words).absolute()}; the same command takes them into the report.")
    return 0


def _last_words(log: Path) -> str:
    """What Snakemake said last of an error of its own."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [i for i, line in enumerate(lines) if "Error" in line or "Exception" in line]
    return "\n".join(lines[starts[0] : starts[0] + 6] if starts else lines[-6:])


def word(folder: Path) -> int:
    """The report that is there as a Word file, beside it."""
    from lib.report.docx import write_docx

    state.set_aside_report(folder, ["docx"])
    write_docx(folder / "report.html", folder / "report.docx")
    state.mark_made(folder / "report.docx")
    state.forget_outdated(folder)
    print(f"        {(folder / 'report.docx').absolute()}")
    for kept in sorted(folder.glob("report.edited*.docx")):
        print(f"        {kept.absolute()}, which somebody has written into")
    return 0


def clean(yes: bool) -> int:
    """Remove every profile's runs and report, after a question; what else lies in the folder of runs stays.

    Raises:
        LabError: somebody is at work in one of them, nobody can be asked, or something cannot be removed.
    """
    runs = Path(os.environ.get("LAB_RUNS") or ROOT / "runs").absolute()
    profiles = [path for path in (*runs.glob("*"), *runs.glob("published/*")) if _of_a_profile(path)]
    names = ", ".join(path.relative_to(runs).as_posix() for path in sorted(profiles)) or "none"
    count = sum(len(list(path.glob("*/record.json"))) for path in profiles)
    what = f"the folders of runs in {runs}: {names} (records: {count})"
    if not yes:
        if not sys.stdin.isatty():
            raise LabError("This removes every run and report: say lab clean --yes.")
        if input(f"Remove {what}? [y/N] ").strip().lower() not in ("y", "yes"):
            return 1
    with ExitStack() as held:
        for profile in profiles:
            held.enter_context(state.locked(profile))
    try:  # no longer locked: Windows removes no file that is open
        for folder in [*profiles, *([ROOT / ".snakemake"] if runs == ROOT / "runs" else [])]:
            if folder.exists():
                shutil.rmtree(folder)
    except OSError as error:
        raise LabError(
            f"Not everything could be removed ({error}). Close what has it open and run the same command again."
        ) from None
    print(f"Removed {what}.")
    return 0


def _of_a_profile(folder: Path) -> bool:
    """Whether the kit has worked in a folder: LAB_RUNS may name one that holds other things too."""
    left = (path for name in (".lock.json", "*/record.sha256", "*/pretraining.ckpt") for path in folder.glob(name))
    return any(True for _ in left) or any(_is_record(path) for path in folder.glob("*/record.json"))


def _is_record(path: Path) -> bool:
    """Whether a file is the kit's, by what every record has."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"profile", "parameters", "results"} <= content.keys()
