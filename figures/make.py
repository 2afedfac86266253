"""The README's pictures and the published records, from the runs of this checkout.

python figures/make.py [PROFILE …] copies runs/<profile>/*/record.json to figures/records/ and draws
from the published records. Run it after `python lab.py report PROFILE` on real data.
"""

import shutil
import sys
from pathlib import Path

import evidence
import lab_runs
import methods

from lib.files import ROOT
from lib.report import plots
from lib.runs import records

HERE = Path(__file__).parent


def publish(profile: str) -> None:
    for path in sorted((ROOT / "runs" / profile).glob("*/record.json")):
        dataset = records.load(path)["dataset"]
        # the JPEG copy holds the real images, and every figure made from its records says so
        if not dataset["genuine"] and dataset["source"] != "JPEG copy":
            sys.exit(f"{path} was not made on the real data set; it is not published.")
        target = HERE / "records" / profile / path.parent.name / "record.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def draw() -> None:
    published = records.load_all(HERE / "records" / "improved")
    improved = [r for r in published if r["parameters"]["run"] == "mnist"]
    cifar10 = [r for r in published if r["parameters"]["run"] == "cifar10"]
    comparison = records.load(HERE / "records" / "improved" / "comparison-seed0")
    for name, figure in {
        "views": plots.views(improved[0]),
        "pretraining": plots.pretraining(improved),
        "comparison": plots.comparison(comparison),
        "cifar10-views": plots.views(cifar10[0]),
        "cifar10-pretraining": plots.pretraining(cifar10),
        "cifar10-neighbours": plots.neighbours(cifar10[0]),
    }.items():
        figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})
    evidence.write()
    lab_runs.write()
    methods.write()


if __name__ == "__main__":
    for profile in sys.argv[1:]:
        publish(profile)
    draw()
