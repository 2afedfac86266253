"""The chapter on current methods where runs of methods.ipynb have measured them, not only literature described them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lib.evaluation.protocols import BESIDE
from lib.files import ROOT
from lib.methods import METHODS
from lib.report import plots, style
from lib.report.chapters.evidence import command
from lib.report.chapters.findings import seed_count
from lib.report.page import NONE, Report
from lib.report.values import Value, beyond_chance, derive, in_sweep
from lib.words import given_name

CONTRASTIVE = ("simclr", "moco")
#: The trials that chose the recipes' settings; for a data set without trials nobody has chosen any.
TRIALS = ROOT / "bench/results/methods.json"
#: Features whose variance fills fewer directions than this count as collapsed.
COLLAPSED = 3
#: A method that gains less than this over the encoder it started from is named: a point of accuracy.
LITTLE = 0.01


@dataclass(frozen=True)
class Measured:
    """The runs of methods.ipynb on one data set, scored on the test images: by method, a record for each seed."""

    runs: dict[str, list[Value]]
    small: dict[str, list[Value]]

    @property
    def records(self) -> list[Value]:
        return [record for records in self.runs.values() for record in records]

    @property
    def dataset(self) -> Value:
        return self.records[0]["dataset"]

    @property
    def title(self) -> Markup:
        return given_name(style.title(self.dataset.content))

    def rows(self, name: str) -> list[Value]:
        """The evaluations of a method or of what stands beside the methods, a seed each; of each seed one."""
        found: dict[int, Value] = {}
        for record in self.records:
            for row in record["results"]["evaluations"]:
                if row["name"].content == name:
                    found.setdefault(record.content["parameters"]["seed"], row)
        return list(found.values())

    def linear(self, name: str) -> list[Value]:
        return [row["linear_accuracy"] for row in self.rows(name)]

    def gains(self, name: str, other: str) -> list[float]:
        """What a method's linear accuracy is above another's, for each seed that both have."""
        ours, theirs = (
            {r.content["parameters"]["seed"]: r.content["results"]["test_accuracy"] for r in self.runs[method]}
            for method in (name, other)
        )
        return [ours[seed] - theirs[seed] for seed in ours.keys() & theirs.keys()]

    def mean(self, name: str) -> float:
        values = [value.content for value in self.linear(name)]
        return sum(values) / len(values)


def gather(records: Sequence[Value]) -> list[Measured]:
    """What methods were measured among a profile's records, by data set."""
    runs = [r for r in records if "method" in r["parameters"] and r["results"].content.get("scored_on") == "test"]
    found = []
    for name in sorted({r["dataset"]["name"].content for r in runs}, key=lambda name: (name != "mnist", name)):
        here = [r for r in runs if r["dataset"]["name"].content == name]
        by_method = [
            {method: own for method in METHODS if (own := [r for r in here if _is(r, method) and in_sweep(r) == sweep])}
            for sweep in (False, True)
        ]
        if by_method[0]:
            found.append(Measured(*by_method))
    return found


def _is(record: Value, method: str) -> bool:
    return record.content["parameters"]["method"] == method


def whole(report: Report, measured: Sequence[Measured]) -> None:
    """The chapter: for each data set a table and two figures, then the lab's statements with their verdicts."""
    report.text("measured.text")
    for found in measured:
        name = found.dataset["name"].content
        report.section("measured.on", 3, f"methods-{name}", name=found.title)
        report.text("measured.summary", said=summary(report, found))
        _table(report, found)
        contents = [record.content for record in found.records]
        for key, drawn in (("accuracies", plots.accuracies), ("spectrum", plots.spectrum)):
            report.figure(
                drawn(contents, report.figure_words), f"measured.{key}", f"methods-{key}-{name}", name=found.title
            )
        _little(report, found)
        _collapse(report, found)
    report.section("measured.verdicts", 3, "methods-verdicts")
    report.text("measured.verdicts.text")
    report.points([said for found in measured for said in verdicts(report, found)])
    report.text("measured.unequal", chosen=_chosen(report, measured))


