"""What the recipe `improved` could be: each trial is its run with some parameters changed, scored on held-out images.

python -m bench.improved FOLDER NAME ... makes the trials of these names, or all, that FOLDER has no record of, and
writes bench/results/improved.json, of which it shows the table; an interrupted trial resumes.

A trial takes the steps of cifar10.ipynb, but the training images of chunk 5, which no run uses, stand in for the test
images, which are not looked at.
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.methods import HELD_OUT, SEED, made
from bench.run import load, save
from lib import data
from lib.models import Classifier, freeze_encoder
from lib.runs import lab, parameters, plain, recipes, records
from lib.runs.trained import starting_point
from lib.training import pretrain

#: What each trial changes of the recipe.
TRIALS: dict[str, dict[str, Any]] = {
    "as-it-is": {},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.002},
    "one-size": {"feature_sides": []},
    "2x-9": {"encoder": "fast_resnet_2x", "epochs": 9, "small_crops": [[2, 16], [9, 24]]},
}


def asked(name: str, folder: Path) -> parameters.SimCLRParameters:
    """The parameters of a trial."""
    own = {"recipe": "improved", "profile": "trials", "run": name, "runs": str(folder), "seed": SEED}
    fixed = {"illustrated": False, "probe_images": 0}
    return parameters.SimCLRParameters.checked(recipes.load("cifar10", "improved") | own | fixed | TRIALS[name])


def trial(p: parameters.SimCLRParameters) -> dict[str, Any]:
    """The record of a trial, which is made first if there is none."""
    run = records.Run(p)
    if not made(run):
        given = held_out(lab.load_data(run))
        model = starting_point(run.content, given.images)
        lab.count_work(run, given, model)
        learnt = {"settings": p.pretraining, "temperature": p.temperature, "small_crops": p.small_crops}
        kept = run.resumable("pretraining")
        run.training("pretraining", pretrain(model, given.unlabelled(), p.pretraining_views, **learnt, **kept))
        shape, classes = given.images.image_shape, len(given.images.classes)
        head = partial(Classifier, model.encoder, shape, classes, **p.head)
        lab.test_once(run, given, lab.train_classifiers(run, given, lambda: freeze_encoder(head())))
        plain.evaluate(run, given, model)
        run.results["scored_on"] = "held out"
        run.save()
    return records.load(run.folder)


def held_out(given: lab.Data) -> lab.Data:
    """The same chunks, with the training images of the last ones in place of the test images."""
    images = given.images
    rows = data.join(data.equal_chunks(images, len(images.train_images) // given.chunk_size), HELD_OUT[images.name])
    shown = replace(images, test_images=images.train_images[rows], test_labels=images.train_labels[rows])
    return replace(given, images=shown)


def row(record: dict[str, Any]) -> dict[str, Any]:
    """What a trial measured."""
    results, seconds = record["results"], record["seconds"]
    (entry,) = results["classifiers"]
    return {
        "name": record["parameters"]["run"],
        "changes": TRIALS[record["parameters"]["run"]],
        "flops": results["flops"]["pretraining"],
        "linear": entry["linear_evaluation"],
        "untrained": entry["untrained_linear_evaluation"]["accuracy"],
        "knn": entry["knn_accuracy"],
        "head": entry["test_accuracy"],
        "head_plain_view": entry["plain_view_accuracy"],
        "seconds": {name: seconds[name] for name in ("pretraining", entry["history"], "test", "linear evaluation")},
        "processor": record["environment"]["processor"],
        "sha256": record["sha256"],
    }


def table(rows: Iterable[dict[str, Any]]) -> str:
    """The trials as a Markdown table, with what SimCLR adds in points."""
    lines = [
        "| trial | what it changes | compute | pretraining | linear | untrained, linear | added | kNN | head |",
        "| --- | --- |" + " ---: |" * 7,
    ]
    for found in rows:
        linear, untrained = found["linear"]["accuracy"], found["untrained"]
        changes = ", ".join(f"`{name}: {value}`" for name, value in found["changes"].items()) or "nothing"
        cells = [f"{found['flops'] / 1e12:.1f} TFLOP", f"{found['seconds']['pretraining']:.0f} s"]
        cells += [f"{linear:.2%}", f"{untrained:.2%}", f"{100 * (linear - untrained):.1f}"]
        cells += [f"{found[name]:.2%}" for name in ("knn", "head")]
        lines.append(f"| `{found['name']}` | {changes} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.improved", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the trials' records are kept")
    parser.add_argument("names", nargs="*", choices=[*TRIALS, []], help="trials to make; all without a name")
    given = parser.parse_args()
    for name in given.names or TRIALS:
        found = row(trial(asked(name, given.folder)))
        save("improved", load("improved") | {name: found})
    print(table(load("improved").values()), end="")


if __name__ == "__main__":
    main()
