"""The report's page as paper has it, for pandoc: on its way to the PDF (``lib.report.pdf``) or to Word (``docx``).

What only a screen needs is left out, numbers are no links to records that are not there, pictures lie in files, and
figures have the size in which their smallest letters can still be read.
"""

import base64
import json
import math
import re
from collections.abc import Callable
from copy import copy
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pypandoc
from bs4 import BeautifulSoup, Tag

WIDTH = 170  # mm of a line
INCH = 96  # CSS pixels
# A figure on paper beside one on the screen: plots are drawn with letters of 9 to 10 pt, diagrams with 13 or 14 px,
# which are 7 pt then; its greatest height in mm, and beside another; of its size, what it keeps at least there.
SCALES = {"plot": 0.75, "diagram": 0.72}
TALLEST = {"plot": 100, "diagram": 124}
BESIDE = {"plot": 78, "diagram": 124}
NARROWED = {"plot": 0.89, "diagram": 0.998}
GAP = 2.5  # mm between two figures in one line
SAVED = 0.15  # of their height, by two figures that are set in one line
# Rows of a table that is still moved whole; of one that is folded where it is narrow; of one in small letters.
FLOATING, LONG, MANY = 28, 14, 50
WORDY = 40  # characters in a cell of a table that is not narrow
HEADINGS = ("h2", "h3", "h4")


class Form(NamedTuple):
    """A picture in a file, its kind, and its size in mm with letters that are large enough."""

    file: str
    kind: str
    width: float
    height: float

    @property
    def fit(self) -> float:
        """The share of its size that it has by itself."""
        return min(1, WIDTH / self.width, TALLEST[self.kind] / self.height)


class Paper:
    """A page made ready, its pictures in a folder; ``language`` is HTML's code, ``title`` and ``author`` the file's."""

    def __init__(self, page: Path, folder: Path):
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        for tag in soup.find_all(attrs={"data-call": True}):
            del tag["data-call"]  # the template's functions are called by what stands below alone
        cover = soup.find("header", class_="cover")
        self.language = soup.html["lang"]
        self.title = soup.title.get_text()
        self.author = cover.td.get_text() if cover and cover.td else ""
        self.main = soup.main
        contents = soup.find(id="contents-title")
        for place in [contents and _call("contents", [_part(contents)]), *soup.select("body > .abstract")[::-1], cover]:
            if place:
                self.main.insert(0, place.extract())
        self.folder, self.pictures = folder, 0
        _leave_out(self.main)
        _formulas(self.main)
        plots = self.main.select(".plot picture")  # a diagram's other form is too tall for paper
        self.narrow = {id(picture.img): self._form(picture.source, picture.img) for picture in plots}
        for picture in self.main.find_all("picture"):
            picture.replace_with(picture.img)
        self.wide: dict[int, Form] = {}
        for image in self.main.find_all("img"):
            self.wide[id(image)] = self._form(image, image)
            self._use(image, self.wide[id(image)], self.wide[id(image)].fit)
        for figure in self.main.select("figure.table"):
            _table(figure)
        self._side_by_side()
        _calls(self.main)

    def tree(self) -> dict[str, Any]:
        """The page as pandoc has read it: its document in JSON."""
        read = json.loads(pypandoc.convert_text(self.main.decode_contents(), "json", "html"))
        return {**read, "meta": {}, "blocks": changed(read["blocks"], _math)}

    def _form(self, tag: Tag, image: Tag) -> Form:
        """A picture as one of its forms has it, in a file, with its size on paper."""
        kind, _, content = (tag.get("src") or tag["srcset"]).partition(",")
        suffix = re.search(r"image/(\w+)", kind)[1]
        self.pictures += 1
        name = f"picture-{self.pictures}.{suffix}"
        (self.folder / name).write_bytes(base64.b64decode(content) if "base64" in kind else unquote(content).encode())
        shown = next((c for c in image.find_parent("figure").get("class", []) if c in SCALES), "plot")
        width, height = (float(tag[side]) / INCH * 25.4 * SCALES[shown] for side in ("width", "height"))
        return Form(name, shown, width, height)

    def _use(self, image: Tag, form: Form, fit: float) -> None:
        says = image.get("data-says", image["alt"])
        image.attrs = {"src": form.file, "alt": says, "data-says": says, "width": f"{form.width * fit:.1f}mm"}

    def _side_by_side(self) -> None:
        """Two figures one after the other stand in one line, though there be text between them, if they fit into it,
        perhaps as a phone has them, and that saves enough of the page's height."""
        for group in self.main.select(".side-by-side"):
            group.unwrap()
        first = None
        for tag in self.main.find_all([*HEADINGS, "figure"]):
            if tag.name != "figure" or not tag.img or tag.find_parent(class_="abstract"):
                first = None
            elif first and (beside := self._beside(first.img, tag.img)):
                widths = "{:.1f}mm, {:.1f}mm".format(*(form.width * fit for form, fit in beside))
                first.insert_before(pair := _call("pair", [], widths))
                for figure, (form, fit) in zip((first, tag), beside, strict=True):
                    self._use(figure.img, form, fit)
                    pair.append(figure)
                first = None
            else:
                first = tag

    def _beside(self, left: Tag, right: Tag) -> list[tuple[Form, float]] | None:
        """The lowest forms of two pictures that fit into a line, each with the share of its size that is left."""
        alone = [self.wide[id(image)] for image in (left, right)]
        choices = product(*([form, *filter(None, [self.narrow.get(id(image))])]
                            for form, image in zip(alone, (left, right), strict=True)))  # fmt: skip
        found = []
        for forms in choices:
            tallest = min(BESIDE[form.kind] / form.height for form in forms)
            fit = min(1, tallest, (WIDTH - GAP) / sum(form.width for form in forms))
            if fit >= max(NARROWED[form.kind] for form in forms):
                found.append((max(form.height for form in forms) * fit, [(form, fit) for form in forms]))
        height, best = min(found, default=(math.inf, None), key=lambda one: one[0])
        return best if height <= (1 - SAVED) * sum(form.height * form.fit for form in alone) else None


