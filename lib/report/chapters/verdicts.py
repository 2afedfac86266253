"""The original lab's claims, one by one: how each was tested, what the records show, and the verdict.

``notebooks/claims.yaml`` lists under ``statements`` what is claimed of a data set: a ``measure`` (a
function of ``MEASURES``), a ``test`` (of ``TESTS`` with its ``limit``, or ``machine`` for a time, which is only
shown), and where the lab's figure stands (``reported``). ``run`` names the lab's own run on CIFAR-10, of the profile
``original``, that a claim is about, and ``than`` a second one that it is compared with. A claim whose runs are cut
short or not there is not judged; what the latter would cost is counted, not guessed.
"""

import math
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lib.files import ROOT
from lib.report import style
from lib.report.chapters import evidence
from lib.report.chapters.evidence import Evidence, as_code, command
from lib.report.chapters.findings import best_of, decimals
from lib.report.page import NONE, Report
from lib.report.sections import Images, each
from lib.report.values import Source, Value, beyond_chance, by_run, derive, knowing_nothing, load_yaml
from lib.runs import profiles
from lib.runs.records import load

#: The lab's own runs, as the kit made them.
PUBLISHED = ROOT / "figures/records/original"
#: Parameters in which a run may differ from the lab's and still be one of its own.
FREE = evidence.NAMES | {"language", "probe_images"}

Found = tuple[list[Value], Value]  # what was measured, one for each seed, and the record it is from


def _accuracy(seen: Evidence, claim: Value) -> Found | None:
    """Test accuracy with so many labels."""
    for i, entry in enumerate(seen.images.first["results"]["classifiers"]):
        if entry["labels"].content == claim["labels"].content:
            return each(seen.images.main, "results", "classifiers", i, "test_accuracy"), seen.images.first
    return None


def _more_labels(seen: Evidence, claim: Value) -> Found | None:
    """Accuracy with the second number of labels less that with the first."""
    if len(seen.images.first["results"]["classifiers"]) < 2:
        return None
    one, two = (each(seen.images.main, "results", "classifiers", i, "test_accuracy") for i in (0, 1))
    gains = [derive(lambda a, b: b - a, *pair) for pair in zip(one, two, strict=True)]
    return gains, seen.images.first


def _control(seen: Evidence, claim: Value) -> Found | None:
    """Accuracy with a setting at ``value`` less that at ``against``, all else equal."""
    key = claim["setting"].content
    runs = {seen.runs[run][0].content["parameters"][key]: run for run in seen.controls().get(key, ())}
    one, two = (runs.get(claim[name].content) for name in ("value", "against"))
    return (seen.difference(one, two), seen.runs[one][0]) if one and two else None


def _training(seen: Evidence, claim: Value) -> str:
    """The name that records give a claim's training: pretraining, or that of the first head."""
    head = seen.images.first["results"]["classifiers"][0]["history"]
    return head.content if claim["training"].content == "head" else "pretraining"


def _loss_left(seen: Evidence, claim: Value) -> Found | None:
    """Of the whole fall of a loss, from that of a network that knows nothing, the share that comes after an epoch."""
    main, epoch = seen.images.main, claim["epoch"].content
    histories = each(main, "history", _training(seen, claim))
    if len(histories[0]) <= epoch:
        return None
    if _training(seen, claim) == "pretraining":
        known = [derive(knowing_nothing, record["parameters"]["batch_size"]) for record in main]
    else:
        known = [derive(lambda names: math.log(len(names)), record["dataset"]["classes"]) for record in main]
    losses = [[start, history[epoch - 1]["loss"], history[len(history) - 1]["loss"]]
              for start, history in zip(known, histories, strict=True)]  # fmt: skip
    return [derive(lambda start, then, last: (then - last) / (start - last), *three) for three in losses], main[0]


def _seconds(seen: Evidence, claim: Value) -> Found | None:
    """Time of pretraining or of the first head; of both, where the claim names neither."""
    head = seen.images.first["results"]["classifiers"][0]["history"].content
    phases = [_training(seen, claim)] if "training" in claim else ["pretraining", head]
    times = zip(*(each(seen.images.main, "seconds", phase) for phase in phases), strict=True)
    return [derive(lambda *seconds: sum(seconds), *seed) for seed in times], seen.images.first


def _apart(seen: Evidence, claim: Value) -> Found | None:
    """Accuracy of the lab's run that a claim names less that of the one it is compared with."""
    run, than = claim["run"].content, claim["than"].content
    return (seen.difference(run, than), seen.runs[run][0]) if {run, than} <= seen.runs.keys() else None


