"""Runs side by side: what is asked, what they are called, how long they take, and that none is lost or made twice."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from lib import words
from lib.cli import LabError, jobs, state, with_kit
from lib.cli.follow import Followed
from lib.compare import Comparison, compare, estimate, grid, shown, work
from lib.data import Dataset
from lib.files import ROOT
from lib.runs.parameters import ParameterError
from lib.runs.records import load

FEW = {"recipe": "quick", "epochs": 1, "classifier_epochs": 1, "probe_images": 300, "test_view_count": 1}
PUBLISHED = load(ROOT / "figures/records/improved/mnist-seed0")
for epoch in PUBLISHED["history"]["pretraining"]:  # it is from before there was a probe
    epoch["knn_accuracy"] = 0.5 + epoch["epoch"] / 100


def asked(**parameters):
    return [(run.folder, run.varied) for run in grid.expand("mnist", [0], parameters)]


def test_a_list_makes_a_run_for_each_value_and_two_lists_a_grid():
    assert asked(temperature=[0.05, 1]) == [
        ("mnist-original-temperature-0.05-seed0", {"temperature": 0.05}),
        ("mnist-original-temperature-1.0-seed0", {"temperature": 1.0}),
    ]
    runs = grid.expand("mnist", (0, 1), {"recipe": ["quick", "improved"], "epochs": [1, 2], "batch_size": 64})
    assert len(runs) == 8
    assert {run.parameters.seed for run in runs} == {0, 1}
    assert runs[-1].folder == "mnist-improved-epochs-2-batch_size-64-seed1"
    assert runs[-1].varied == {"recipe": "improved", "epochs": 2}


def test_a_list_that_is_one_value_is_not_taken_apart():
    assert asked(projection=[64, 32]) == [("mnist-original-seed0", {})]
    assert len(asked(projection=[[64, 32], [128]])) == 2
    assert len(asked(left_out=["HorizontalFlip"])) == 1
    assert [varied for _, varied in asked(left_out=[[], ["HorizontalFlip"]])] == [
        {"left_out": []}, {"left_out": ["HorizontalFlip"]},
    ]  # fmt: skip
    assert len(asked(labelled_chunks=[[[5]], [[5, 6]]])) == 2


def test_equal_settings_have_one_name_and_others_another():
    assert asked(temperature=[0.5]) == asked(temperature=0.5) == asked() == [("mnist-original-seed0", {})]
    assert len(asked(temperature=[1, 1.0])) == 1
    names = [name for name, _ in asked(labelled_chunks=[[[5], [6]], [[5, 6]], [[5]]])]
    assert len(set(names)) == 3
    long = asked(views="strong_mnist", optimizer="adamw", learning_rate=0.003, weight_decay=0.01, schedule="one_cycle",
                 classifier_views="gentle_mnist", classifier_optimizer=["sgd", "adamw"])  # fmt: skip
    assert len({name for name, _ in long}) == 2
    assert all(len(name) <= 100 for name, _ in long)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"temprature": 0.1}, "There is no parameter 'temprature'. There are: recipe"),
        ({"temperature": [0.5, -1, "hot"]}, r"temperature = -1 .*temperature = 'hot'"),
        ({"recipe": ["quick", "slow"]}, "no recipe 'slow'"),
        ({"run": "x"}, "compare gives this itself"),
        ({"temperature": []}, r"temperature = \[\]"),
        ({"seeds": []}, r"seeds = \[\]"),
        ({"seeds": ["a"]}, "seed = 'a'"),
        ({"left_out": [["Nothing"]]}, "Nothing"),
        ({"batch_size": [64, 10**6]}, "batch of 1000000 is larger than the data"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(parameters, said, monkeypatch):
    monkeypatch.setattr(jobs, "run", lambda *_: pytest.fail("nothing may run"))
    with pytest.raises(ParameterError, match=said) as refused:
        compare("mnist", **parameters)
    assert "\n" not in str(refused.value)


def test_only_notebooks_that_pretrain_are_compared():
    with pytest.raises(ParameterError, match=r"'mnist' or 'cifar10'; 'comparison' was given"):
        compare("comparison")


def known_times(**changes):
    record = copy.deepcopy(PUBLISHED)
    record["parameters"] |= changes
    return record


def test_the_time_is_that_of_the_likest_run_scaled_to_the_work():
    run = grid.expand("mnist", [0], {"recipe": "improved", "epochs": 18, "labelled_chunks": [[5]]})[0].parameters
    dataset, took = PUBLISHED["dataset"], PUBLISHED["seconds"]
    heads = [took[head["history"]] for head in PUBLISHED["results"]["classifiers"]]
    rest = sum(took.values()) - took["pretraining"] - sum(heads)
    told, own = estimate.seconds(run, dataset, [(False, PUBLISHED)])
    assert not own
    assert told == pytest.approx(estimate.STARTING + 2 * took["pretraining"] + sum(heads) / 3 + rest)
    slow = known_times()
    slow["seconds"] = {key: 10 * value for key, value in took.items()}
    assert estimate.seconds(run, dataset, [(False, PUBLISHED), (True, slow)])[1], "this machine's own runs come first"
    assert estimate.seconds(run, dataset | {"train": 6000}, [(False, PUBLISHED)])[0] < told / 4
    assert estimate.seconds(run, dataset, [(True, known_times(encoder="resnet18"))]) is None


def test_small_views_take_less_time():
    p = {"epochs": 10, "small_crops": [[5, 16], [8, 24]], "chunk_count": 5, "unlabelled_chunks": [1, 2]}
    dataset = {"shape": [3, 32, 32], "train": 50_000}
    assert estimate._steps(p, dataset) == pytest.approx((5 / 4 + 3 * 9 / 16 + 2) * 20_000)


def test_features_of_enlarged_images_take_more_time():
    record = load(ROOT / "figures/records/improved/cifar10-seed0")
    took, sides = record["seconds"], {}
    for feature_sides in ([32, 48, 64], [32], []):
        run = grid.expand("cifar10", [0], {"recipe": "improved", "feature_sides": [feature_sides]})[0].parameters
        sides[tuple(feature_sides)] = estimate.seconds(run, record["dataset"], [(False, record)])[0]
    assert sides[32, 48, 64] == pytest.approx(estimate.STARTING + sum(took.values()))
    heads = sum(took[head["history"]] for head in record["results"]["classifiers"])
    saved = (heads + took["test"] + took["linear evaluation"]) * (1 - 1 / (1 + 1.5**2 + 2**2))
    assert sides[32,] == sides[()] == pytest.approx(sides[32, 48, 64] - saved)


def rows(accuracies, states):
    """A table's rows with records of these accuracies."""
    made = shown.rows(
        grid.expand("mnist", range(max(1, len(accuracies[0]))), {"temperature": [0.1, 0.5][: len(accuracies)]})
    )
    for row, values, now in zip(made, accuracies, states, strict=True):
        row.state = now
        for seed, accuracy in enumerate(values):
            record = known_times(seed=seed)
            record["results"]["classifiers"][0]["test_accuracy"] = accuracy
            row.records[seed] = record
    return made