def _chosen(report: Report, measured: Sequence[Measured]) -> Markup:
    """Whether trials chose the settings, for each data set."""
    kept = json.loads(TRIALS.read_text(encoding="utf-8")) if TRIALS.exists() else {}
    tried, patches = ({row["dataset"] for row in kept.get(name, [])} for name in ("trials", "patches"))
    names: dict[str, list[Markup]] = {"tuned": [], "tuned_patches": [], "untuned": []}
    for found in measured:
        name = found.dataset["name"].content
        names["tuned" if name in tried else "untuned"].append(found.title)
        if name in patches and found.rows("patches"):
            names["tuned_patches"].append(found.title)
    said = [report.words(f"measured.{key}", names=report.words.list(titles)) for key, titles in names.items() if titles]
    return report.words.join(said)


def summary(report: Report, found: Measured) -> Markup:
    """First of all the best method, and how far an encoder or features that have learnt nothing get without it."""
    best = max(found.runs, key=found.mean)
    said = [report.words("measured.best", method=report.words.or_as_is("method", best),
                         accuracy=report.percent(found.linear(best)))]  # fmt: skip
    for other in (other for other in ("untrained", "patches") if found.rows(other)):
        place = "above" if found.mean(other) > found.mean(best) else "below"
        theirs, own = (report.count(found.rows(name)[0]["features"]) for name in (other, best))
        accuracy = report.percent(found.linear(other))
        said.append(report.words(f"measured.{other}.{place}", accuracy=accuracy, features=theirs, own=own))
    return report.words.join(said)


def _little(report: Report, found: Measured) -> None:
    """The methods that hardly do better than the untrained encoder, if any."""
    if not found.rows("untrained"):
        return
    for method in found.runs:
        if found.mean(method) - found.mean("untrained") < LITTLE:
            shares = [report.percent(found.linear(name)) for name in (method, "untrained")]
            named = report.words.or_as_is("method", method)
            report.text("measured.little", method=named, accuracy=shares[0], untrained=shares[1])


def _collapse(report: Report, found: Measured) -> None:
    """The methods whose features have collapsed, if any."""
    for method in found.runs:
        ranks = [row["effective_rank"] for row in found.rows(method)]
        if sum(rank.content for rank in ranks) / len(ranks) < COLLAPSED:
            own, named = found.rows(method)[0]["features"], report.words.or_as_is("method", method)
            report.text("measured.collapsed", method=named, rank=report.number(ranks, digits=1), own=report.count(own))


def _table(report: Report, found: Measured) -> None:
    """A row for each method: accuracy, computing, time, memory, code, small batches; above them what learns nothing."""
    name = found.dataset["name"].content
    rows, commands = [], []
    for other in (other for other in BESIDE if found.rows(other)):
        rows.append(_row(report, found, other, None))
        commands.append(NONE)
    for method, records in found.runs.items():
        rows.append(_row(report, found, method, records))
        commands.append(command(records[0]))
    first = found.records[0]
    report.text("measured.table.text", table=f"methods-{name}", labels=report.count(first["results"]["labels"]),
                budget=report.number(derive(lambda flops: flops / 1e12, first["results"]["flops"]["budget"])),
                batch=report.count(first["parameters"]["batch_size"]))  # fmt: skip
    report.table(rows, "measured.table", f"methods-{name}", commands, name=found.title,
                 seeds=seed_count(report, next(iter(found.runs.values()))))  # fmt: skip
    if found.small:
        batch = next(iter(found.small.values()))[0]["parameters"]["batch_size"]
        report.text("measured.small", batch=report.count(batch))


def _row(report: Report, found: Measured, name: str, records: list[Value] | None) -> dict[str, Any]:
    say, evaluated = report.words, found.rows(name)
    small = [_own(record) for record in found.small.get(name, [])]
    last = {say("table.small"): report.percent(small) if small else NONE} if found.small else {}
    knn = [row["knn_accuracy"] for row in evaluated if "knn_accuracy" in row]
    row = {
        say("table.method"): say.or_as_is("beside" if name in BESIDE else "method", name),
        say("table.linear"): report.percent(found.linear(name)),
        say("table.knn"): report.percent(knn) if knn else NONE,
    }
    if records is None:
        return row | {say(f"table.{key}"): NONE for key in ("epochs", "tflop", "minutes", "step_mb", "lines")} | last
    results = [record["results"] for record in records]
    tflop = [derive(lambda flops: flops / 1e12, r["flops"]["pretraining"]) for r in results]
    minutes = [derive(lambda seconds: seconds / 60, r["seconds"]["pretraining"]) for r in records]
    megabytes = derive(lambda count: count / 1e6, results[0]["step_bytes"])
    return row | {
        say("table.epochs"): report.count(results[0]["epochs"]),
        say("table.tflop"): report.number(tflop[0], digits=1),
        say("table.minutes"): report.number(minutes, digits=1),
        say("table.step_mb"): report.number(megabytes, digits=0),
        say("table.lines"): report.count(results[0]["lines"]),
        **last,
    }


