"""Figures of pretraining and of the classifier: curves, accuracy of each class, confusion matrix."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from lib.report.style import (
    DASHES,
    INK,
    ON_COLOUR,
    PALETTE,
    SOFT,
    SPOKEN,
    band,
    classes,
    figure,
    label_ends,
    name_data,
    told,
)
from lib.report.values import knowing_nothing
from lib.words import Words

MARKERS = "os^D"


def pretraining(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """NT-Xent loss of each epoch, a band over seeds, and the loss at chance.

    Where the history holds the kNN probe, its accuracy stands in a second panel.
    """
    histories = [r["history"]["pretraining"] for r in records]
    probed = all("knn_accuracy" in e for history in histories for e in history)
    drawn, (axes,) = figure(7.2 if probed else 4.4, 2.4, 1, 2 if probed else 1)
    label, axis_label, chance, level = _of_loss(records[0], say)
    band(axes[0], [[e["loss"] for e in history] for history in histories], label, PALETTE[0])
    _level(axes[0], chance, level)
    axes[0].set_ylabel(axis_label, fontsize=9.5)
    losses = [[history[at]["loss"] for history in histories] for at in (0, -1)]
    first, last = (float(np.mean(values)) for values in losses)
    drawn.alt = say.plain("alt.loss_falls" if last < first else "alt.loss_rises", first=f"{first:.2f}",
                          last=f"{last:.2f}", epochs=len(histories[0]), chance=f"{chance:.2f}")  # fmt: skip
    if probed:
        curves = [[100 * e["knn_accuracy"] for e in history] for history in histories]
        band(axes[1], curves, say("plot.knn"), PALETTE[2], DASHES[1])
        guess = 100 / len(records[0]["dataset"]["classes"])
        axes[1].set(ylim=(0, 1.08 * max(map(max, curves))))
        axes[1].set_ylabel(say("plot.knn_right"), fontsize=9.5)
        _level(axes[1], guess, say.plain("plot.guess", value=f"{guess:.0f}%"))
        begin, end = (f"{np.mean([curve[at] for curve in curves]):.1f}%" for at in (0, -1))
        drawn.alt = told([drawn.alt, say.plain("alt.knn", first=begin, last=end, guess=f"{guess:.0f}%")], say)
    for axis in axes:
        axis.set(xlabel=say("plot.epoch"), xlim=(0.5, len(histories[0]) + 0.5))
        axis.xaxis.get_major_locator().set_params(integer=True)
    return name_data(drawn, records[0]["dataset"], say)


def _of_loss(record: dict[str, Any], say: Words) -> tuple[str, str, float, str]:
    """Of a run's loss: its name, also beside an axis, its value for who knows nothing, and that in words."""
    method, size = record["parameters"].get("method", "simclr"), record["parameters"]["batch_size"]
    if method == "simclr":
        chance = knowing_nothing(size)
        said = say.plain("plot.chance", value=f"log(2·{size} − 1) = {chance:.2f}")
        return say("plot.nt_xent"), say("plot.nt_xent_loss"), chance, said
    label, nothing = say("plot.method_loss", method=say.or_as_is("method", method)), record["results"]["nothing"]
    return label, label, nothing, say.plain("plot.nothing_known", value=f"{nothing:.3g}")


def _level(axis: Any, height: float, name: str) -> None:
    """A dashed line across an axis, with its name on it."""
    axis.axhline(height, color=SOFT, linestyle="--", linewidth=1)
    low, high = axis.get_ylim()
    if height + 0.18 * (high - low) > high:  # room for the name above the line
        axis.set_ylim(low, height + 0.18 * (high - low))
    axis.annotate(name, (0.98, height), (0, 3), ("axes fraction", "data"), "offset points",
                  ha="right", va="bottom", fontsize=9, color=SOFT)  # fmt: skip


