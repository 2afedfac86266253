"""Four figures of an encoder beside each other, the linear evaluation first."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from lib.report.plots.headline import Bar, panel, with_labels
from lib.report.style import SPOKEN, figure, listed, name_data
from lib.words import Words


def evaluations(records: Sequence[dict[str, Any]], say: Words = SPOKEN) -> Figure:
    """Bars for each number of labels: linear evaluation, vote of neighbours, the untrained encoder, the head.

    Args:
        records: of the seeds of a run whose classifiers have a ``linear_evaluation``.
    """
    counts = [entry["labels"] for entry in records[0]["results"]["classifiers"]]
    drawn, axes = figure(7.0, 1.85 * len(counts) + 0.4, len(counts), 1, sharex=True)
    said = []
    for i, (axis, count) in enumerate(zip(axes[:, 0], counts, strict=True)):
        bars = evaluated([record["results"]["classifiers"][i] for record in records], say)
        panel(axis, say.plain("plot.labels", count=f"{count:,}"), bars)
        said += [say.plain("alt.bar", name=with_labels(b.name, count, say), value=f"{b.mean:.1%}") for b in bars]
    axes[-1, 0].set_xlabel(say("plot.test_accuracy"))
    drawn.alt = say.plain("alt.headline", list=listed(said, say))
    return name_data(drawn, records[0]["dataset"], say)


def evaluated(entries: Sequence[dict[str, Any]], say: Words) -> list[Bar]:
    """The four, of the seeds of one classifier; the headline is the one in colour."""
    found = {
        "linear": [entry["linear_evaluation"]["accuracy"] for entry in entries],
        "knn": [entry["knn_accuracy"] for entry in entries],
        "untrained": [entry["untrained_linear_evaluation"]["accuracy"] for entry in entries],
        "head": [entry["test_accuracy"] for entry in entries],
    }
    return [Bar(say.plain(f"evaluation.{name}"), values, name == "linear") for name, values in found.items()]
