"""The report's page as paper has it, for pandoc: on its way to the PDF (``lib.report.pdf``) or to Word (``docx``).

What only a screen needs is left out, numbers are no links to records that are not there, pictures lie in files, and
figures have the size in which their smallest letters can still be read.
"""

import base64
import json
import re
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import pypandoc
from bs4 import BeautifulSoup, Tag

WIDTH = 170  # mm of a line
INCH = 96  # CSS pixels
# A figure on paper beside one on the screen: plots are drawn with letters of 10 pt, diagrams with 14 px.
SCALES = {"plot": 0.63, "diagram": 0.62}
TALLEST = {"plot": 76, "diagram": 90}  # mm
GAP = 5  # mm between two figures in one line
NARROWED = 0.9  # of its size a figure keeps at least to stand beside another
# Rows of a table that is still moved whole; of one that is folded where it is narrow; of one in small letters.
FLOATING, LONG, MANY = 24, 14, 50
HEADINGS = ("h2", "h3", "h4")


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
        self.folder = folder
        _leave_out(self.main)
        _formulas(self.main)
        for i, image in enumerate(self.main.find_all("img")):
            self._picture(image, i)
        for figure in self.main.select("figure.table"):
            _table(figure)
        _side_by_side(self.main)
        _calls(self.main)

    def tree(self) -> dict[str, Any]:
        """The page as pandoc has read it: its document in JSON."""
        read = json.loads(pypandoc.convert_text(self.main.decode_contents(), "json", "html"))
        return {**read, "meta": {}, "blocks": changed(read["blocks"], _math)}

    def _picture(self, image: Tag, number: int) -> None:
        """A picture to a file, and its size on paper."""
        kind, _, content = image["src"].partition(",")
        suffix = re.search(r"image/(\w+)", kind)[1]
        name = f"picture-{number}.{suffix}"
        (self.folder / name).write_bytes(base64.b64decode(content))
        shown = next((c for c in image.find_parent("figure").get("class", []) if c in SCALES), "plot")
        width, height = (float(image[side]) / INCH * 25.4 * SCALES[shown] for side in ("width", "height"))
        width *= min(1, WIDTH / width, TALLEST[shown] / height)
        image.attrs = {"src": name, "alt": image["alt"], "data-says": image["alt"], "width": f"{width:.1f}mm"}


def _leave_out(main: Tag) -> None:
    """Off with what a screen alone shows, with all below a heading that it alone shows, and with links to it."""
    for heading in main.select("h2.screen, h3.screen, h4.screen"):
        level = HEADINGS.index(heading.name)
        for follower in heading.find_next_siblings():
            if follower.name in HEADINGS[: level + 1]:
                break
            follower.decompose()
    for picture in main.find_all("picture"):
        picture.replace_with(picture.img)  # as a wide screen has it
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
    for math in main.find_all("math"):
        span = BeautifulSoup("<span></span>", "html.parser").span
        span["data-tex"], span["data-shown"] = math.get("alttext", math.get_text()), math["display"]
        math.replace_with(span)


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
    if len(rows) < LONG or len(rows[0].find_all(["th", "td"])) > 3:
        return
    half = (len(rows) + 1) // 2
    for left, right in zip(rows[:half], [*rows[half:], None], strict=False):
        cells = right.extract().find_all(["th", "td"]) if right else []
        left.extend(cells or [BeautifulSoup("<td></td>", "html.parser").td for _ in left.find_all(["th", "td"])])
    head = table.thead.tr
    head.extend([copy(cell) for cell in head.find_all("th")])


def _side_by_side(main: Tag) -> None:
    """Two figures that fit into one line stand in it, though there be text between them."""
    for group in main.select(".side-by-side"):
        group.unwrap()
    first = None
    for tag in main.find_all([*HEADINGS, "figure"]):
        if tag.name != "figure" or not tag.img or tag.find_parent(class_="abstract"):
            first = None
        elif first and (fit := (WIDTH - GAP) / (_width(first) + _width(tag))) >= NARROWED:
            widths = [_width(figure) * min(1, fit) for figure in (first, tag)]
            first.insert_before(pair := _call("pair", [], "{:.1f}mm, {:.1f}mm".format(*widths)))
            pair.extend([first, tag])
            for figure, width in zip((first, tag), widths, strict=True):
                figure.img["width"] = f"{width:.1f}mm"
            first = None
        else:
            first = tag


def _width(figure: Tag) -> float:
    return float(figure.img["width"].removesuffix("mm"))


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
