"""The kit's style sheet is what seaborn would set, but for a few choices of our own."""

import matplotlib
import numpy as np
import pytest
import seaborn as sns

from lib.report.style import PALETTE, STYLE, figure

OWN = {"axes.titlesize", "axes.edgecolor", "grid.color", "figure.dpi", "axes.prop_cycle"}
LEFT = {"font.family", "font.size", "image.cmap"}  # a font for Chinese is chosen by machine; nothing uses the others


def test_the_palette_is_seaborns_for_the_colour_blind():
    assert sns.color_palette("colorblind").as_hex() == PALETTE


def test_the_sheet_sets_what_seaborn_would():
    wanted = sns.plotting_context("paper", font_scale=1.1) | sns.axes_style("whitegrid")
    wanted = {key: value for key, value in wanted.items() if key not in OWN | LEFT}
    default = matplotlib.rcParamsDefault
    for key, value in wanted.items():
        ours = STYLE.get(key, default[key])
        given = float(value) if isinstance(value, str) and value.replace(".", "").isdigit() else value
        ours = float(ours) if isinstance(ours, str) and ours.replace(".", "").isdigit() else ours
        same = np.isclose(ours, given) if isinstance(given, float) and isinstance(ours, float) else ours == given
        assert same, f"{key}: {ours!r}, seaborn {value!r}"
    assert not set(STYLE) - set(wanted) - OWN


def test_the_style_is_the_figures_own_and_leaves_other_figures_alone():
    before = matplotlib.rcParams["axes.grid"], matplotlib.rcParams["figure.dpi"]
    drawn, ((axis,),) = figure(2, 1)
    assert drawn.dpi == 110
    assert axis.xaxis.get_gridlines()[0].get_visible()
    assert axis.xaxis.label.get_size() == pytest.approx(10.56)
    assert (matplotlib.rcParams["axes.grid"], matplotlib.rcParams["figure.dpi"]) == before
