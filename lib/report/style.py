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
from markupsafe import Markup
from matplotlib import font_manager
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from lib import words
from lib.report.measure import wrapped
from lib.words import Words

ENGLISH = words.load("en")
STYLE = matplotlib.rc_params_from_file(Path(__file__).with_name("kit.mplstyle"), use_default_template=False)
PALETTE = STYLE["axes.prop_cycle"].by_key()["color"]
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "//", "..", "xx")
INK, SOFT, PAPER, WARNING = "#262626", "#4c4c4c", "#ffffff", "#b00020"
ON_COLOUR = "#fffffe"  # what is written on a full colour


def legible(colour: str) -> str:
    """A colour for letters: as dark as they need to be on white, by a contrast of 4.5 (WCAG's AA)."""
    rgb = np.array(to_rgb(colour))
    while 1.05 / (0.05 + np.dot(rgb**2.2, (0.2126, 0.7152, 0.0722))) < 4.6:
        rgb = rgb * 0.95
    return to_hex(rgb)


#: What a colour becomes where the reader's system is dark; paper and inks are the diagrams'.
DARK = {
    PAPER: "#16181b", ON_COLOUR: "#16181b", INK: "#e4e6e9", SOFT: "#b4bac2", WARNING: "#ff8a80",
    to_hex(STYLE["axes.edgecolor"]): "#a5acb5", to_hex(STYLE["grid.color"]): "#33373d",
    PALETTE[0]: "#56b4e9", PALETTE[2]: "#35c99b", PALETTE[3]: "#ff8c42", PALETTE[9]: "#a6dcff",
}  # fmt: skip
DARK |= {legible(colour): DARK.get(colour, colour) for colour in PALETTE if legible(colour) != colour}
NARROW = 4.0  # inches: the width of a picture for a phone
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
    alt = ""  # what it shows, in a sentence or two
    stacks = True  # a phone gets its panels one below the other
    narrow: "NotebookFigure | None" = None  # what it gets in the place of that
    note, genuine = "", True  # the line under it, and whether the data is what its name says

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=self.SHARP * self.dpi)
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        return png.getvalue(), {"width": width, "height": height} | ({"alt": self.alt} if self.alt else {})

    def name(self, note: str, genuine: bool) -> None:
        """Name the data under the figure, in lines that it is wide enough for; in red unless it is the genuine set."""
        self.note, self.genuine = note, genuine
        for text in self.findobj(lambda artist: isinstance(artist, Text) and to_hex(artist.get_color()) == "#000000"):
            text.set_color(INK)  # what was written after the style sheet was closed
        lines = wrapped(note, self.get_figwidth() * 72 - 12, 9)
        self.supxlabel(lines, fontsize=9, color=SOFT if genuine else WARNING, x=0.01, ha="left", linespacing=1.25)


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


def data_line(dataset: dict[str, Any], say: Words) -> str:
    """Which images these are, how many and from where."""
    return say.plain(
        f"plot.data_{standing(dataset)}",
        name=as_drawn(title(dataset)),
        images=f"{dataset['train']:,} + {dataset['test']:,}",
        source=as_drawn(say.or_as_is("data_source", dataset["source"])),
    )


def name_data(drawn: Figure, dataset: dict[str, Any], say: Words) -> Figure:
    """Name the data under the figure; in red unless it is the genuine set."""
    drawn.name(data_line(dataset, say), dataset["genuine"])
    return drawn


def listed(parts: Sequence[str], say: Words) -> str:
    """``a, b and c`` in plain text."""
    return str(say.list([Markup(part) for part in parts]))


def told(parts: Sequence[str], say: Words) -> str:
    """Sentences one after the other, in plain text."""
    return ("" if say.chinese else " ").join(parts)


def label_ends(axis: Any, ends: Sequence[tuple[float, str, Any]], height: float) -> None:
    """Names beside an axis at the heights (in its units) where their curves end: (height, name, colour).

    ``height`` is the axis's in inches; names that would touch are moved apart.
    """
    axis.set_ylim(axis.get_ylim())  # a logarithmic one too is left as it is from here on
    shares = axis.transData + axis.transAxes.inverted()
    ordered = [(at, wrapped(name, 95, 9), colour) for at, name, colour in sorted(ends, key=lambda end: end[0])]
    tall = [0.155 / height * (name.count("\n") + 1) for _, name, _ in ordered]  # as shares of the axis
    places = [shares.transform((axis.get_xlim()[0], at))[1] for at, *_ in ordered]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + (tall[i - 1] + tall[i]) / 2)
    places[-1] = min(places[-1], 1.0)  # what was pushed out at the top pushes the others down
    for i in range(len(places) - 2, -1, -1):
        places[i] = min(places[i], places[i + 1] - (tall[i] + tall[i + 1]) / 2)
    for place, (_, name, colour) in zip(places, ordered, strict=True):
        axis.annotate(name, (1.02, place), xycoords="axes fraction", va="center", fontsize=9, color=legible(colour),
                      annotation_clip=False, linespacing=1.1)  # fmt: skip


def band(axis: Any, curves: Sequence[Sequence[float]], label: str, colour: Any, dash: str = "-") -> None:
    """The mean of several seeds' curves, and a band of one standard deviation around it."""
    values = np.array([curve[: min(map(len, curves))] for curve in curves])
    epochs, mean = np.arange(1, values.shape[1] + 1), values.mean(0)
    axis.plot(epochs, mean, dash, color=colour, label=label, marker="o" if len(epochs) < 16 else None, markersize=3)
    if len(values) > 1:
        deviation = values.std(0, ddof=1)
        axis.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=0.25, linewidth=0)
