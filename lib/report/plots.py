"""Every figure of the kit: records (or tensors) in, a matplotlib Figure out.

Each takes the words of a language, by default those of the notebook that draws (``lib.words.use``); how they
look is in ``lib.report.style``.
"""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lib.report.style import DASHES, HATCHES, PALETTE, SPOKEN, as_drawn, band, classes, figure, name_data
from lib.runs.records import picture
from lib.words import Words


def image_grid(
    images: np.ndarray,
    dataset: dict[str, Any],
    titles: Sequence[str] = (),
    columns: int = 8,
    row_labels: Sequence[str] = (),
    say: Words = SPOKEN,
) -> Figure:
    """uint8 images (N, C, H, W) in rows of ``columns``, each with its title if there are titles."""
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    drawn, axes = figure(columns * 0.85 + 0.4, rows * (1.15 if titles else 0.85) + 0.3, rows, columns)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for i, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        axis.imshow(image.squeeze(0) if len(image) == 1 else image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
        if titles:
            axis.set_title(titles[i], fontsize=8)
    for axis, label in zip(axes[:, 0], row_labels, strict=False):
        axis.set_ylabel(label, fontsize=8)
    return name_data(drawn, dataset, say)


def views(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """The images that ``pictures`` kept: originals in the first row, two views of each below."""
    images = picture(record, "views")
    labels = [say("plot.image"), *(say.plain("plot.view", number=i) for i in (1, 2))]
    return image_grid(images, record["dataset"], columns=len(images) // 3, row_labels=labels, say=say)


def pretraining(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """NT-Xent loss of each epoch, a band over seeds, and the loss of features that know nothing.

    Where the history holds the kNN probe, its accuracy stands in a second panel.
    """
    probed = all("knn_accuracy" in e for r in records for e in r["history"]["pretraining"])
    drawn, (axes,) = figure(7.6 if probed else 5.5, 3.6, 1, 2 if probed else 1)
    band(axes[0], [[e["loss"] for e in r["history"]["pretraining"]] for r in records], say("plot.nt_xent"), PALETTE[0])
    size = records[0]["parameters"]["batch_size"]
    chance = math.log(2 * size - 1)
    knows_nothing = say.plain("plot.chance", value=f"log(2·{size} − 1) = {chance:.2f}")
    axes[0].axhline(chance, color="0.3", linestyle="--", linewidth=1, label=knows_nothing)
    axes[0].set(ylabel=say("plot.loss"))
    if probed:
        curves = [[100 * e["knn_accuracy"] for e in r["history"]["pretraining"]] for r in records]
        band(axes[1], curves, say("plot.knn"), PALETTE[2], DASHES[1])
        guess = 100 / len(records[0]["dataset"]["classes"])
        axes[1].axhline(
            guess, color="0.3", linestyle=":", linewidth=1, label=say.plain("plot.guess", value=f"{guess:.0f}%")
        )
        axes[1].set(ylabel=say("plot.held_out"), ylim=(0, None))
    for axis in axes:
        axis.set(xlabel=say("plot.epoch"), xlim=(0.5, len(records[0]["history"]["pretraining"]) + 0.5))
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)  # within, it would cover a short curve
    return name_data(drawn, records[0]["dataset"], say)


def classifier(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Loss and accuracy on the labelled images for each epoch of the classification head."""
    drawn, (axes,) = figure(7.2, 3.1, 1, 2)
    for i, entry in enumerate(records[0]["results"]["classifiers"]):
        runs = [r["history"][entry["history"]] for r in records]
        for axis, key in zip(axes, ("loss", "accuracy"), strict=True):
            scale = 100 if key == "accuracy" else 1
            band(
                axis,
                [[e[key] * scale for e in h] for h in runs],
                say.plain("plot.labels", count=f"{entry['labels']:,}"),
                PALETTE[i],
                DASHES[i % 4],
            )
    axes[0].set(xlabel=say("plot.epoch"), ylabel=say("plot.cross_entropy"))
    axes[1].set(xlabel=say("plot.epoch"), ylabel=say("plot.training_accuracy"))
    axes[1].legend()
    return name_data(drawn, records[0]["dataset"], say)


def confusion(matrix: Sequence[Sequence[int]], dataset: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Confusion matrix, counts of test images; shaded by the share of the true class."""
    import seaborn as sns  # where it is used: it takes longer to import than all the rest

    counts = np.array(matrix)
    drawn, ((axis,),) = figure(5.6, 4.6)
    share = counts / counts.sum(1, keepdims=True).clip(min=1)
    names = classes(dataset, say)
    sns.heatmap(share**0.5, annot=counts, fmt="d", cmap="Blues", cbar=False, square=True, ax=axis,
                xticklabels=names, yticklabels=names, linewidths=0.5, annot_kws={"size": 7})  # fmt: skip
    axis.set(xlabel=say("plot.predicted"), ylabel=say("plot.true_class"))
    return name_data(drawn, dataset, say)


def class_accuracy(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Accuracy of each class, a bar for each number of labels; thin lines are deviations over seeds."""
    names = classes(records[0]["dataset"], say)
    entries = records[0]["results"]["classifiers"]
    drawn, ((axis,),) = figure(7.2, 3.2)
    width = 0.8 / len(entries)
    for i, entry in enumerate(entries):
        values = 100 * np.array([r["results"]["classifiers"][i]["class_accuracy"] for r in records])
        spread = values.std(0, ddof=1) if len(values) > 1 else None
        place = np.arange(len(names)) + (i - (len(entries) - 1) / 2) * width
        label, hatch = say.plain("plot.labels", count=f"{entry['labels']:,}"), HATCHES[i % 4]
        bars = axis.bar(place, values.mean(0), width, yerr=spread, label=label, color=PALETTE[i % 10], hatch=hatch,
                        edgecolor="white", error_kw={"linewidth": 1})  # fmt: skip
        if len(entries) == 1:
            axis.bar_label(bars, fmt="%.0f", fontsize=7, padding=2)
    axis.set_xticks(range(len(names)), names, fontsize=8, rotation=30 if max(map(len, names)) > 4 else 0)
    axis.set(ylabel=say("plot.test_accuracy"), ylim=(0, 108))
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)
    return name_data(drawn, records[0]["dataset"], say)


def neighbours(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """A few test images (first column) and the training images nearest to each in feature space."""
    names, rows = classes(record["dataset"], say), record["results"]["neighbours"]
    titles = [names[label] for row in rows for label in (row["label"], *row["neighbours"])]
    return image_grid(picture(record, "neighbours"), record["dataset"], titles, 1 + len(rows[0]["neighbours"]), say=say)


def mistakes(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """The most confident wrong predictions of the first classifier, as pictures."""
    names = classes(record["dataset"], say)
    titles = [
        f"{names[m['label']]} →\n{names[m['predicted']]} {m['probability']:.0%}" for m in record["results"]["mistakes"]
    ]
    return image_grid(picture(record, "mistakes"), record["dataset"], titles, columns=6, say=say)


def _dots(axis: Any, points: Sequence[Sequence[float]], labels: Sequence[int], names: Sequence[str]) -> None:
    """Points (N, 2), a colour and a marker for each class; drawn as pixels, thousands of paths weigh a megabyte."""
    points, labels = np.array(points), np.array(labels)
    for i, name in enumerate(names):
        look = {"color": PALETTE[i % 10], "marker": "os^DvPX<>*"[i % 10], "alpha": 0.7}
        axis.scatter(*points[labels == i].T, s=5, rasterized=True, **look)
        axis.scatter([], [], s=5, label=name, **look)  # the legend's, which stays sharp


def maps(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Test images as dots in two dimensions, a panel for each kind of input.

    The axes are principal components unless ``map_method`` names a method whose axes mean nothing.
    """
    results, names = record["results"], classes(record["dataset"], say)
    axes_names = {} if "map_method" in results else {
        "xlabel": say("plot.first_component"), "ylabel": say("plot.second_component")
    }  # fmt: skip
    drawn, (axes,) = figure(7.6, 3.4, 1, len(results["maps"]))
    for axis, (name, points) in zip(axes, results["maps"].items(), strict=True):
        _dots(axis, points, results["map_labels"], names)
        axis.set(title=as_drawn(say.or_as_is("input", name)), xticks=[], yticks=[], **axes_names)
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2, title=say("plot.class"))
    return name_data(drawn, record["dataset"], say)


def comparison(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Accuracy of each clustering by both assignments, with SimCLR + classifier as a line."""
    drawn, ((axis,),) = figure(7.2, 3.6)
    rows = record["results"]["clusterings"]
    place = np.arange(len(rows))
    for shift, key, label, colour, hatch in (
        (-0.2, "majority", say("plot.majority"), PALETTE[0], ""),
        (0.2, "one_to_one", say("plot.one_to_one"), PALETTE[1], "//"),
    ):
        bars = axis.bar(
            place + shift, [100 * r[key] for r in rows], 0.38, label=label, color=colour, hatch=hatch, edgecolor="white"
        )
        axis.bar_label(bars, fmt="%.1f", fontsize=7)
    reference = record["results"]["simclr"]
    axis.axhline(100 * reference["test_accuracy"], color="0.2", linestyle="--", linewidth=1)
    axis.text(
        -0.4,
        100 * reference["test_accuracy"] + 0.8,
        say.plain("plot.simclr", labels=f"{reference['labels']:,}", accuracy=f"{reference['test_accuracy']:.1%}"),
        fontsize=8,
        va="bottom",
    )
    axis.set_xticks(place, [textwrap.fill(clustering_name(r, say), 12) for r in rows], fontsize=8)
    axis.set(ylabel=say("plot.right_class"), ylim=(0, 112))
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    return name_data(drawn, record["dataset"], say)


def clustering_name(row: dict[str, Any], say: Words) -> str:
    """A clustering's method and its input in a language: ``k-means, 50 principal components``."""
    count, _, rest = row["input"].partition(" ")
    given = say.plain(f"input.{rest}", count=count) if count.isdigit() else say.or_as_is("input", row["input"])
    return f"{as_drawn(say.or_as_is('method', row['method']))}, {as_drawn(given)}"


def clustering_time(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Fit time against accuracy, with SimCLR's whole training beside the clusterings."""
    drawn, ((axis,),) = figure(6.2, 3.4)
    rows, reference = record["results"]["clusterings"], record["results"]["simclr"]
    for i, row in enumerate(rows):
        axis.scatter(
            row["seconds"],
            100 * row["majority"],
            color=PALETTE[i % 10],
            marker="o^vsDP"[i % 6],
            label=clustering_name(row, say),
        )
    axis.scatter(
        reference["seconds"],
        100 * reference["test_accuracy"],
        color="black",
        marker="*",
        s=90,
        label=say("plot.simclr_training"),
    )
    axis.set(xscale="log", xlabel=say("plot.time"), ylabel=say("plot.accuracy"))
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return name_data(drawn, record["dataset"], say)
