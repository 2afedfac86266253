"""The student's own words: read, kept, shown as theirs, and harmless whatever they hold."""

import papermill
import pytest
from bs4 import BeautifulSoup
from nbformat import v4 as nbf

from lib import words
from lib.cli import LabError, make, plan, state
from lib.files import ROOT
from lib.report import export
from lib.report import page as report_page
from lib.report.chapters import own_file
from lib.report.chapters.own_words import OwnWords
from lib.report.page import Report

both = pytest.mark.parametrize("language", words.LANGUAGES)
NAMES = ["pretraining-mnist", "classification-mnist", "errors-mnist", "comparison", "discussion"]


@pytest.fixture
def shown(monkeypatch):
    pieces = []
    monkeypatch.setattr(report_page, "display", lambda piece: pieces.append(BeautifulSoup(piece.data, "html.parser")))
    return pieces


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "observations.en.md"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def said(shown, path, section="discussion", dataset=""):
    own = OwnWords(Report("en"), str(path))
    own.show(section, dataset)
    return shown[-1]


@both
def test_a_file_is_made_with_every_field_and_its_question(tmp_path, language):
    path, say = tmp_path / "my-report" / "observations.md", words.load(language)
    own_file.prepare(path, own_file.fields(["mnist"], evidence=False), say)
    cover, fields = own_file.read(path)
    assert cover == {}
    assert fields == dict.fromkeys(NAMES, "")
    text = path.read_text(encoding="utf-8")
    assert "# " + say("own.pretraining.title") + " (MNIST) {#pretraining-mnist}" in text
    assert str(say("own.discussion.ask")) in text


def test_what_was_written_is_kept_when_a_field_is_added(tmp_path):
    path, say = tmp_path / "own.md", words.load("en")
    own_file.prepare(path, own_file.fields(["mnist"], evidence=False), say)
    text = path.read_text(encoding="utf-8")
    mine = text.replace("{#discussion}\n", "{#discussion}\n\nI was *surprised*: 97.3 %!\n").replace(
        'student: ""', "student: 李华"
    )
    path.write_text(mine, encoding="utf-8")
    own_file.prepare(path, own_file.fields(["mnist", "cifar10"], evidence=True), say)
    assert path.read_text(encoding="utf-8").startswith(mine)
    cover, fields = own_file.read(path)
    assert cover == {"student": "李华"}
    assert fields["discussion"] == "I was *surprised*: 97.3 %!"
    assert {"pretraining-cifar10", "errors-cifar10", "evidence"} <= fields.keys()
    before = path.stat().st_mtime_ns
    own_file.prepare(path, own_file.fields(["mnist"], evidence=False), say)
    assert path.stat().st_mtime_ns == before, "with nothing to add it is left alone"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# a {#discussion}\n\n# b {#discussion}\n", r"has the field \{#discussion\} twice"),
        ("---\nstudent: Li: Hua: x\n---\n", "the first lines of .* cannot be read"),
        ("---\n- a\n- b\n---\n", "the first lines of .* cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(written, text, complaint):
    with pytest.raises(own_file.OwnWordsError, match=complaint):
        own_file.read(written(text))


def test_a_missing_file_and_one_that_is_no_text_are_named(tmp_path):
    with pytest.raises(own_file.OwnWordsError, match="nowhere.md, cannot be read"):
        own_file.read(tmp_path / "nowhere.md")
    (tmp_path / "gbk.md").write_bytes("讨论".encode("gbk"))
    with pytest.raises(own_file.OwnWordsError, match="must be a text file in UTF-8"):
        own_file.read(tmp_path / "gbk.md")


@both
def test_an_empty_field_is_flagged_and_says_where_to_write(shown, language):
    own = OwnWords(Report(language), "")
    own.show("errors", "cifar10")
    (box,) = shown[0].select(".own.empty")
    assert "errors-cifar10" in box.get_text()
    assert str(words.load(language)("own.errors.ask")) in box.get_text()


def test_words_are_shown_as_the_students_and_their_numbers_are_theirs(shown, written):
    text = "---\nstudent: 李华\nnumber: 7\n---\n# x {#discussion}\n\nAbout **97.3 %** at $\\tau = 0.5$.\n\n- one\n- 2\n"
    path = written(text)
    box = said(shown, path)
    assert "own" in box.div["class"]
    assert box.strong.get_text() == words.load("en")("own.label")
    assert [tag.get_text() for tag in box.select("strong")][1] == "97.3 %"
    assert box.find("math")
    assert len(box.select("li")) == 2
    assert not export.unsourced(box)
    own = OwnWords(Report("en"), str(path))
    assert own.filled_in({"student": "", "number": "8", "date": ""}) == {"student": "李华", "number": "8", "date": ""}


def test_words_in_no_field_of_the_report_are_not_lost(shown, written):
    own = OwnWords(
        Report("en"), str(written("# x {#pretrainig-mnist}\n\nA slip of the pen.\n\n# y {#discussion}\n\nD."))
    )
    own.show("discussion")
    own.show_others()
    assert [piece.get_text().count("slip of the pen") for piece in shown] == [0, 1]
    assert "pretrainig-mnist" in shown[1].get_text()


HARMFUL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<iframe src='https://example.org'></iframe>",
    "</div></main><form action='https://example.org'><input></form>",
    "[click](javascript:alert(1))",
    "[click](data:text/html,<script>alert(1)</script>)",
    "[click](http://example.org)",
    "![picture](https://example.org/x.png)",
    "<style>body { background: url(https://example.org/x) }</style>",
    "$\\href{javascript:alert(1)}{x}$",
    "$\\style{background:url(https://example.org)}{x}$",
    "$\\frac{1$",
    "# Heading of level one\n\n## and two",
    "{{ report }} {% raw %} ${7*7}",
    "<https://example.org/path>",
    "<!-- unclosed",
    "</code></pre><svg onload=alert(1)>",
]