def _clusterings(seen: Evidence, of: Callable[[Value, Value], Value]) -> Found | None:
    """``of`` the best clustering without SimCLR and SimCLR itself, in each comparison."""
    if not seen.clusterings:
        return None
    results = each(seen.clusterings, "results")
    best = [best_of([[row] for row in result["clusterings"]], learnt=False)[0] for result in results]
    return [of(one, result["simclr"]) for one, result in zip(best, results, strict=True)], seen.clusterings[0]


MEASURES: dict[str, Callable[[Evidence, Value], Found | None]] = {
    "accuracy": _accuracy,
    "more_labels": _more_labels,
    "control": _control,
    "loss_left": _loss_left,
    "seconds": _seconds,
    "clustering": lambda seen, claim: _clusterings(seen, lambda raw, simclr: raw["majority"]),
    "clustering_margin": lambda seen, claim: _clusterings(
        seen, lambda raw, simclr: derive(lambda a, b: b - a, raw["majority"], simclr["test_accuracy"])
    ),
    "clustering_time": lambda seen, claim: _clusterings(
        seen, lambda raw, simclr: derive(lambda a, b: b / a, raw["seconds"], simclr["seconds"])
    ),
    "apart": _apart,
}
#: Whether a claim holds: of the measured values, the lab's figure and the limit.
TESTS: dict[str, Callable[[Sequence[float], float, float], bool]] = {
    "near": lambda found, reported, limit: abs(statistics.mean(found) - reported) <= limit,
    "reaches": lambda found, reported, limit: statistics.mean(found) >= reported - limit,
    "at_most": lambda found, reported, limit: statistics.mean(found) <= limit,
    "above": lambda found, reported, limit: beyond_chance([[value - limit for value in found]], above=True)[0],
    "more_than": lambda found, reported, limit: statistics.mean(found) > limit,
    "about": lambda found, reported, limit: abs(statistics.mean(found)) <= limit,
}


def lab_runs(folder: Path) -> list[Value]:
    """Records of the lab's own CIFAR-10 runs: the reader's, in ``original`` beside the report's ``folder`` of records,
    and of a run that is not there those that come with the kit. Their sources are named from ``folder`` on.

    A run with other parameters than the profile's, or on a sample, is none of the lab's and left out. One of fewer
    epochs is cut short, and stands in only where there is none of full length.
    """
    labs = {run.name: run.resolved for run in profiles.load("original")}
    ranked: dict[str, dict[tuple[bool, int], list[Value]]] = {}
    for rank, place in enumerate((folder.parent / "original", PUBLISHED)):
        for path in sorted(place.glob("cifar10-*/record.json")):
            run, record = path.parent.name.rpartition("-seed")[0], load(path)
            if run in labs and _as_the_labs(record, labs[run]):
                source = Source(Path(os.path.relpath(path, folder)).as_posix(), "", None)
                short = profiles.cut_short(record["parameters"])
                ranked.setdefault(run, {}).setdefault((short, rank), []).append(Value(record, (source,)))
    return [record for found in ranked.values() for record in found[min(found)]]


def _as_the_labs(record: dict[str, Any], wanted: dict[str, Any]) -> bool:
    asked = record["parameters"]
    same = all(asked.get(key, value) == value for key, value in wanted.items() if key not in FREE and key != "epochs")
    return same and asked["epochs"] <= wanted["epochs"] and style.standing(record["dataset"]) != "sample"


def cut_short(claim: Value, lab: dict[str, list[Value]]) -> Value | None:
    """A record with fewer epochs than the lab's among the runs that a claim is about."""
    for name in (claim[key].content for key in ("run", "than") if key in claim):
        for record in lab.get(name, ()):
            if profiles.cut_short(record["parameters"].content):
                return record
    return None


def whole(report: Report, gathered: Sequence[Evidence], claims: Value, lab: Sequence[Value] = ()) -> None:
    """The chapter: the claims, and for each data set what labels are worth, the controls, heads, what was learnt.

    ``lab``: the records of ``lab_runs``.
    """
    if not gathered:
        return
    report.section("evidence")
    report.text("evidence.text")
    report.section("claims", 3)
    verdicts(report, gathered, claims, lab)
    for found in gathered:
        name, title = found.images.name, found.images.title
        for key, part in (
            ("labels", evidence.label_efficiency),
            ("controls", evidence.controls),
            ("heads", evidence.heads),
            ("map", evidence.representation),
        ):
            report.section(f"evidence.{key}", 3, f"{key}-{name}", name=title)
            part(report, found)


VERDICTS = ("reproduced", "exceeded", "not_reproduced", "one_seed", "cut_short", "not_run", "machine", "absent")
# What a claim's text may say of it, beside its words.
TOLD = ("limit", "epoch", "value", "against", "labels")


