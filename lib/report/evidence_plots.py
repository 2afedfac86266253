"""The figures of the evidence: label efficiency, controls, how the representation grows. As in ``lib.report.plots``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lib.evaluation.protocols import WAYS
from lib.report.style import DASHES, PALETTE, SPOKEN, as_drawn, band, figure, name_data
from lib.report.values import deviation
from lib.words import Words

MARKERS = "os^DvPX"


def label_efficiency(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Test accuracy against the number of labels, a line for each way, a band over seeds."""
    found: dict[str, dict[int, list[float]]] = {}
    for record in records:
        for row in record["results"]["label_efficiency"]:
            found.setdefault(row["method"], {}).setdefault(row["labels"], []).append(100 * row["test_accuracy"])
    drawn, ((axis,),) = figure(7.2, 4.2)
    for i, method in enumerate(way for way in WAYS if way in found):
        counts = sorted(found[method])
        mean = np.array([np.mean(found[method][count]) for count in counts])
        spread = np.array([deviation(found[method][count]) for count in counts])
        look = {"color": PALETTE[i], "linestyle": DASHES[i % 4], "marker": MARKERS[i], "markersize": 4}
        axis.plot(counts, mean, label=say.or_as_is("way", method), **look)
        axis.fill_between(counts, mean - spread, mean + spread, color=PALETTE[i], alpha=0.2, linewidth=0)
    ticks = sorted({count for counts in found.values() for count in counts})
    axis.set(xscale="log", xlabel=say("plot.label_count"), ylabel=say("plot.test_accuracy"))
    axis.set_xticks(ticks, [f"{count:,}" for count in ticks], fontsize=8, rotation=30)
    axis.minorticks_off()
    axis.legend(loc="lower right", fontsize=8)
    return name_data(drawn, records[0]["dataset"], say)


def similarities(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Cosine similarities of positive pairs and of pairs of different images, a panel for each network."""
    pairs = record["results"]["pairs"]
    drawn, (axes,) = figure(7.2, 3.2, 1, len(pairs), sharey=True)
    for axis, (name, measured) in zip(axes, pairs.items(), strict=True):
        for i, (kind, spread) in enumerate(measured["similarities"].items()):
            edges = np.linspace(-1, 1, len(spread["shares"]) + 1)
            density = 100 * np.array(spread["shares"])
            label = say(f"pairs.{kind}")
            axis.stairs(density, edges, color=PALETTE[i], linestyle=DASHES[i], linewidth=1.5, label=label)
            axis.stairs(density, edges, color=PALETTE[i], alpha=0.15, fill=True)
        axis.set(title=as_drawn(say.or_as_is("input", name)), xlabel=say("plot.cosine"), xlim=(-1, 1))
    axes[0].set(ylabel=say("plot.pair_share"))
    axes[0].legend(fontsize=8, loc="upper left")
    return name_data(drawn, record["dataset"], say)


def growth(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Alignment and uniformity of the features h after each epoch of pretraining, a band over seeds."""
    drawn, (axes,) = figure(7.2, 3.0, 1, 2)
    for i, (axis, key) in enumerate(zip(axes, ("alignment", "uniformity"), strict=True)):
        curves = [[epoch[key] for epoch in record["history"]["pretraining"]] for record in records]
        band(axis, curves, say(f"plot.{key}"), PALETTE[i], DASHES[i])
        axis.set(xlabel=say("plot.epoch"), ylabel=say(f"plot.{key}"))
        axis.xaxis.get_major_locator().set_params(integer=True)
    return name_data(drawn, records[0]["dataset"], say)


def controls(groups: Sequence[tuple[str, Sequence[tuple[str, Sequence[float], bool]]]], dataset: dict[str, Any],
             say: Words = SPOKEN) -> Figure:  # fmt: skip
    """A panel for each choice, a point for each value: its name, accuracies of its seeds, whether it is the base."""
    rows_of_panels = -(-len(groups) // 3)
    drawn, axes = figure(7.6, 2.6 * rows_of_panels, rows_of_panels, min(3, len(groups)), sharey=True)
    for axis, (title, rows) in zip(axes.flat, groups, strict=False):
        for place, (_, values, base) in enumerate(rows):
            mean, look = 100 * np.mean(values), {"color": PALETTE[0 if base else 3], "marker": "s" if base else "o"}
            axis.errorbar(place, mean, 100 * deviation(values), capsize=3, markersize=5, linestyle="", **look)
            if base:
                axis.axhline(mean, color=PALETTE[0], linewidth=0.8, linestyle=":")
        axis.set_xticks(range(len(rows)), [as_drawn(name) for name, *_ in rows], fontsize=7, rotation=35, ha="right")
        axis.set(title=title, xlim=(-0.5, len(rows) - 0.5))
    for axis in axes[:, 0]:
        axis.set_ylabel(say("plot.test_accuracy"))
    for axis in axes.flat[len(groups) :]:
        axis.set_visible(False)
    return name_data(drawn, dataset, say)
