"""explore.ipynb: computing until the first picture and until all is shown, memory, and how fast a slider answers.

``python -m bench.run --only explore`` writes it down; the lesson's first cell has its times from there. Times are
seconds that the kernel computed on one thread, user and system together: what somebody waits on a machine with
nothing else to do, JupyterLab's own start left out. Data that is not on this machine is fetched, CIFAR-10's pixels
are decoded and kept, before anything is measured.
"""

import os
import statistics
import time

import nbformat
import psutil
from nbclient import NotebookClient

from bench.measure import Line
from bench.memory import offline
from lib import data
from lib.cli import with_kit
from lib.explore import failures, loss, open_encoder, views
from lib.files import ROOT

FIRST, ALL, MEMORY, ANSWER = 10.0, 60.0, 1500.0, 200.0  # seconds, seconds, MB, ms
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}


def run(encoder: str, quick: bool) -> tuple[float, float, float]:
    """The notebook in a kernel of its own: seconds to the first picture, to the end, and the largest memory in MB."""
    notebook = nbformat.read(ROOT / "notebooks" / "explore.ipynb", as_version=4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source += f"\nencoder = {encoder!r}"
    seen, memory = [], []

    def look(cell: nbformat.NotebookNode, **_) -> None:
        kernel = psutil.Process(client.km.provisioner.pid)
        used = kernel.cpu_times()
        memory.append(kernel.memory_info().rss / 1e6)
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", ())):
            seen.append(used.user + used.system)

    alone = with_kit() | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} | offline(quick)
    client = NotebookClient(notebook, timeout=1200, startup_timeout=300, on_cell_executed=look)
    client.execute(env=alone)
    return seen[0], seen[-1], max(memory)


def sliders(widget) -> list:
    """Every slider in a widget, at any depth."""
    found = [widget] if hasattr(widget, "step") and hasattr(widget, "max") else []
    return found + [slider for child in getattr(widget, "children", ()) for slider in sliders(child)]


def move(slider) -> float:
    """Milliseconds of computing until a slider that was moved by a step has been answered."""
    start = time.process_time()
    slider.value = slider.value + slider.step if slider.value < slider.max else slider.min
    return 1000 * (time.process_time() - start)


def answers(repeats: int) -> list[float]:
    """The slowest slider's median in each of three rooms, on the embedded digits, after each has answered once."""
    subject, slowest = open_encoder("mnist", "en"), []
    for room in (views, loss, failures):
        there = sliders(room.widget(subject))
        [move(slider) for slider in there]  # the first time, features of all known images are computed
        slowest.append(max(statistics.median(move(slider) for _ in range(repeats)) for slider in there))
    return slowest


def measure(repeats: int, quick: bool) -> list[Line]:
    """Limits: issue by issue what a student should not have to wait for."""
    import torch

    os.environ |= offline(quick)
    torch.set_num_threads(1)
    lines = []
    for encoder in ("mnist",) if quick else NAMES:
        data.load(encoder)
        first, whole, memory = zip(*(run(encoder, quick) for _ in range(1 if quick else min(repeats, 3))), strict=True)
        name = f"explore.ipynb, {NAMES[encoder]}"
        lines += [
            Line(f"{name}: computing until the first picture", "a limit", "s", list(first), FIRST),
            Line(f"{name}: computing until all is shown", "a limit", "s", list(whole), ALL),
            Line(f"{name}: memory of the kernel", "a limit", "MB", list(memory), MEMORY),
        ]
    slowest = "explore.ipynb: the slowest slider of a room, computing"
    return [*lines, Line(slowest, "a limit", "ms", answers(repeats), ANSWER)]
