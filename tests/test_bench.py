"""Every benchmark runs with tiny sizes and gives finite figures; the docs are what the records give. No times."""

import importlib
import math

import pytest

from bench import docs, run
from bench.measure import Line, from_record, quartiles, table
from lib.files import ROOT


@pytest.mark.parametrize("topic", ["views", "loss", "epoch", "cifar", "classifier"])
def test_a_benchmark_gives_finite_figures(topic, monkeypatch):
    monkeypatch.setenv("LAB_OFFLINE", "1")
    run.silence()
    lines = importlib.import_module(f"bench.{topic}").measure(1, True)
    assert lines
    assert all(math.isfinite(value) and value > 0 for line in lines for value in line.values)
    assert [from_record(line.record()) for line in lines] == lines
    assert len(table(lines).splitlines()) == len(lines) + 2


def test_a_line_knows_what_is_better():
    assert Line("", "", "s", [1.0], 2, [3.0]).values == [3]
    assert Line("", "", "images/s", [3.0], 2, [1.0]).met
    assert not Line("", "", "MB", [3.0], 2).met
    assert quartiles([1.0, 2.0, 3.0]) == (1.5, 2, 2.5)


def test_the_docs_are_what_the_records_give():
    for name, content in docs.pages().items():
        assert (ROOT / name).read_text(encoding="utf-8") == content, "run python -m bench.docs"
