"""How long one waits: importing lib, a notebook's first training step, ``lab.py report`` with nothing to do.

Each is a fresh process, a round at a time.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from bench.measure import Line, clock
from lib.cli import state
from lib.files import LIB, ROOT

# Goes behind the notebook's imports: a training's first step is noted and ends the run.
FIRST_STEP = """
import os, time
from lib.training import loop
def note(pace):
    open(os.environ["FIRST_STEP"], "w").write(str(time.time()))
    raise SystemExit
loop.Pace.step = note
"""


def notebook_imports() -> str:
    """What mnist.ipynb imports."""
    cells = nbformat.read(ROOT / "notebooks" / "mnist.ipynb", as_version=4).cells
    lines = [line for cell in cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    return "\n".join(line for line in lines if line.startswith(("import ", "from ")))


def all_imports() -> str:
    """Every module of lib."""
    modules = (path.relative_to(ROOT).with_suffix("") for path in sorted(LIB.rglob("*.py")))
    return "\n".join(f"import {'.'.join(module.parts).removesuffix('.__init__')}" for module in modules)


def python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def first_step() -> float:
    """Seconds from calling papermill to the end of the first training step of mnist.ipynb."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = nbformat.read(ROOT / "notebooks" / "mnist.ipynb", as_version=4)
        place = next(i for i, cell in enumerate(notebook.cells) if "from lib" in cell.source) + 1
        notebook.cells.insert(place, nbformat.v4.new_code_cell(FIRST_STEP))
        changed, noted = Path(folder, "mnist.ipynb"), Path(folder, "noted")
        nbformat.write(notebook, changed)
        environment = os.environ | {"FIRST_STEP": str(noted), "LAB_RUNS": folder, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "papermill", str(changed), str(Path(folder, "out.ipynb"))]
        start = time.time()
        done = subprocess.run([*command, "-k", "python3"], env=environment, capture_output=True, text=True)
        if not noted.exists():
            raise RuntimeError(f"no first step was taken: {done.stderr[-2000:]}")
        return float(noted.read_text()) - start


def finished_report(folder: Path) -> Path:
    """A copy of the kit whose profile quick is finished, with the published records, and whose report is made."""
    for name in ("lab.py", "Snakefile", "requirements.txt", "requirements-test.txt", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder / name)
    for name in ("lib", "notebooks", "bench", "figures"):
        shutil.copytree(ROOT / name, folder / name)
    for run in (folder / "figures/records/quick").iterdir():
        there = folder / "runs/quick" / run.name
        shutil.copytree(run, there)
        state.stamp(there, "")
    subprocess.run([sys.executable, "lab.py", "report"], cwd=folder, env=environment(folder), check=True)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """That of this process, active, for the kit in a folder."""
    kept = {name: value for name, value in os.environ.items() if name not in ("LAB_RUNS", "LAB_DATA")}
    return kept | {"VIRTUAL_ENV": sys.prefix, "PYTHONPATH": str(folder)}


def nothing_to_do(folder: Path) -> float:
    """Seconds of ``lab.py report`` there, which must start no job."""
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/quick/**/re*") if path.is_file()}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "lab.py", "report"], cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode or before != {p: p.stat().st_mtime_ns for p in before}:
        raise RuntimeError(f"lab.py report found something to do: {(done.stdout + done.stderr)[-2000:]}")
    return seconds


def measure(repeats: int, quick: bool) -> list[Line]:
    """Limits in seconds."""
    took: dict[str, list[float]] = {"notebook": [], "parts": [], "step": [], "report": []}
    with tempfile.TemporaryDirectory() as folder:
        finished = finished_report(Path(folder))
        python(all_imports())  # compiles .pyc files, as pip does for the packages
        for _ in range(repeats):
            took["notebook"].append(clock(lambda: python(notebook_imports())))
            took["parts"].append(clock(lambda: python(all_imports())))
            took["step"].append(first_step())
            took["report"].append(nothing_to_do(finished))
    return [
        Line("start: Python with what mnist.ipynb imports of lib", "a limit", "s", took["notebook"], 3),
        Line("start: Python with all parts of lib imported", "a limit", "s", took["parts"], 3),
        Line("start: papermill to the first training step, mnist.ipynb", "a limit", "s", took["step"], 10),
        Line("start: `lab.py report` with nothing to do", "a limit", "s", took["report"], 2),
    ]
