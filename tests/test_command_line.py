"""What the commands do and say that train nothing, in this process: clean, check, assignment, left-out runs."""

import builtins
import json
import sys
import types
import warnings

import pytest

from lib import data
from lib.cli import __main__ as command
from lib.cli import check, lessons, make, plan, state
from lib.files import ROOT
from lib.runs import profiles
from tests import tiny_assignment
from tests.test_grading import made_report


@pytest.fixture(autouse=True)
def where(monkeypatch):
    """A command goes to the kit's folder; the tests after it stay where they were."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Runs of two profiles and a published report, beside what is not the kit's, though its files have such names."""
    folder = tmp_path / "my runs"
    monkeypatch.setenv("LAB_RUNS", str(folder))
    for name in (
        "quick/mnist-seed0/record.json",
        "explore/x-seed0/pretraining.ckpt",
        "published/quick/.lock.json",
        "cv.tex",
        "thesis/checkpoints/epoch9.ckpt",
        "poetry/.lock",
        "music/album/record.json",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("[]", encoding="utf-8")
    content = {"profile": "quick", "parameters": {}, "results": {}}
    (folder / "quick/mnist-seed0/record.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def left(runs):
    return {path.relative_to(runs).as_posix() for path in runs.glob("*")} | {
        path.relative_to(runs).as_posix() for path in runs.glob("published/*")
    }


OTHERS = {"published", "cv.tex", "thesis", "poetry", "music"}
ALL = {"quick", "explore", "published/quick"} | OTHERS


@pytest.mark.parametrize(("answer", "status", "kept"), [("y", 0, OTHERS), ("", 1, ALL)])
def test_clean_names_the_folder_and_removes_the_runs_on_yes_only(runs, monkeypatch, capsys, answer, status, kept):
    asked = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", lambda question: asked.append(question) or answer)
    assert command.main(["clean"]) == status
    what = f"the folders of runs in {runs}: explore, published/quick, quick (records: 1)"
    assert asked == [f"Remove {what}? [y/N] "]
    assert left(runs) == kept
    assert capsys.readouterr().out == ("" if status else f"Removed {what}.\n")


def test_clean_without_a_terminal_wants_a_yes(runs, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert command.main(["clean"]) == 1
    assert "say lab clean --yes" in capsys.readouterr().err
    assert left(runs) == ALL
    assert command.main(["clean", "--yes"]) == 0
    assert left(runs) == OTHERS


def test_clean_leaves_everything_while_one_profile_is_at_work(runs, capsys):
    with state.locked(runs / "quick"):
        assert command.main(["clean", "--yes"]) == 1
    assert f"The runs in {runs / 'quick'} are being made already" in capsys.readouterr().err
    assert left(runs) == ALL


def test_clean_says_what_it_could_not_remove(runs, monkeypatch, capsys):
    def refuse(folder):
        raise PermissionError(13, "Access is denied", str(folder))

    monkeypatch.setattr(make.shutil, "rmtree", refuse)
    assert command.main(["clean", "--yes"]) == 1
    said = capsys.readouterr()
    assert "Not everything could be removed ([Errno 13] Access is denied: " in said.err
    assert not said.out


@pytest.mark.parametrize(("gpu", "words"), [(False, []), (False, ["--all"]), (True, [])])
def test_runs_that_need_a_gpu_are_left_out_and_named_where_there_is_none(gpu, words, monkeypatch, capsys):
    wanted = []
    monkeypatch.setattr(plan, "has_accelerator", lambda: gpu)
    monkeypatch.setattr(make, "see_to_words", lambda plan: None)
    monkeypatch.setattr(make, "report", lambda plan, *_: wanted.append(plan) or 0)
    assert command.main(["report", "original", *words]) == 0
    known = profiles.load("original")
    heavy = [run.name for run in known if run.needs == "accelerator"]
    assert heavy
    said = capsys.readouterr().out
    if gpu or words:
        assert (wanted[0].left_out, list(wanted[0].runs), said) == ((), [str(run) for run in known], "")
    else:
        assert wanted[0].left_out == tuple(heavy)
        assert list(wanted[0].runs) == [str(run) for run in known if run.name not in heavy]
        assert f"Left out, for there is no GPU here: {', '.join(heavy)}." in said
        assert "python lab.py report original --all" in said


def test_check_says_what_is_wrong_and_ends_with_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, "LOOKS", {"packages": check._packages, "data": check._data})
    assert command.main(["check"]) == 0
    assert "WRONG" not in capsys.readouterr().out
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "nowhere"))
    assert command.main(["check"]) == 1
    assert (
        f"WRONG data           LAB_DATA is {tmp_path / 'nowhere'}, and there is no such folder"
        in capsys.readouterr().out
    )
    monkeypatch.delenv("LAB_DATA")
    (tmp_path / "requirements.txt").write_text("pytest>=8\nnot-there>=1\npyyaml<2  # too old\n")
    monkeypatch.setattr(check, "ROOT", tmp_path)
    assert command.main(["check"]) == 1
    assert "WRONG packages       not-there>=1 (not there), pyyaml<2 (" in capsys.readouterr().out


