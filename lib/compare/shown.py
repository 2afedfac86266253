"""What a comparison shows while it goes on and when it is over: a sentence, a table, a figure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from markupsafe import Markup, escape
from matplotlib.figure import Figure

from lib import progress, words
from lib.compare.grid import Asked
from lib.report import live, values
from lib.report.plots import Shown, tries

NONE = "–"


@dataclass
class Row:
    """The runs of one combination of values, a run for each seed, and how far each is."""

    label: str
    varied: dict[str, Any]
    runs: list[Asked]
    records: dict[int, dict[str, Any]] = field(default_factory=dict)  # by seed
    state: str = "waiting"
    doing: progress.Training | None = None
    note: str = ""  # what went wrong

    @property
    def shown(self) -> Shown:
        """What the figure takes of it; of a run that is going on the curves so far."""
        records = list(self.records.values())
        histories = [record["history"]["pretraining"] for record in records]
        if self.doing and self.doing.name == "pretraining":
            histories = histories or [self.doing.history]
        return Shown(self.label, histories, [r["results"]["classifiers"][0]["test_accuracy"] for r in records])


def rows(asked: Sequence[Asked]) -> list[Row]:
    """Runs that differ in the seed alone in one row, named by what the lists vary."""
    found: dict[str, Row] = {}
    for run in asked:
        label = ", ".join(f"{name} = {written(value)}" for name, value in run.varied.items())
        row = found.setdefault(run.parameters.run, Row(label or run.parameters.run, run.varied, []))
        row.runs.append(run)
    return list(found.values())


def written(value: Any) -> str:
    """A value as a cell of Python code has it, strings without their marks."""
    return value if isinstance(value, str) else repr(value)


def cells(row: Row, first: Row, labels: Sequence[int]) -> dict[str, str]:
    """The measured part of a row: loss, probe, accuracies with so many labels, difference to the first row, time."""
    say, records = words.current().plain, list(row.records.values())
    ends = [record["history"]["pretraining"][-1] for record in records]
    found = {say("compare.loss"): values.mean([end["loss"] for end in ends], digits=3)}
    if all("knn_accuracy" in end for end in ends):
        found[say("compare.knn")] = values.mean([end["knn_accuracy"] for end in ends], 100, 1, "%")
    for count in labels:
        heads = [[c["test_accuracy"] for c in r["results"]["classifiers"] if c["labels"] == count] for r in records]
        each = [values.percent(list(seen)) for seen in zip(*heads, strict=True)]  # a mean over seeds, not over heads
        found[say("compare.accuracy", labels=f"{count:,}")] = " / ".join(each) or NONE
    apart = [_accuracy(row, seed) - _accuracy(first, seed) for seed in row.records if seed in first.records]
    shown = values.mean(apart, 100, 2) if apart and row is not first else NONE
    found[say("compare.difference")] = f"+{shown}" if sum(apart) > 0 and row is not first else shown
    found[say("compare.time")] = progress.duration(sum(sum(r["seconds"].values()) for r in records) / len(records))
    return found


def _accuracy(row: Row, seed: int) -> float:
    return row.records[seed]["results"]["classifiers"][0]["test_accuracy"]


def state(row: Row) -> str:
    """How far a row's runs are, in words; empty when all are done."""
    spoken = words.current()
    if row.state == "done":
        return ""
    parts = [spoken.plain(f"compare.{row.state}")]
    if row.state == "running" and row.doing:
        parts = [progress.line(row.doing, partial(live.say, row.doing))]
    if len(row.runs) > 1:
        parts.append(spoken.plain("compare.seeds", done=len(row.records), all=len(row.runs)))
    return " · ".join([*parts, row.note] if row.note else parts)


class Table:
    """Sentences, and below them a row for each setting: as HTML and as text."""

    def __init__(self, sentences: Sequence[str], shown: Sequence[Row]):
        self.sentences, self.rows = sentences, shown
        counts = {c["labels"] for row in shown for r in row.records.values() for c in r["results"]["classifiers"]}
        self.labels = sorted(counts)

    def _lines(self) -> list[tuple[list[str], dict[str, str], str]]:
        first = self.rows[0]
        return [
            (
                [written(value) for value in row.varied.values()] or [row.label],
                cells(row, first, self.labels) if row.records else {},
                state(row),
            )
            for row in self.rows
        ]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        lines = self._lines()
        names = list(self.rows[0].varied) or [words.current().plain("compare.run")]
        measured = max((list(found) for _, found, _ in lines), key=len)
        body, text = "", [" | ".join([*names, *measured])]
        for given, found, doing in lines:
            cell = [found.get(name, NONE) for name in measured] if found else []
            parts = [*given, *cell, doing] if doing else [*given, *cell]
            text.append(" | ".join(parts))
            body += "<tr>" + "".join(f"<td>{escape(part)}</td>" for part in [*given, *cell])
            span = 1 if cell else len(measured) + 1
            body += f'<td colspan="{span}" style="text-align:left;white-space:nowrap">{escape(doing)}</td></tr>'
        head = "".join(f"<th>{escape(name)}</th>" for name in [*names, *measured, ""])
        above = Markup("").join(Markup("<div>{}</div>").format(sentence) for sentence in self.sentences)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return {"text/plain": "\n".join([*self.sentences, *text]), "text/html": f"{above}{table}"}

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]


def drawn(shown: Sequence[Row], dataset: dict[str, Any]) -> Figure | None:
    """The figure of what there is; None before the first epoch of the first run."""
    found = [row.shown for row in shown]
    return tries(found, dataset) if any(run.histories and run.histories[0] for run in found) else None
