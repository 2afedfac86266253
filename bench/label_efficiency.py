"""What 100 to 20,000 labels are worth on CIFAR-10, with the encoder of `improved` and without it.

Four ways from labels to a classifier. With the encoder frozen, a linear classifier and the kernel ridge regression of
``bench.kernel_head``, both on the features described there. With encoder and head trained together, from SimCLR's
weights (fine-tuning) and from those that the encoder had before SimCLR (from scratch). These two share every setting
and average their predictions over eight slight views, as `improved` does. Encoder and draw of labels have the same
seed.

Everything was chosen with the images of chunk 5 to be classified, which no run uses (docs/cifar10.md). Labels are drawn
from chunks 1 and 2.

LAB_DATA=… python -m bench.label_efficiency [ENCODER …] [--test] [--counts N …] writes bench/results/
label_efficiency.json and fills the table of docs/cifar10.md. ENCODER is as for ``bench.kernel_head``. What is in the
record already is not measured again.
"""

import argparse
import copy
import time
from dataclasses import asdict, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.kernel_head import LABELLED, SIMCLR, classified, readers, seen, to_classify
from bench.kernel_head import SETTINGS as KERNEL
from bench.run import load, rows_of, save, silence
from lib import data
from lib.augment import Views
from lib.evaluation.classification import probabilities, scores
from lib.evaluation.efficiency import draw_labels, enough
from lib.evaluation.linear import linear_evaluation
from lib.files import ROOT, fill
from lib.models import Classifier
from lib.report.values import percent
from lib.runs.records import environment
from lib.runs.shipped import load_trained
from lib.runs.trained import starting_point
from lib.training import Settings, train_classifier

COUNTS = (100, 500, 2000, 5000, 20_000)
WAYS = LINEAR, _, TUNED, SCRATCH = "frozen, linear", "frozen, kernel", "fine-tuned", "from scratch"
VIEWS, TEST_VIEWS, TEST_COUNT, SMOOTHING = "gentle_cifar10", "slight_cifar10", 8, 0.1
TRAINING = Settings(30, 256, "muon", learning_rate=0.005, weight_decay=0.01, schedule="one_cycle")
LEAST_STEPS = 1200
SETTINGS = {
    "kernel": KERNEL,
    "views": [VIEWS, TEST_VIEWS, TEST_COUNT],
    "label_smoothing": SMOOTHING,
    "training": asdict(TRAINING),
    "least_steps": LEAST_STEPS,
}


class Task:
    """An encoder, labelled images to draw from, and images to be classified.

    Args:
        which: as for ``load_trained``.
        asked, true: uint8 (M, C, H, W) and labels (M,).
    """

    def __init__(self, which: str, images: data.Dataset, asked: Tensor, true: Tensor):
        self.record, model = load_trained(which)
        rows = data.join(data.equal_chunks(images, 5), LABELLED)
        self.pool, self.labels = images.train_images[rows], images.train_labels[rows]
        self.asked, self.true, self.classes = asked, true, len(images.classes)
        self.starts = {TUNED: model.encoder, SCRATCH: starting_point(self.record, images).encoder}
        self.reader, self.plain = readers(which, SIMCLR, images)

    @cached_property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, D) and (M, D) of the images to draw from and of those asked about, computed once."""
        return tuple(seen(self.reader[0], some, self.plain) for some in (self.pool, self.asked))

    def accuracy(self, way: str, count: int, seed: int) -> float:
        """Accuracy in [0, 1] of one of ``WAYS`` with so many labels."""
        drawn = draw_labels(self.labels, count, seed)
        if way in self.starts:
            return self._trained(way, drawn, seed)
        (known, asked), labels, true = self.features, self.labels[drawn].numpy(), self.true.numpy()
        if way == LINEAR:
            return linear_evaluation(known[drawn], labels, asked, true, seed)["accuracy"]
        return float((classified(known[drawn], labels, asked.copy()) == true).mean())

    def _trained(self, way: str, drawn: Tensor, seed: int) -> float:
        torch.manual_seed(seed)
        encoder = copy.deepcopy(self.starts[way])
        classifier = Classifier(encoder, tuple(self.asked.shape[1:]), self.classes, hidden=())
        settings = enough(replace(TRAINING, seed=seed), len(drawn), LEAST_STEPS)
        chosen = self.pool[drawn], self.labels[drawn]
        train_classifier(classifier, *chosen, Views(VIEWS), settings, name=way, label_smoothing=SMOOTHING)
        found = probabilities(classifier, self.asked, Views(TEST_VIEWS), TEST_COUNT, seed)
        return scores(found, self.true)["accuracy"]


def table(rows: list[dict[str, Any]]) -> str:
    """The record as a Markdown table: mean and standard deviation over encoders and draws."""
    counts = sorted({row["labels"] for row in rows})
    lines = ["| labels | " + " | ".join(f"{count:,}" for count in counts) + " |", "| --- |" + " ---: |" * len(counts)]
    for way in WAYS:
        found = [[r["accuracy"] for r in rows if (r["way"], r["labels"]) == (way, count)] for count in counts]
        lines.append(f"| {way} | {' | '.join(map(percent, found))} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.label_efficiency", description=__doc__.splitlines()[0])
    parser.add_argument("encoders", nargs="*", default=["cifar10"], metavar="ENCODER")
    parser.add_argument("--test", action="store_true", help="classify the test images, not chunk 5")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of labels")
    options = parser.parse_args(arguments)
    silence()
    images = data.load("cifar10")
    what, asked, true = to_classify(images, options.test)
    about = {"dataset": images.describe(), "settings": SETTINGS}
    rows = rows_of("label_efficiency", what, about)
    for which in options.encoders:
        task = Task(which, images, asked, true)
        for count, way in product(options.counts, WAYS):
            key = {"way": way, "labels": count, "run": task.record["sha256"]}
            if any(key.items() <= row.items() for row in rows):
                continue
            began, seed = time.perf_counter(), task.record["parameters"]["seed"]
            found = {"accuracy": task.accuracy(way, count, seed), "seconds": time.perf_counter() - began}
            rows.append(key | {"seed": seed} | found | {"environment": environment()})
            save("label_efficiency", load("label_efficiency") | {what: about | {"rows": rows}})
            print(f"{count} labels, seed {seed}, {way}: {found['accuracy']:.2%}, {found['seconds']:.0f} s", flush=True)
    print(table(rows), end="")
    if options.test:
        fill(ROOT / "docs/cifar10.md", "label efficiency", table(rows))


if __name__ == "__main__":
    main()
