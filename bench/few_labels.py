"""What 10, 100 and 1,000 labels are worth on MNIST with the encoder that ships with the kit, over many draws of them.

Two kinds of answer, which must not be set beside each other. *Inductive*: a classifier has never met the images it is
asked about. *Transductive*: a graph of neighbours joins all images beforehand, those to be classified among them, and
labels spread over it (``bench.graph``). "Balanced" and threshold dynamics also know how frequent each class
is, which they take from the labels drawn. A network that is fine-tuned on such a graph's answers is the one or the
other: its graph joins the images asked about, or leaves them out. Graphs of an untrained encoder's features and of
pixels are there for comparison: they show what SimCLR adds.

Settings were chosen with the images of chunks 9 and 10 to be classified, which no run uses (docs/mnist.md). Labels are
drawn from chunks 5 and 6; chunks 1 to 4 have none.

LAB_DATA=… python -m bench.few_labels [--test] writes bench/results/few_labels.json, --test with the test images, and
fills the table of docs/mnist.md. What an interrupted call has measured stays, and the next one goes on from there.
"""

import argparse
import copy
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from torch import Tensor

from bench.graph import balanced, neighbour_graph, poisson_learning, threshold_dynamics
from bench.run import load, rows_of, save, silence
from lib import data
from lib.augment import Views
from lib.evaluation.classification import probabilities, scores
from lib.evaluation.efficiency import draw_labels
from lib.evaluation.linear import plain_features
from lib.evaluation.neighbours import knn_accuracy
from lib.files import ROOT, fill
from lib.models import Classifier, Features, SimCLR
from lib.runs.records import environment
from lib.runs.shipped import load_trained
from lib.runs.trained import untrained
from lib.training import Settings, train_classifier

COUNTS, UNLABELLED, COMPONENTS, NEIGHBOURS, MAP = (10, 100, 1000), 8000, 100, 7, 7
TUNING = Settings(4, 64, "adamw", learning_rate=0.002, weight_decay=0.01, schedule="one_cycle")
REPEATED = 10  # times that an image whose label is known stands among those whose label is the graph's answer
SETTINGS = {
    "components": COMPONENTS,
    "neighbours": NEIGHBOURS,
    "map": MAP,
    "repeated": REPEATED,
    "fine-tuning": asdict(TUNING),
}
NETWORK = "network on the graph's answers"
KINDS = {
    "kNN": "inductive",
    "logistic regression": "inductive",
    NETWORK: "inductive",
    "Poisson learning": "transductive",
    "Poisson learning, balanced": "transductive",
    "threshold dynamics after it": "transductive",
    "the same graph of an untrained encoder": "transductive",
    "the same graph of pixels": "transductive",
    f"{NETWORK}, with the images asked about": "transductive",
}


def joined(model: SimCLR, views: Views, images: Tensor) -> np.ndarray:
    """The last convolution's map, averaged, and h, each of unit length, side by side."""
    readers = Features(model.encoder, ["relu2"], MAP), model.encoder
    return np.concatenate([normalize(plain_features(reader, images, views)) for reader in readers], 1)


def reduced(features: np.ndarray) -> np.ndarray:
    """Unit vectors (N, ``COMPONENTS``), whose distances are those of their cosines.

    Principal components over the last images, which are unlabelled, each divided by the root of its deviation, so that
    the first few do not decide alone.
    """
    found = PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(features[-UNLABELLED:])
    return normalize(found.transform(features) / found.explained_variance_**0.25)


