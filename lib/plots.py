"""Every figure of the kit: records (or tensors) in, a matplotlib Figure out.

Colours are seaborn's colour-blind-safe palette; lines also differ in dash or marker, so that they
are told apart in grey. Each figure says below itself which data it was made from.
"""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from lib.records import picture

PALETTE = sns.color_palette("colorblind")
matplotlib.rcParams["svg.hashsalt"] = "simclr-lab-kit"  # the same figure gives the same bytes
DASHES = ("-", "--", "-.", ":")
STYLE = {
    **sns.axes_style("whitegrid"),
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.edgecolor": "0.4",
    "grid.color": "0.9",
    "figure.dpi": 110,
}


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any):
    with sns.plotting_context("paper", font_scale=1.1), matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def title(dataset: dict[str, Any]) -> str:
    """The data set's name as it is usually written; a folder's as it is."""
    return {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}.get(
        dataset["name"], dataset["name"]
    )


def _source(figure: Figure, dataset: dict[str, Any]) -> Figure:
    """Name the data under the figure; in red unless it is the genuine set."""
    colour = "0.45" if dataset["genuine"] else "#b00020"
    figure.supxlabel(f"Data: {title(dataset)} – {dataset['description']}", fontsize=7, color=colour, x=0.99, ha="right")
    return figure


def image_grid(
    images: np.ndarray,
    dataset: dict[str, Any],
    titles: Sequence[str] = (),
    columns: int = 8,
    row_labels: Sequence[str] = (),
) -> Figure:
    """uint8 images (N, C, H, W) in rows of ``columns``, each with its title if there are titles."""
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    figure, axes = _figure(columns * 0.85 + 0.4, rows * (1.15 if titles else 0.85) + 0.3, rows, columns)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for i, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        axis.imshow(image.squeeze(0) if len(image) == 1 else image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
        if titles:
            axis.set_title(titles[i], fontsize=8)
    for axis, label in zip(axes[:, 0], row_labels, strict=False):
        axis.set_ylabel(label, fontsize=8)
    return _source(figure, dataset)


def views(record: dict[str, Any]) -> Figure:
    """The images that ``pictures`` kept: originals in the first row, two views of each below."""
    images = picture(record, "views")
    return image_grid(images, record["dataset"], columns=len(images) // 3, row_labels=("image", "view 1", "view 2"))


def band(axis, curves: Sequence[Sequence[float]], label: str, colour, dash: str = "-") -> None:
    """The mean of several seeds' curves, and a band of one standard deviation around it."""
    values = np.array([curve[: min(map(len, curves))] for curve in curves])
    epochs, mean = np.arange(1, values.shape[1] + 1), values.mean(0)
    axis.plot(epochs, mean, dash, color=colour, label=label, marker="o" if len(epochs) < 16 else None, markersize=3)
    if len(values) > 1:
        deviation = values.std(0, ddof=1)
        axis.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=0.25, linewidth=0)


def pretraining(records: Sequence[dict[str, Any]]) -> Figure:
    """NT-Xent loss of each epoch, a band over seeds, and the loss of features that know nothing.

    Where the history holds the kNN probe, its accuracy stands in a second panel.
    """
    probed = all("knn_accuracy" in e for r in records for e in r["history"]["pretraining"])
    figure, (axes,) = _figure(7.6 if probed else 5.5, 3.3, 1, 2 if probed else 1)
    band(axes[0], [[e["loss"] for e in r["history"]["pretraining"]] for r in records], "NT-Xent loss", PALETTE[0])
    size = records[0]["parameters"]["batch_size"]
    chance = math.log(2 * size - 1)
    axes[0].axhline(
        chance, color="0.3", linestyle="--", linewidth=1, label=f"knows nothing: log(2·{size} − 1) = {chance:.2f}"
    )
    axes[0].set(ylabel="loss (nats)")
    if probed:
        curves = [[100 * e["knn_accuracy"] for e in r["history"]["pretraining"]] for r in records]
        band(axes[1], curves, "kNN probe on features h", PALETTE[2], DASHES[1])
        guess = 100 / len(records[0]["dataset"]["classes"])
        axes[1].axhline(guess, color="0.3", linestyle=":", linewidth=1, label=f"guessing: {guess:.0f}%")
        axes[1].set(ylabel="held-out training images right (%)", ylim=(0, None))
    for axis in axes:
        axis.set(xlabel="epoch", xlim=(0.5, None))
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()
    return _source(figure, records[0]["dataset"])


def classifier(records: Sequence[dict[str, Any]]) -> Figure:
    """Loss and accuracy on the labelled images for each epoch of the classification head."""
    figure, (axes,) = _figure(7.2, 3.1, 1, 2)
    for i, entry in enumerate(records[0]["results"]["classifiers"]):
        runs = [r["history"][entry["history"]] for r in records]
        for axis, key in zip(axes, ("loss", "accuracy"), strict=True):
            scale = 100 if key == "accuracy" else 1
            band(
                axis,
                [[e[key] * scale for e in h] for h in runs],
                f"{entry['labels']:,} labels",
                PALETTE[i],
                DASHES[i % 4],
            )
    axes[0].set(xlabel="epoch", ylabel="cross-entropy (nats)")
    axes[1].set(xlabel="epoch", ylabel="training accuracy (%)")
    axes[1].legend()
    return _source(figure, records[0]["dataset"])


def confusion(matrix: Sequence[Sequence[int]], dataset: dict[str, Any]) -> Figure:
    """Confusion matrix, counts of test images; shaded by the share of the true class."""
    counts = np.array(matrix)
    figure, ((axis,),) = _figure(5.6, 4.6)
    share = counts / counts.sum(1, keepdims=True).clip(min=1)
    classes = dataset["classes"]
    sns.heatmap(share**0.5, annot=counts, fmt="d", cmap="Blues", cbar=False, square=True, ax=axis,
                xticklabels=classes, yticklabels=classes, linewidths=0.5, annot_kws={"size": 7})  # fmt: skip
    axis.set(xlabel="predicted class", ylabel="true class")
    return _source(figure, dataset)


def class_accuracy(records: Sequence[dict[str, Any]]) -> Figure:
    """Accuracy of each class, a bar for each number of labels; thin lines are deviations over seeds."""
    classes = records[0]["dataset"]["classes"]
    entries = records[0]["results"]["classifiers"]
    figure, ((axis,),) = _figure(7.2, 3.2)
    width = 0.8 / len(entries)
    for i, entry in enumerate(entries):
        values = 100 * np.array([r["results"]["classifiers"][i]["class_accuracy"] for r in records])
        spread = values.std(0, ddof=1) if len(values) > 1 else None
        place = np.arange(len(classes)) + (i - (len(entries) - 1) / 2) * width
        label, hatch = f"{entry['labels']:,} labels", ("", "//", "..", "xx")[i % 4]
        bars = axis.bar(place, values.mean(0), width, yerr=spread, label=label, color=PALETTE[i % 10], hatch=hatch,
                        edgecolor="white", error_kw={"linewidth": 1})  # fmt: skip
        if len(entries) == 1:
            axis.bar_label(bars, fmt="%.0f", fontsize=7, padding=2)
    axis.set_xticks(range(len(classes)), classes, fontsize=8, rotation=30 if max(map(len, classes)) > 4 else 0)
    axis.set(ylabel="test accuracy (%)", ylim=(0, 108))
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)
    return _source(figure, records[0]["dataset"])


