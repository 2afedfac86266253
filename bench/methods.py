"""What learning rate and option each method of methods.ipynb does best with, tried on held-out training images.

python -m bench.methods FOLDER [mnist] [cifar10] makes the trials that FOLDER has no record of, one after the other, and
writes bench/results/methods.json; stop it whenever you like and start it again. With --collect it only writes the file.

Every method gets the same trials: three learning rates with its option's middle value, then the option's two other
values with the best of the three. They take half of the recipe's budget each, and score on the last chunks, which
no run is trained on (MNIST: 9 and 10, CIFAR-10: 5). The recipes have what won.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.files import ROOT, write_whole
from lib.methods import METHODS
from lib.runs import fair, parameters, records
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
        model = fair.network(run, given)
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
    content = {"share": SHARE, "seed": SEED, "environment": first["environment"], "trials": list(rows(folder))}
    write_whole(RESULTS, (json.dumps(content, indent=1) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.methods", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the trials' records are kept")
    parser.add_argument("datasets", nargs="*", default=["mnist", "cifar10"])
    parser.add_argument("--collect", action="store_true", help="make no trial")
    given = parser.parse_args()
    for dataset in given.datasets:
        for method in METHODS if not given.collect else ():
            trials(dataset, method, given.folder)
    collect(given.folder)


if __name__ == "__main__":
    main()
