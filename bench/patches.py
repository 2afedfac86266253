"""Whitened random patches against the pretraining of `improved` on CIFAR-10, with as much computing.

The patches need no training at all (``lib.evaluation.patches``), so all computing can go into more of them: here as
much as `improved` takes for its pretraining, on the same 20,000 labels. The more patches, the more features, and past
some thousands of them no matrix of features fits in memory. But both classifiers need only the products of the images
with each other, to which every group of patches adds its own: the linear evaluation, solved for a weight of each image
(``lib.evaluation.linear.Ridge``), and a kernel ridge regression with a Gaussian kernel, as in ``bench.kernel_head``.

Everything was chosen with the images of chunk 5 to be classified, which no run uses (docs/cifar10.md).

LAB_DATA=… python -m bench.patches [--test] [--seed 0] [--share 1] writes bench/results/patches.json and fills the table
of docs/cifar10.md. What is in the record already is not measured again.
"""

import argparse
import copy
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from bench.kernel_head import LABELLED, UNLABELLED, both_ways, to_classify
from bench.run import load, rows_of, save
from lib import data
from lib.augment import Views
from lib.evaluation.linear import PENALTIES
from lib.evaluation.patches import Patches
from lib.files import ROOT, fill
from lib.report.values import percent
from lib.runs.records import environment
from lib.runs.shipped import load_trained
from lib.training.flops import forward_flops

COUNTS, GROUP = (512, 2048), 1024
SETTINGS = {"cells": 2, "threshold": 0.25, "floor": 0.3, "cut_from": 2000}
#: Widths of the kernel, and penalties for it on the scale of the linear evaluation's, of which a fifth of the labels
#: chooses.
WIDTHS, KERNEL_PENALTIES = (0.1, 0.3), (1e-5, 3e-6, 1e-6, 3e-7)


class Products:
    """Products of labelled images with each other (N, N), and of those asked about with them (M, N).

    They are summed over standardised features, a group of which is added at a time.
    """

    def __init__(self, labelled: int, asked: int):
        self.known, self.asked = (np.zeros((rows, labelled), np.float32) for rows in (labelled, asked))
        self.lengths, self.features = np.zeros(asked, np.float32), 0

    def add(self, known: np.ndarray, asked: np.ndarray) -> None:
        """Add features (N, D) and (M, D), float32, which are standardised in place."""
        scaler = StandardScaler(copy=False).fit(known)
        known, asked = scaler.transform(known), scaler.transform(asked)
        self.known += known @ known.T  # of which numpy computes one half
        self.asked += asked @ known.T
        self.lengths += np.square(asked).sum(1)
        self.features += known.shape[1]

    def gaussian(self, width: float) -> tuple[Tensor, Tensor]:
        """exp(-``width`` · mean squared difference of two images' features), for both."""
        lengths = self.known.diagonal()
        return tuple(
            torch.from_numpy((own[:, None] + lengths - 2 * products) * np.float32(-width / self.features)).exp_()
            for own, products in ((lengths, self.known), (self.lengths, self.asked))
        )


def classified(known: Tensor, asked: Tensor, labels: Tensor, penalties: Sequence[float], seed: int) -> dict[str, Any]:
    """The classes (M,) that a ridge regression gives, with the penalty that does best on a fifth of the labels.

    Args:
        known, asked: products, or kernels, (N, N) and (M, N).
        labels: (N,).
    """
    targets = F.one_hot(labels).float()
    parts = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=seed)
    fitted, held = map(torch.from_numpy, parts)
    some, others = known[fitted][:, fitted], known[held][:, fitted]

    def outputs(matrix: Tensor, targets: Tensor, rows: Tensor, penalty: float) -> Tensor | None:
        matrix, shares = matrix.clone(), targets.mean(0)
        matrix.diagonal().add_(penalty * len(matrix))
        factor, failed = torch.linalg.cholesky_ex(matrix)
        return None if failed else rows @ torch.cholesky_solve(targets - shares, factor) + shares

    found = {}
    for penalty in penalties:
        if (answers := outputs(some, targets[fitted], others, penalty)) is None:
            break
        found[penalty] = float((answers.argmax(1) == labels[held]).float().mean())
    penalty = max(found, key=found.get)
    answers = outputs(known, targets, asked, penalty)
    return {"classes": answers.argmax(1), "penalty": penalty, "held_out_accuracy": found[penalty]}


