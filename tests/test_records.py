"""Records: what they must hold, that they are whole, and that an interrupted run leaves none."""

import json
import math
from importlib.metadata import version

import numpy as np
import pytest
import torch

from lib.files import ROOT
from lib.runs import records
from lib.runs.parameters import ComparisonParameters
from lib.runs.records import RecordError, Run
from lib.training.loop import History

ASKED = {"recipe": "original", "profile": "p", "run": "r", "seed": 3, "simclr_run": "x",
         "clusters": 10, "components": 5, "restarts": 1}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    run = Run(ComparisonParameters.checked(ASKED | {"runs": str(tmp_path)}))
    run.dataset = {"name": "mnist"}
    return run


def test_a_record_comes_back_as_it_was_saved(run, tmp_path):
    history = History([{"epoch": 1, "loss": 2.0, "seconds": 0.5}, {"epoch": 2, "loss": 1.0, "seconds": 0.25}])
    run.training("pretraining", history)
    with run.phase("test"):
        pass
    run.results["test_accuracy"] = 0.5
    pictures = torch.arange(24, dtype=torch.uint8).view(2, 1, 3, 4)
    run.picture("views", pictures)
    path = run.save()
    assert path == tmp_path / "p" / "r-seed3" / "record.json"
    record = records.load(path)
    assert record == records.load(path.parent)
    assert set(records.REQUIRED) <= set(record)
    assert record["seconds"]["pretraining"] == 0.75
    assert record["seconds"]["test"] >= 0
    assert record["history"]["pretraining"] == list(history)
    assert (records.picture(record, "views") == pictures.numpy()).all()
    assert record["environment"]["packages"]["torch"] == version("torch")
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]
    assert records.load_all(tmp_path) == [record]


def test_an_interrupted_training_gets_no_record(run):
    history = History([{"epoch": 1, "loss": 1.0, "seconds": 1.0}])
    history.interrupted = True
    with pytest.raises(RecordError, match=r"interrupted after 1 epochs.*checkpoint"):
        run.training("pretraining", history)


def test_not_a_number_is_no_result(run):
    run.history["pretraining"] = [{"loss": 5.5}, {"loss": math.inf}]
    run.results["heads"] = {"linear": np.float64("nan"), "knn": 0.5}
    with pytest.raises(RecordError, match=r"history.pretraining.1.loss is inf; results.heads.linear is nan\. Run it"):
        run.save()
    assert not (run.folder / "record.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "no record that can be read"), ("[]", "no record of a run"), ('{"name": 1}', "profile, dataset")],
)
def test_files_that_are_no_records(tmp_path, content, message):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(RecordError, match=message):
        records.load(tmp_path)


def test_a_run_that_is_not_there(tmp_path):
    with pytest.raises(RecordError, match="run the notebook that writes it first"):
        records.load(tmp_path / "mnist-seed0")
    with pytest.raises(RecordError, match="lab.py report"):
        records.load_all(tmp_path)


def test_published_records_are_whole():
    published = records.load_all(ROOT / "figures" / "records")
    for record in published:
        dataset = record["dataset"]
        assert dataset["genuine"] or (dataset["name"], dataset["source"]) == ("cifar10", "JPEG copy"), record["name"]
        assert 0 <= record["results"]["test_accuracy"] <= 1
        json.dumps(record, allow_nan=False)
