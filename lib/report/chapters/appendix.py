"""The report's appendix, for the grader: the records' hashes; on a screen also where, when, on what and with which
commands everything was made, and each number's source."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lib.files import NAME
from lib.report import style
from lib.report.chapters.findings import clustering_name
from lib.report.page import NONE, Report
from lib.report.values import Value, digest, in_sweep
from lib.runs import profiles
from lib.words import given_name, literal

#: Where the words are for what a phase such as "evaluation, moco" or "labels, kNN" is about.
NAMED_IN = {"evaluation": ("beside", "method"), "labels": ("way",), "head": ("head",)}


def appendix(report: Report, records: Sequence[Value], folder: Path) -> None:
    """The records' hashes; then, on a screen alone, machine, versions, commands, times, and each number's source."""
    _records(report, records, folder)
    report.section("environment", 3, "appendix-environment", screen=True)
    _environments(report, records)
    profile, run = records[0]["profile"].content, records[0]["parameters"]["run"].content
    commands = "environment.commands" if profiles.exists(profile) else "environment.by_hand"
    report.text(commands, profile=_typed(profile), run=_typed(run))
    report.section("times", 3, "appendix-times", screen=True)
    say = report.words
    report.table(
        [
            {
                say("table.run"): given_name(r["name"].content),
                say("table.phase"): _phase(report, r, phase),
                say("table.time"): report.number(seconds, digits=1, unit=" s"),
            }
            for r in records
            if not in_sweep(r)
            for phase, seconds in r["seconds"].items()
        ],
        "times",
    )
    report.section("sources", 3, "appendix-sources", screen=True)
    report.text("sources.text")
    report.sources_table()


def _records(report: Report, records: Sequence[Value], folder: Path) -> None:
    """What all of it was read from; on paper the hashes alone, which are enough to know a record by."""
    report.section("records", 3, "appendix-records")
    report.text("records.text")
    report.text("records.html")
    say = report.words
    report.table(
        [
            {
                say("table.run"): report.value(r["name"]),
                say("table.seed"): report.value(r["parameters"]["seed"]),
                say("table.images"): given_name(style.title(r["dataset"].content)),
                say("table.data_source"): say.or_as_is("data_source", r["dataset"]["source"].content),
                say("table.finished"): report.time(r["finished"]),
                say("table.digest"): _hash(report, digest(r, folder)),
            }
            for r in records
        ],
        "records",
        screen=[say(f"table.{name}") for name in ("seed", "images", "data_source", "finished")],
    )


def _typed(name: str) -> Markup:
    """A name as part of a line for a shell, where nothing can be escaped: no name but those that a run may have."""
    return Markup(name) if re.fullmatch(NAME, name) else Markup(NONE)


def _environments(report: Report, records: Sequence[Value]) -> None:
    """Machine and versions, once for all runs that had the same."""
    alike: list[list[Value]] = []
    for record in records:
        same = [runs for runs in alike if runs[0]["environment"].content == record["environment"].content]
        same[0].append(record) if same else alike.append([record])
    for runs in alike:
        had, names = runs[0]["environment"], {r["parameters"]["run"].content: r["parameters"]["run"] for r in runs}
        packages = [literal(name) + " " + report.value(number) for name, number in had["packages"].items()]
        report.text(
            "environment.text",
            runs=report.words.list([report.value(name) for name in names.values()]),
            **{name: report.value(had[name]) for name in ("python", "system", "processor", "device", "commit")},
            cores=report.count(had["cores"]),
            threads=report.count(had["threads"]),
            packages=report.words.list(packages),
            precision=_precision(report, had),
        )


def _precision(report: Report, environment: Value) -> str:
    """What networks were trained in, where the record says so."""
    if "precision" not in environment:
        return ""
    return report.words("environment.precision", precision=report.value(environment["precision"]))


def _hash(report: Report, code: Value) -> Markup:
    """A hash that may be broken into lines."""
    return report.value(code).replace(code.content, Markup("<wbr>").join(textwrap.wrap(code.content, 32)))


def _phase(report: Report, record: Value, phase: str) -> Any:
    """A phase's name in the report's language; of trainings of a head with the number of its labels."""
    for entry in record["results"].get("classifiers", ()):
        if entry["history"].content == phase:
            return report.words("phase.classifier", labels=report.count(entry["labels"]))
    for row in record["results"].get("clusterings", ()):
        if row["seconds"].content == record["seconds"][phase].content:
            return clustering_name(report, row)
    kind, _, name = phase.partition(", ")
    for place in NAMED_IN.get(kind, ()):
        if f"{place}.{name}" in report.words:
            return report.words(f"phase.{kind}", name=report.words(f"{place}.{name}"))
    return report.words.or_as_is("phase", phase)
