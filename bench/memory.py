"""Peak memory of whole runs: mnist.ipynb and cifar10.ipynb through papermill, with `improved`'s parameters.

Data, pretraining, probe, classifiers, test and figures are all there; trainings are cut to one epoch, and
CIFAR's is at the full 32×32 pixels, since an epoch more takes time and no more memory.
"""

import os
import sys
import tempfile
from pathlib import Path

import yaml

from bench.measure import Line
from bench.peak import peak
from lib.files import ROOT
from lib.runs import profiles

LIMITS = {"mnist": 1200, "cifar10": 2000}


def run(name: str, quick: bool) -> float:
    """Peak of a run's largest process, the notebook's kernel, in MB."""
    profile = "quick" if quick else "improved"
    asked = profiles.find(profile, name)
    parameters = asked.parameters | {"epochs": 1, "classifier_epochs": 1, "small_crops": []}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "papermill", f"notebooks/{asked.notebook}.ipynb", f"{folder}/out.ipynb"]
        environment = os.environ | {"LAB_RUNS": folder, "PYTHONPATH": str(ROOT)} | offline(quick)
        yaml_text = yaml.safe_dump(parameters, default_flow_style=True, width=10_000)
        used, _ = peak([*command, "-y", yaml_text, "--no-progress-bar", "--start-timeout", "300"], env=environment)
        if not list(Path(folder).glob("**/record.json")):
            raise RuntimeError(f"{name} left no record")
    return used


def offline(quick: bool) -> dict[str, str]:
    """The embedded samples for a quick look: the real CIFAR-10 has forty thousand images an epoch."""
    return {"LAB_DATA": "", "LAB_OFFLINE": "1"} if quick else {}


def measure(repeats: int, quick: bool) -> list[Line]:
    """Once each: peaks of the same run differ by a percent or two, and a run takes minutes."""
    return [
        Line(f"memory of a whole run, {name}, one epoch of each training", "a limit", "MB", [run(name, quick)], limit)
        for name, limit in LIMITS.items()
    ]