def test_the_table_says_accuracies_and_differences_to_the_first():
    table = shown.Table(["A sentence."], rows([[0.9, 0.92], [0.93, 0.96]], ["done", "done"]))
    text, html = table._repr_mimebundle_().values()
    first, second = text.splitlines()[-2:]
    assert text.startswith("A sentence.\ntemperature | loss | kNN | test accuracy, 6,000 labels")
    assert "91.0 ± 1.4%" in first
    assert "94.5 ± 2.1%" in second
    assert "+3.50 ± 0.71" in second
    assert html.count("<tr>") == 3
    words.use("zh")
    try:
        assert "测试准确率，6,000 个标签" in repr(table)
    finally:
        words.use("en")


def test_two_heads_of_a_run_are_not_taken_for_seeds():
    made = rows([[0.9, 0.92]], ["done"])
    for record in made[0].records.values():
        head = copy.deepcopy(record["results"]["classifiers"][0]) | {"test_accuracy": 0.5}
        record["results"]["classifiers"].insert(1, head)
    assert "91.0 ± 1.4% / 50.00 ± 0.00%" in repr(shown.Table([], made))


def test_a_row_that_is_not_finished_says_how_far_it_is():
    table = shown.Table([], rows([[], []], ["running", "failed"]))
    table.rows[1].note = "<b>the loss became nan</b>"
    html = table._repr_mimebundle_()["text/html"]
    assert "starting" in html
    assert "failed: · &lt;b&gt;the loss became nan" in html
    assert shown.drawn(table.rows, PUBLISHED["dataset"]) is None


def test_a_figure_grows_with_the_run_that_is_going_on():
    made = rows([[0.9], []], ["done", "running"])
    made[1].doing = work.progress.Training("pretraining", 9, PUBLISHED["history"]["pretraining"][:3])
    drawn = shown.drawn(made, PUBLISHED["dataset"])
    third = PUBLISHED["history"]["pretraining"][2]["loss"]
    told = f"temperature = 0.1: test accuracy 90.0% and temperature = 0.5: loss {third:.2f} after 3 epochs"
    assert drawn.alt == told
    loss, probe, accuracy = drawn.axes
    assert [len(line.get_xdata()) for line in loss.lines] == [len(PUBLISHED["history"]["pretraining"]), 3]
    assert len(probe.lines) == 2
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["temperature = 0.1", "temperature = 0.5"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs of a few seconds, and the folder of all runs."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RUNS", str(folder))
        yield compare("mnist", temperature=[0.1, 0.5], **FEW), folder


