"""The student's copies of the notebooks: theirs to change, and never lost."""

import shutil
import subprocess

import nbformat
import pytest

from lib.cli.lessons import FOLDER, LESSONS, lay_out
from lib.files import ROOT


@pytest.fixture
def kit(tmp_path):
    """The kit's notebooks, to be updated, and the folder of the copies."""
    (tmp_path / "kit").mkdir()
    for name in LESSONS:
        shutil.copy(ROOT / f"notebooks/{name}.ipynb", tmp_path / "kit")
    return tmp_path / "kit", tmp_path / "mine"


def edit(path, text):
    node = nbformat.read(path, as_version=4)
    node.cells[0].source += text
    nbformat.write(node, path)


def run_through(path):
    node = nbformat.read(path, as_version=4)
    code = next(cell for cell in node.cells if cell.cell_type == "code")
    code.outputs, code.execution_count = [nbformat.v4.new_output("stream", text="98 %")], 1
    nbformat.write(node, path)


def test_the_first_time_every_lesson_is_copied(kit):
    assert lay_out(*kit) == []
    assert all((kit[1] / f"{name}.ipynb").read_bytes() == (kit[0] / f"{name}.ipynb").read_bytes() for name in LESSONS)


def test_what_the_student_did_stays_and_is_not_touched_again(kit):
    lay_out(*kit)
    run_through(kit[1] / "mnist.ipynb")
    edit(kit[1] / "cifar10.ipynb", "mine")
    before = {path.name: path.read_bytes() for path in kit[1].glob("*.ipynb")}
    assert lay_out(*kit) == []
    assert {path.name: path.read_bytes() for path in kit[1].glob("*.ipynb")} == before


def test_an_update_replaces_a_copy_that_was_only_run(kit):
    lay_out(*kit)
    run_through(kit[1] / "mnist.ipynb")
    edit(kit[0] / "mnist.ipynb", "news")
    assert lay_out(*kit) == []
    assert "news" in nbformat.read(kit[1] / "mnist.ipynb", as_version=4).cells[0].source


def test_an_update_lies_beside_a_copy_with_changes_once(kit):
    lay_out(*kit)
    edit(kit[1] / "mnist.ipynb", "mine")
    edit(kit[0] / "mnist.ipynb", "news")
    (said,) = lay_out(*kit)
    assert said.endswith("the new one is mnist.new.ipynb.")
    assert "mine" in nbformat.read(kit[1] / "mnist.ipynb", as_version=4).cells[0].source
    assert "news" in nbformat.read(kit[1] / "mnist.new.ipynb", as_version=4).cells[0].source
    assert lay_out(*kit) == []


def test_a_file_that_is_no_notebook_is_kept(kit):
    lay_out(*kit)
    (kit[1] / "mnist.ipynb").write_text("{half")
    edit(kit[0] / "mnist.ipynb", "news")
    assert len(lay_out(*kit)) == 1
    assert (kit[1] / "mnist.ipynb").read_text() == "{half"


def test_git_does_not_see_the_copies():
    ignored = subprocess.run(["git", "check-ignore", str(FOLDER / "mnist.ipynb")], cwd=ROOT, capture_output=True)
    assert ignored.returncode == 0


def test_every_lesson_is_a_notebook_of_the_kit():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == {*LESSONS, "report"}