@dataclass
class Task:
    """Images to be classified, those that labels are drawn from, and others without labels: features and graphs.

    Args:
        record, model: the network that ships with the kit, and the record of its run.
        images: uint8 (N, 1, 28, 28), those that labels are drawn from, those asked about, unlabelled ones, in this
            order.
        pool, asked: the labels of the first two.
    """

    record: dict[str, Any]
    model: SimCLR
    images: Tensor
    pool: Tensor
    asked: Tensor

    def __post_init__(self):
        first, last = len(self.pool), len(self.pool) + len(self.asked)
        self.rows, self.known = slice(first, last), np.r_[:first, last : len(self.images)]
        self.views = Views(self.record["parameters"]["views"])
        torch.manual_seed(0)
        start = untrained(self.record).eval()
        self.features = reduced(joined(self.model, self.views, self.images))
        pixels = reduced(normalize(self.images.flatten(1).numpy()))
        self.graph, self.untrained, self.pixels = (
            neighbour_graph(found, NEIGHBOURS)
            for found in (self.features, reduced(joined(start, self.views, self.images)), pixels)
        )
        self.before = neighbour_graph(self.features[self.known], NEIGHBOURS)

    def right(self, answers: np.ndarray) -> float:
        """Accuracy of answers (M,) for the images asked about."""
        return float((answers == self.asked.numpy()).mean())

    def answers(self, count: int, draw: int) -> Iterator[float]:
        """Accuracy of every method with a draw of so many labels, in the order of ``KINDS``."""
        drawn = draw_labels(self.pool, count, draw).numpy()
        labels, known, asked = self.pool[drawn].numpy(), self.features[drawn], self.features[self.rows]
        shares = np.bincount(labels, minlength=10) / count
        most = self.rows.stop  # images that a network learns; with more of those without labels it does no better

        def settled(graph: csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            spread = poisson_learning(graph, drawn, labels, 10)
            answers = balanced(spread, shares).argmax(1)
            return spread, answers, threshold_dynamics(graph, answers, drawn, labels, shares)

        yield knn_accuracy(known, labels, asked, self.asked.numpy(), max(1, min(20, count // 20)))
        yield self.right(LogisticRegression(C=100).fit(known, labels).predict(asked))
        *_, answers = settled(self.before)
        yield self.fine_tuned(self.images[self.known][:most], answers[:most], drawn, draw)
        spread, answers, moved = settled(self.graph)
        yield self.right(spread[self.rows].argmax(1))
        yield self.right(answers[self.rows])
        yield self.right(moved[self.rows])
        yield self.right(settled(self.untrained)[-1][self.rows])
        yield self.right(settled(self.pixels)[-1][self.rows])
        yield self.fine_tuned(self.images[:most], moved[:most], drawn, draw)

    def fine_tuned(self, images: Tensor, answers: np.ndarray, drawn: np.ndarray, seed: int) -> float:
        """Accuracy of the whole network, trained on with such answers for labels."""
        torch.manual_seed(seed)
        shape = tuple(images.shape[1:])
        classifier = Classifier(copy.deepcopy(self.model.encoder), shape, 10, (256,), ["relu2"], dropout=0.3)
        classifier.requires_grad_(True)
        rows = np.concatenate([np.arange(len(images)), np.tile(drawn, REPEATED)])
        labels = torch.from_numpy(answers[rows])
        train_classifier(classifier, images[rows], labels, Views("gentle_mnist"), TUNING, label_smoothing=0.1)
        found = probabilities(classifier, self.images[self.rows], self.views.plain)
        return scores(found, self.asked)["accuracy"]


def measured(task: Task, count: int, draw: int) -> list[dict]:
    """The rows of one draw; the seconds of a method are those since the one before."""
    silence()
    rows, start = [], time.perf_counter()
    for method, accuracy in zip(KINDS, task.answers(count, draw), strict=True):
        took, start = time.perf_counter() - start, time.perf_counter()
        rows.append({"method": method, "labels": count, "draw": draw, "accuracy": accuracy, "seconds": took})
    return rows


def table(record: dict) -> str:
    """The record as a Markdown table: mean and worst over the draws."""
    counts = sorted({row["labels"] for row in record["rows"]})
    lines = ["| method | kind | " + " | ".join(f"{count:,} labels: mean, worst" for count in counts) + " |"]
    lines.append("| --- | --- |" + " ---: |" * len(counts))
    for method, kind in KINDS.items():
        cells = []
        for count in counts:
            found = [r["accuracy"] for r in record["rows"] if (r["method"], r["labels"]) == (method, count)]
            cells.append(f"{mean(found):.1%}, {min(found):.1%}")
        lines.append(f"| {method} | {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.few_labels", description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="classify the test images, not chunks 9 and 10")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="draws side by side, with a thread each")
    options = parser.parse_args(arguments)
    images, (record, model) = data.load("mnist"), load_trained("mnist")
    parts = data.equal_chunks(images, 10)
    unlabelled, pool, held_out = (data.join(parts, chunks) for chunks in ([1, 2, 3, 4], [5, 6], [9, 10]))
    x, y = images.train_images, images.train_labels
    asked, true = (images.test_images, images.test_labels) if options.test else (x[held_out], y[held_out])
    task = Task(record, model, torch.cat([x[pool], asked, x[unlabelled]]), y[pool], true)
    classified = "test images" if options.test else "chunks 9 and 10"
    asking = {"dataset": images.describe(), "settings": SETTINGS}
    about, rows = asking | {"environment": environment()}, rows_of("few_labels", classified, asking)
    made = {(row["labels"], row["draw"]) for row in rows}
    wanted = [cell for draw in range(options.draws) for count in COUNTS if (cell := (count, draw)) not in made]
    several = Parallel(options.jobs, return_as="generator_unordered")
    for found in several(delayed(measured)(task, *cell) for cell in wanted):
        rows = sorted(rows + found, key=lambda row: (row["labels"], row["draw"]))
        save("few_labels", load("few_labels") | {classified: about | {"rows": rows}})
        print(
            *(f"{r['labels']:5} {r['draw']:3} {r['accuracy']:.2%} {r['method']}" for r in found), sep="\n", flush=True
        )
    print(table({"rows": rows}), end="")
    if options.test:
        fill(ROOT / "docs/mnist.md", "few labels", table({"rows": rows}))


if __name__ == "__main__":
    main()
