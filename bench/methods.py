"""What learning rate and option each method of methods.ipynb does best with, tried on held-out training images.

python -m bench.methods FOLDER [mnist] [cifar10] makes the trials that FOLDER has no record of, one after the other, and
writes bench/results/methods.json; stop it whenever you like and start it again. With --collect it only writes the file.

Every method gets the same trials: three learning rates with its option's middle value, then the option's two other
values with the best of the three. They take half of the recipe's budget each, and score on the last chunks, which
no run is trained on (MNIST: 9 and 10, CIFAR-10: 5). The recipes have what won. The whitened random patches beside the
methods get five trials as well: three thresholds, then two other floors. --patches makes these alone, and anew.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.evaluation.patches import Patches
from lib.files import ROOT, write_whole
from lib.methods import METHODS
from lib.runs import fair, parameters, records
from lib.runs.trained import starting_point
from lib.training import TrainingDiverged, pretrain

RESULTS = ROOT / "bench/results/methods.json"
SHARE = 0.5  # of the budget: of a quarter some methods could pay for one epoch only
SEED = 100  # that no run has
RATES = {"mnist": (0.001, 0.003, 0.01), "cifar10": (0.001, 0.002, 0.004)}
OPTIONS = {
    "simclr": ("temperature", (0.1, 0.2, 0.5)),
    "moco": ("temperature", (0.1, 0.2, 0.5)),
    "byol": ("momentum", (0.95, 0.99, 0.996)),
    "vicreg": ("covariance", (0.25, 1, 4)),
    "barlow_twins": ("redundancy", (0.00125, 0.005, 0.02)),
    "autoencoder": ("hidden", (0.25, 0.5, 0.75)),
}
THRESHOLDS, FLOORS = (0.25, 0.5, 1.0), (0.01, 0.1, 0.3)
HELD_OUT = {"mnist": [9, 10], "cifar10": [5]}


def asked(dataset: str, method: str, rate: float, value: float, folder: Path) -> parameters.MethodsParameters:
    """The parameters of a trial."""
    recipe, option = f"{dataset}-{method}", OPTIONS[method][0]
    given = {"recipe": recipe, "run": f"{recipe}-{rate:g}-{value:g}", "profile": "trials", "runs": str(folder)}
    whole = parameters.recipes.load("methods", recipe)
    changed = {"learning_rate": rate, "options": {option: value}, "budget": whole["budget"] * SHARE, "beside": []}
    fixed = {"seed": SEED, "scored_chunks": HELD_OUT[dataset], "illustrated": False, "probe_images": 0}
    return parameters.MethodsParameters.checked(whole | given | changed | fixed)


def trial(p: parameters.MethodsParameters) -> float:
    """Linear accuracy on the held-out images, from the trial's record; it is made first if there is none."""
    run = records.Run(p)
    if not made(run):
        given = fair.load_data(run)
        model = starting_point(run.content, given.images)
        settings, crops = fair.within_budget(run, given, model)
        method = {"method": p.method, "options": p.method_options}
        try:
            views = p.random_views
            run.training("pretraining", pretrain(model, given.unlabelled, views, settings, small_crops=crops, **method))
            fair.evaluate(run, given, p.method, model.encoder)
        except TrainingDiverged as error:  # that is a result too
            run.results["evaluations"] = [{"name": p.method, "linear_accuracy": 0.0, "diverged": str(error)}]
        run.save()
    return records.load(run.folder)["results"]["evaluations"][-1]["linear_accuracy"]


def made(run: records.Run) -> bool:
    """Whether there is a record of this very trial."""
    path = run.folder / "record.json"
    return path.exists() and records.load(path)["parameters"] == json.loads(json.dumps(run.parameters))


def trials(dataset: str, method: str, folder: Path) -> None:
    """The five trials of a method."""
    low, middle, high = OPTIONS[method][1]
    rates = {rate: trial(asked(dataset, method, rate, middle, folder)) for rate in RATES[dataset]}
    best = max(rates, key=rates.__getitem__)
    for value in (low, high):
        trial(asked(dataset, method, best, value, folder))


def patch_trials(dataset: str, folder: Path) -> list[dict[str, Any]]:
    """The five trials of the whitened patches, a row each."""
    p = asked(dataset, "simclr", RATES[dataset][1], OPTIONS["simclr"][1][1], folder)
    run = records.Run(p)
    given = fair.load_data(run)
    some = p.random_views.plain(given.unlabelled[: fair.CUT_FROM])

    def score(threshold: float, floor: float) -> dict[str, Any]:
        patches = Patches(some, **fair.PATCHES | {"seed": SEED, "threshold": threshold, "floor": floor})
        found = fair.evaluate(run, given, "patches", patches)
        accuracies = {key: found[key] for key in ("linear_accuracy", "knn_accuracy")}
        return {"dataset": dataset, "threshold": threshold, "floor": floor, **accuracies}

    low, middle, high = FLOORS
    tried = [score(threshold, middle) for threshold in THRESHOLDS]
    best = max(tried, key=lambda row: row["linear_accuracy"])["threshold"]
    return [*tried, *(score(best, floor) for floor in (low, high))]


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """What the trials measured, a row each."""
    for record in records.load_all(folder / "trials"):
        p, results = record["parameters"], record["results"]
        (option, value), found = next(iter(p["options"].items())), results["evaluations"][-1]
        yield {
            "dataset": p["dataset"], "method": p["method"], "learning_rate": p["learning_rate"], "option": option,
            "value": value, "linear_accuracy": found["linear_accuracy"], "knn_accuracy": found.get("knn_accuracy"),
            "epochs": results["epochs"], "seconds": record["seconds"].get("pretraining"), "sha256": record["sha256"],
        }  # fmt: skip


def collect(folder: Path) -> None:
    """Write the committed record of all trials."""
    first = records.load_all(folder / "trials")[0]
    _keep(share=SHARE, seed=SEED, environment=first["environment"], trials=list(rows(folder)))


def _keep(**parts: Any) -> None:
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    write_whole(RESULTS, (json.dumps(before | parts, indent=1) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.methods", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the trials' records are kept")
    parser.add_argument("datasets", nargs="*", default=["mnist", "cifar10"])
    parser.add_argument("--collect", action="store_true", help="make no trial")
    parser.add_argument("--patches", action="store_true", help="only the trials of the whitened patches")
    given = parser.parse_args()
    if not given.collect:
        kept = json.loads(RESULTS.read_text(encoding="utf-8")).get("patches", []) if RESULTS.exists() else []
        missing = [name for name in given.datasets if given.patches or name not in {row["dataset"] for row in kept}]
        tried = [row for row in kept if row["dataset"] not in missing]
        tried += [row for name in missing for row in patch_trials(name, given.folder)]
        _keep(patches=sorted(tried, key=lambda row: row["dataset"], reverse=True))
    if given.patches:
        return
    for dataset in given.datasets:
        for method in METHODS if not given.collect else ():
            trials(dataset, method, given.folder)
    collect(given.folder)


if __name__ == "__main__":
    main()
