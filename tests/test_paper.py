"""The real report on paper in both languages, and as a Word file: what is handed in."""

import io
import re
from base64 import b64encode
from functools import cache

import docx
import numpy as np
import pytest
import typst
from bs4 import BeautifulSoup
from docx.oxml.ns import qn
from PIL import Image
from pypdf import PdfReader

from lib import words
from lib.cli import __main__ as lab
from lib.cli import jobs, state, step
from lib.report import pdf
from lib.report.docx import write_docx
from lib.report.paper import NARROWED, SCALES, Paper

CHAPTERS = ("background", "methods", "experiment", "results", "conclusions", "references", "appendix")
needs_font = pytest.mark.skipif(
    not set(pdf.CHINESE_SERIF) & pdf.families(), reason="no font with Chinese characters on this machine"
)
both = pytest.mark.parametrize("language", ["en", "zh"])
pytestmark = needs_font  # the student's name is Chinese


@pytest.fixture(scope="module")
def printed(reports):
    """The reports as PDFs."""

    @cache
    def made(language, profile="improved"):
        source = reports(language, profile)
        pdf.print_pdf(source, source.with_suffix(".pdf"))
        return PdfReader(source.with_suffix(".pdf"))

    return made


def squeezed(text):
    return re.sub(r"\s", "", text)


def flat(outline):
    for item in outline:
        if isinstance(item, list):
            yield from flat(item)
        else:
            yield item


@both
def test_on_paper(printed, language):
    reader, say = printed(language), words.load(language)
    pages = [page.extract_text() for page in reader.pages]
    assert 10 <= len(pages) <= 15, "two data sets, and no provenance but the records' hashes"
    for i, (page, text) in enumerate(zip(reader.pages, map(squeezed, pages), strict=True), 1):
        assert f"{i}/{len(pages)}" in text
        assert "李华" in text, "the running head names the student"
        assert all(round(side / 72 * 25.4) in (210, 297) for side in page.mediabox[2:])
    assert not re.search("[\u2e80-\u2fdf]", "".join(pages)), "radicals, which nobody searches for"
    lines = [squeezed(line) for line in "\n".join(pages[:2]).splitlines()]
    for chapter in CHAPTERS:
        name = squeezed(say(f"{chapter}.heading"))
        (line,) = [line for line in lines if re.fullmatch(r"[\dA]" + re.escape(name) + r"\.+\d+", line)]
        (mark,) = [mark for mark in flat(reader.outline) if squeezed(mark.title).endswith(name)]
        assert line.endswith(f".{reader.get_destination_page_number(mark) + 1}")


def test_the_evidence_on_paper(printed):
    assert len(printed("en", "evidence").pages) <= 30


@both
def test_what_is_on_a_screen_alone_is_not_on_paper(printed, reports, language):
    page, say = BeautifulSoup(reports(language).read_text(encoding="utf-8"), "html.parser"), words.load(language)
    text = squeezed("".join(sheet.extract_text() for sheet in printed(language).pages))
    titles = "".join(squeezed(mark.title) for mark in flat(printed(language).outline))
    for key in ("environment", "times", "sources"):
        assert say(f"{key}.heading") in page.main.get_text()
        assert squeezed(say(f"{key}.heading")) not in titles
    assert ".history.pretraining" not in text
    hashes = [squeezed(cell.get_text()) for cell in page.select("#table-records td:last-child")]
    assert len(hashes) == 7
    assert all(len(code) == 64 and code in text.replace("\u200b", "") for code in hashes)
    numbers = {squeezed(a.get_text()) for a in page.find(id="appendix").find_all_previous("a", class_="sourced")}
    assert len(numbers) > 10
    assert not [number for number in numbers if number not in text], "every number of the text is there"


