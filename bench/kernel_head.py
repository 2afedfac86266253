"""The best head found for the frozen encoder of `improved` on CIFAR-10: a kernel ridge regression.

It is as simple to fit as the linear evaluation (one solution, no steps or learning rate), but it is not linear: with a
Gaussian kernel, an image gets the labels of those whose features are close to its own. It reads what the linear
evaluation reads, the maps of both stages of the image in three sizes (larger ones here), averaged over 4 × 4 places;
each place is then averaged with its mirror image, and all of them over the image and its mirror image.

Everything was chosen with the images of chunk 5 to be classified, which no run uses (docs/cifar10.md). The control is
the same head, with the same views and labels, on the encoder before pretraining.

LAB_DATA=… python -m bench.kernel_head [ENCODER …] [--test] writes bench/results/kernel_head.json and fills the table of
docs/cifar10.md. ENCODER is ``cifar10``, which ships with the kit, or the folder of a run of `improved`, such as
improved/cifar10-seed1. What is in the record already is not measured again.
"""

import argparse
import time
from itertools import product
from typing import Any

import numpy as np
from sklearn.kernel_ridge import KernelRidge
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from bench.run import load, rows_of, save
from lib import data
from lib.augment import Views
from lib.evaluation.linear import STATISTICS, linear_evaluation, plain_features, without_learning
from lib.files import ROOT, fill
from lib.models import Features
from lib.report.values import percent
from lib.runs.plain import GRID
from lib.runs.records import environment
from lib.runs.shipped import load_trained
from lib.runs.trained import starting_point

LABELLED, UNLABELLED, HELD_OUT = [1, 2], [1, 2, 3, 4], [5]
SETTINGS = {"sides": [40, 56, 80], "grid": GRID, "width": 0.6, "alpha": 0.1}
KINDS = SIMCLR, UNTRAINED = "after SimCLR", "the same encoder, untrained"


def seen(reader: nn.Module, images: Tensor, plain: Views) -> np.ndarray:
    """Features (N, width) of uint8 images (N, C, H, W), float32.

    Means of an image and its mirror image; in each, of a place and its mirror image.
    """
    places, half = both_ways(reader, images, plain).reshape(len(images), -1, GRID, GRID), GRID // 2
    return (places[..., :half] + places[..., half:][..., ::-1]).reshape(len(images), -1) / 2


def both_ways(reader: nn.Module, images: Tensor, plain: Views) -> np.ndarray:
    """Features (N, width), float32, of uint8 images (N, C, H, W): means of an image and its mirror image."""
    return (plain_features(reader, images, plain) + plain_features(reader, images.flip(3), plain)) / 2


def classified(known: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The classes (M,) of features (M, D), by a kernel ridge regression of known ones (N, D) onto their labels (N,).

    Two images at the mean squared distance, which is 2 D for features of deviation 1, have a kernel of
    exp(-2 · ``width``).
    """
    scaler = StandardScaler(copy=False).fit(known)
    classes, which = np.unique(labels, return_inverse=True)
    targets = np.eye(len(classes), dtype=np.float32)[which]
    ridge = KernelRidge(alpha=SETTINGS["alpha"], kernel="rbf", gamma=SETTINGS["width"] / known.shape[1])
    ridge.fit(scaler.transform(known), targets - (shares := targets.mean(0)))
    return classes[(ridge.predict(scaler.transform(asked)) + shares).argmax(1)]


def readers(which: str, features: str, images: data.Dataset) -> tuple[list[nn.Module], Views]:
    """What gives these features with an encoder, in one form or more, and the views that show an image as it is."""
    record, model = load_trained(which)
    p = record["parameters"]
    plain, encoders = Views(p["views"]), [model.encoder.eval()]
    if features == UNTRAINED:
        start = Features(starting_point(record, images).encoder, sides=SETTINGS["sides"])
        some = data.join(data.equal_chunks(images, 5), UNLABELLED)[:STATISTICS]
        encoders = [one.encoder for one in without_learning(start, images.train_images[some], plain)]
    return [Features(one, p["feature_layers"], GRID, SETTINGS["sides"]) for one in encoders], plain


def measured(which: str, features: str, images: data.Dataset, asked: Tensor, answers: Tensor) -> dict[str, Any]:
    """Accuracy of the kernel's head and of a linear one with an encoder; of two forms of an untrained one, the better.

    The linear head is that of the linear evaluation, on the same features.
    """
    began, rows = time.perf_counter(), data.join(data.equal_chunks(images, 5), LABELLED)
    x, y, true = images.train_images[rows], images.train_labels[rows].numpy(), answers.numpy()
    forms, plain = readers(which, features, images)
    linear, kernel = [], []
    for one in forms:
        known, unknown = seen(one, x, plain), seen(one, asked, plain)
        linear.append(linear_evaluation(known, y, unknown, true)["accuracy"])
        kernel.append(float((classified(known, y, unknown) == true).mean()))
    return {"linear": max(linear), "kernel": max(kernel), "seconds": time.perf_counter() - began}


def table(rows: list[dict[str, Any]]) -> str:
    """The record as a Markdown table: mean and standard deviation over encoders."""
    lines = ["| features | linear | kernel | encoders |", "| --- | ---: | ---: | ---: |"]
    for name in KINDS:
        if found := [row for row in rows if row["features"] == name]:
            shares = [percent([row[head] for row in found]) for head in ("linear", "kernel")]
            lines.append(f"| {name} | {' | '.join(shares)} | {len(found)} |")
    return "\n".join(lines) + "\n"


def to_classify(images: data.Dataset, test: bool) -> tuple[str, Tensor, Tensor]:
    """The test images, or those of chunk 5: their name in the record, uint8 (M, C, H, W), and labels (M,)."""
    if test:
        return "test images", images.test_images, images.test_labels
    rows = data.join(data.equal_chunks(images, 5), HELD_OUT)
    return "chunk 5", images.train_images[rows], images.train_labels[rows]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.kernel_head", description=__doc__.splitlines()[0])
    parser.add_argument("encoders", nargs="*", default=["cifar10"], metavar="ENCODER")
    parser.add_argument("--test", action="store_true", help="classify the test images, not chunk 5")
    options = parser.parse_args(arguments)
    images = data.load("cifar10")
    classified, asked, true = to_classify(images, options.test)
    about = {"dataset": images.describe(), "settings": SETTINGS}
    rows = rows_of("kernel_head", classified, about)
    for features, which in product(KINDS, options.encoders):
        record, _ = load_trained(which)
        key = {"features": features, "run": record["sha256"]}
        if any(key.items() <= row.items() for row in rows):
            continue
        found = measured(which, features, images, asked, true)
        rows.append(key | {"seed": record["parameters"]["seed"]} | found | {"environment": environment()})
        save("kernel_head", load("kernel_head") | {classified: about | {"rows": rows}})
        shares = " ".join(f"{head} {found[head]:.2%}" for head in ("linear", "kernel"))
        print(f"{features}, seed {rows[-1]['seed']}: {shares}, {found['seconds']:.0f} s", flush=True)
    print(table(rows), end="")
    if options.test:
        fill(ROOT / "docs/cifar10.md", "kernel head", table(rows))


if __name__ == "__main__":
    main()
