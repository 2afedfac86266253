"""The line of a training: what it says, how it stands on a terminal and in a file."""

import io
import json

import pytest

from lib import progress
from lib.cli import jobs
from lib.cli.display import Work
from lib.cli.follow import Followed
from lib.progress import Lines, Training, duration, line, short

EPOCH = {"loss": 4.1834, "knn_accuracy": 0.7214, "seconds": 3.0}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when told to."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_line_of_a_training():
    training = Training("explore/mnist-seed0 pretraining", 10, [])
    assert line(training) == "pretraining 0/10"
    training.history += [EPOCH] * 3
    training.left = 40.2
    assert line(training) == "pretraining 3/10 · loss 4.18 · kNN 72.1% · 40 s left"
    training.ended = True
    assert line(training) == "pretraining 3/10 · loss 4.18 · kNN 72.1% · interrupted"
    training.history += [EPOCH] * 7
    assert line(training) == "pretraining 10/10 · loss 4.18 · kNN 72.1%"


def test_a_training_is_named_without_its_run():
    assert short("explore/mnist-seed0 classifier on chunks 5, 6") == "classifier on chunks 5, 6"
    assert short("from scratch, 100 labels") == "from scratch, 100 labels"


def test_a_time_is_told_as_one_would():
    assert [duration(s) for s in (35.2, 720, 7500)] == ["35 s", "12 min", "2 h 5 min"]


@pytest.mark.parametrize("columns", [30, 80])
def test_on_a_terminal_one_line_is_written_anew_and_never_wraps(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal, training = Terminal(), Training("pretraining", 3, [], left=100)
    lines = Lines(terminal)
    for _ in range(3):
        lines(training)
        training.history.append(EPOCH)
    training.ended = True
    lines(training)
    written = terminal.getvalue()
    assert written.count("\n") == 1, "only its end goes to the next line"
    assert written.endswith("\n")
    assert {len(part) for part in written.strip("\r\n").split("\r")} == {columns - 1}


def test_into_a_pipe_goes_a_line_every_few_seconds(clock):
    pipe, training = io.StringIO(), Training("pretraining", 100, [])
    lines = Lines(pipe)
    for _ in range(100):
        lines(training)
        training.history.append(EPOCH)
        clock[0] += 1
    training.ended = True
    lines(training)
    written = pipe.getvalue().splitlines()
    assert "\r" not in pipe.getvalue()
    assert len(written) == 10
    assert written[0].startswith("pretraining 11/100 ·")
    assert written[-1].startswith("pretraining 100/100 ·")


def test_a_short_training_leaves_one_line_and_the_next_one_another(clock):
    pipe = io.StringIO()
    lines = Lines(pipe)
    for name in ("one", "two"):
        training = Training(name, 2, [])
        for _ in range(2):
            lines(training)
            training.history.append(EPOCH)
        training.ended = True
        lines(training)
    assert [text.split(" · ")[0] for text in pipe.getvalue().splitlines()] == ["one 2/2", "two 2/2"]


TOLD = [
    {"step": "notebook"},
    {"phase": "data"},
    {"name": "explore/x-seed0 pretraining", "epoch": 1, "epochs": 3, "history": [{"epoch": 1, "loss": 5.0}]},
    {"name": "explore/x-seed0 pretraining", "left": 40},
    {"name": "explore/x-seed0 pretraining", "epoch": 2, "loss": 4.5, "knn_accuracy": 0.5, "seconds": 7, "epochs": 3},
]


def test_terminal_and_notebook_follow_the_same_lines_alike(tmp_path):
    work, followed = Work("x", tmp_path), Followed(tmp_path)
    seen = []
    for event in TOLD:
        with open(tmp_path / jobs.PROGRESS, "a") as file:
            file.write(json.dumps(event) + "\n")
        work.look()
        training = followed.look()
        seen.append((*work.columns()[1:], training and len(training.history)))
    assert seen == [
        ("starting", "", "", "", None),
        ("reading the data", "", "", "", None),
        ("pretraining", "epoch 2/3", "loss 5.000", "", 1),
        ("pretraining", "epoch 2/3", "loss 5.000", "40 s left", 1),
        ("pretraining", "epoch 3/3", "loss 4.500, kNN 50.0%", "7 s left", 2),
    ]


def test_what_another_version_tells_is_passed_over(tmp_path):
    lines = ["half a li", '{"loss": 1}', '{"name": "x", "epoch": 1}', '{"left": 3}', "[1]", '{"phase": "data"}']
    (tmp_path / jobs.PROGRESS).write_text("\n".join(lines) + "\n")
    followed = Followed(tmp_path)
    assert followed.look() is None
    assert followed.phase == "data"


@pytest.mark.parametrize(("event", "ended"), [("failed", True), ("interrupted", True), ("done", False)])
def test_a_report_is_not_over_when_its_notebook_is(tmp_path, event, ended):
    report, run = Work("report", tmp_path), Work("x", tmp_path)
    for work in (report, run):
        work.take({event: "notebook"})
    assert (report.ended, run.ended) == (ended, True)
