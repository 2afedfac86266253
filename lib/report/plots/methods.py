"""The figures of methods that learn without labels: what they reach, and how their features are spread."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lib.evaluation.protocols import BESIDE
from lib.report.style import DASHES, INK, PALETTE, SPOKEN, figure, label_ends, listed, name_data
from lib.report.values import deviation
from lib.words import Words


def named(name: str, say: Words) -> str:
    """A method, or what stands beside the methods, in words."""
    return say.or_as_is("beside" if name in BESIDE else "method", name)


def by_name(records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The evaluations of what stands beside the methods, then of the methods, a row for each seed."""
    rows = [row for record in records for row in record["results"]["evaluations"]]
    names = sorted({row["name"]: None for row in rows}, key=lambda name: name not in BESIDE)
    return {name: [row for row in rows if row["name"] == name] for name in names}


def accuracies(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Linear and kNN accuracy as dots, a row for each method and for what stands beside them, with deviations."""
    found = by_name(records)
    drawn, ((axis,),) = figure(7.2, 0.34 * len(found) + 1.0)
    said = []
    for place, (name, rows) in enumerate(found.items()):
        for kind, colour, marker, up in (("linear", PALETTE[0], "s", -0.1), ("knn", PALETTE[3], "o", 0.1)):
            values = [100 * row[f"{kind}_accuracy"] for row in rows if f"{kind}_accuracy" in row]
            if values:
                axis.errorbar(np.mean(values), place + up, xerr=deviation(values), color=colour, marker=marker,
                              markersize=5, capsize=3, linestyle="",
                              label=say(f"plot.by_{kind}") if place == 0 else None)  # fmt: skip
        linear = np.mean([row["linear_accuracy"] for row in rows])
        said.append(say.plain("alt.bar", name=named(name, say), value=f"{linear:.1%}"))
    axis.set_yticks(range(len(found)), [named(name, say) for name in found], fontsize=9)
    on = {record["results"]["scored_on"] for record in records}
    axis.set(ylim=(len(found) - 0.5, -0.5),
             xlabel=say("plot.test_accuracy" if on == {"test"} else "plot.held_out_accuracy"))  # fmt: skip
    drawn.legend(*axis.get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    drawn.alt = say.plain("alt.methods", list=listed(said, say))
    return name_data(drawn, records[0]["dataset"], say)


def spectrum(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Share of the features' variance along each principal direction, of methods and of the untrained encoder."""
    drawn, ((axis,),) = figure(7.2, 3.4)
    ends, said = [], []
    for i, (name, row) in enumerate(_spectra(records)):
        shares = [100 * max(share, 1e-9) for share in row["spectrum"]]
        colour = INK if name in BESIDE else PALETTE[i]
        axis.plot(range(1, len(shares) + 1), shares, color=colour, linestyle=DASHES[i % 4])
        told = {"name": named(name, say), "rank": f"{row['effective_rank']:.1f}"}
        ends.append((max(shares[-1], 1e-4), say("plot.rank", **told), colour))
        said.append(say.plain("alt.spectrum", **told))
    axis.set(yscale="log", xlabel=say("plot.direction"), ylabel=say("plot.variance_share"), ylim=(1e-4, 100))
    axis.set_xscale("log")
    label_ends(axis, ends, 2.6)
    drawn.alt = listed(said, say)
    return name_data(drawn, records[0]["dataset"], say)


def _spectra(records: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, rows in by_name(records).items():
        if name != "pixels" and "spectrum" in rows[0]:
            yield name, rows[0]
