"""What Snakemake's rules do, each step in a process of its own, without a shell.

What a step prints goes to a log; how far it is, and a paragraph when it fails, to a file beside it that the
terminal's display follows (``lib.progress``).
"""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from lib import progress
from lib.cli import LabError, state, with_kit
from lib.runs import recipes

PROGRESS, LOG, ENGINE = "progress.jsonl", "log.txt", "snakemake.txt"
WATCHED = 0.3  # seconds between two looks at a step


def python(module: str, *words: str, log: Any, **environment: str) -> subprocess.Popen:
    """Start a module of the kit. It ends with this process: see ``end_with_parent``."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
        env=with_kit() | {"PYTHONUTF8": "1"} | environment,
    )  # fmt: skip


def asked(notebook: str, parameters: dict[str, Any], after: list[str]) -> str:
    """A hash of what a run is asked: see ``state.asked_of``. An edit to its recipe makes it another run."""
    resolved = recipes.resolve(Path(notebook).stem, parameters)
    return state.asked_of(Path(notebook), resolved, [Path(made) for made in after])


def run(
    notebook: str,
    folder: Path,
    parameters: dict[str, Any],
    after: list[str],
    threads: int,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Execute a notebook that leaves a record in a folder, and stamp the record.

    ``after``: the stamps of the runs it builds on. ``watch`` is called a few times a second meanwhile.

    Raises:
        LabError: it failed; the folder's log says why.
    """
    wanted = asked(notebook, parameters, after)
    if state.stands(folder, wanted):
        state.stamp(folder, wanted)
        return
    state.set_aside_report(folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    for old in (PROGRESS, LOG):
        (folder / old).unlink(missing_ok=True)
    given = parameters | {"runs": str(folder.absolute().parents[1])}
    executed = str(folder / Path(notebook).name)
    _step(folder, "notebook", notebook, executed, json.dumps(given), watch=watch, OMP_NUM_THREADS=str(threads))
    state.stamp(folder, wanted)


def report_notebook(notebook: str, cover: str, executed: Path, parameters: dict[str, Any]) -> None:
    """Execute the report, with the cover's data; raises LabError as ``run``."""
    state.set_aside_report(executed.parent)
    try:
        # every field as it is written: 01203456 is a student's number, and no octal one
        given = dict(yaml.load(Path(cover).read_text(encoding="utf-8"), Loader=yaml.BaseLoader) or {}) | parameters
    except UnicodeDecodeError:
        raise _failed(executed.parent, f"{cover} is not UTF-8: save it as UTF-8, and try again.") from None
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise _failed(executed.parent, f"{cover} cannot be read: {error}") from None
    _step(executed.parent, "notebook", notebook, str(executed), json.dumps(given, default=str))


def html(executed: Path, page: Path) -> None:
    """The page of an executed report; raises LabError as ``run``."""
    _step(page.parent, "page", str(executed), str(page))


def pdf(page: Path, printed: Path) -> None:
    """The print of a page; raises LabError as ``run``."""
    _step(page.parent, "PDF", str(page), str(printed))


def _step(folder: Path, kind: str, *words: str, watch: Callable[[], None] = lambda: None, **environment: str) -> None:
    environment[progress.VARIABLE] = str((folder / PROGRESS).absolute())
    with open(folder / LOG, "ab") as log, python("lib.cli.step", kind, *words, log=log, **environment) as step:
        try:
            while step.poll() is None:  # not communicate(): it would close the pipe
                watch()
                with suppress(subprocess.TimeoutExpired):
                    step.wait(WATCHED)
            watch()
        except BaseException:  # Ctrl-C above all: nobody would wait for it any more
            _end(step)
            raise
    if step.returncode:
        seen = (folder / PROGRESS).read_text(encoding="utf-8") if (folder / PROGRESS).exists() else ""
        if not any(f'"{told}"' in seen for told in ("failed", "interrupted")):
            raise _failed(folder, _killed(kind, step.returncode))
        raise LabError(f"{kind} failed, see {folder / LOG}")


def _end(step: subprocess.Popen) -> None:
    """End a step that may have heard Ctrl-C itself: it ends when its standard input does."""
    step.stdin.close()
    try:
        step.wait(10)
    except subprocess.TimeoutExpired:
        step.kill()
        step.wait()


def _failed(folder: Path, why: str) -> LabError:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / PROGRESS, "a", encoding="utf-8") as file:
        file.write(json.dumps({"failed": why}) + "\n")
    return LabError(why)


def _killed(kind: str, code: int) -> str:
    how = f"by signal {-code}" if code < 0 else f"with status {code}"
    return f"The step {kind!r} ended {how} without a word; its log says how far it was."
