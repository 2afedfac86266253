"""The pieces of a report: headings, figures, tables, numbers, and the checks before it is written."""

import json
import re
import shutil
import subprocess
import sys

import papermill
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from nbformat import v4 as nbf

from lib import words
from lib.cli import LabError, jobs
from lib.files import ROOT
from lib.report import export, style, values
from lib.report import page as report_page
from lib.report.page import Report
from lib.report.parameters import ReportParameters
from lib.report.values import Source, Value
from lib.runs.parameters import ParameterError

LANGUAGE = {"locale": "en_GB", "html": "en", "script": "latin"}
NUMBER = Value(0.981, (Source("run/record.json", ".results.test_accuracy", 0.981),))


@pytest.fixture
def pieces(monkeypatch):
    """What a report shows, parsed; its texts are a few of the test's own."""
    shown = []
    monkeypatch.setattr(report_page, "display", lambda piece: shown.append(BeautifulSoup(piece.data, "html.parser")))
    return shown


@pytest.fixture
def own(pieces, monkeypatch):
    """A report whose texts are the English ones and a few of the test's own."""
    english = words.load("en")
    texts = {"language": LANGUAGE, "own": {"heading": "Own", "caption": 'loss &lt; 1 &amp; "more" {{ n }}'}}
    mixed = words.Words("en", texts)
    mixed.texts |= {key: text for key, text in english.texts.items() if not key.startswith("own")}
    monkeypatch.setattr(words, "load", lambda language: mixed)
    return Report("en")


def test_figures_and_tables_are_numbered_and_escaped(own, pieces):
    own.figure(Figure(), "own", n=own.percent(NUMBER))
    own.table([{"run": "a<b", "accuracy": own.percent(NUMBER)}], "own", n="")
    own.figure(Figure(), "own", "second", n="<2>")
    figure, table, second = pieces
    assert figure.img["alt"] == 'loss < 1 & "more" 98.10%'
    assert int(figure.img["width"]) > 0
    assert int(figure.img["height"]) > 0
    assert figure.figure["id"] == "figure-own"
    assert figure.figcaption.get_text().startswith("Figure 1. loss")
    assert second.figure["id"] == "figure-second"
    assert second.figcaption.get_text() == 'Figure 2. loss < 1 & "more" <2>'
    assert table.figcaption.get_text().startswith("Table 1. loss")
    assert [cell.get("class") for cell in table.tbody.find_all(["th", "td"])] == [None, ["number"]]
    assert table.tbody.th.get_text() == "a<b"
    assert table.find(role="region")["aria-labelledby"] == table.figcaption["id"]


def test_headings_count_by_level_and_the_appendix_has_letters(own, pieces):
    for level, appendix in (
        (2, False),
        (3, False),
        (4, False),
        (4, False),
        (3, False),
        (2, False),
        (2, True),
        (3, True),
    ):
        own.section("own", level, appendix=appendix)
    numbers = [piece.find(class_="section").get_text() for piece in pieces]
    assert numbers == ["1", "1.1", "1.1.1", "1.1.2", "1.2", "2", "A", "A.1"]


def test_a_number_leads_to_its_row(own, pieces):
    first, again = own.percent(NUMBER), own.number(NUMBER, digits=3)
    other = own.number(values.derive(lambda a: 1 - a, NUMBER), 100)  # the same source, computed with
    assert [BeautifulSoup(n, "html.parser").a["href"] for n in (first, again, other)] == ["#source-1"] * 3
    assert (own.value(Value("adam", NUMBER.sources)), own.value(Value([], NUMBER.sources))) == ("adam", "–")
    assert [own.value(Value(content, NUMBER.sources)) for content in (True, False, "")] == ["yes", "no", "–"]
    assert "0" in own.value(Value(0, NUMBER.sources))
    own.sources_table()
    assert [cell.get_text() for cell in pieces[0].find(id="source-1").find_all(["th", "td"])] == [
        "1",
        "run/record.json",
        ".results.test_accuracy",
        "0.981",
    ]


def test_the_cover_warns_of_a_sample_and_of_a_missing_font(pieces, monkeypatch):
    monkeypatch.setattr(style, "chinese_font", lambda look=False: None)
    chinese = Report("zh")
    assert chinese.figure_words.language == "en"
    chinese.cover("T", "S", {"student": "李华", "number": ""}, [("5,000 digits", "warn")])
    (page,) = pieces
    assert [note.get_text()[:12] for note in page.select(".data.warn")] == ["5,000 digits", "No font with"]
    assert "本机没有找到" in page.get_text()
    assert [cell.get_text() for cell in page.find_all("td")] == ["李华", "–"]


def test_a_language_that_is_not_there_is_refused_before_anything_runs():
    given = dict.fromkeys(ReportParameters.model_fields, "")
    with pytest.raises(ParameterError, match="language = 'fr' is not right: input should be 'en' or 'zh'"):
        ReportParameters.checked(given | {"language": "fr", "profile": "quick"})


# The page


def notebook(tmp_path, *cells):
    path = tmp_path / "report.ipynb"
    path.write_text(nbf.writes(nbf.new_notebook(cells=list(cells))), encoding="utf-8")
    return path


def exported(path):
    export.export(path, path.with_suffix(".html"))
    return BeautifulSoup(path.with_suffix(".html").read_text(encoding="utf-8"), "html.parser")