@both
def test_a_file_beside_the_report_says_where_every_number_of_it_is_from(reports, language):
    page, say = BeautifulSoup(reports(language).read_text(encoding="utf-8"), "html.parser"), words.load(language)
    told = reports(language).with_suffix(".provenance.md").read_text(encoding="utf-8")
    for key in ("environment", "records", "times", "sources"):
        assert re.search(rf"^### A\.\d {re.escape(say(f'{key}.heading'))}$", told, re.M)
    assert "python lab.py report improved" in told
    rows = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", told, re.M))
    assert len(rows) == len(page.select(".sources tbody tr"))
    for link in page.select("a.sourced"):
        assert link.get_text() in rows[link["href"].removeprefix("#source-")].partition(" | ")[0]
    shown = page.select(".sources tbody tr")[-1].find_all("td")
    assert all(squeezed(cell.get_text()) in squeezed(rows[str(len(rows))]) for cell in shown)


@both
def test_links_on_paper_lead_into_it_or_to_the_web(printed, language):
    reader = printed(language)
    actions = [note.get_object() for page in reader.pages for note in page.get("/Annots", [])]
    web = [note["/A"]["/URI"] for note in actions if "/URI" in note.get("/A", {})]
    assert all(address.startswith(("https:", "mailto:")) for address in web)
    assert len(actions) - len(web) >= 20  # contents and references


@both
def test_read_aloud(printed, language):
    """Tags, a language, a title, and words for every picture: PDF/UA-1, which Typst refuses to claim falsely."""
    reader = printed(language)
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].startswith(language)
    assert "SimCLR" in reader.metadata.title
    assert "李华" in reader.metadata.author
    assert b"pdfuaid" in root["/Metadata"].get_object().get_data()


def test_a_page_that_typst_finds_unfit_for_screen_readers_is_printed_all_the_same(tmp_path, monkeypatch, capsys):
    compiled = typst.compile

    def refusing(source, pdf_standards=(), **options):
        if pdf_standards:
            raise typst.TypstError("PDF/UA-1 error: invalid list (L) structure")
        return compiled(source, **options)

    monkeypatch.setattr(pdf.typst, "compile", refusing)
    assert typeset(tmp_path, "<p>kept</p>").count("kept") == 1
    assert "invalid list" in capsys.readouterr().err


@both
def test_no_heading_stands_alone_at_the_end_of_a_page(printed, language):
    """Below each heading there is room for two lines at least before the margin."""
    for mark in flat(printed(language).outline):
        assert mark.top > 45 + 40, f"{mark.title} stands at the foot of its page"


@pytest.mark.parametrize(("language", "profile"), [("en", "improved"), ("zh", "improved"), ("en", "evidence")])
def test_pages_are_full_but_at_a_chapters_end(reports, printed, tmp_path, language, profile):
    """Two thirds of the height between the margins; a gap of less than 12 mm is none."""
    reader = printed(language, profile)
    chapters = {reader.get_destination_page_number(item) + 1 for item in reader.outline if not isinstance(item, list)}
    (tmp_path / "report.typ").write_text(pdf.as_typst(Paper(reports(language, profile), tmp_path)), encoding="utf-8")
    typst.compile(tmp_path / "report.typ", output=tmp_path / "{0p}-page.png", format="png", ppi=25.4)  # a pixel a mm
    for i, path in enumerate(sorted(tmp_path.glob("*-page.png")), 1):
        inked = (np.asarray(Image.open(path).convert("L"))[17:-16] < 200).any(axis=1).nonzero()[0]
        gaps = np.diff(inked, prepend=-1, append=264) - 1
        full = 264 - gaps[gaps >= 12].sum()
        last = i + 1 in chapters or i == len(reader.pages)
        assert last or full > 264 * 2 / 3, f"page {i} is {full / 264:.0%} full"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_gap_stands_between_the_blocks_of_a_page(reports, tmp_path, language):
    """What is left of a page is left at its foot: 25 mm without ink above a table would look like something missing."""
    (tmp_path / "report.typ").write_text(pdf.as_typst(Paper(reports(language), tmp_path)), encoding="utf-8")
    typst.compile(tmp_path / "report.typ", output=tmp_path / "{0p}-page.png", format="png", ppi=25.4)  # a pixel a mm
    for i, path in enumerate(sorted(tmp_path.glob("*-page.png")), 1):
        inked = (np.asarray(Image.open(path).convert("L"))[17:-16] < 200).any(axis=1).nonzero()[0]
        assert np.diff(inked).max() < 25, f"page {i}"


