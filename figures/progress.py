"""Accuracy against training time, `improved` and the lab's way: ``python figures/progress.py`` draws progress.svg.

From the published records. Curves are the kNN probe after each epoch, where a record's history holds it
(records from before the probe do not, and the figure says so); a dot is a run's test accuracy after pretraining
and classifier; crosses are what the lab reported, from its own machines.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import yaml

from lib.runs import records

HERE = Path(__file__).parent
COLOURS = {"improved": "#0072b2", "original": "#d55e00"}
NAMES = {"improved": "improved", "original": "the lab's recipe, run with the kit"}


def seconds_to_accuracy(record: dict) -> tuple[float, float]:
    """Training time up to the first classifier, and its test accuracy."""
    first = record["results"]["classifiers"][0]
    # Records that were made before classifiers named their history have it in second place.
    key = first.get("history") or list(record["history"])[1]
    return record["seconds"]["pretraining"] + record["seconds"][key], first["test_accuracy"]


def curve(record: dict) -> tuple[list[float], list[float]]:
    """Cumulated seconds and kNN accuracy after each epoch; empty where no probe was made."""
    history, passed = record["history"]["pretraining"], 0.0
    times, scores = [], []
    for epoch in history:
        passed += epoch["seconds"]
        if "knn_accuracy" in epoch:
            times.append(passed)
            scores.append(epoch["knn_accuracy"])
    return times, scores


def labs_points(claims: dict) -> list[tuple[float, float]]:
    """Total seconds and test accuracy of the lab's runs that report both, for one data set."""
    points = []
    for recipe in claims["recipes"]:
        parts = [recipe.get(key, claims.get(key)) for key in ("pretraining_seconds", "classifier_seconds")]
        total = recipe.get("total_seconds") or (sum(parts) if all(parts) and recipe["timed"] else None)
        if total and "test_accuracy" in recipe:
            points.append((total, recipe["test_accuracy"]))
    return points


def draw(dataset: str, axis: plt.Axes, claims: dict) -> None:
    """One data set's panel."""
    unprobed = []
    for profile, colour in COLOURS.items():
        found = sorted((HERE / "records" / profile).glob(f"{dataset}-seed*/record.json"))
        for number, path in enumerate(found):
            record = records.load(path)
            times, scores = curve(record)
            axis.plot(times, scores, color=colour, alpha=0.6)
            axis.plot(*seconds_to_accuracy(record), "o", color=colour, label=None if number else NAMES[profile])
            unprobed += [] if times else [profile]
    points = labs_points(claims)
    axis.plot(*zip(*points, strict=True), "x", color="black", label="as the lab reported it")
    title = {"mnist": "MNIST, 6,000 labels", "cifar10": "CIFAR-10, 20,000 labels"}[dataset]
    note = f"\n(no probe in the records of {', '.join(sorted(set(unprobed)))})" if unprobed else ""
    axis.set(title=title + note, xlabel="training time, s", xlim=(0, None))
    axis.legend(fontsize=8, loc="center left" if dataset == "mnist" else "lower right")


def main() -> None:
    claims = yaml.safe_load((HERE.parent / "notebooks" / "claims.yaml").read_text())
    # MNIST's times are of the first recipe, CIFAR-10's stand with each run: others are left out.
    for dataset in ("mnist", "cifar10"):
        for i, recipe in enumerate(claims[dataset]["recipes"]):
            recipe["timed"] = i == 0
    plt.rcParams["svg.hashsalt"] = "progress"
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for axis, dataset in zip(axes, ("mnist", "cifar10"), strict=True):
        draw(dataset, axis, claims[dataset])
    axes[0].set_ylabel("test accuracy (dots); kNN probe (lines)")
    figure.savefig(HERE / "progress.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