@pytest.mark.parametrize("text", HARMFUL)
def test_nothing_that_a_student_writes_runs_or_breaks_the_page(tmp_path, shown, written, text):
    box = said(shown, written(f"# x {{#discussion}}\n\nBefore.\n\n{text}\n\nAfter.\n"))
    assert not box.select("script, iframe, form, img, style, svg, h1, h2, h3")
    assert len(box.select("div.own")) == 1
    assert "Before." in box.get_text()
    path = tmp_path / "r.ipynb"
    cell = nbf.new_code_cell("x", outputs=[nbf.new_output("display_data", data={"text/html": str(box)})])
    path.write_text(nbf.writes(nbf.new_notebook(cells=[cell])), encoding="utf-8")
    export.export(path, tmp_path / "r.html")


def test_a_report_has_the_words_it_was_given(tmp_path, written):
    path = written(
        "---\ncourse: Deep Learning 2\n---\n# x {#classification-mnist}\n\nThe head learns fast: 12 epochs do.\n"
    )
    given = {"runs": str(ROOT / "figures/records"), "profile": "quick", "language": "en", "words": str(path)}
    papermill.execute_notebook(ROOT / "notebooks/report.ipynb", tmp_path / "r.ipynb", given, progress_bar=False)
    export.export(tmp_path / "r.ipynb", tmp_path / "r.html")
    page = BeautifulSoup((tmp_path / "r.html").read_text(encoding="utf-8"), "html.parser")
    assert "Deep Learning 2" in page.find("header", class_="cover").get_text()
    (mine,) = page.select(".own:not(.empty)")
    assert "12 epochs do" in mine.get_text()
    assert mine.find_previous("h4")["id"] == "classification-mnist"
    assert len(page.select(".own.empty")) == 7, "two data sets with three fields each, the comparison, the discussion"
    assert page.select_one("body > .abstract")
    assert not page.select("details.code"), "the notebook's own cells are not shown"


# The command


@pytest.fixture
def own_kit(tmp_path, monkeypatch):
    """Where the words of this test lie."""
    monkeypatch.setattr(plan, "own_words", lambda: tmp_path / "my-report" / "observations.en.md")
    monkeypatch.setattr(make, "own_words", plan.own_words)
    monkeypatch.delenv("LAB_WORDS", raising=False)
    return plan.own_words()


def test_the_first_report_makes_the_file_and_only_a_report_of_ones_own(own_kit):
    make.see_to_words(plan.make("quick", published=True))
    assert not own_kit.exists()
    make.see_to_words(plan.make("quick"))
    assert "discussion" in own_file.read(own_kit)[1]
    assert "pretraining-cifar10" in own_file.read(own_kit)[1]


def test_a_named_file_must_be_there(own_kit, monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_WORDS", str(tmp_path / "mine.md"))
    with pytest.raises(LabError, match="There is no file .*mine.md"):
        make.see_to_words(plan.make("quick"))
    (tmp_path / "mine.md").write_text("# x {#discussion}\n\nMine.\n", encoding="utf-8")
    make.see_to_words(plan.make("quick"))
    assert plan.make("quick").words == str(tmp_path / "mine.md") == plan.make("quick", published=True).words
    assert not own_kit.exists()


def test_changed_words_make_a_report_stale(tmp_path, monkeypatch):
    path = tmp_path / "mine.md"
    path.write_text("# x {#discussion}\n\nMine.\n", encoding="utf-8")
    monkeypatch.setenv("LAB_WORDS", str(path))
    before = state.fingerprint(plan.make("quick", published=True))
    assert state.fingerprint(plan.make("quick", published=True)) == before
    path.write_text("# x {#discussion}\n\nMine, changed.\n", encoding="utf-8")
    assert state.fingerprint(plan.make("quick", published=True)) != before
