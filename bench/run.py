"""``make bench``: every topic measured, one table printed, the records written that docs/ is made from.

python -m bench.run [--only TOPIC …] [--repeats 5] [--quick]. A topic's part of the record is replaced, others
stay; growth, which has a record of its own, is measured only when named. --quick is a look at tiny sizes that
shows the whole path works; it writes no record. Afterwards ``python -m bench.docs`` makes docs/speed.md and
docs/scaling.md.
"""

import argparse
import importlib.util
import json
import os
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.measure import table
from lib import progress
from lib.files import write_whole
from lib.runs import records

RESULTS = Path(__file__).parent / "results"
TOPICS = ("views", "loss", "epoch", "cifar", "muon", "classifier", "startup", "memory", "explore")
PEERS = ("lightly", "pytorch-metric-learning", "kornia")


def silence() -> None:
    """No lines of progress between its own."""
    progress.WATCHERS.clear()


def described(repeats: int, began: float) -> dict:
    """When, where and how often a part of the record was measured."""
    environment = records.environment()
    environment["packages"] |= {package: version(package) for package in PEERS}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    took = time.perf_counter() - began
    return {"repeats": repeats, "seconds": took, "finished": finished, "environment": environment}


def save(name: str, content: dict) -> None:
    """Write a record of bench/results."""
    RESULTS.mkdir(exist_ok=True)
    write_whole(RESULTS / f"{name}.json", (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def load(name: str) -> dict:
    """A record of bench/results; {} if there is none yet."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def rows_of(name: str, part: str, asking: dict) -> list[dict]:
    """The rows that a part of a record has already, if it was measured on the same data and with the same settings."""
    before = load(name).get(part, {})
    return before["rows"] if all(before.get(key) == value for key, value in asking.items()) else []


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.run", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=[*TOPICS, "growth"], default=TOPICS, help="default: all but growth"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, no record")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("resource") is None:
        sys.exit("lab bench takes Python's module resource, which Windows does not have: run it on Linux or macOS.")
    if options.quick:
        os.environ["LAB_OFFLINE"] = "1"  # a look should not wait for a download
    silence()
    lines = []
    for topic in options.only:
        began = time.perf_counter()
        print(f"{topic} …", file=sys.stderr, flush=True)
        repeats = min(options.repeats, 3) if topic in ("classifier", "cifar", "growth") else options.repeats
        measured = importlib.import_module(f"bench.{topic}").measure(repeats, options.quick)
        about = described(repeats, began)
        if topic == "growth":
            if not options.quick:
                save("growth", measured | about)
            continue
        lines += measured
        if not options.quick:  # after each topic: what was measured stays if a later one fails
            part = {topic: {**about, "lines": [line.record() for line in measured]}}
            save("bench", load("bench") | part)
    print(table(lines))


if __name__ == "__main__":
    main()