def test_a_handout_is_written_by_the_command(tmp_path, capsys):
    master = tiny_assignment.write_master(tmp_path / "master")
    words = ["assignment", "release", "--master", str(master), "--out", str(tmp_path / "out")]
    assert command.main(words) == 0
    names = ["README.md", "README.zh.md", "tiny.ipynb", "tiny.zh.ipynb"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert capsys.readouterr().out.split()[-4:] == names
    assert command.main(words) == 1
    assert capsys.readouterr().err.startswith(f"lab: {tmp_path / 'out'} is there already and stays as it is.")


def test_without_nbgrader_a_teacher_is_told_how_to_install_it(tmp_path, monkeypatch, capsys):
    master = tiny_assignment.write_master(tmp_path / "master")
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    assert command.main(["assignment", "release", "--master", str(master), "--out", str(tmp_path / "out")]) == 1
    hint = "nbgrader is missing, which only teachers need. This installs it: "
    assert capsys.readouterr().err.startswith(f'lab: {hint}"{sys.executable}" -m pip install -e "{ROOT}[teach]"'), (
        "in double quotes, which cmd.exe knows too"
    )


def test_a_file_in_the_way_of_what_grading_writes_is_named(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").touch()
    assert command.main(["assignment", "grade", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    assert (
        capsys.readouterr().err == f"lab: {tmp_path / 'out'} is a file, not a folder: name another folder with --out.\n"
    )


def test_reports_are_checked_by_the_command(tmp_path, capsys):
    made_report(tmp_path / "in", "20260001", 10.0)
    table = tmp_path / "t.csv"
    assert command.main(["assignment", "check", str(tmp_path / "in"), "--out", str(table)]) == 0
    said = capsys.readouterr().out
    assert "20260001" in said
    assert "genuine" in said
    assert f"Table: {table}" in said
    assert "20260001" in table.read_text(encoding="utf-8-sig")
    (tmp_path / "empty").mkdir()
    assert command.main(["assignment", "check", str(tmp_path / "empty")]) == 1
    assert "There is no report among these" in capsys.readouterr().err


def test_the_data_sets_are_fetched_or_what_to_do_is_said(monkeypatch, capsys):
    monkeypatch.delenv("LAB_OFFLINE", raising=False)
    monkeypatch.delenv("LAB_DATA", raising=False)
    monkeypatch.setattr(data, "ROOT", ROOT / "nowhere")
    monkeypatch.setattr(data.download, "fetch", lambda name, own: warnings.warn(f"{name}: no network", stacklevel=1))
    assert command.main(["data", "mnist"]) == 1
    assert "mnist: no network\nUntil it can be, an embedded sample stands in." in capsys.readouterr().out
    assert command.main(["data", "minst"]) == 1
    assert "There is no data set 'minst'; there are: mnist, fashion_mnist, cifar10." in capsys.readouterr().err
    monkeypatch.setenv("LAB_OFFLINE", "1")
    assert command.main(["data"]) == 1
    assert "LAB_OFFLINE is set, so nothing is downloaded" in capsys.readouterr().err


def test_where_the_data_sets_lie_is_said(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("LAB_OFFLINE", raising=False)
    monkeypatch.setattr(
        data, "load", lambda name: types.SimpleNamespace(source=data.Source("local", "all of it", str(tmp_path)))
    )
    assert command.main(["data", "cifar10"]) == 0
    assert capsys.readouterr().out == f"cifar10: all of it, in {tmp_path}\n"


def test_a_run_may_be_named_as_windows_writes_paths(monkeypatch):
    asked = []
    monkeypatch.setattr(plan, "one", lambda *words: asked.append(words))
    monkeypatch.setattr(make, "runs", lambda *_: 0)
    assert command.main(["run", "quick\\mnist"]) == 0
    assert asked == [("quick", "mnist")]


def test_jupyterlab_is_that_of_this_python(monkeypatch):
    """``python -m jupyter lab`` would start the first jupyter-lab on PATH, Anaconda's for example."""
    monkeypatch.setattr(command, "_module", lambda *words: words)
    monkeypatch.setattr(lessons, "lay_out", lambda language: [])
    assert command.main(["notebooks", "--language", "en"])[0] == "jupyterlab"