def classifier(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Loss and accuracy on the labelled images for each epoch of the classification head."""
    drawn, (axes,) = figure(7.2, 2.3, 1, 2)
    ends: list[list[tuple[float, str, Any]]] = [[], []]
    said = []
    for i, entry in enumerate(records[0]["results"]["classifiers"]):
        runs, name = [r["history"][entry["history"]] for r in records], f"{entry['labels']:,}"
        for j, key in enumerate(("loss", "accuracy")):
            curves = [[e[key] * (100 if key == "accuracy" else 1) for e in h] for h in runs]
            band(axes[j], curves, say.plain("plot.labels", count=name), PALETTE[i % 10], DASHES[i % 4])
            ends[j].append((float(np.mean([c[-1] for c in curves])), say.plain("plot.labels", count=name), PALETTE[i]))
        said.append(say.plain("alt.head", labels=name, loss=f"{ends[0][-1][0]:.3f}",
                              accuracy=f"{ends[1][-1][0]:.1f}%", epochs=len(runs[0])))  # fmt: skip
    for j, key in enumerate(("plot.cross_entropy", "plot.training_accuracy")):
        axes[j].set_xlabel(say("plot.epoch"))
        axes[j].set_ylabel(say(key), fontsize=9.5)
        axes[j].xaxis.get_major_locator().set_params(integer=True)
    if len(ends[1]) > 1:
        for axis, these in zip(axes, ends, strict=True):
            label_ends(axis, these, 1.55)
    drawn.alt = told(said, say)
    return name_data(drawn, records[0]["dataset"], say)


def confusion(matrix: Sequence[Sequence[int]], dataset: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Confusion matrix, counts of test images; shaded by the share of the true class."""
    counts, names = np.array(matrix), classes(dataset, say)
    drawn, ((axis,),) = figure(4.0, 3.9)
    share = (counts / counts.sum(1, keepdims=True).clip(min=1)) ** 0.5
    shades = np.tile(np.array(to_rgba(PALETTE[0])), (*counts.shape, 1))
    shades[..., 3] = share
    axis.pcolormesh(shades, edgecolors="none")
    for (row, column), count in np.ndenumerate(counts):
        axis.text(column + 0.5, row + 0.5, f"{count}", ha="center", va="center", fontsize=8 if len(names) < 13 else 5,
                  color=ON_COLOUR if share[row, column] > 0.6 else INK)  # fmt: skip
    places = np.arange(len(names)) + 0.5
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 3 else {}
    axis.set_xticks(places, names, fontsize=9, **turned)
    axis.set_yticks(places, names, fontsize=9)
    axis.grid(visible=False)
    axis.set(xlabel=say("plot.predicted"), ylabel=say("plot.true_class"), aspect="equal")
    axis.invert_yaxis()
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    row, column = np.unravel_index(wrong.argmax(), wrong.shape)
    drawn.alt = say.plain("alt.confusion", right=f"{np.trace(counts):,}", all=f"{counts.sum():,}", actual=names[row],
                          taken=names[column], count=wrong[row, column])  # fmt: skip
    return name_data(drawn, dataset, say)


def class_accuracy(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Accuracy of each class, a mark for each number of labels; thin lines are deviations over seeds.

    The axis begins near the worst class, so that differences show, and the figure says where; dots, unlike bars,
    do not need a zero.
    """
    names = classes(records[0]["dataset"], say)
    entries = records[0]["results"]["classifiers"]
    drawn, ((axis,),) = figure(7.0, 2.3)
    said, lowest = [], 100.0
    for i, entry in enumerate(entries):
        values = 100 * np.array([r["results"]["classifiers"][i]["class_accuracy"] for r in records])
        spread = values.std(0, ddof=1) if len(values) > 1 else None
        place = np.arange(len(names)) + (i - (len(entries) - 1) / 2) * 0.22
        mean, labels = values.mean(0), f"{entry['labels']:,}"
        axis.errorbar(place, mean, spread, linestyle="", marker=MARKERS[i % 4], markersize=6, color=PALETTE[i % 10],
                      elinewidth=1.2, label=say.plain("plot.labels", count=labels))  # fmt: skip
        lowest = min(lowest, float((mean - (0 if spread is None else spread)).min()))
        worst, best = int(mean.argmin()), int(mean.argmax())
        said.append(say.plain("alt.class_accuracy", labels=labels, worst=names[worst], best=names[best],
                              low=f"{mean[worst]:.1f}%", high=f"{mean[best]:.1f}%"))  # fmt: skip
    step = next(step for step in (1, 2, 5, 10, 20) if lowest >= 100 - 8 * step or step == 20)
    floor = max(0, math.floor(lowest / step - 0.15) * step)
    axis.set(ylim=(floor, 100 + 0.03 * (100 - floor)), yticks=range(floor, 101, step))
    begins = f"\n{say.plain('plot.axis_from', value=f'{floor}%')}" if floor else ""
    axis.set_ylabel(say("plot.test_accuracy") + begins, fontsize=9.5)
    turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 4 else {}
    axis.set_xticks(range(len(names)), names, fontsize=9, **turned)
    if len(entries) > 1:
        axis.legend(loc="lower left", bbox_to_anchor=(-0.01, 1), ncols=2, frameon=False, borderaxespad=0.1)
    drawn.alt = told(said, say)
    return name_data(drawn, records[0]["dataset"], say)
