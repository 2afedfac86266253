"""The largest memory of one process: ``python -m bench.peak COMMAND …`` runs it and prints megabytes last.

A process of its own and the standard library alone, for two reasons: the kernel keeps the largest child of
all, so children of a former measurement would count; and a child starts with its parent's peak, which has to
be small. The figure is of the largest single process, a notebook's kernel for instance.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss


def peak(command: list[str], **options) -> tuple[float, str]:
    """Peak memory in MB (10⁶ bytes) of a command run below ROOT, and what it printed.

    Raises:
        RuntimeError: the command failed; its last words.
    """
    wrapped = [sys.executable, "-m", "bench.peak", *command]
    run = subprocess.run(wrapped, cwd=ROOT, capture_output=True, text=True, **options)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {run.stderr[-2000:]}")
    printed, _, last = run.stdout.rstrip("\n").rpartition("\n")
    return float(last), printed


def main() -> int:
    """Run the command and print its peak; the command's exit status."""
    import resource  # not on Windows, where the tests import this file too

    code = subprocess.run(sys.argv[1:]).returncode
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * UNIT / 1e6)
    return code


if __name__ == "__main__":
    sys.exit(main())
