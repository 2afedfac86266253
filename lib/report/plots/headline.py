"""The figure of the first page: what the runs reached, beside what the same images and labels give without them."""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from lib.report.measure import wrapped
from lib.report.plots.clustering import clustering_name
from lib.report.style import HATCHES, INK, PALETTE, PAPER, SPOKEN, as_drawn, data_line, figure, listed, standing, title
from lib.report.values import deviation, share
from lib.words import Words

GREY = PALETTE[7]


class Bar(NamedTuple):
    """A name, the accuracies of its seeds, and whether it is the report's own."""

    name: str
    values: Sequence[float]
    own: bool

    @property
    def mean(self) -> float:
        return statistics.mean(self.values)


def headline(records: Sequence[dict[str, Any]], claims: dict[str, Any], say: Words = SPOKEN) -> Figure | None:
    """A panel for each data set: the accuracy of its runs of SimCLR, then the baselines, best first.

    Baselines are the original lab's figure (where the images are the same), the best clustering, and what training
    from scratch or a random encoder gives with as many labels, as far as records have them.

    Args:
        records: those of a profile.
        claims: ``notebooks/claims.yaml``.
    Returns:
        None if no record is a run of SimCLR with a classifier.
    """
    panels = {name: _runs(found, say) for name, found in _by_data(records, _shown).items()}
    panels = {name: bars for name, bars in panels.items() if bars}
    if not panels:
        return None
    for name, found in _by_data(records, lambda _: True).items():
        if name in panels:
            panels[name] += sorted(_baselines(found, claims.get(name, {}), say), key=lambda bar: -bar.mean)
    counts = [len(bars) for bars in panels.values()]
    drawn, axes = figure(7.0, 0.28 * sum(counts) + 0.7 * len(counts) + 0.3, len(counts), 1, sharex=True,
                         gridspec_kw={"height_ratios": counts})  # fmt: skip
    data = {name: found[0]["dataset"] for name, found in _by_data(records, _shown).items()}
    for axis, (name, bars) in zip(axes[:, 0], panels.items(), strict=True):
        panel(axis, as_drawn(title(data[name])), bars)
    axes[-1, 0].set_xlabel(say("plot.test_accuracy"))
    said = [say.plain("alt.bar", name=bar.name, value=f"{bar.mean:.1%}") for bars in panels.values() for bar in bars]
    drawn.alt = say.plain("alt.headline", list=listed(said, say))
    lines = [data_line(data[name], say) for name in panels]
    drawn.name("\n".join(lines), all(standing(data[name]) != "sample" for name in panels))
    return drawn


def panel(axis: Any, name: str, bars: Sequence[Bar]) -> None:
    """Horizontal bars from the top down, each with its figure; the report's own in colour, the others hatched."""
    place = range(len(bars))[::-1]
    for at, bar in zip(place, bars, strict=True):
        axis.barh(at, 100 * bar.mean, 0.72, xerr=100 * deviation(bar.values) or None, edgecolor=PAPER, ecolor=INK,
                  color=PALETTE[0] if bar.own else GREY, hatch="" if bar.own else HATCHES[1])  # fmt: skip
        axis.annotate(share(bar.mean), (100 * bar.mean, at), (6, 0), textcoords="offset points", va="center",
                      fontsize=9, color=INK, fontweight="bold" if bar.own else "normal")  # fmt: skip
    axis.set_yticks(list(place), [wrapped(bar.name, 190, 9) for bar in bars], fontsize=9)
    # three ticks: every bar has its number, and on a phone more would run into each other
    axis.set(xlim=(0, 116), xticks=(0, 50, 100), ylim=(-0.6, len(bars) - 0.4))
    axis.set_title(name, loc="left", fontweight="bold")
    axis.grid(visible=False, axis="y")
    axis.spines[["top", "right"]].set_visible(False)  # in a narrow figure, they would cross the longest bar's number


def _shown(record: dict[str, Any]) -> bool:
    """Whether it is a run of SimCLR that the report shows by itself, and not one of a sweep."""
    return "classifiers" in record["results"] and record["parameters"].get("illustrated", True)


def _by_data(records: Sequence[dict[str, Any]], wanted: Any) -> dict[str, list[dict[str, Any]]]:
    """Records by the name of their data, grey images first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in sorted(records, key=lambda r: (r["dataset"]["shape"][0], r["dataset"]["name"])):
        if wanted(record):
            found.setdefault(record["dataset"]["name"], []).append(record)
    return found


def _runs(records: Sequence[dict[str, Any]], say: Words) -> list[Bar]:
    """A bar for each run and number of labels."""
    bars: dict[tuple[str, int, str], list[float]] = {}
    for record in records:
        for entry in record["results"]["classifiers"]:
            key = record["parameters"]["run"], entry["labels"]
            if "linear_evaluation" in entry:  # records from before there was one have none
                bars.setdefault((*key, "linear"), []).append(entry["linear_evaluation"]["accuracy"])
            bars.setdefault((*key, "head"), []).append(entry["test_accuracy"])
    several, measured = len({run for run, *_ in bars}) > 1, any(kind == "linear" for *_, kind in bars)
    kinds = {"linear": "evaluation.linear", "head": "evaluation.head"}
    named = {kind: f"SimCLR, {say.plain(key)}" if measured else "SimCLR" for kind, key in kinds.items()}
    return [
        Bar(with_labels(named[kind] + (f" ({as_drawn(run)})" if several else ""), count, say), values, True)
        for (run, count, kind), values in bars.items()
    ]


def with_labels(name: str, count: int, say: Words) -> str:
    return say.plain("plot.with_labels", name=name, count=f"{count:,}")


def _baselines(records: Sequence[dict[str, Any]], claims: dict[str, Any], say: Words) -> list[Bar]:
    counts = sorted({e["labels"] for r in records if _shown(r) for e in r["results"]["classifiers"]})
    bars = _reported(claims, counts, say) if standing(records[0]["dataset"]) != "sample" else []
    for method in ("from scratch", "random encoder"):
        found: dict[int, list[float]] = {}
        for row in (row for r in records for row in r["results"].get("label_efficiency", [])):
            if row["method"] == method:
                found.setdefault(row["labels"], []).append(row["test_accuracy"])
        # as many labels as the classifier had; else the most there are below
        for count in {max((c for c in found if c <= asked), default=0) for asked in counts} - {0}:
            bars.append(Bar(with_labels(say.or_as_is("way", method), count, say), found[count], False))
    clusterings: dict[str, list[float]] = {}
    for row in (row for r in records for row in r["results"].get("clusterings", [])):
        clusterings.setdefault(clustering_name(row, say), []).append(row["majority"])
    if clusterings:
        best = max(clusterings, key=lambda name: statistics.mean(clusterings[name]))
        bars.append(Bar(say.plain("plot.best_clustering", name=best), clusterings[best], False))
    return bars


def _reported(claims: dict[str, Any], counts: Sequence[int], say: Words) -> list[Bar]:
    """What the original lab reported for as many labels, its best for each number."""
    bars = []
    for count in counts:
        told = (claims | recipe for recipe in claims.get("recipes", []) if "test_accuracy" in recipe)
        if as_many := [recipe for recipe in told if recipe.get("labels") == count]:
            best = max(as_many, key=lambda r: r["test_accuracy"])
            name = say.plain("table.original_lab")
            if "encoder" in best:
                name = say.plain("plot.of_encoder", name=name, encoder=say.or_as_is("encoder", best["encoder"]))
            bars.append(Bar(with_labels(name, count, say), [best["test_accuracy"]], False))
    return bars
