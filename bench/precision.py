"""Does half precision cost accuracy? The same runs with the same seeds, networks trained in float32 and in bfloat16.

Each run is the profile's own, by papermill, with nothing changed but ``precision``; its record says what ran. A seed's
two runs follow each other. A run that is in the record already is not made again, unless the kit's method has changed
since then; the record is written after each, so that a cut costs one run.

LAB_DATA=… python -m bench.precision [--seeds 3] [--only quick/cifar10 …] writes bench/results/precision.json, of which
bench.docs makes a table in docs/speed.md.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

import yaml

from bench.run import load, save
from lib.files import ROOT
from lib.runs import profiles, records
from lib.training.checkpoint import code_digest

RUNS = ("improved/mnist", "quick/cifar10")
PRECISIONS = ("float32", "bfloat16")


def parameters(name: str, seed: int, precision: str) -> dict:
    """What papermill is to give the notebook for a run ``profile/run``; raises ProfileError if there is none."""
    return profiles.find(*name.split("/")).parameters | {"seed": seed, "precision": precision, "illustrated": False}


def measure(name: str, seed: int, precision: str) -> dict:
    """Accuracies of a run's classifiers, seconds of its trainings, and what it says of itself.

    Raises:
        RuntimeError: the run failed; its last words.
    """
    notebook, asked = profiles.find(*name.split("/")).notebook, parameters(name, seed, precision)
    with tempfile.TemporaryDirectory() as folder:
        given = yaml.safe_dump(asked | {"runs": folder}, default_flow_style=True, width=10**6)
        command = ["-m", "papermill", ROOT / "notebooks" / f"{notebook}.ipynb", Path(folder) / "out.ipynb"]
        command += ["-y", given, "--no-progress-bar", "--start-timeout", "300"]
        done = subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"{name}, seed {seed}, {precision} failed: {done.stderr[-2000:]}")
        record = records.load_all(folder)[0]
    results = record["results"]["classifiers"]
    return {
        "accuracies": [classifier["test_accuracy"] for classifier in results],
        "labels": [classifier["labels"] for classifier in results],
        "knn_accuracy": record["history"]["pretraining"][-1].get("knn_accuracy"),
        "seconds": record["seconds"],
        "dataset": record["dataset"]["description"],
        "environment": record["environment"],
        "method": code_digest(),
    }


def table(record: dict) -> str:
    """The record as a Markdown table: accuracies by seed, and what bfloat16 changes, seed by seed."""
    lines = [
        "| run, labels | seeds | float32 | bfloat16 | difference, seed by seed | its mean ± deviation |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, seeds in record["runs"].items():
        whole = {seed: run for seed, run in sorted(seeds.items(), key=lambda s: int(s[0])) if len(run) == 2}
        if not whole:
            continue
        for place, labels in enumerate(next(iter(whole.values()))["float32"]["labels"]):
            both = [[run[p]["accuracies"][place] for p in PRECISIONS] for run in whole.values()]
            apart = [100 * (half - full) for full, half in both]
            spread = f" ± {stdev(apart):.2f}" if len(apart) > 1 else ""
            cells = [f"`{name}`, {labels:,}", ", ".join(whole)]
            cells += [" ".join(f"{100 * value:.2f} %" for value in column) for column in zip(*both, strict=True)]
            cells += [" ".join(f"{value:+.2f}" for value in apart), f"{mean(apart):+.2f}{spread} points"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.precision", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=RUNS)
    options = parser.parse_args()
    record = load("precision") or {"runs": {}}
    for seed in range(options.seeds):
        for name in options.only:
            done = record["runs"].setdefault(name, {}).setdefault(str(seed), {})
            for precision in PRECISIONS:
                if done.get(precision, {}).get("method") != code_digest():
                    done[precision] = measure(name, seed, precision)
                    save("precision", record)
                print(name, seed, precision, done[precision]["accuracies"], flush=True)
    print(table(record))


if __name__ == "__main__":
    main()
