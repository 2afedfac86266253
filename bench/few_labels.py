"""What 10, 100 and 1,000 labels are worth on MNIST with the encoder that ships with the kit, over many draws of them.

Two kinds of answer, which must not be set beside each other. *Inductive*: a classifier learns from the labelled images
and then meets the others for the first time. *Transductive*: a graph of neighbours joins all images beforehand, those
to be classified among them, and labels spread over it (``lib.evaluation.graph``); "balanced" also knows how frequent
each class is, which it takes from the labels drawn.

Settings were chosen with the images of chunks 9 and 10 to be classified, which no run uses; one was changed after the
test images had been opened (docs/mnist.md). Labels are drawn from chunks 5 and 6. Features: the last convolution's map
on its 100 principal components over 8,000 unlabelled images.

LAB_DATA=… python -m bench.few_labels [--test] writes bench/results/few_labels.json, --test with the test images.
"""

import argparse
import time
from statistics import mean

import numpy as np
from torch import Tensor

from bench.run import load, save
from lib import data
from lib.augment import Views
from lib.evaluation.efficiency import draw_labels, linear_accuracy
from lib.evaluation.graph import balanced, neighbour_graph, poisson_learning
from lib.evaluation.linear import plain_features
from lib.evaluation.neighbours import knn_accuracy
from lib.models import Features
from lib.runs.records import environment
from lib.runs.shipped import load_trained

COUNTS, UNLABELLED, COMPONENTS, NEIGHBOURS, MAP = (10, 100, 1000), 8000, 100, 5, 7
KINDS = {
    "kNN": "inductive",
    "logistic regression": "inductive",
    "Poisson learning": "transductive",
    "Poisson learning, balanced": "transductive",
}


def features(images: data.Dataset, asked: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """Maps, and their components, of the pool of labelled images, chunks 5 and 6, and of those to be classified."""
    from sklearn.decomposition import PCA

    record, model = load_trained("mnist")
    encoder, views = Features(model.encoder, ["relu2"], MAP), Views(record["parameters"]["views"])
    parts = data.equal_chunks(images, 10)
    unlabelled, pool = (images.train_images[data.join(parts, chunks)] for chunks in ([1, 2, 3, 4], [5, 6]))
    reduced = PCA(COMPONENTS, svd_solver="randomized", random_state=0)
    reduced.fit(plain_features(encoder, unlabelled[:UNLABELLED], views))
    maps = [plain_features(encoder, part, views) for part in (pool, asked)]
    return [(whole, reduced.transform(whole)) for whole in maps]


def answers(
    pool: tuple[np.ndarray, np.ndarray], labels: Tensor, asked: tuple[np.ndarray, np.ndarray], true: Tensor, draws: int
) -> list[dict]:
    """Accuracy of every method with each number of labels and each draw of them.

    A logistic regression reads the maps, for it standardises what it reads, and components of a variance near 0 would
    become noise; distances are those of the components.
    """
    (pool_maps, pool), (asked_maps, asked) = pool, asked
    graph, rows, labelled = neighbour_graph(np.concatenate([pool, asked]), NEIGHBOURS), [], labels.numpy()
    for count in COUNTS:
        for draw in range(draws):
            drawn = draw_labels(labels, count, draw).numpy()
            known, classes = pool[drawn], labelled[drawn]
            scores = poisson_learning(graph, drawn, classes, 10)
            shares = np.bincount(classes, minlength=10) / count
            spread = {"Poisson learning": scores, "Poisson learning, balanced": balanced(scores, shares)}
            found = {name: float((s[len(pool) :].argmax(1) == true.numpy()).mean()) for name, s in spread.items()}
            found["kNN"] = knn_accuracy(known, classes, asked, true.numpy(), max(1, min(20, count // 20)))
            found["logistic regression"] = linear_accuracy(pool_maps[drawn], labels[drawn], asked_maps, true)
            rows += [{"method": m, "labels": count, "draw": draw, "accuracy": found[m]} for m in KINDS]
        print(*table({"rows": rows}).splitlines()[2:], sep="\n", flush=True)
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
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.few_labels", description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="classify the test images, not chunks 9 and 10")
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args(arguments)
    images, start = data.load("mnist"), time.perf_counter()
    parts = data.equal_chunks(images, 10)
    held_out = data.join(parts, [9, 10])
    asked, true = (
        (images.test_images, images.test_labels)
        if options.test
        else (images.train_images[held_out], images.train_labels[held_out])
    )
    pool, asked = features(images, asked)
    rows = answers(pool, images.train_labels[data.join(parts, [5, 6])], asked, true, options.draws)
    classified = "test images" if options.test else "chunks 9 and 10"
    about = {"seconds": time.perf_counter() - start, "environment": environment()}
    save("few_labels", load("few_labels") | {classified: {"dataset": images.describe(), **about, "rows": rows}})


if __name__ == "__main__":
    main()
