"""Numbers that know their record: where they come from, and how they are written."""

import hashlib
import math

import pytest

from lib.files import ROOT
from lib.report import values
from lib.report.values import Source, Value
from lib.runs.records import RecordError

RECORDS = ROOT / "figures/records/improved"


@pytest.fixture(scope="module")
def record():
    return next(r for r in values.load_all(RECORDS) if r["name"].content == "mnist-seed1")


def test_a_value_knows_its_way(record):
    accuracy = record["results"]["classifiers"][1]["test_accuracy"]
    (source,) = accuracy.sources
    assert source == ("mnist-seed1/record.json", ".results.classifiers[1].test_accuracy", accuracy.content)
    loss = record["history"]["classifier on chunks 5"][0]["loss"]
    assert loss.sources[0].key == '.history["classifier on chunks 5"][0].loss'


def test_what_is_computed_keeps_every_source():
    one, two = (Value(n, (Source("a.json", key, n),)) for n, key in ((3, "x"), (4, "y")))
    both = values.derive(lambda a, b: math.hypot(a, b), one, two)
    assert both.content == 5
    assert [s.key for s in both.sources] == ["x", "y"]
    assert [s.key for s in values.derive(max, one, two, one).sources] == ["x", "y"]


def test_a_hash_is_that_of_the_file(record):
    file = RECORDS / "mnist-seed1/record.json"
    assert values.digest(record, RECORDS).content == hashlib.sha256(file.read_bytes()).hexdigest()


def test_no_records_and_seeds_on_different_data_are_refused(tmp_path):
    with pytest.raises(RecordError, match="no record.json below"):
        values.load_all(tmp_path)
    seeds = [
        Value({"parameters": {"run": "mnist", "seed": s}, "dataset": {"description": d}}, ())
        for s, d in enumerate("ab")
    ]
    with pytest.raises(RecordError, match="run on different data \\(a; b\\)"):
        values.by_run(seeds)


@pytest.mark.parametrize(
    ("numbers", "options", "written"),
    [
        ([0.981, 0.983], dict(scale=100, unit="%"), "98.20 ± 0.14%"),
        ([0.5], dict(scale=100, unit="%"), "50.00%"),
        ([1234.5], dict(digits=1, unit=" s"), "1,234.5 s"),
        ([900.0, 1100.0, 1003.0], dict(digits=1, unit=" s"), "1,000 ± 100 s"),  # two digits of the deviation
        ([90.0, 110.4], dict(digits=1), "100 ± 14"),
        ([2.6295, 2.6227, 2.6301], dict(digits=3), "2.627 ± 0.004"),  # never finer than asked for
        ([2.5, 2.5], dict(digits=1), "2.5 ± 0.0"),
        ([-0.018], dict(digits=3), "−0.018"),
        ([-0.0001], dict(digits=2), "0.00"),
        ([12000], dict(digits=0), "12,000"),
    ],
)
def test_digits_follow_the_deviation(numbers, options, written):
    assert values.mean(numbers, **options) == written
