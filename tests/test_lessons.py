"""The student's copies of the notebooks: theirs to change, and never lost."""

import shutil
import subprocess

import nbformat
import pytest

from lib.cli.lessons import FOLDER, LESSONS, copy_of, file_name, lay_out, of_system
from lib.files import ROOT
from lib.words import LANGUAGES


@pytest.fixture
def kit(tmp_path):
    """The kit's notebooks, to be updated, and the folder of the copies."""
    (tmp_path / "kit").mkdir()
    for name in LESSONS:
        for language in LANGUAGES:
            shutil.copy(ROOT / "notebooks" / file_name(name, language), tmp_path / "kit")
    return tmp_path / "kit", tmp_path / "mine"


@pytest.fixture
def lay(kit):
    """Lay the copies out, in English if nothing else is said."""
    return lambda language="en": lay_out(language, *kit)


@pytest.fixture
def mine(kit):
    """The student's copy of mnist."""
    return copy_of("mnist", "en", kit[1])


def edit(path, text):
    node = nbformat.read(path, as_version=4)
    node.cells[0].source += text
    nbformat.write(node, path)


def run_through(path):
    node = nbformat.read(path, as_version=4)
    code = next(cell for cell in node.cells if cell.cell_type == "code")
    code.outputs, code.execution_count = [nbformat.v4.new_output("stream", text="98 %")], 1
    nbformat.write(node, path)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_time_every_lesson_is_copied_and_a_file_browser_has_them_in_order(kit, lay, language):
    assert lay(language) == []
    copies = sorted(kit[1].glob("*.ipynb"))
    originals = [kit[0] / file_name(name, language) for name in LESSONS]
    assert [copy.read_bytes() for copy in copies] == [original.read_bytes() for original in originals]


def test_each_language_has_its_copies(kit, lay):
    lay("en")
    edit(copy_of("mnist", "en", kit[1]), "mine")
    assert lay("zh") == []
    assert len(list(kit[1].glob("*.ipynb"))) == 2 * len(LESSONS)
    assert "mine" in nbformat.read(copy_of("mnist", "en", kit[1]), as_version=4).cells[0].source


def test_what_the_student_did_stays_and_is_not_touched_again(kit, lay, mine):
    lay()
    run_through(mine)
    edit(copy_of("cifar10", "en", kit[1]), "mine")
    before = {path.name: path.read_bytes() for path in kit[1].glob("*.ipynb")}
    assert lay() == []
    assert {path.name: path.read_bytes() for path in kit[1].glob("*.ipynb")} == before


def test_an_update_replaces_a_copy_that_was_only_run(kit, lay, mine):
    lay()
    run_through(mine)
    edit(kit[0] / "mnist.ipynb", "news")
    assert lay() == []
    assert "news" in nbformat.read(mine, as_version=4).cells[0].source


def test_an_update_lies_beside_a_copy_with_changes_once(kit, lay, mine):
    lay()
    edit(mine, "mine")
    edit(kit[0] / "mnist.ipynb", "news")
    (said,) = lay()
    new = mine.with_suffix(".new.ipynb")
    assert said.endswith(f"the new one is {new.name}.")
    assert "mine" in nbformat.read(mine, as_version=4).cells[0].source
    assert "news" in nbformat.read(new, as_version=4).cells[0].source
    assert lay() == []


def test_a_version_laid_beside_is_replaced_by_the_next_but_not_once_it_was_changed(kit, lay, mine):
    lay()
    edit(mine, "mine")
    for news in ("first", "second"):
        edit(kit[0] / "mnist.ipynb", news)
        lay()
    new = mine.with_suffix(".new.ipynb")
    assert nbformat.read(new, as_version=4).cells[0].source.endswith("firstsecond")
    edit(new, "mine too")
    edit(kit[0] / "mnist.ipynb", "third")
    (said,) = lay()
    assert said.endswith(f"the new one is {mine.stem}.new2.ipynb.")
    assert "mine too" in nbformat.read(new, as_version=4).cells[0].source


def test_a_copy_of_an_earlier_kit_keeps_its_changes_at_its_new_place(kit, lay, mine):
    lay()
    edit(mine, "mine")
    mine.rename(mine.with_name("9-mnist.ipynb"))
    assert lay() == []
    assert "mine" in nbformat.read(mine, as_version=4).cells[0].source
    assert not mine.with_name("9-mnist.ipynb").exists()
    mine.rename(mine.with_name("mnist.ipynb"))
    assert lay() == []
    assert "mine" in nbformat.read(mine, as_version=4).cells[0].source


def test_a_file_that_is_no_notebook_is_kept(kit, lay, mine):
    lay()
    mine.write_text("{half")
    edit(kit[0] / "mnist.ipynb", "news")
    assert len(lay()) == 1
    assert mine.read_text() == "{half"


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW", "LANG": "en_US"}, "zh"),
    ],
)
def test_the_language_is_the_systems(monkeypatch, asked, language):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    assert of_system() == language


def test_the_language_of_a_windows_without_variables(monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("locale.getlocale", lambda: ("Chinese (Simplified)_China", "936"))
    assert of_system() == "zh"


def test_git_does_not_see_the_copies():
    ignored = subprocess.run(["git", "check-ignore", str(FOLDER / "mnist.ipynb")], cwd=ROOT, capture_output=True)
    assert ignored.returncode == 0


def test_every_lesson_is_a_notebook_of_the_kit():
    lessons = {file_name(name, language) for name in LESSONS for language in LANGUAGES}
    assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} == lessons | {"report.ipynb"}
