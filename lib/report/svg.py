"""A matplotlib figure as an SVG picture for a page: dark where the reader's system is, and a second one for a phone."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.legend import Legend

from lib.report.style import DARK, INK, NARROW, NotebookFigure

PHONE = 560  # a screen so many CSS pixels wide or less gets the narrow picture

# What may not stand as it is in an address, in an attribute or in a list of addresses.
ESCAPED = {ord(character): f"%{ord(character):02X}" for character in '%#"<>& \n{}|\\^`'}


class Drawn(NamedTuple):
    """A picture as it stands in a page: its SVG, its size in CSS pixels, what it says to those who do not see it.

    ``narrow`` is the same for a phone; None where one picture is enough.
    """

    svg: str
    width: int
    height: int
    alt: str = ""
    narrow: "Drawn | None" = None

    @property
    def uri(self) -> str:
        """The picture itself as an address; as text, which takes a quarter less room than base64."""
        return f"data:image/svg+xml,{self.svg.translate(ESCAPED)}"


def draw(drawn: Figure) -> Drawn:
    """A figure as a picture for a page, and for a phone: its panels stacked, its letters as large as before."""
    wide = _svg(drawn)
    if (other := getattr(drawn, "narrow", None)) and drawn.get_figwidth() > NARROW:
        return wide._replace(narrow=_svg(other))
    if not getattr(drawn, "stacks", False) or drawn.get_figwidth() <= NARROW:
        return wide
    with _stacked(drawn):
        return wide._replace(narrow=_svg(drawn))


def _svg(drawn: Figure) -> Drawn:
    file = io.StringIO()
    drawn.savefig(file, format="svg", dpi=150, metadata={"Date": None})  # dpi: of what is drawn as pixels
    rules = "".join(
        f'[style*="{place}: {light}"],[{place}="{light}"]{{{place}:{dark}!important}}'
        for light, dark in DARK.items()
        for place in ("fill", "stroke")
    )
    style = f"<style>@media screen and (prefers-color-scheme: dark){{{rules}}}</style>"
    width, height = (round(inches * 96) for inches in drawn.get_size_inches())
    found = re.sub(r"<!--.*?-->", "", file.getvalue(), flags=re.S).replace("</defs>", f"</defs>{style}", 1)
    found = re.sub(r'(?<= d=")[^"]+', _short, re.sub(r">\s+<", "><", found))
    return Drawn(found, width, height, getattr(drawn, "alt", ""))


def _short(path: re.Match) -> str:
    """A path to the hundredth of a point, which nobody can see, and without blanks."""
    numbers = re.sub(r"(\.\d\d)\d+", r"\1", " ".join(path[0].split()))
    return re.sub(r" ?([A-Za-z]) ?", r"\1", numbers).replace(" ", ",")


@contextmanager
def _stacked(drawn: NotebookFigure) -> Iterator[None]:
    """The figure with all panels in one column, as wide as a phone; as it was when the block ends."""
    panels = [axis for axis in drawn.axes if axis.get_visible() and axis.get_subplotspec()]
    places, size = [axis.get_subplotspec() for axis in panels], drawn.get_size_inches().copy()
    grid = places[0].get_gridspec()
    ratios = None if grid.ncols > 1 else grid.get_height_ratios()
    for axis, place in zip(panels, drawn.add_gridspec(len(panels), 1, height_ratios=ratios), strict=True):
        axis.set_subplotspec(place)
    shrink = 0.9 if grid.nrows == 1 < len(panels) else 1
    drawn.set_size_inches(NARROW, size[1] / grid.nrows * len(panels) * shrink)
    drawn.name(drawn.note, drawn.genuine)
    legends = [(legend, _in_columns(drawn, legend, 1)) for legend in list(drawn.legends)]
    try:
        yield
    finally:
        drawn.set_size_inches(size)
        for axis, place in zip(panels, places, strict=True):
            axis.set_subplotspec(place)
        for before, now in legends:
            _in_columns(drawn, now, before._ncols)
        drawn.name(drawn.note, drawn.genuine)


def _in_columns(drawn: Figure, legend: Legend, columns: int) -> Legend:
    """The figure's legend anew, in so many columns."""
    names = [text.get_text() for text in legend.get_texts()]
    # what the legend itself holds of a dot with an error bar is the bar alone
    drawn_as = {
        name: handle for axis in drawn.axes for handle, name in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    handles = [drawn_as.get(name, held) for name, held in zip(names, legend.legend_handles, strict=True)]
    size = legend.get_texts()[0].get_fontsize()
    legend.remove()
    return drawn.legend(handles, names, loc="outside upper left", ncols=columns, frameon=False, fontsize=size,
                        labelcolor=INK)  # fmt: skip
