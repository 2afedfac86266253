"""A record or a cover written by somebody who means harm, or by a student with odd names: text, and nothing more."""

import json
import re

import papermill
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4 as nbf
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

from figures.browser import find_browser
from lib import words
from lib.files import ROOT
from lib.report import export, pdf, plots, style
from lib.report import page as report_page
from lib.report.page import Report, slug
from lib.runs import records
from lib.words import literal

ENGLISH = words.load("en")
HARM = (
    "[c](javascript:alert(1))",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![i](https://evil.example/i)",
    "https://evil.example/x",
    '"><svg onload=alert(1)>',
    "<https://evil.example>",
    "`</code><b>b</b>`",
    "**bold** _it_ ~~s~~",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "a\n\n# heading\n\n    code",
    "| a | b |\n|---|---|",
    "[x]: javascript:alert(1)",
    "$\\href{javascript:alert(1)}{x}$",
    "\\[c\\](x)",
    "a&#106;b",
    "]( #x",
    "line  \nbreak",
    "---",
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
)


def rendered(markdown):
    html = export.ReportExporter().markdown2html(None, str(markdown))
    return BeautifulSoup(html, "html.parser")


@pytest.mark.parametrize("text", HARM)
@pytest.mark.parametrize("place", ["{}", "Text {} and more.", "- {}", "({})", "*{}*"])
def test_a_value_is_the_same_text_to_markdown_and_html(text, place):
    wanted = " ".join(text.split())
    plain = BeautifulSoup(str(literal(text)), "html.parser")
    shown = rendered(place.format(literal(text)))
    for page in (plain, shown):
        assert not page.find(
            ["a", "script", "img", "svg", "b", "strong", "del", "h1", "table", "pre", "blockquote", "code"]
        )
        assert wanted in " ".join(page.get_text().split())
    assert "49" not in shown.get_text()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.text(max_size=40) | st.text("[]()!<>`*_~#$|\\&;:/. -+=\n{}ajx1", max_size=30))
def test_any_value_is_text_and_nothing_more(text):
    shown = rendered(f"Run {literal(text)} ended.")
    assert [tag.name for tag in shown.find_all(True)] == ["p"]
    assert literal(literal(text)) == literal(text)


def test_what_is_markup_is_left_alone_and_values_in_texts_are_not():
    say = words.Words(
        "en", {"language": {"locale": "en_GB", "html": "en", "script": "latin"}, "t": "**{{ a }}** {{ b }}"}
    )
    assert "<strong>" in str(rendered(say("t", a=1, b="")))
    shown = rendered(say("t", a="*x*", b=say("t", a="[c](javascript:x)", b=["<b>"])))
    assert not shown.find(["a", "b", "em"])
    assert "[c](javascript:x)" in shown.get_text()
    assert not rendered(say.list(["[c](javascript:x)", "<b>"])).find(["a", "b"])


@pytest.mark.parametrize(
    "name", ['x" onmouseover="alert(1)', "宠物 1", "a b", "a)b", "<x>", "fashion_mnist", "mnist-seed0.1"]
)
def test_places_named_after_data_are_reached(monkeypatch, tmp_path, name):
    """A folder with a Chinese name had a report that could not be written: its links led nowhere."""
    shown = []
    monkeypatch.setattr(report_page, "display", shown.append)
    report = Report("en")
    shown_name = words.given_name(name)  # a number in it is no figure
    report.section("data", 3, f"experiment-{name}", name=shown_name)
    report.text("views.text", views="", anchor=f"settings-{name}")
    report.figure(style.figure(1, 1)[0], "views", f"settings-{name}", name=shown_name)
    cells = [nbf.new_markdown_cell(piece.data) for piece in shown]
    made = exported(tmp_path, *cells)
    assert re.fullmatch(r"[\w.-]+", slug(name), re.ASCII)
    assert made.select_one("main a.reference")["href"] == f"#figure-settings-{slug(name)}"
    assert all(
        name.startswith(("aria-", "data-")) or not name.startswith("on")
        for t in made.find_all(True)
        for name in t.attrs
    )