def verdicts(report: Report, gathered: Sequence[Evidence], claims: Value, lab: Sequence[Value] = ()) -> None:
    """The table of claims, a row each, and how many of them hold."""
    say, rows, commands = report.words, [], []
    work = load_yaml(ROOT / "bench/results/original_cifar10.json")["runs"]
    judged: dict[str, list[Value]] = {name: [] for name in VERDICTS}
    known = {seen.images.name: seen for seen in gathered if seen.images.comparable}
    own = by_run(lab) if "cifar10" in known else {}
    for name in ("mnist", "cifar10"):
        for claim in claims[name]["statements"]:
            key, unit = claim["id"].content, claim["unit"].content
            found = _found(claim, known.get(name), own)
            reported = _reported(claims[name], claim)
            short = cut_short(claim, own)
            verdict = _verdict(claim, found, reported) if short is None else "cut_short"
            judged[verdict].append(claim["id"])
            told = {"reported": _shown(report, [reported], unit) if reported is not None else NONE}
            told |= {k: report.number(v, 100 if k == "limit" and unit in ("percent", "points") else 1, _digits(v))
                    for k, v in claim.items() if k in TOLD}  # fmt: skip
            why = _cost(report, claim, claims, work) if verdict == "not_run" else {}
            if short is not None:
                why = {"epochs": report.count(short["parameters"]["epochs"]),
                       "whole": report.count(claims["cifar10"]["recipes"][0]["epochs"])}  # fmt: skip
            rows.append({
                say("table.claim"): say(f"claims.{key}.says", **told),
                say("table.reported"): told["reported"],
                say("table.how"): say(f"claims.{key}.how", **told),
                say("table.found"): _shown(report, found[0], unit) if found else NONE,
                say("table.seeds"): report.count(derive(lambda *all: len(all), *found[0])) if found else NONE,
                say("table.verdict"): say(f"verdict.{verdict}", **why),
            })  # fmt: skip
            commands.append(command(found[1]) if found else _original(claim) if "run" in claim else "")
    counts = [say(f"verdict.count.{verdict}", count=report.count(derive(lambda *ids: len(ids), *ids)))
              for verdict, ids in judged.items() if ids]  # fmt: skip
    report.text("claims.text", counts=say.series(counts))
    report.table(rows, "claims", below=commands)


def _found(claim: Value, seen: Evidence | None, lab: dict[str, list[Value]]) -> Found | None:
    """What is known of a claim: from the lab's own run, where it is about one, else from the report's records."""
    if "run" in claim:
        run = claim["run"].content
        seen = Evidence(Images("cifar10", {run: lab[run]}), lab, [], []) if run in lab else None
    return MEASURES[claim["measure"].content](seen, claim) if seen else None


def _reported(said: Value, claim: Value) -> Value | None:
    """The lab's own figure, where a claim is one."""
    for step in claim.content.get("reported", []):
        said = said[step]
    return said if "reported" in claim else None


def _verdict(claim: Value, found: Found | None, reported: Value | None) -> str:
    if found is None:
        return "not_run" if "run" in claim else "absent"
    if claim["test"].content == "machine":  # a time says something of the machine too, so nobody judges it
        return "machine"
    measured = [value.content for value in found[0]]
    test, said, limit = claim["test"].content, reported.content if reported is not None else 0.0, claim["limit"].content
    if test == "above" and len(measured) < 2:  # one seed says nothing of chance
        return "one_seed"
    if not TESTS[test](measured, said, limit):
        return "not_reproduced"
    return "exceeded" if test == "reaches" and not TESTS["near"](measured, said, limit) else "reproduced"


def _cost(report: Report, claim: Value, claims: Value, work: Value) -> dict[str, Any]:
    """Minutes on a GPU as fast as the lab's, by the ``work`` counted for the claim's run: pretraining alone."""
    lab = claims["cifar10"]["recipes"][0]["pretraining_seconds"]
    flops = [work[run]["pretraining_flops"] for run in (claim["run"].content, "cifar10-resnet18")]
    return {"minutes": report.number(derive(lambda a, b, seconds: a / b * seconds / 60, *flops, lab), digits=0)}


def _original(claim: Value) -> Any:
    """The line that makes a run of the profile ``original``."""
    return as_code(profiles.find("original", claim["run"].content).command())


def _shown(report: Report, found: Sequence[Value], unit: str) -> Any:
    if unit == "percent":
        return report.percent(found, 2 if len(found) > 1 else decimals(found[0]))
    if unit == "points":
        return report.number(found, 100, 2)
    return report.number(found, digits=1, unit=" s" if unit == "seconds" else "×")


def _digits(value: Value) -> int:
    """Decimals of a rule's number: none of a whole one, one of a share in percent."""
    return 0 if isinstance(value.content, int) else 1
