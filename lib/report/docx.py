"""The report's page as a Word file, for teachers who ask for one: pandoc writes it, python-docx sets its fonts.

Formulas are Word's own, tables are tables, figures are PNG drawn by Typst.
"""

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import docx
import pypandoc
import typst
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

from lib.files import write_whole
from lib.report.paper import Paper, changed

SHARPNESS = 250  # dots an inch of the figures
# Latin and Chinese; Word and LibreOffice take another where one is missing.
TEXT, HEADS, CODE = ("Times New Roman", "SimSun"), ("Arial", "SimHei"), ("Consolas", "SimSun")
LINE = Mm(174)
SIZES = {"Title": 18, "Heading 1": 15, "Heading 2": 12.5, "Heading 3": 11, "Image Caption": 9, "Table Caption": 9}
MADE = {"own": "Own words", "abstract": "Abstract", "note": "Note", "warn": "Note"}


def write_docx(source: str | Path, target: str | Path) -> None:
    """The report's page as a Word file, A4; written beside its place and renamed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paper = Paper(Path(source), folder)
        _draw(folder)
        tree = paper.tree()
        tree["blocks"] = changed(tree["blocks"], _for_word)
        made, options = folder / "report.docx", ["--quiet", f"--resource-path={folder}", "--shift-heading-level-by=-1"]
        pypandoc.convert_text(json.dumps(tree), "docx", "json", extra_args=options, outputfile=made)
        document = docx.Document(made)
    _dress(document, paper)
    whole = io.BytesIO()
    document.save(whole)
    write_whole(target, whole.getvalue())


def _draw(folder: Path) -> None:
    """A PNG beside each SVG."""
    pictures = sorted(folder.glob("*.svg"))
    if not pictures:
        return
    drawn = "#set page(width: auto, height: auto, margin: 0pt)\n"
    drawn += "\n#pagebreak()\n".join(f'#image("{picture.name}")' for picture in pictures)
    (folder / "pictures.typ").write_text(drawn, encoding="utf-8")
    typst.compile(folder / "pictures.typ", output=folder / "{0p}.png", format="png", ppi=SHARPNESS)
    for picture, page in zip(pictures, sorted(folder.glob("[0-9]*.png")), strict=True):
        page.rename(picture.with_suffix(".png"))


def _for_word(kind: str, content: Any) -> list[Any] | None:
    """Pictures as PNG, and for the template's functions a style; contents are Word's navigation, from the headings."""
    if kind == "Image":
        content[2][0] = str(Path(content[2][0]).with_suffix(".png"))
        return [{"t": kind, "c": content}]
    call = dict(content[0][2]).get("call") if kind == "Div" else None
    if call == "contents":
        return []
    if call == "cover":
        title, *others = content[1]
        title["c"][0][2].append(["custom-style", "Title"])
        return changed([title, *others], _for_word)
    if call == "pair":
        return [_beside(changed(content[1], _for_word))]
    if call in MADE:
        return [{"t": kind, "c": [["", [], [["custom-style", MADE[call]]]], changed(content[1], _for_word)]}]
    return None


def _beside(figures: list[Any]) -> dict[str, Any]:
    """Figures as the cells of a table of one row."""
    nothing = ["", [], []]
    cells = [[nothing, {"t": "AlignCenter"}, 1, 1, [figure]] for figure in figures]
    columns = [[{"t": "AlignCenter"}, {"t": "ColWidth", "c": 1 / len(figures)}] for _ in figures]
    body = [nothing, 0, [], [[nothing, cells]]]
    return {"t": "Table", "c": [nothing, [None, []], columns, [nothing, []], [body], [nothing, []]]}


def _dress(document: docx.document.Document, paper: Paper) -> None:
    """Fonts, sizes, A4, borders, and page numbers."""
    for style in document.styles:
        if hasattr(style, "font"):
            code = "Verbatim" in style.name or "Source" in style.name
            _font(style, CODE if code else HEADS if style.name.startswith(("Heading", "Title")) else TEXT)
            style.font.italic = False if "Caption" in style.name else style.font.italic
            style.font.color.rgb = RGBColor(0, 0, 0)
            if style.name == "Table Caption":
                style.paragraph_format.keep_with_next = True
            if style.name in SIZES:
                style.font.size = Pt(SIZES[style.name])
    document.styles["Normal"].font.size = Pt(10.5)
    for section in document.sections:
        section.page_width, section.page_height = Mm(210), Mm(297)
        section.left_margin = section.right_margin = (Mm(210) - LINE) // 2
        section.top_margin = section.bottom_margin = Mm(20)
        _page_number(section.footer.paragraphs[0])
    for table in document.tables:
        if not table._tbl.xpath(".//w:drawing"):
            _table(table)
            continue
        for row in table.rows:  # a figure keeps its caption
            row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
        if len(table.columns) == 1:  # pandoc puts a figure into a table of its own, as wide as its own paper's line
            table.columns[0].width = LINE
    document.core_properties.title, document.core_properties.author = paper.title, paper.author


def _font(style: docx.styles.style.BaseStyle, names: tuple[str, str]) -> None:
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    fonts.attrib.clear()
    for place, name in zip(("ascii", "hAnsi", "cs", "eastAsia"), (names[0],) * 3 + names[1:], strict=True):
        fonts.set(qn(f"w:{place}"), name)


def _table(table: docx.table.Table) -> None:
    """A line above, below and under the heading, as books have it, and small letters."""
    for number, row in enumerate(table.rows):
        for cell in row.cells:
            borders = OxmlElement("w:tcBorders")
            for side, thickness in (("top", "8" if number == 0 else ""), ("bottom", "8" if number == 0 else "4")):
                if thickness:
                    line = OxmlElement(f"w:{side}")
                    line.set(qn("w:val"), "single")
                    line.set(qn("w:sz"), thickness)
                    line.set(qn("w:color"), "808080")
                    borders.append(line)
            cell._tc.get_or_add_tcPr().append(borders)
            for run in (run for paragraph in cell.paragraphs for run in paragraph.runs):
                run.font.size = Pt(8.5)


def _page_number(paragraph: docx.text.paragraph.Paragraph) -> None:
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "PAGE")
    paragraph._p.append(field)