def exported(folder, *cells):
    path = folder / "r.ipynb"
    path.write_text(nbf.writes(nbf.new_notebook(cells=list(cells))), encoding="utf-8")
    export.export(path, folder / "r.html")
    return BeautifulSoup((folder / "r.html").read_text(encoding="utf-8"), "html.parser")


ACTIVE = (
    "[a](javascript:alert)",
    '<a href=" java\tscript:alert">a</a>',
    '<a href="JAVASCRIPT:alert">a</a>',
    "[a](http://example.org)",
    "[a](file:///etc/passwd)",
    "[a](data:text/html,x)",
    "[a](other.html)",
    '<a href="vbscript:x">a</a>',
    "![a](https://example.org/i.png)",
    '<img src="//example.org/i">',
    '<img srcset="https://example.org/i 2x">',
    "<script>x</script>",
    "<iframe></iframe>",
    "<form></form>",
    '<object data="x"></object>',
    "<embed>",
    '<base href="https://example.org">',
    '<p onclick="x">a</p>',
    '<svg onload="x"></svg>',
    '<meta http-equiv="refresh" content="0;url=https://example.org">',
    '<link rel="preload" href="https://example.org">',
    '<p style="background:url(https://example.org/x)">a</p>',
    "<style>@import 'https://example.org'</style>",
    '<video poster="https://example.org/x"></video>',
    '<svg><a xlink:href="javascript:x">a</a></svg>',
    '<img src="data:text/html,x">',
    '<blockquote cite="javascript:x">a</blockquote>',
    '<button formaction="javascript:x">a</button>',
)


@pytest.mark.parametrize("text", ACTIVE)
def test_what_runs_loads_or_leads_elsewhere_is_refused(tmp_path, text):
    with pytest.raises(export.ReportError, match="the report"):
        exported(tmp_path, nbf.new_markdown_cell(text))
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    "text",
    [
        "[a](https://example.org/x)",
        "[a](mailto:a@example.org)",
        "## b\n\n[a](#b)",
        "![a](data:image/png;base64,iVBORw0KGgo=)",
    ],
)
def test_what_a_report_needs_is_not(tmp_path, text):
    policy = exported(tmp_path, nbf.new_markdown_cell(text)).find("meta", {"http-equiv": True})["content"]
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy


# The whole way: a record, the notebook, the exporter, a browser


def poisoned(value, text):
    """A record in which every word somebody might have chosen is the same text."""
    if isinstance(value, dict):
        return {key: poisoned(inner, text) for key, inner in value.items()}
    if isinstance(value, list):
        return [poisoned(inner, text) for inner in value]
    return text if isinstance(value, str) else value


@pytest.fixture(scope="module")
def harmful(tmp_path_factory):
    """The report of a record whose names, classes and environment mean harm, and of such a cover."""
    folder = tmp_path_factory.mktemp("harm")
    source = next((ROOT / "figures/records").glob("improved/mnist-*")) / "record.json"
    record = json.loads(source.read_text())
    record.pop("sha256", None)  # what its run wrote is changed below
    text = (HARM[0] + HARM[1] + HARM[2] + HARM[3] + HARM[5] + " $x_ 猫🐱").replace("(1)", "(document)")
    for key in ("name", "profile", "environment"):
        record[key] = poisoned(record[key], text)
    record["parameters"] |= {key: text for key in ("run", "encoder", "views", "optimizer", "schedule", "profile")}
    record["dataset"] |= {"name": text, "source": text, "description": text, "path": text}
    record["dataset"]["classes"] = [f"{i} {text}" for i in range(10)]
    record["finished"] = text
    (folder / "p" / "x").mkdir(parents=True)
    (folder / "p/x/record.json").write_text(json.dumps(record))
    cover = dict.fromkeys(("student", "number", "programme", "course", "date", "teacher"), text)
    given = {"runs": str(folder), "profile": "p", "language": "en", **cover}
    papermill.execute_notebook(ROOT / "notebooks/report.ipynb", folder / "r.ipynb", given, progress_bar=False)
    export.export(folder / "r.ipynb", folder / "r.html")
    return folder / "r.html"


