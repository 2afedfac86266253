"""The report of what was run by hand: any names, any data, any number of runs, or none."""

import copy
import json
import re

import papermill
import pytest
from bs4 import BeautifulSoup

from lib import words
from lib.cli import LabError, plan
from lib.files import ROOT
from lib.report import export, sections, values
from lib.report.chapters import tries
from lib.runs.records import digest, load
from lib.words import LANGUAGES

PUBLISHED = ROOT / "figures/records"


def put(folder, run, source="improved/mnist-seed0", dataset=None, finished=None, **parameters):
    """A record in runs/explore, made from one that comes with the kit."""
    record = copy.deepcopy(load(PUBLISHED / source))
    record["profile"] = "explore"
    record["parameters"] |= {"recipe": "improved", "profile": "explore", "run": run, **parameters}
    record["name"] = f"{run}-seed{record['parameters']['seed']}"
    record["dataset"] |= dataset or {}
    record["finished"] = finished or record["finished"]
    record["sha256"] = digest(json.loads(json.dumps(record)))
    place = folder / "explore" / record["name"]
    place.mkdir(parents=True)
    (place / "record.json").write_text(json.dumps(record))
    return record


SAMPLE = {"source": "embedded sample", "description": "5,000 digits", "genuine": False, "train": 4000, "test": 1000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs with settings, seeds and data as a student leaves them."""
    folder = tmp_path_factory.mktemp("tried")
    put(folder, "mnist")
    put(folder, "cold", temperature=0.05)
    put(folder, "cold", temperature=0.1, seed=1)
    put(folder, "my 2nd try", temperature=1.0, epochs=3)
    put(folder, "mnist-sample", dataset=SAMPLE)
    put(folder, "colours", "improved/cifar10-seed0")
    put(folder, "old", "improved/mnist-seed0", recipe="no-longer-there")
    put(folder, "comparison", "improved/comparison-seed0", finished="2026-01-01T00:00:00+00:00")
    put(folder, "second", "improved/comparison-seed0", finished="2026-02-01T00:00:00+00:00")
    return folder


@pytest.fixture(scope="module")
def records(folder):
    return values.load_all(folder / "explore")


def test_runs_are_told_apart_by_data_name_and_setting(records):
    found = tries.gather(records)
    assert len(found) == 3, "MNIST, its sample, CIFAR-10"
    genuine = found["mnist", load(PUBLISHED / "improved/mnist-seed0")["dataset"]["description"]]
    assert sorted((run.name, len(run.seeds)) for run in genuine) == [
        ("cold", 1), ("cold", 1), ("mnist", 1), ("my 2nd try", 1), ("old", 1),
    ]  # fmt: skip
    changed = {run.name: run.changed for run in genuine}
    assert changed["mnist"] == []
    assert changed["my 2nd try"] == ["temperature", "epochs"]
    assert changed["old"] is None


def test_the_rest_of_the_report_shows_one_run_of_each_data_set(records):
    told = tries.leading(records)
    assert [record["parameters"]["run"].content for record in told] == ["mnist", "colours", "second"]
    assert [images.name for images in sections.by_images(told)] == ["mnist", "cifar10"]
    published = values.load_all(PUBLISHED / "improved")
    assert tries.leading(published) == published, "of a profile everything"


PLACES = re.compile(r"^tries-\d$")


def page(folder, language):
    given = {"runs": str(folder), "profile": "explore", "language": language}
    papermill.execute_notebook(ROOT / "notebooks/report.ipynb", folder / "r.ipynb", given, progress_bar=False)
    export.export(folder / "r.ipynb", folder / f"{language}.html")
    return BeautifulSoup((folder / f"{language}.html").read_text(encoding="utf-8"), "html.parser")


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_run_stands_in_its_table_with_what_was_changed(folder, language):
    soup = page(folder, language)
    tables = soup.find_all("figure", id=lambda name: name and name.startswith("table-tries-"))
    assert len(tables) == 3
    text = " ".join(" ".join(table.get_text(" ") for table in tables).split())
    for name in ("mnist", "cold", "my 2nd try", "mnist-sample", "colours", "old"):
        assert name in text
    assert "temperature 1.0 , epochs 3" in text
    assert "papermill notebooks/mnist.ipynb out.ipynb -p recipe improved -p run cold -p temperature 0.05" in text
    note = str(words.load(language)("cover.sample"))
    assert [note in heading.find_next("p").get_text() for heading in soup.find_all(id=PLACES)] == [False, False, True]
    assert len(soup.find_all("figure", id=lambda name: name and name.startswith("figure-tries-"))) == 3


@pytest.mark.slow
def test_a_comparison_alone_is_a_report_too(tmp_path):
    put(tmp_path, "alone", "improved/comparison-seed0")
    soup = page(tmp_path, "en")
    assert "MNIST" in soup.h1.get_text()
    assert soup.find(id="table-clusterings")
    assert soup.find(id="tries") is None


def test_the_plan_of_what_was_run_by_hand(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_RUNS", str(folder))
    made = plan.make("explore")
    assert made.by_hand
    assert made.runs == {}
    assert len(made.inputs) == 9
    with pytest.raises(LabError, match="made by hand"):
        plan.make("explore", only="mnist")
    with pytest.raises(LabError, match="made by hand"):
        plan.one("explore", "mnist")
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))
    with pytest.raises(LabError, match="no record in .*explore yet. Run a notebook"):
        plan.make("explore")
    with pytest.raises(LabError, match="no profile 'nothing'; there are: .*, methods, original, quick, explore"):
        plan.make("nothing")
    with pytest.raises(LabError, match="no profile '../x'"):
        plan.make("../x")
