"""The assignment's master notebooks: one source, nbgrader's format, full marks as they are and none when stripped."""

import ast
import importlib.util

import nbformat
import pytest
from nbclient import NotebookClient

from lib.files import ROOT
from tests.pictures import without_picture

FOLDER = ROOT / "notebooks/assignment"
MASTERS = {"en": FOLDER / "simclr.ipynb", "zh": FOLDER / "simclr.zh.ipynb"}
READ = {language: nbformat.read(path, as_version=4) for language, path in MASTERS.items()}
languages = pytest.mark.parametrize("language", MASTERS)


def graded(notebook):
    return [cell for cell in notebook.cells if cell.metadata.nbgrader.grade]


def by_hand(notebook):
    return [cell for cell in graded(notebook) if cell.metadata.nbgrader.solution]


@languages
def test_the_masters_are_made_of_their_source(language):
    """In memory: other tests read the files meanwhile."""
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    spec.loader.exec_module(make := importlib.util.module_from_spec(spec))
    made = f"{nbformat.writes(make.notebook(language))}\n"
    assert made == MASTERS[language].read_text(encoding="utf-8"), "run python notebooks/assignment/make.py"


def test_both_languages_ask_the_same():
    cells = [[(c.id, c.cell_type, dict(c.metadata.nbgrader)) for c in READ[language].cells] for language in MASTERS]
    assert cells[0] == cells[1]


def without_words(source):
    """The code of a cell less its texts, and less the choice of a language."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = "" if node.value in MASTERS or not node.value.isidentifier() else node.value
        if isinstance(node, ast.alias) and node.name in MASTERS:
            node.name = ""
    return ast.dump(tree)


def test_both_languages_run_the_same_code():
    sources = [[c.source for c in READ[language].cells if c.cell_type == "code"] for language in MASTERS]
    for first, second in zip(*sources, strict=True):
        assert without_words(first) == without_words(second)


@languages
def test_no_sentence_of_the_other_language_is_left(language):
    for cell in READ[language].cells:
        if cell.cell_type == "markdown":
            chinese = sum("\u4e00" <= char <= "\u9fff" for char in cell.source)
            assert chinese == 0 if language == "en" else chinese > 10, cell.source


@languages
def test_nbgrader_takes_it_and_the_points_are_those_the_notebook_states(language):
    from nbgrader.preprocessors import CheckCellMetadata

    notebook = READ[language]
    nbformat.validate(notebook)
    CheckCellMetadata().preprocess(notebook.copy(), {})
    assert {cell.metadata.nbgrader.schema_version for cell in notebook.cells} == {3}
    tests, words = [0] * 8, [0] * 8
    steps = {"cosine": 1, "pair": 2, "loop": 3, "ntxent": 4, "shifts": 5, "views": 5, "frozen": 6}
    for cell in graded(notebook):
        step = steps.get(cell.id.split("-")[0], 7)
        (words if cell.metadata.nbgrader.solution else tests)[step] += cell.metadata.nbgrader.points
    rows = [line.split("|") for line in notebook.cells[0].source.splitlines() if line.startswith("| ")]
    stated = [(row[3].strip(), row[4].strip()) for row in rows if row[1].strip()[0].isdigit()]
    assert stated == [(str(a), str(b)) for a, b in zip(tests[1:], words[1:], strict=True)]
    assert (sum(tests), sum(words)) == (70, 30)
    assert "**70** | **30**" in notebook.cells[0].source


@languages
def test_every_question_has_an_answer_with_points_that_add_up(language):
    import re

    marks = {"en": r"(?:^|· |\* )(\d+) ", "zh": r"，(\d+) 分"}[language]
    for cell in by_hand(READ[language])[:-1]:
        rubric = cell.source.rsplit("\n\n", 1)[1]
        assert sum(map(int, re.findall(marks, rubric))) == cell.metadata.nbgrader.points, rubric


def run(notebook):
    """The notebook executed, errors let through, and what nbgrader gives each graded cell."""
    from nbgrader.utils import determine_grade

    NotebookClient(notebook, timeout=400, kernel_name="python3", allow_errors=True).execute()
    return {c.id: determine_grade(c)[0] for c in graded(notebook)}


@languages
@pytest.mark.slow
def test_the_master_gets_every_point_and_shows_its_pictures(language):
    notebook = nbformat.from_dict(READ[language])
    notebook = nbformat.reads(nbformat.writes(notebook), as_version=4)
    marks = run(notebook)
    errors = [output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert not errors
    assert sum(value or 0 for value in marks.values()) == 70
    assert [key for key, value in marks.items() if value is None] == [cell.id for cell in by_hand(notebook)]
    assert not without_picture(notebook)
    drawn = [c.id for c in notebook.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert drawn == [f"{step}-picture" for step in ("cosine", "pair", "loop", "ntxent", "views", "frozen")] + [
        "own-train",
        "own-curves",
    ]


@pytest.fixture(scope="module", params=MASTERS)
def stripped(request):
    """The student's version, made by nbgrader."""
    from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions, ComputeChecksums

    notebook = nbformat.reads(nbformat.writes(READ[request.param]), as_version=4)
    for step in (ClearSolutions, ClearHiddenTests, ComputeChecksums):
        notebook, _ = step().preprocess(notebook, {})
    return notebook


def test_nothing_of_the_answers_is_left_in_the_students_version(stripped):
    text = nbformat.writes(stripped)
    for secret in (
        "HIDDEN",
        "BEGIN SOLUTION",
        "Ada Lovelace",
        "Model answer",
        "参考答案",
        "_want",
        "masked_fill",
        "roll(",
    ):
        assert secret not in text


@pytest.mark.slow
def test_the_stripped_notebook_gets_nothing(stripped):
    assert set(run(stripped).values()) == {0}


@pytest.mark.parametrize("page", ["teaching.md", "teaching.zh.md"])
def test_the_guides_figures_are_those_measured(page):
    import json

    from bench.assignment import RESULTS, row
    from tests import assignment_wrong_training
    from tests.assignment_wrong import WRONG

    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert row(json.loads(RESULTS.read_text(encoding="utf-8"))) in text.splitlines()
    assert assignment_wrong_training  # importing it registers its own
    assert f" {len(WRONG)} " in text
    for cell in by_hand(READ["en"]) + by_hand(READ["zh"]):
        assert cell.source.split("\n\n")[0] not in text, "answers are not on a page that students read"
