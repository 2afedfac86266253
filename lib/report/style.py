"""How the kit's figures look: palette, fonts, sizes, and the line that names the data.

Colours are seaborn's colour-blind-safe palette; lines also differ in dash or marker, and bars in
hatching, so that they are told apart in grey.
"""

import io
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure

from lib import words
from lib.words import Words

ENGLISH = words.load("en")
STYLE = matplotlib.rc_params_from_file(Path(__file__).with_name("kit.mplstyle"), use_default_template=False)
PALETTE = STYLE["axes.prop_cycle"].by_key()["color"]
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "//", "..", "xx")
matplotlib.rcParams["svg.hashsalt"] = "simclr-lab-kit"  # the same figure gives the same bytes
# Fonts with Chinese characters: Linux, Windows, macOS.
CHINESE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Noto Sans CJK JP", "Droid Sans Fallback",
    "Microsoft YaHei", "DengXian", "SimHei", "SimSun",
    "PingFang SC", "Hiragino Sans GB", "Heiti SC", "Heiti TC", "STHeiti", "Songti SC", "Arial Unicode MS",
)  # fmt: skip


def chinese_font(look: bool = False) -> str | None:
    """A font of this machine with Chinese characters; ``look`` for fonts that are new since matplotlib's list."""
    there = set(font_manager.get_font_names())
    if look and not there & set(CHINESE):
        known = {font.fname for font in font_manager.fontManager.ttflist}
        for path in set(font_manager.findSystemFonts()) - known:
            with suppress(RuntimeError, OSError):  # bitmap fonts and broken files
                font_manager.fontManager.addfont(path)
        there = set(font_manager.get_font_names())
    return next((name for name in CHINESE if name in there), None)


def drawable(say: Words) -> Words:
    """The words for figures: English where this machine has no font for the language."""
    font = chinese_font(look=say.chinese)
    _draw_with(font)
    return ENGLISH if say.chinese and not font else say


class _Spoken:
    """The words of the language in use when a figure is drawn, as far as this machine has a font for it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(drawable(words.current()), name)

    def __call__(self, key: str, /, **values: Any) -> str:
        return drawable(words.current())(key, **values)

    def __contains__(self, key: str) -> bool:
        return key in words.current()


#: What a figure says if it is given no words.
SPOKEN: Any = _Spoken()


def _draw_with(font: str | None) -> None:
    """What sans-serif lacks comes from this font, in all figures from here on: legends ask when they are drawn."""
    matplotlib.rcParams["font.family"] = ["sans-serif", font] if font else ["sans-serif"]


_draw_with(chinese_font())


class NotebookFigure(Figure):
    """A figure that brings its own picture to a notebook.

    Jupyter draws a plain ``Figure`` only once pyplot has chosen a backend, which the kit never asks for; until
    then it shows the text ``<Figure size …>``. ``_repr_png_`` is IPython's own way to say how an object looks
    (https://ipython.readthedocs.io/en/stable/config/integrating.html), and needs no backend.
    """

    SHARP = 2  # pixels of the picture for one on the screen

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=self.SHARP * self.dpi)
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        return png.getvalue(), {"width": width, "height": height}


def figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, np.ndarray]:
    """An empty figure of so many inches, and its axes in rows and columns."""
    with matplotlib.rc_context(STYLE):
        empty = NotebookFigure(figsize=(width, height), layout="constrained")
        return empty, empty.subplots(rows, columns, squeeze=False, **options)


def title(dataset: dict[str, Any]) -> str:
    """The data set's name as it is usually written; a folder's as it is."""
    return {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}.get(
        dataset["name"], dataset["name"]
    )


def standing(dataset: dict[str, Any]) -> str:
    """What its images are: ``genuine``, a JPEG ``copy``, or a ``sample`` that stands in for them."""
    if dataset["genuine"]:
        return "genuine"
    return "copy" if dataset["source"] == "JPEG copy" else "sample"


LONGEST = 40  # characters of a name in a figure


@cache
def _characters(families: tuple[str, ...]) -> frozenset[int]:
    """What these fonts can draw."""
    fonts = (
        font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[family])))
        for family in families
    )
    return frozenset(code for font in fonts for code in font.get_charmap())


def as_drawn(name: Any) -> str:
    """A name from a record as a figure can draw it: no formula, no character that no font has, not too long.

    A character that cannot be drawn is written as its number, as in ``U+1F431``.
    """
    known = _characters(tuple(matplotlib.rcParams["font.family"]))
    text = " ".join(str(name).split())
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    text = "".join(c if ord(c) in known else f"U+{ord(c):04X}" for c in text)
    text = f" {text}" if text.startswith("_") else text  # a legend leaves out what begins with _
    return text.replace("$", r"\$")


def classes(dataset: dict[str, Any], say: Words) -> list[str]:
    """The names of its classes for a figure, in a language as far as they are known."""
    return [as_drawn(say.or_as_is("classes", name)) for name in dataset["classes"]]


def name_data(drawn: Figure, dataset: dict[str, Any], say: Words) -> Figure:
    """Name the data under the figure; in red unless it is the genuine set."""
    line = say.plain(
        f"plot.data_{standing(dataset)}",
        name=as_drawn(title(dataset)),
        images=f"{dataset['train']:,} + {dataset['test']:,}",
        source=as_drawn(say.or_as_is("data_source", dataset["source"])),
    )
    colour = "0.35" if dataset["genuine"] else "#b00020"
    drawn.supxlabel(line, fontsize=7, color=colour, x=0.99, ha="right")
    return drawn


def band(axis: Any, curves: Sequence[Sequence[float]], label: str, colour: Any, dash: str = "-") -> None:
    """The mean of several seeds' curves, and a band of one standard deviation around it."""
    values = np.array([curve[: min(map(len, curves))] for curve in curves])
    epochs, mean = np.arange(1, values.shape[1] + 1), values.mean(0)
    axis.plot(epochs, mean, dash, color=colour, label=label, marker="o" if len(epochs) < 16 else None, markersize=3)
    if len(values) > 1:
        deviation = values.std(0, ddof=1)
        axis.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=0.25, linewidth=0)