@pytest.mark.slow
def test_a_harmful_record_gives_a_report_that_is_only_text(harmful):
    page = BeautifulSoup(harmful.read_text(encoding="utf-8"), "html.parser")
    assert page.get_text().count("[c](javascript:alert(document))<script>alert(document)</script>") > 20, (
        "it is shown as it is"
    )
    assert not page.find_all("script")
    assert not [a for a in page.find_all("a") if not a["href"].startswith(("#", "https:"))]
    assert not [a for a in page.find_all("a") if "evil" in a["href"] and not a["href"].startswith("#")]
    assert not page.find("pre", class_="stream"), "a figure warned of a character"


@pytest.mark.slow
def test_on_paper_too_it_is_only_text(harmful, tmp_path):
    pdf.print_pdf(harmful, tmp_path / "r.pdf")
    text = "".join(page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages)
    assert re.sub(r"\s", "", text).count("<script>alert(document)</script>") > 20


@pytest.mark.slow
@pytest.mark.skipif(not find_browser(), reason="no Chromium, Chrome or Edge on this machine")
@pytest.mark.parametrize("policy", [True, False])
def test_in_a_browser_no_script_runs_and_no_request_leaves(harmful, policy):
    """With the page's own policy, and without it, for the escaping must do by itself."""
    asked, said = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        tab = browser.new_page(bypass_csp=not policy)
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.on("console", lambda message: said.append(message.text))
        tab.goto(harmful.as_uri())
        tab.wait_for_timeout(500)
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []


@pytest.mark.skipif(not find_browser(), reason="no Chromium, Chrome or Edge on this machine")
def test_the_policy_stops_what_the_exporter_might_miss(tmp_path, monkeypatch):
    """Harm put into the page by hand, past every check: the browser refuses it."""
    exported(tmp_path, nbf.new_markdown_cell("Text."))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    harm = "<script>alert(1)</script><img src=x onerror=alert(2)><img src=https://evil.example/i><iframe src=https://evil.example>"
    (tmp_path / "r.html").write_text(page.replace("<p>Text.", harm), encoding="utf-8")
    said, finished = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.route("https://**", lambda route: (finished.append(route.request.url), route.abort()))
        tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.goto((tmp_path / "r.html").as_uri())
        tab.wait_for_timeout(500)
        browser.close()
    assert said == []
    assert finished == []


# Figures


@pytest.mark.parametrize(
    "name", ["$\\frac{1}$", "a$b", "$x_$", "\\$5", "$a$ $b$", "_hidden", "猫", "🐱", "ab\ncd", "x" * 500, "{", "^", "%"]
)
@pytest.mark.filterwarnings("error")
def test_a_name_no_figure_could_draw_is_drawn_as_text(name):
    record = records.load(next((ROOT / "figures/records").glob("improved/mnist-*")))
    record["dataset"] |= {"name": name, "classes": [f"{name}{i}" if i else name for i in range(10)]}
    compared = records.load(ROOT / "figures/records/improved/comparison-seed0")
    compared["dataset"] |= record["dataset"]
    for drawn in (
        plots.confusion(record["results"]["classifiers"][0]["confusion"], record["dataset"]),
        plots.class_accuracy([record]),
        plots.maps(compared),
        plots.mistakes(record),
    ):
        drawn.canvas.draw()  # raises of a formula, warns of a character that no font has


def test_names_in_figures_stay_what_they_are_where_they_can():
    assert style.as_drawn("T-shirt/top") == "T-shirt/top"
    assert style.as_drawn("5$ é") == r"5\$ é"
    assert style.as_drawn("\N{CAT FACE}") in ("U+1F431", "\N{CAT FACE}")
    assert style.as_drawn("\U0010fffe") == "U+10FFFE"
    assert len(style.as_drawn("x" * 99)) == style.LONGEST


def test_the_map_names_every_class():
    record = records.load(ROOT / "figures/records/improved/comparison-seed0")
    record["dataset"]["classes"] = [f"_{i}" for i in range(10)]
    for axis in plots.maps(record).axes:
        assert [text.get_text().strip() for text in axis.texts] == record["dataset"]["classes"]
