"""What a hand-in of the assignment costs: ``python -m bench.assignment`` runs the master and writes the figures.

docs/teaching.md has its table from them; a test compares the two.
"""

import json
import os
import platform
import sys
import time

import nbformat
from nbclient import NotebookClient

from bench.peak import UNIT
from lib.files import ROOT, written_whole

RESULTS = ROOT / "bench/results/assignment.json"
MASTER = ROOT / "notebooks/assignment/simclr.ipynb"


def measure() -> dict[str, float | int | str]:
    """The master in a kernel on one thread: seconds by the clock and of the processor, MB of the kernel at most."""
    import resource  # not on Windows, where the tests import this file too

    os.environ["OMP_NUM_THREADS"] = "1"
    notebook = nbformat.read(MASTER, as_version=4)
    start = time.perf_counter()
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss * UNIT / 1e6),
        "load": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count() or 1,
        "machine": platform.machine(),
    }


def row(figures: dict) -> str:
    """The line of the table in docs/teaching.md and docs/teaching.zh.md."""
    return "| {seconds:.0f} s | {processor_seconds:.0f} s | {peak_mb:,} MB | {load} |".format(**figures)


def main() -> int:
    """Measure, write, print."""
    figures = measure()
    with written_whole(RESULTS) as part:
        part.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