def _own(record: Value) -> Value:
    """The linear accuracy of a record's own method."""
    return record["results"]["test_accuracy"]


def verdicts(report: Report, found: Measured) -> list[Markup]:
    """What the runs say of three statements of the lab's page on current methods."""
    said = [_generative(report, found), _contrastive(report, found), _transfer(report, found)]
    return [report.words("measured.verdict", name=found.title, **given) for given in said]


def _generative(report: Report, found: Measured) -> dict[str, Any]:
    """“Generative training is complex”: more code, more memory for a step, less accuracy for the same computing?"""
    claim = report.words("measured.claims.generative")
    if not {"autoencoder", "simclr"} <= found.runs.keys():
        return _not_run(report, claim)
    ours, theirs = found.runs["autoencoder"][0]["results"], found.runs["simclr"][0]["results"]
    worse = [ours[key].content > theirs[key].content for key in ("lines", "step_bytes")]
    worse.append(found.mean("autoencoder") < found.mean("simclr"))
    why = report.words(
        "measured.claims.generative_why",
        lines=report.count(ours["lines"]), simclr_lines=report.count(theirs["lines"]),
        memory=report.number(derive(lambda n: n / 1e6, ours["step_bytes"]), digits=0),
        simclr_memory=report.number(derive(lambda n: n / 1e6, theirs["step_bytes"]), digits=0),
        accuracy=report.percent(found.linear("autoencoder")), simclr_accuracy=report.percent(found.linear("simclr")),
    )  # fmt: skip
    return {"claim": claim, "verdict": _verdict(report, sum(worse) / len(worse)), "why": why}


def _contrastive(report: Report, found: Measured) -> dict[str, Any]:
    """“Contrastive learning is simple and efficient”: does it reach more with as much computing than the others?

    That others take fewer lines of code does not refute that it is simple: the lines are named and not judged.
    """
    claim = report.words("measured.claims.contrastive")
    ours, others = ([m for m in found.runs if (m in CONTRASTIVE) == own] for own in (True, False))
    if not ours or not others:
        return _not_run(report, claim)
    one, other = (max(names, key=found.mean) for names in (ours, others))
    simplest = min(found.runs, key=lambda method: found.runs[method][0].content["results"]["lines"])
    settled = beyond_chance([found.gains(one, other)])[0]
    given = {
        place: report.words.or_as_is("method", method)
        for place, method in (("best", one), ("other", other), ("simplest", simplest))
    }
    why = report.words(
        "measured.claims.contrastive_why", **given,
        best_accuracy=report.percent(found.linear(one)), other_accuracy=report.percent(found.linear(other)),
        lines=report.count(found.runs[simplest][0]["results"]["lines"]),
    )  # fmt: skip
    if not settled:
        return {"claim": claim, "verdict": report.words("measured.verdict_of.open"), "why": why}
    return {"claim": claim, "verdict": _verdict(report, float(found.mean(one) > found.mean(other))), "why": why}


def _transfer(report: Report, found: Measured) -> dict[str, Any]:
    """“Transfer needs much labelled data”: on the same labels, is it behind training from scratch?"""
    claim = report.words("measured.claims.transfer")
    if not found.rows("ImageNet") or not found.rows("from scratch"):
        return _not_run(report, claim)
    behind = found.mean("ImageNet") < found.mean("from scratch")
    why = report.words(
        "measured.claims.transfer_why", accuracy=report.percent(found.linear("ImageNet")),
        scratch=report.percent(found.linear("from scratch")),
    )  # fmt: skip
    return {"claim": claim, "verdict": _verdict(report, float(behind)), "why": why}


def _not_run(report: Report, claim: Markup) -> dict[str, Any]:
    return {"claim": claim, "verdict": report.words("measured.verdict_of.not_run"), "why": ""}


def _verdict(report: Report, share: float) -> Markup:
    """In words: holds, holds in part, does not hold here."""
    return report.words(f"measured.verdict_of.{'holds' if share == 1 else 'in_part' if share else 'fails'}")
