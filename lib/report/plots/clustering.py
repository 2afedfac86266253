"""Figures of the comparison with clustering, and maps of features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from lib.report.style import (
    HATCHES,
    INK,
    PALETTE,
    PAPER,
    SPOKEN,
    as_drawn,
    classes,
    figure,
    label_ends,
    name_data,
    told,
)
from lib.words import Words


def _dots(axis: Any, points: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    """Points (N, 2), a colour and a marker for each class; drawn as pixels, thousands of paths weigh a megabyte.

    A class's name stands where its points are densest, if it is apart from the names before it.
    """
    for i in range(len(names)):
        look = {"color": PALETTE[i % 10], "marker": "os^DvPX<>*"[i % 10], "alpha": 0.7}
        axis.scatter(*points[labels == i].T, s=5, rasterized=True, **look)
    size = np.ptp(points, axis=0).clip(min=1e-9)
    taken: list[np.ndarray] = []
    for i, name in enumerate(names):
        if len(own := points[labels == i] / size):
            near = (np.abs(own[:, None] - own).max(-1) < 0.06).sum(1).astype(float)
            for other in taken:  # a name of this size hides another that is nearer
                near[(np.abs(own - other) < (0.16, 0.075)).all(1)] -= len(own)
            place = own[near.argmax()]  # which may be near the edge; the name stays within
            room = np.array([0.05 + 0.013 * len(name), 0.04])
            low = points.min(0) / size
            place = np.clip(place, low + room, low + 1 - room)
            taken.append(place)
            axis.text(*(place * size), name, fontsize=9, ha="center", va="center", color=INK, fontweight="bold",
                      path_effects=[withStroke(linewidth=2.5, foreground=PAPER)])  # fmt: skip


def maps(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Test images as dots in two dimensions, a panel for each kind of input, each class with its name on it.

    The axes are principal components unless ``map_method`` names a method whose axes mean nothing.
    """
    results, names = record["results"], classes(record["dataset"], say)
    axes_names = {} if "map_method" in results else {
        "xlabel": say("plot.first_component"), "ylabel": say("plot.second_component")
    }  # fmt: skip
    drawn, (axes,) = figure(7.2, 7.2 / len(results["maps"]) - 0.45, 1, len(results["maps"]))
    labels, said = np.array(results["map_labels"]), []
    for axis, (name, points) in zip(axes, results["maps"].items(), strict=True):
        title = as_drawn(say.or_as_is("input", name))
        _dots(axis, np.array(points, float), labels, names)
        axis.set(title=title, xticks=[], yticks=[], **axes_names)
        said.append(say.plain("alt.map", input=title, share=f"{_alike(np.array(points, float), labels):.0%}"))
    drawn.alt = told([say.plain("alt.maps", count=f"{len(labels):,}"), *said], say)
    return name_data(drawn, record["dataset"], say)


def _alike(points: np.ndarray, labels: np.ndarray) -> float:
    """The share of points (N, 2) whose nearest other point is of the same class."""
    squares = (points**2).sum(1)
    apart = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(apart, np.inf)
    return float((labels[apart.argmin(1)] == labels).mean())


def comparison(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Accuracy of each clustering by both assignments, with SimCLR + classifier as a line."""
    rows, reference = record["results"]["clusterings"], record["results"]["simclr"]
    drawn, ((axis,),) = figure(7.0, 0.42 * len(rows) + 1.2)
    place = np.arange(len(rows))[::-1]
    for i, key in enumerate(("majority", "one_to_one")):
        bars = axis.barh(place + 0.2 - 0.4 * i, [100 * r[key] for r in rows], 0.38, label=say(f"plot.{key}"),
                         color=PALETTE[i], hatch=HATCHES[i], edgecolor=PAPER)  # fmt: skip
        axis.bar_label(bars, fmt="%.1f", fontsize=9, padding=2, color=INK)
    top = 100 * reference["test_accuracy"]
    axis.axvline(top, color=INK, linestyle="--", linewidth=1)
    line = say.plain("plot.simclr", labels=f"{reference['labels']:,}", accuracy=f"{reference['test_accuracy']:.1%}")
    axis.annotate(line, (top, 1), (0, 3), ("data", "axes fraction"), "offset points", fontsize=9, ha="right",
                  va="bottom", color=INK)  # fmt: skip
    axis.set_yticks(place, [_lines(clustering_name(r, say), say) for r in rows], fontsize=9)
    axis.set(xlabel=say("plot.right_class"), xlim=(0, 108), xticks=range(0, 101, 20))
    axis.xaxis.label.set_fontsize(9)
    axis.grid(visible=False, axis="y")
    drawn.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    best = max(rows, key=lambda r: r["majority"])
    drawn.alt = say.plain("alt.comparison", best=clustering_name(best, say), share=f"{best['majority']:.1%}",
                          least=f"{min(r['majority'] for r in rows):.1%}", simclr=line)  # fmt: skip
    return name_data(drawn, record["dataset"], say)


def _lines(name: str, say: Words) -> str:
    """A clustering's name in two lines: the method, and below it what it was given."""
    method, _, given = name.partition(say.texts["plot.method_of"])
    return f"{method}\n{given}" if given else method


def clustering_name(row: dict[str, Any], say: Words) -> str:
    """A clustering's method and its input in a language: ``k-means, 50 principal components``."""
    count, _, rest = row["input"].partition(" ")
    given = say.plain(f"input.{rest}", count=count) if count.isdigit() else say.or_as_is("input", row["input"])
    return f"{as_drawn(say.or_as_is('method', row['method']))}{say.texts['plot.method_of']}{as_drawn(given)}"


def clustering_time(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Fit time against accuracy, with SimCLR's whole training beside the clusterings."""
    drawn, ((axis,),) = figure(7.0, 3.2)
    rows, reference = record["results"]["clusterings"], record["results"]["simclr"]
    points = [(r["seconds"], 100 * r["majority"], clustering_name(r, say)) for r in rows]
    points.append((reference["seconds"], 100 * reference["test_accuracy"], say("plot.simclr_training")))
    for i, (seconds, accuracy, _) in enumerate(points):
        last = i == len(points) - 1
        axis.scatter(seconds, accuracy, color=INK if last else PALETTE[i % 10], marker="*" if last else "o^vsDP"[i % 6],
                     s=90 if last else 36)  # fmt: skip
    axis.set(xscale="log", xlabel=say("plot.time"), ylabel=say("plot.accuracy"))
    colours = [*(PALETTE[i % 10] for i in range(len(rows))), INK]
    label_ends(axis, [(high, name, colour) for (_, high, name), colour in zip(points, colours, strict=True)], 2.3)
    times = sorted(seconds for seconds, *_ in points[:-1])
    drawn.alt = say.plain("alt.clustering_time", fast=f"{times[0]:.1f} s", slow=f"{times[-1]:.1f} s",
                          simclr=f"{reference['seconds']:.1f} s", accuracy=f"{reference['test_accuracy']:.1%}",
                          best=f"{max(r['majority'] for r in rows):.1%}")  # fmt: skip
    return name_data(drawn, record["dataset"], say)
