"""The report: self-contained, numbered, with formulas, contents and a PDF whose pages are not empty."""

import pandas as pd
import papermill
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from nbformat import v4 as nbf
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

from lib import pdf, report
from lib.records import ROOT, RecordError, load_all


@pytest.fixture
def notebook(tmp_path):
    node = nbf.new_notebook(
        cells=[
            nbf.new_markdown_cell("## 1 First\n\nInline $\\tau > 0$ and\n\n$$\\frac{a}{b} \\neq \\log(2N - 1)$$"),
            nbf.new_code_cell("secret = 1", outputs=[nbf.new_output("stream", text="<said> & done")]),
            nbf.new_markdown_cell("### 1.1 Below\n\nText.\n\n## 2 Second\n\nMore."),
        ]
    )
    path = tmp_path / "report.ipynb"
    path.write_text(nbf.writes(node), encoding="utf-8")
    return path


@pytest.fixture
def page(notebook):
    report.export(notebook, notebook.with_suffix(".html"))
    return BeautifulSoup(notebook.with_suffix(".html").read_text(encoding="utf-8"), "html.parser")


def test_one_file_that_asks_nobody(page):
    assert not page.find_all("script")
    assert not page.find_all("link", rel="stylesheet")
    assert all(tag["src"].startswith("data:") for tag in page.find_all(src=True))
    assert "@import" not in page.style.string
    assert "http" not in page.style.string


def test_formulas_are_mathml(page):
    assert [m.get("display") for m in page.find_all("math")] == ["inline", "block"]
    assert page.find("mfrac")
    assert "$" not in page.main.get_text()


def test_contents_link_to_every_heading(page):
    links = page.find(id="contents").find_all("a")
    assert [a.get_text() for a in links] == ["1 First", "1.1 Below", "2 Second"]
    assert all(page.find(id=a["href"][1:]) for a in links)


def test_code_is_folded_not_lost(page):
    details = page.find("details", class_="code")
    assert "secret" in details.get_text()
    assert not details.has_attr("open")
    assert "<said> & done" in page.find("pre", class_="stream").get_text()