@both
def test_letters_of_figures_can_be_read_on_paper(reports, tmp_path, language):
    """7 pt in diagrams, subscripts left out; plots keep most of the size in which their smallest letters, 8, are 6."""
    paper = Paper(reports(language), tmp_path)
    shown = [(img, float(img["width"].removesuffix("mm")) / 25.4 * 72) for img in paper.main.select("figure img")]
    diagrams = [(img, wide) for img, wide in shown if img.find_parent(class_="diagram")]
    assert len(diagrams) >= 9
    for img, wide in diagrams:
        drawn = (tmp_path / img["src"]).read_text(encoding="utf-8")
        sizes = [float(size) for size in re.findall(r"font-size:(\d+)px", drawn)]
        assert wide / float(re.search(r'width="([\d.]+)"', drawn)[1]) * min([14, *sizes]) >= 7, img["alt"]
    for img, wide in shown:
        if img.find_parent(class_="plot"):
            drawn = re.search(r'width="([\d.]+)pt"', (tmp_path / img["src"]).read_text(encoding="utf-8"))
            assert wide / float(drawn[1]) >= SCALES["plot"] * NARROWED["plot"] - 0.01, img["alt"]


@both
def test_fonts_are_embedded(printed, language):
    fonts = {}
    for page in printed(language).pages:
        for font in page["/Resources"].get("/Font", {}).values():
            font = font.get_object()
            inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
            fonts[font.get("/BaseFont", font["/Subtype"])] = inner
    assert fonts
    for name, font in fonts.items():
        if font["/Subtype"] != "/Type3":  # whose glyphs are in the file by definition
            descriptor = font["/FontDescriptor"].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor), name


