"""The figures of the evidence: label efficiency, controls, how the representation grows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lib.evaluation.protocols import WAYS
from lib.report.style import DASHES, PALETTE, SPOKEN, as_drawn, band, figure, label_ends, listed, name_data, told
from lib.report.values import deviation
from lib.words import Words

MARKERS = "os^DvPX"


def label_efficiency(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Test accuracy against the number of labels, a line for each way with its name at the end, a band over seeds."""
    found: dict[str, dict[int, list[float]]] = {}
    for record in records:
        for row in record["results"]["label_efficiency"]:
            found.setdefault(row["method"], {}).setdefault(row["labels"], []).append(100 * row["test_accuracy"])
    drawn, ((axis,),) = figure(7.2, 3.7)
    ends = []
    for i, method in enumerate(way for way in WAYS if way in found):
        counts = sorted(found[method])
        mean = np.array([np.mean(found[method][count]) for count in counts])
        spread = np.array([deviation(found[method][count]) for count in counts])
        look = {"color": PALETTE[i], "linestyle": DASHES[i % 4], "marker": MARKERS[i], "markersize": 4}
        axis.plot(counts, mean, label=say.or_as_is("way", method), **look)
        axis.fill_between(counts, mean - spread, mean + spread, color=PALETTE[i], alpha=0.2, linewidth=0)
        ends.append((float(mean[-1]), say.or_as_is("way", method), PALETTE[i]))
    ticks = sorted({count for counts in found.values() for count in counts})
    axis.set(xscale="log", xlabel=say("plot.label_count"), ylabel=say("plot.test_accuracy"))
    axis.set_xticks(ticks, [f"{count:,}" for count in ticks], fontsize=9, rotation=35, ha="right",
                    rotation_mode="anchor")  # fmt: skip
    axis.minorticks_off()
    label_ends(axis, ends, 2.7)
    drawn.alt = _best_ways(found, ticks, say)
    return name_data(drawn, records[0]["dataset"], say)


def _best_ways(found: dict[str, dict[int, list[float]]], counts: Sequence[int], say: Words) -> str:
    """Which way is best with the fewest and with the most labels."""
    given = {}
    for place, count in (("first", counts[0]), ("last", counts[-1])):
        accuracies = {way: float(np.mean(values[count])) for way, values in found.items() if count in values}
        best = max(accuracies, key=accuracies.__getitem__)
        given |= {place: say.or_as_is("way", best), f"{place}_accuracy": f"{accuracies[best]:.1f}%"}
    return say.plain("alt.label_efficiency", few=f"{counts[0]:,}", many=f"{counts[-1]:,}", **given)


def similarities(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Cosine similarities of positive pairs and of pairs of different images, a panel for each network."""
    pairs = record["results"]["pairs"]
    drawn, (axes,) = figure(7.2, 2.6, 1, len(pairs), sharey=True)
    said = []
    for axis, (name, measured) in zip(axes, pairs.items(), strict=True):
        means = []
        for i, (kind, spread) in enumerate(measured["similarities"].items()):
            edges = np.linspace(-1, 1, len(spread["shares"]) + 1)
            density = 100 * np.array(spread["shares"])
            label = say(f"pairs.{kind}")
            axis.stairs(density, edges, color=PALETTE[i], linestyle=DASHES[i], linewidth=1.5, label=label)
            axis.stairs(density, edges, color=PALETTE[i], alpha=0.15, fill=True)
            mean = density @ (edges[1:] + edges[:-1]) / 2 / max(density.sum(), 1e-9)
            means.append(say.plain("alt.pair", kind=label, mean=f"{mean:.2f}".replace("-", "−")))
        title = as_drawn(say.or_as_is("input", name))
        axis.set(title=title, xlabel=say("plot.cosine"), ylabel=say("plot.pair_share"), xlim=(-1, 1))
        said.append(say.plain("alt.similarities", input=title, pairs=listed(means, say)))
    for axis in axes[1:]:
        axis.set_ylabel("")
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    drawn.alt = told(said, say)
    return name_data(drawn, record["dataset"], say)


def growth(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Alignment and uniformity of the features h after each epoch of pretraining, a band over seeds."""
    drawn, (axes,) = figure(7.2, 2.7, 1, 2)
    said = []
    for i, (axis, key) in enumerate(zip(axes, ("alignment", "uniformity"), strict=True)):
        curves = [[epoch[key] for epoch in record["history"]["pretraining"]] for record in records]
        band(axis, curves, say(f"plot.{key}"), PALETTE[i], DASHES[i])
        axis.set(xlabel=say("plot.epoch"), ylabel=say(f"plot.{key}"))
        axis.yaxis.label.set_fontsize(9.5)
        axis.xaxis.get_major_locator().set_params(integer=True)
        first, last = (f"{np.mean([c[at] for c in curves]):.2f}".replace("-", "−") for at in (0, -1))
        said.append(say.plain("alt.growth", name=say(f"plot.{key}"), first=first, last=last, epochs=len(curves[0])))
    drawn.alt = told(said, say)
    return name_data(drawn, records[0]["dataset"], say)


def controls(groups: Sequence[tuple[str, Sequence[tuple[str, Sequence[float], bool]]]], dataset: dict[str, Any],
             say: Words = SPOKEN) -> Figure:  # fmt: skip
    """A panel for each choice, a row for each value: its name, accuracies of its seeds, whether it is the base."""
    columns = min(2, len(groups))
    tall = [max(len(rows) for _, rows in groups[i : i + columns]) for i in range(0, len(groups), columns)]
    drawn, axes = figure(7.2, sum(0.24 * n + 0.62 for n in tall) + 0.3, len(tall), columns, sharex=True,
                         gridspec_kw={"height_ratios": [n + 0.4 for n in tall]})  # fmt: skip
    said = []
    for axis, (title, rows) in zip(axes.flat, groups, strict=False):
        means = [100 * float(np.mean(values)) for _, values, _ in rows]
        for place, (_, values, base) in enumerate(rows):
            look = {"color": PALETTE[0 if base else 3], "marker": "s" if base else "o"}
            axis.errorbar(means[place], place, xerr=100 * deviation(values), capsize=3, markersize=5, linestyle="",
                          **look)  # fmt: skip
            if base:
                axis.axvline(means[place], color=PALETTE[0], linewidth=0.8, linestyle=":")
        names = [as_drawn(name) for name, *_ in rows]
        axis.set_yticks(range(len(rows)), names, fontsize=9)
        axis.set(ylim=(len(rows) - 0.5, -0.5))
        axis.set_title(title, loc="left")
        axis.tick_params(labelbottom=True)
        low, high = int(np.argmin(means)), int(np.argmax(means))
        said.append(say.plain("alt.controls", name=title, worst=names[low], low=f"{means[low]:.1f}%",
                              best=names[high], high=f"{means[high]:.1f}%"))  # fmt: skip
    for axis in axes.flat[max(0, len(groups) - columns) : len(groups)]:
        axis.set_xlabel(say("plot.test_accuracy"))
    for axis in axes.flat[len(groups) :]:
        axis.set_visible(False)
    drawn.alt = told(said, say)
    return name_data(drawn, dataset, say)