def neighbours(record: dict[str, Any]) -> Figure:
    """A few test images (first column) and the training images nearest to each in feature space."""
    classes, rows = record["dataset"]["classes"], record["results"]["neighbours"]
    titles = [classes[label] for row in rows for label in (row["label"], *row["neighbours"])]
    return image_grid(picture(record, "neighbours"), record["dataset"], titles, 1 + len(rows[0]["neighbours"]))


def mistakes(record: dict[str, Any]) -> Figure:
    """The most confident wrong predictions of the first classifier, as pictures."""
    classes = record["dataset"]["classes"]
    titles = [
        f"{classes[m['label']]} → {classes[m['predicted']]}\n{m['probability']:.0%}"
        for m in record["results"]["mistakes"]
    ]
    return image_grid(picture(record, "mistakes"), record["dataset"], titles, columns=6)


def maps(record: dict[str, Any]) -> Figure:
    """Test images as dots in two dimensions, a panel for each kind of input."""
    results, classes = record["results"], record["dataset"]["classes"]
    figure, (axes,) = _figure(7.6, 3.4, 1, len(results["maps"]))
    labels = np.array(results["map_labels"])
    for axis, (name, points) in zip(axes, results["maps"].items(), strict=True):
        points = np.array(points)
        for i, label in enumerate(classes):
            mine = labels == i
            axis.scatter(
                *points[mine].T, s=5, color=PALETTE[i % 10], marker="os^DvPX<>*"[i % 10], alpha=0.7, label=label
            )
        axis.set(title=name, xticks=[], yticks=[], xlabel="first component", ylabel="second component")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2, title="class")
    return _source(figure, record["dataset"])


def comparison(record: dict[str, Any]) -> Figure:
    """Accuracy of each clustering by both assignments, with SimCLR + classifier as a line."""
    figure, ((axis,),) = _figure(7.2, 3.6)
    rows = record["results"]["clusterings"]
    place = np.arange(len(rows))
    for shift, key, label, colour, hatch in (
        (-0.2, "majority", "majority assignment", PALETTE[0], ""),
        (0.2, "one_to_one", "one-to-one assignment", PALETTE[1], "//"),
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
        f"SimCLR + classifier, {reference['labels']:,} labels: {reference['test_accuracy']:.1%}",
        fontsize=8,
        va="bottom",
    )
    axis.set_xticks(place, [f"{r['method']}\n{r['input']}" for r in rows], fontsize=8)
    axis.set(ylabel="test images in the right class (%)", ylim=(0, 112))
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    return _source(figure, record["dataset"])


def clustering_time(record: dict[str, Any]) -> Figure:
    """Fit time against accuracy, with SimCLR's whole training beside the clusterings."""
    figure, ((axis,),) = _figure(6.2, 3.4)
    rows, reference = record["results"]["clusterings"], record["results"]["simclr"]
    for i, row in enumerate(rows):
        marker = "o" if row["method"] == "k-means" else "s"
        axis.scatter(
            row["seconds"],
            100 * row["majority"],
            color=PALETTE[i % 10],
            marker=marker,
            label=f"{row['method']}, {row['input']}",
        )
    axis.scatter(
        reference["seconds"],
        100 * reference["test_accuracy"],
        color="black",
        marker="*",
        s=90,
        label="SimCLR + classifier, all training",
    )
    axis.set(xscale="log", xlabel="training or fit time (s)", ylabel="accuracy (%)")
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return _source(figure, record["dataset"])