def _leave_out(main: Tag) -> None:
    """Off with what a screen alone shows, with all below a heading that it alone shows, and with links to it."""
    for heading in main.select("h2.screen, h3.screen, h4.screen"):
        level = HEADINGS.index(heading.name)
        for follower in heading.find_next_siblings():
            if follower.name in HEADINGS[: level + 1]:
                break
            follower.decompose()
    for tag in main.select(".screen, details, .skip"):
        tag.decompose()
    for tag in main.find_all("wbr"):
        tag.replace_with("\u200b")
    for back in main.select('.references a[href^="#cite-"]'):
        back.decompose()
    there = {tag["id"] for tag in main.find_all(id=True) if tag.name != "a"}
    for link in main.find_all("a", href=re.compile("^#")):
        if link["href"][1:] not in there or "sourced" in link.get("class", []):
            link.unwrap()


def _formulas(main: Tag) -> None:
    """The TeX that a formula was written in: what pandoc reads best."""
    for formula in main.find_all("math"):
        span = BeautifulSoup("<span></span>", "html.parser").span
        span["data-tex"], span["data-shown"] = formula.get("alttext", formula.get_text()), formula["display"]
        formula.replace_with(span)


def changed(tree: Any, change: Callable[[str, Any], list[Any] | None]) -> Any:
    """Pandoc's tree with ``change(type, content)`` in the place of each element, unless that is None."""
    if isinstance(tree, list):
        new = []
        for item in tree:
            put = change(item["t"], item.get("c")) if isinstance(item, dict) and "t" in item else None
            new += [changed(item, change)] if put is None else put
        return new
    if isinstance(tree, dict):
        return {key: changed(value, change) for key, value in tree.items()}
    return tree


def _math(kind: str, content: Any) -> list[Any] | None:
    attributes = dict(content[0][2]) if kind == "Span" else {}
    if "tex" not in attributes:
        return None
    shown = {"block": "DisplayMath", "inline": "InlineMath"}[attributes["shown"]]
    return [{"t": "Math", "c": [{"t": shown}, attributes["tex"]]}]


def _table(figure: Tag) -> None:
    """The caption into the table, and columns of numbers set right, as pandoc reads them."""
    table, caption = figure.table, figure.figcaption
    caption.name = "caption"
    table.insert(0, caption.extract())
    table["id"] = figure["id"]
    many = len(table.find_all("tr")) > MANY
    _fold(table)
    for cell in table.select(".number"):
        cell["style"] = "text-align: right"
    moved = len(table.find_all("tr")) <= FLOATING and not figure.find_previous("h2", id="appendix")
    kind = "small" if many else "whole" if moved else "long"
    figure.replace_with(_call(kind, [table.extract()]))


def _fold(table: Tag) -> None:
    """A long table of two or three columns goes on at its own right side."""
    rows = table.tbody.find_all("tr")
    cells = table.tbody.find_all(["th", "td"])
    if len(rows) < LONG or len(rows[0].find_all(["th", "td"])) > 3 or max(len(c.get_text()) for c in cells) > WORDY:
        return
    half = (len(rows) + 1) // 2
    for left, right in zip(rows[:half], [*rows[half:], None], strict=False):
        cells = right.extract().find_all(["th", "td"]) if right else []
        left.extend(cells or [BeautifulSoup("<td></td>", "html.parser").td for _ in left.find_all(["th", "td"])])
    head = table.thead.tr
    head.extend([copy(cell) for cell in head.find_all("th")])


def _calls(main: Tag) -> None:
    """The blocks for which the template has a function of that name."""
    for steps in main.select("figure.listing + ol"):
        steps["class"] = "steps"
    for name in ("abstract", "own", "listing", "steps", "references"):
        for block in main.select(f".{name}"):
            block.wrap(_call(name, []))
    for cover in main.select(".cover"):
        for name in cover.select("th"):
            name.name, name.attrs = "strong", {}
        fields = [_part(row) for row in cover.find_all("tr")]
        notes = cover.select(".data")
        notes = [_call("warn" if "warn" in note["class"] else "note", [note.extract()]) for note in notes]
        given = [_part(cover.h1), _part(cover.p), _call("fields", fields), *notes]
        cover.replace_with(_call("cover", given))


def _part(tag: Tag) -> Tag:
    """What a tag holds, as a plain block."""
    part = BeautifulSoup("<div><p></p></div>", "html.parser").div
    part.p.extend(list(tag.contents))
    for cell in part.find_all("td"):
        cell.insert_before(" ")
        cell.unwrap()
    return part


def _call(name: str, arguments: list[Tag], given: str = "") -> Tag:
    """A block whose children are the arguments of the template's function ``name``, after those in ``given``."""
    outer = BeautifulSoup(f'<div data-call="{name}" data-given="{given}"></div>', "html.parser").div
    for argument in arguments:
        outer.append(argument)
    return outer