def groups(patches: Patches, counts: Sequence[int]) -> Iterator[tuple[int, Patches]]:
    """A few patches at a time, each with how many there were so far; every count is one of them."""
    most = max(counts)
    for first, last in pairwise(sorted({*range(0, most, GROUP), *counts})):
        some = copy.deepcopy(patches)
        some.filters.data, some.bias = patches.filters[first:last], patches.bias[first:last]
        yield last, some


def measured(images: data.Dataset, asked: Tensor, true: Tensor, counts: Sequence[int], seed: int) -> Iterator[dict]:
    """A row for each number of patches, all of one draw."""
    began, parts, plain = time.perf_counter(), data.equal_chunks(images, 5), Views("simclr_cifar10")
    rows = data.join(parts, LABELLED)
    labelled, labels = images.train_images[rows], images.train_labels[rows]
    some = plain.plain(images.train_images[data.join(parts, UNLABELLED)[: SETTINGS["cut_from"]]])
    given = {name: SETTINGS[name] for name in ("cells", "threshold", "floor")}
    products = Products(len(labelled), len(asked))
    for count, few in groups(Patches(some, max(counts), seed, **given), counts):
        products.add(*(both_ways(few, some, plain) for some in (labelled, asked)))
        if count not in counts:
            continue
        both = torch.from_numpy(products.known), torch.from_numpy(products.asked)
        heads = {"linear": classified(*both, labels, PENALTIES, seed)}
        kernels = (
            classified(*products.gaussian(width), labels, KERNEL_PENALTIES, seed) | {"width": width} for width in WIDTHS
        )
        heads["kernel"] = max(kernels, key=itemgetter("held_out_accuracy"))
        for head in heads.values():
            head["accuracy"] = float((head.pop("classes") == true).float().mean())
        yield {
            "patches": count,
            "seed": seed,
            "features": products.features,
            "flops": count * of_one() * (len(labelled) + len(asked)),
            **heads,
            "seconds": time.perf_counter() - began,
        }


def of_one() -> int:
    """Floating-point operations of a patch for a CIFAR-10 image and its mirror image."""
    return 2 * forward_flops(Patches(torch.zeros(2, 3, 32, 32), 1), (3, 32, 32))


def table(rows: list[dict[str, Any]]) -> str:
    """The record as a Markdown table: mean and standard deviation over draws of the patches."""
    lines = [
        "| patches | features | computing | linear | kernel | draws |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for count in sorted({row["patches"] for row in rows}):
        found = [row for row in rows if row["patches"] == count]
        shares = [percent([row[head]["accuracy"] for row in found]) for head in ("linear", "kernel")]
        work = f"{found[0]['flops'] / 1e12:.1f} TFLOP"
        lines.append(f"| {count:,} | {found[0]['features']:,} | {work} | {' | '.join(shares)} | {len(found)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.patches", description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="classify the test images, not chunk 5")
    parser.add_argument("--seed", type=int, default=0, help="draws the patches")
    parser.add_argument("--share", type=float, default=1.0, help="of the computing of `improved`; less is sooner done")
    options = parser.parse_args(arguments)
    images = data.load("cifar10")
    classified, asked, true = to_classify(images, options.test)
    budget = load_trained("cifar10")[0]["results"]["flops"]["pretraining"]
    labelled = len(data.join(data.equal_chunks(images, 5), LABELLED))
    most = int(options.share * budget / of_one() / (len(asked) + labelled))
    counts = [*(count for count in COUNTS if count < most), most]
    about = {"dataset": images.describe(), "settings": SETTINGS}
    rows = rows_of("patches", classified, about)
    made = {(row["patches"], row["seed"]) for row in rows}
    if not made.issuperset((count, options.seed) for count in counts):
        for row in measured(images, asked, true, counts, options.seed):
            if (row["patches"], row["seed"]) in made:
                continue
            rows = sorted([*rows, row | {"environment": environment()}], key=itemgetter("patches", "seed"))
            save("patches", load("patches") | {classified: about | {"rows": rows}})
            shares = " ".join(f"{head} {row[head]['accuracy']:.2%}" for head in ("linear", "kernel"))
            print(f"{row['patches']} patches, {row['features']} features: {shares}, {row['seconds']:.0f} s", flush=True)
    print(table(rows), end="")
    if options.test:
        fill(ROOT / "docs/cifar10.md", "patches", table(rows))


if __name__ == "__main__":
    main()