@pytest.fixture
def page(tmp_path):
    return exported(
        notebook(
            tmp_path,
            nbf.new_markdown_cell("## First\n\nInline $\\tau > 0$ and\n\n$$\\frac{a}{b} \\neq \\log(2N - 1)$$"),
            nbf.new_code_cell("secret = 1", outputs=[nbf.new_output("stream", text="<said> & done")]),
            nbf.new_markdown_cell("### Below\n\nText.\n\n## Second\n\nMore."),
        )
    )


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
    assert [a.get_text() for a in links] == ["First", "Below", "Second"]
    assert [len(a.find_parents("ol")) for a in links] == [1, 2, 1]
    assert all(page.find(id=a["href"][1:]) for a in links)


def test_the_notebooks_own_cells_are_not_shown_but_what_they_said_is(page):
    assert "secret" not in page.get_text()
    assert "<said> & done" in page.find("pre", class_="stream").get_text()


FIGURE = '<figure id="figure-x"><figcaption><strong class="label">Figure 1.</strong> X</figcaption></figure>'


def test_references_take_the_number_of_what_they_lead_to(tmp_path):
    found = exported(notebook(tmp_path, nbf.new_markdown_cell(f"See [](#figure-x).\n\n{FIGURE}")))
    assert found.find("a", class_="reference").get_text() == "Figure 1"
    assert "See Figure 1." in found.main.get_text()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("![x](https://example.org/x.png)", "would load https://example.org/x.png"),
        ("See [](#figure-y).", "refers to #figure-y"),
        ("[a](#b)", "#b of “a” leads nowhere"),
        ('<i id="b">x</i> and <i id="b">y</i>', "two places of the report have one id, 'b'"),
        ("We reach 97.3 % at once.", "from no record: 97.3 in “We reach 97.3 % at once.”"),
        ("| a |\n| - |\n| −4 |", "from no record: 4"),
        ("`12`", "from no record: 12"),
        ("About 3x faster", "from no record: 3"),
        ("## 7 reasons", "from no record: 7"),
    ],
)
def test_a_report_that_must_not_be_handed_in_is_not_written(tmp_path, text, complaint):
    path = notebook(tmp_path, nbf.new_markdown_cell(text))
    with pytest.raises(export.ReportError, match=re.escape(complaint)):
        export.export(path, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_lab_report_stops_there_with_the_reason(tmp_path):
    path = notebook(tmp_path, nbf.new_markdown_cell("We reach 97.3 % at once."))
    with pytest.raises(LabError, match="page failed, see"):
        jobs.html(path, tmp_path / "r.html")
    told = json.loads((tmp_path / jobs.PROGRESS).read_text(encoding="utf-8").splitlines()[-1])
    assert told["failed"].startswith("numbers that are from no record: 97.3")
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    "text",
    ["CIFAR-10 and ResNet-18, `mnist-seed0`", "<cite>Chen 2020, arXiv:2002.05709</cite>", "$2N - 2$", "t-SNE, NT-Xent"],
)
def test_names_literature_and_formulas_need_no_record(tmp_path, text):
    assert exported(notebook(tmp_path, nbf.new_markdown_cell(text)))


def guide():
    """The pieces of code in the guide to a section or a run of one's own."""
    part = (ROOT / "docs/extending.md").read_text(encoding="utf-8").split("## A section or a run\n")[1]
    part = part.split("\n## ")[0]
    assert len(part.strip().splitlines()) <= 10
    return re.findall(r"`(mine: .*?|report\.section.*?|  \w+: \{notebook.*?)`", part)


def test_a_section_of_ones_own_as_the_guide_has_it(tmp_path, monkeypatch):
    *texts, cell, _ = guide()
    folder = tmp_path / "text"
    folder.mkdir()
    for language, more in zip(("en", "zh"), texts, strict=True):
        source = (words.TEXTS / f"{language}.yaml").read_text(encoding="utf-8")
        (folder / f"{language}.yaml").write_text(f"{source}\n{more}\n", encoding="utf-8")
    node = nbf.reads((ROOT / "notebooks/report.ipynb").read_text(encoding="utf-8"))
    node.cells[1].source = (
        f"from lib import words as kit_words\nkit_words.TEXTS = __import__('pathlib').Path({str(folder)!r})\n"
        + (node.cells[1].source)
    )
    node.cells.insert(-1, nbf.new_code_cell(cell))
    path = tmp_path / "own.ipynb"
    path.write_text(nbf.writes(node), encoding="utf-8")
    parameters = {"runs": str(ROOT / "figures/records"), "profile": "quick", "language": "zh"}
    papermill.execute_notebook(path, tmp_path / "r.ipynb", parameters, progress_bar=False)
    found = exported(tmp_path / "r.ipynb")
    heading = found.find(id="mine")
    assert heading.get_text() == "7 我的问题"
    assert re.fullmatch(r"最后的损失是 \d\.\d+。", heading.find_next("p").get_text())
    assert found.select_one('nav a[href="#mine"]')


def test_a_run_of_ones_own_as_the_guide_has_it(tmp_path):
    for name in ("Snakefile", "lib", "notebooks", "figures", "bench"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    profile = tmp_path / "notebooks/profiles/quick.yaml"
    profile.write_text(profile.read_text(encoding="utf-8") + guide()[-1] + "\n", encoding="utf-8")
    plan = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", "--config", "profile=quick"]
    run = subprocess.run(plan, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "quick/cold-seed0/record.sha256" in run.stdout