def test_a_report_that_would_load_from_elsewhere_is_not_written(notebook, tmp_path):
    node = nbf.new_notebook(cells=[nbf.new_markdown_cell("![x](https://example.org/x.png)")])
    notebook.write_text(nbf.writes(node))
    with pytest.raises(RuntimeError, match="example.org"):
        report.export(notebook, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_figures_and_tables_are_numbered_and_escaped(monkeypatch):
    shown = []
    monkeypatch.setattr(report, "display", lambda html: shown.append(BeautifulSoup(html.data, "html.parser")))
    numbered = report.Numbered()
    numbered.figure(Figure(), 'loss < 1 & "more"')
    numbered.table(pd.DataFrame({"run": ["a<b"], "accuracy": ["98.10%"]}), "All runs")
    numbered.figure(Figure(), "second")
    figure, table, second = shown
    assert figure.img["alt"] == 'loss < 1 & "more"'
    assert int(figure.img["width"]) > 0
    assert figure.figcaption.get_text().startswith("Figure 1.")
    assert second.figcaption.get_text() == "Figure 2. second"
    assert table.caption.get_text() == "Table 1. All runs"
    assert [td.get("class") for td in table.find_all("td")] == [None, ["number"]]
    assert table.td.get_text() == "a<b"


def test_mean_and_deviation():
    assert report.percent([0.981, 0.983]) == "98.20 ± 0.14%"
    assert report.percent([0.5]) == "50.00%"
    assert report.mean([1234.5], digits=1, unit=" s") == "1,234.5 s"


def test_seeds_on_different_data_are_not_averaged():
    seeds = [{"parameters": {"run": "mnist", "seed": s}, "dataset": {"description": d}} for s, d in enumerate("ab")]
    with pytest.raises(RecordError, match="run on different data"):
        report.by_run(seeds)


def test_the_cover_warns_of_a_sample(monkeypatch):
    shown = []
    monkeypatch.setattr(report, "display", lambda html: shown.append(html.data))
    dataset = {"name": "mnist", "description": "5,000 digits", "source": "embedded sample", "genuine": False}
    report.cover("T", "S", {"Student": "李华"}, [dataset, dataset])
    assert shown[0].count("5,000 digits") == 1
    assert "source warn" in shown[0]
    assert "cannot be compared" in shown[0]
    assert "李华" in shown[0]


needs_browser = pytest.mark.skipif(not pdf.find_browser(), reason="no Chromium, Chrome or Edge on this machine")


@pytest.fixture(scope="module")
def real_report(tmp_path_factory):
    """The report of the published records, as `make report` makes it."""
    folder = tmp_path_factory.mktemp("report")
    parameters = {"runs": str(ROOT / "figures/records"), "profile": "improved", "student": "李华", "number": 2021}
    papermill.execute_notebook(ROOT / "notebooks/report.ipynb", folder / "r.ipynb", parameters, progress_bar=False)
    report.export(folder / "r.ipynb", folder / "r.html")
    return folder / "r.html"


def test_the_real_reports_figures_tables_and_sections(real_report):
    page = BeautifulSoup(real_report.read_text(encoding="utf-8"), "html.parser")
    headings = [h.get_text()[1:].strip() for h in page.main.find_all("h2")]
    assert headings[:5] == ["Background and motivation", "Current methods", "Experiment", "Results", "Conclusions"]
    for kind, label in (("figure", "Figure"), ("table", "Table")):
        captions = [c.get_text() for c in page.main.select(f"[id^={kind}-] :is(figcaption, caption)")]
        assert len(captions) >= 4
        assert [c.split(".")[0] for c in captions] == [f"{label} {i}" for i in range(1, len(captions) + 1)]
    text = page.main.get_text()
    records = load_all(ROOT / "figures/records/improved")
    runs = [r["results"]["classifiers"] for r in records if "classifiers" in r["results"]]
    for i in range(len(runs[0])):
        assert report.percent([classifiers[i]["test_accuracy"] for classifiers in runs]) in text
    assert "nan" not in text.lower().split()
    assert "Traceback" not in text


@needs_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_in_a_browser_nothing_is_asked_for_and_nothing_sticks_out(real_report, width):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=pdf.find_browser(), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 800})
        requests, messages = [], []
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda message: messages.append(message.text))
        tab.goto(real_report.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate("[...document.images].every(i => i.alt && i.complete && i.naturalWidth > 0)")
        assert tab.evaluate(
            "[...document.querySelectorAll('nav a')]"
            ".every(a => document.getElementById(decodeURIComponent(a.hash.slice(1))))"
        )
        boxes = tab.evaluate(
            "['header.cover', 'nav', 'main'].map(s => document.querySelector(s).getBoundingClientRect().toJSON())"
        )
        assert all(box["left"] >= 0 and box["right"] <= width for box in boxes)
        cover, contents, main = boxes
        assert contents["top"] >= cover["bottom"] or contents["right"] <= cover["left"], "the contents lie on the cover"
        assert main["top"] >= cover["bottom"]
        browser.close()
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert messages == []


@needs_browser
def test_no_page_of_the_real_pdf_is_empty(real_report):
    target = real_report.with_suffix(".pdf")
    pdf.print_pdf(real_report, target)
    pages = PdfReader(target).pages
    assert 6 <= len(pages) <= 14
    for page in pages:
        assert len(page.extract_text()) > 200 or len(page.images) > 0
    assert "李华" in pages[0].extract_text()


@needs_browser
def test_pdf_has_text_page_numbers_and_bookmarks(page, notebook):
    pdf.print_pdf(notebook.with_suffix(".html"), notebook.with_suffix(".pdf"))
    reader = PdfReader(notebook.with_suffix(".pdf"))
    pages = [p.extract_text() for p in reader.pages]
    for heading in ("1 First", "1.1 Below", "2 Second"):
        assert any(heading in text for text in pages)
    total = len(pages)
    assert all(f"{i} / {total}" in text for i, text in enumerate(pages, 1))
    assert reader.outline


def test_without_a_browser_the_message_says_what_to_install(page, notebook, monkeypatch):
    monkeypatch.setenv("LAB_BROWSER", "no-such-browser")
    assert pdf.find_browser() is None
    with pytest.raises(FileNotFoundError, match=r"HTML report is whole.*apt-get install chromium"):
        pdf.print_pdf(notebook.with_suffix(".html"), notebook.with_suffix(".pdf"))