@pytest.mark.slow
def test_runs_are_made_once_and_found_again(made, monkeypatch):
    comparison, folder = made
    assert isinstance(comparison, Comparison)
    assert [row.state for row in comparison.rows] == ["done", "done"]
    assert [record["parameters"]["temperature"] for record in comparison.records] == [0.1, 0.5]
    assert {record["profile"] for record in comparison.records} == {"explore"}
    assert len(list((folder / "explore").glob("*/record.sha256"))) == 2
    assert not list(folder.rglob("*.ckpt"))
    assert comparison.figure
    monkeypatch.setattr(jobs, "python", lambda *_, **__: pytest.fail("it is there already"))
    again = compare("mnist", temperature=[0.5, 0.1], **FEW)
    assert [record["parameters"]["temperature"] for record in again.records] == [0.5, 0.1]


@pytest.mark.slow
def test_runs_on_other_data_are_made_again(made, tmp_path, monkeypatch):
    comparison, folder = made
    shutil.copytree(folder / "explore", tmp_path / "explore")
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))
    begun, described = [], Dataset.describe
    monkeypatch.setattr(jobs, "_step", lambda folder, *_, **__: begun.append(folder))
    compare("mnist", temperature=0.1, **FEW)
    assert not begun
    monkeypatch.setattr(Dataset, "describe", lambda self: described(self) | {"train": 7})
    compare("mnist", temperature=0.1, **FEW)
    assert begun == [tmp_path / "explore" / comparison.asked[0].folder]


@pytest.mark.slow
def test_after_a_change_of_the_method_runs_are_made_again(made, monkeypatch):
    comparison, folder = made
    begun = []
    monkeypatch.setattr(state, "METHOD", (*state.METHOD, "files.py"))
    monkeypatch.setattr(jobs, "_step", lambda folder, *_, **__: begun.append(folder))
    compare("mnist", temperature=0.1, **FEW)
    assert begun == [folder / "explore" / comparison.asked[0].folder]


@pytest.mark.slow
def test_a_run_that_fails_stands_in_its_row_and_the_others_go_on(made, tmp_path, monkeypatch):
    comparison, folder = made
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))

    def run(notebook, place, given, after, threads, watch):
        place.mkdir(parents=True)
        if given["temperature"] == 0.1:
            (place / jobs.PROGRESS).write_text('{"failed": "The disk is full."}\n')
            raise LabError("notebook failed, see log")
        (place / "record.json").write_bytes((folder / "explore" / place.name / "record.json").read_bytes())

    monkeypatch.setattr(jobs, "run", run)
    rows = compare("mnist", temperature=[0.1, 0.5], **FEW).rows
    assert [(row.state, row.note) for row in rows] == [("failed", "The disk is full."), ("done", "")]
    assert rows[1].records[0] == comparison.records[1]


def test_two_comparisons_at_once_do_not_write_into_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))
    with state.locked(tmp_path / "explore"), pytest.raises(LabError, match="are being made already"):
        compare("mnist", **FEW)


def test_a_resumed_run_is_shown_from_its_first_epoch(tmp_path):
    told = [
        {"phase": "data"},
        {"name": "explore/x-seed0 pretraining", "epoch": 1, "epochs": 3, "history": [{"epoch": 1, "loss": 5.0}]},
        {"name": "explore/x-seed0 pretraining", "left": 40},
        {"name": "explore/x-seed0 pretraining", "epoch": 2, "loss": 4.5, "seconds": 7, "epochs": 3},
    ]
    (tmp_path / jobs.PROGRESS).write_text("".join(json.dumps(event) + "\n" for event in told) + "half a li")
    training = Followed(tmp_path).look()
    assert (training.name, [epoch["loss"] for epoch in training.history]) == ("pretraining", [5.0, 4.5])
    assert training.left == pytest.approx(7, abs=1)


SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in whatever a shell has started in the background
from lib.compare import compare
c = compare("mnist", temperature=[0.1, 0.5], recipe="quick", epochs=[1, 400], classifier_epochs=1, probe_images=300,
            test_view_count=1)
print("STATES", [row.state for row in c.rows])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a signal is sent")
def test_ctrl_c_ends_the_run_that_is_going_on_and_keeps_the_finished_ones(tmp_path):
    """The signal goes to the one process, as from a Windows kernel: nothing that it started may outlive it."""
    output = tmp_path / "out.txt"
    with open(output, "w") as file:
        process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=file, stderr=file,
                                   env=with_kit() | {"LAB_RUNS": str(tmp_path)})  # fmt: skip
    try:
        going = _wait(lambda: [path.parent for path in tmp_path.glob("explore/*400*/*.ckpt")], process)
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 2, "papermill and its kernel"
        process.send_signal(signal.SIGINT)
        process.wait(60)
    finally:
        process.kill()
    _, alive = psutil.wait_procs(started, timeout=15)
    assert not alive
    assert "STATES ['done', 'interrupted', 'interrupted', 'interrupted']" in output.read_text()
    assert len(list(tmp_path.glob("explore/*/record.sha256"))) == 1
    assert list(going[0].glob("*.ckpt")), "it goes on from its last whole epoch"


def _wait(condition, process, seconds=300):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.2)
    return found