def test_no_browser_has_a_part_in_it(reports, tmp_path, monkeypatch):
    """Nothing at all is found on this machine but Python and its packages."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("LAB_BROWSER", "no-such-browser")
    jobs.pdf(reports("zh"), tmp_path / "r.pdf")
    assert len(PdfReader(tmp_path / "r.pdf").pages) > 5


def test_a_machine_without_a_chinese_font_is_told(reports, tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "families", lambda: frozenset({"Libertinus Serif", "DejaVu Sans Mono"}))
    with pytest.raises(pdf.NoFont, match=r"HTML report is whole.*fonts-noto-cjk"):
        pdf.print_pdf(reports("zh"), tmp_path / "r.pdf")
    assert not (tmp_path / "r.pdf").exists()
    assert step.paragraph(pdf.NoFont(pdf.HINT)) == pdf.HINT
    assert pdf.fonts("no such character") == {"serif": ["Libertinus Serif"], "sans": ["Libertinus Serif"]}


def test_fonts_of_windows_are_its_own(monkeypatch):
    monkeypatch.setattr(pdf, "families", lambda: frozenset({"SimSun", "SimHei", "Times New Roman", "Arial"}))
    assert pdf.fonts("中") == {"serif": ["Times New Roman", "SimSun"], "sans": ["Arial", "SimHei"]}


PAGE = """<html lang="en"><title>"q" \\ #x $y [</title><header class="cover" data-language="en"><h1>#T $x$</h1><p>s</p>
<table><tr><th>Student</th><td>A*b_c</td></tr></table></header><nav id="contents"><h2 id="contents-title">C</h2></nav>
<main>{}</main></html>"""


def typeset(tmp_path, main):
    source = tmp_path / "r.html"
    source.write_text(PAGE.format(main), encoding="utf-8")
    pdf.print_pdf(source, tmp_path / "r.pdf")
    return " ".join(page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages)


@pytest.mark.parametrize(
    "harm", ['#read("r.html")', "$x$", "*b*", "\\(x\\)", "= h", "/* c", "@label", "#let", "[", "`"]
)
def test_text_is_no_program(tmp_path, harm):
    """What a template or pandoc might read as more than text."""
    text = typeset(tmp_path, f"<h2 id='a'>H {harm}</h2><p>a {harm} z</p><div data-call='eval'>kept {harm}</div>")
    assert text.count(squeezed(harm)) + text.count(harm) >= 2
    assert "kept" in text


def test_two_small_figures_stand_beside_one_another_and_a_long_narrow_table_is_folded(tmp_path):
    def figure(number, width):
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="200"/>'
        image = f'<img src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}" width="{width}"'
        caption = "<figcaption>c</figcaption>"
        return f'<figure class="plot" id="f{number}">{image} height="200" alt="a">{caption}</figure>'

    rows = "".join(f"<tr><th>{i}</th><td>v{i}</td></tr>" for i in range(15))
    table = f"<table><thead><tr><th>k</th><th>v</th></tr></thead><tbody>{rows}</tbody></table>"
    table = f'<figure class="table" id="t"><figcaption>c</figcaption>{table}</figure>'
    main = figure(1, 300) + "<p>between</p>" + figure(2, 420) + figure(3, 700) + table
    (tmp_path / "r.html").write_text(PAGE.format(main), encoding="utf-8")
    paper = Paper(tmp_path / "r.html", tmp_path)
    assert [tag["id"] for tag in paper.main.select("[data-call=pair] > figure")] == ["f1", "f2"]
    assert [len(row.find_all(["th", "td"])) for row in paper.main.select("tr")] == [4] * 9
    assert paper.main.select("tr")[-1].get_text() == "7v7"
    assert typeset(tmp_path, main)


# Word


@both
def test_a_word_file(reports, tmp_path, language):
    write_docx(reports(language), tmp_path / "r.docx")
    page = BeautifulSoup(reports(language).read_text(encoding="utf-8"), "html.parser")
    document = docx.Document(tmp_path / "r.docx")
    assert len(document.inline_shapes) == len(page.select("figure img"))
    xml = document.element.xml
    assert xml.count("<m:oMath>") == len(page.select("main math"))
    assert "source-1" not in xml
    heads = [p.text for p in document.paragraphs if p.style.name == "Heading 1"]
    say = words.load(language)
    assert [head.split(maxsplit=1)[-1] for head in heads if head[1] == " "] == [say(f"{c}.heading") for c in CHAPTERS]
    normal, heading = (document.styles[name].element.rPr.rFonts for name in ("Normal", "Heading 1"))
    assert (normal.get(qn("w:ascii")), normal.get(qn("w:eastAsia"))) == ("Times New Roman", "SimSun")
    assert heading.get(qn("w:eastAsia")) == "SimHei"
    (width,) = {section.page_width.mm for section in document.sections}
    assert round(width) == 210
    line = document.sections[0].page_width - document.sections[0].left_margin - document.sections[0].right_margin
    assert all(shape.width <= line for shape in document.inline_shapes)
    sharp = [Image.open(io.BytesIO(part.blob)).size for part in document.part.package.iter_parts()
             if part.partname.endswith(".png")]  # fmt: skip
    assert len(sharp) == len(document.inline_shapes)
    assert "李华" in document.core_properties.author


def test_the_command_says_where_the_word_file_is(reports, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "published/improved"
    folder.mkdir(parents=True)
    (folder / "report.html").write_bytes(reports("en").read_bytes())
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))
    monkeypatch.setattr(lab, "_make", lambda asked: 0)  # the report of before is there already
    assert lab.main(["published", "improved", "--docx"]) == 0
    assert str(folder / "report.docx") in capsys.readouterr().out
    assert (folder / "report.docx").stat().st_size > 10_000
    for number in (1, 2):
        written = docx.Document(folder / "report.docx")
        written.add_paragraph(f"Well done, {number}.")
        written.save(folder / "report.docx")
        assert lab.main(["published", "improved", "--docx"]) == 0
    state.set_aside_report(folder)
    state.forget_outdated(folder)
    kept = [folder / "report.edited.docx", folder / "report.edited-2.docx"]
    assert [docx.Document(path).paragraphs[-1].text for path in kept] == ["Well done, 1.", "Well done, 2."]
    assert sorted(folder.glob("*.docx")) == sorted(kept), "what nobody has written into does not stay"
