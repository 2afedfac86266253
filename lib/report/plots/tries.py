"""The figure of runs that are compared: their curves side by side, and what each comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lib.report.style import DASHES, PALETTE, SPOKEN, as_drawn, band, figure, listed, name_data
from lib.words import Words

MARKERS = "os^DvPX<>*"


@dataclass
class Shown:
    """Runs that differ in nothing but the seed: what names them, a history each, and test accuracies in [0, 1].

    A run that is going on has a history and no accuracy yet.
    """

    label: str
    histories: list[list[dict[str, float]]] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)


def tries(shown: Sequence[Shown], dataset: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Loss, kNN probe where every run has one, and test accuracy; a colour, a dash and a marker for each setting."""
    probed = all("knn_accuracy" in epoch for run in shown for history in run.histories for epoch in history)
    panels = 3 if probed else 2
    drawn, (axes,) = figure(3.2 * panels, max(3.0, 1.6 + 0.28 * len(shown)), 1, panels)
    keys = [("loss", 1, say("plot.loss")), ("knn_accuracy", 100, say("plot.held_out"))]
    for axis, (key, scale, name) in zip(axes[:-1], keys, strict=False):
        for i, run in enumerate(shown):
            curves = [[scale * epoch[key] for epoch in history] for history in run.histories if history]
            if curves:
                band(axis, curves, as_drawn(run.label), PALETTE[i % 10], DASHES[i % 4])
        axis.set(xlabel=say("plot.epoch"), ylabel=name)
        axis.xaxis.get_major_locator().set_params(integer=True)
    _accuracies(axes[-1], shown, say)
    drawn.alt = listed([_said(run, say) for run in shown if any(run.histories)], say)
    return name_data(drawn, dataset, say)


def _said(run: Shown, say: Words) -> str:
    if run.accuracies:
        return say.plain("alt.tried", name=run.label, accuracy=f"{np.mean(run.accuracies):.1%}")
    history = next(filter(None, run.histories))
    return say.plain("alt.trying", name=run.label, loss=f"{history[-1]['loss']:.2f}", epochs=len(history))


def _accuracies(axis: Any, shown: Sequence[Shown], say: Words) -> None:
    """A row for each setting, which is the legend of the curves too."""
    done = [100 * value for run in shown for value in run.accuracies]
    low, high = (min(done), max(done)) if done else (0.0, 100.0)
    room = max(0.1 * (high - low), 0.05)
    for i, run in enumerate(shown):
        look = {"color": PALETTE[i % 10], "linestyle": DASHES[i % 4]}
        axis.plot([low - 4 * room, low - room], [i, i], **look)
        if run.accuracies:
            values = 100 * np.array(run.accuracies)
            apart = values.std(ddof=1) if len(values) > 1 else None
            axis.errorbar(values.mean(), i, xerr=apart, color=look["color"], marker=MARKERS[i % 10], capsize=3)
    axis.set_yticks(range(len(shown)), [as_drawn(run.label) for run in shown])
    axis.set(xlabel=say("plot.test_accuracy"), ylim=(len(shown) - 0.5, -0.5), xlim=(low - 4.5 * room, high + 2 * room))
    axis.xaxis.get_major_locator().set_params(nbins=5)
