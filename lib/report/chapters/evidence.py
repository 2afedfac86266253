"""The report's evidence: what labels are worth, what each choice does, what the encoder learnt.

Like ``findings``, for the runs of the profile ``evidence``; the lab's claims are in ``verdicts``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from lib.evaluation.protocols import HEADS, WAYS
from lib.report import plots
from lib.report.chapters.findings import seed_count
from lib.report.page import NONE, Report
from lib.report.sections import SETTINGS, Images, by_images, count_seeds, each
from lib.report.values import Value, by_run, derive
from lib.runs import profiles
from lib.words import given_name

# Parameters that name or show a run and change nothing in it; nor does what it is computed in (docs/speed.md).
NAMES = {"run", "seed", "profile", "runs", "recipe", "illustrated", "precision"}


@dataclass(frozen=True)
class Evidence:
    """What the runs on one data set can testify to: SimCLR's, each under its name, and the others."""

    images: Images
    runs: dict[str, list[Value]]
    probed: list[Value]
    clusterings: list[Value]

    @cached_property
    def base(self) -> str:
        """The run that the controls change one thing of: it differs least from all others together."""
        return min(self.runs, key=lambda run: sum(len(self.changes(run, other)) for other in self.runs))

    def changes(self, run: str, other: str) -> list[str]:
        """The parameters in which another run differs, in the report's order."""
        one, two = (self.runs[name][0].content["parameters"] for name in (run, other))
        differ = [key for key in two if key not in NAMES and one.get(key) != two[key]]

        def place(key: str) -> tuple[bool, int]:  # sizes of views follow from the number of epochs
            return key == "small_crops", SETTINGS.index(key) if key in SETTINGS else len(SETTINGS)

        return sorted(differ, key=place)

    def controls(self) -> dict[str, list[str]]:
        """Runs that differ from the base in one parameter, under its name; the base is in each group.

        Sizes of views may differ too, for they follow from the epochs. A run with two changes says nothing of either.
        """
        base, groups = self.base, {}
        for run in self.runs:
            changed = [key for key in self.changes(base, run) if key != "small_crops"]
            if len(changed) == 1:
                groups.setdefault(changed[0], [base]).append(run)

        def place(run: str, key: str) -> tuple:
            value = self.runs[run][0].content["parameters"][key]
            return (value,) if isinstance(value, int | float) else (run != base, str(value))

        order = [key for key in SETTINGS if key in groups]
        return {key: sorted(groups[key], key=lambda run: place(run, key)) for key in order}

    def accuracy(self, run: str) -> list[Value]:
        """Test accuracy of each seed, with the first number of labels."""
        return each(self.runs[run], "results", "classifiers", 0, "test_accuracy")

    def difference(self, run: str, other: str) -> list[Value]:
        """Accuracy of a run less that of another, seed by seed."""
        ours, theirs = (
            {r["parameters"]["seed"].content: r["results"]["classifiers"][0] for r in self.runs[name]}
            for name in (run, other)
        )
        return gains(ours, theirs)


def gains(ours: dict[int, Value], theirs: dict[int, Value]) -> list[Value]:
    """For each seed that both have, the test accuracy of one less that of the other; both are given by seed."""
    pairs = [(ours[seed]["test_accuracy"], theirs[seed]["test_accuracy"]) for seed in sorted(ours.keys() & theirs)]
    return [derive(lambda a, b: a - b, *pair) for pair in pairs]


def gather(records: Sequence[Value]) -> list[Evidence]:
    """The evidence among a profile's records, by data set; none where no run changes or asks anything."""
    simclr = [r for r in records if "classifiers" in r["results"]]
    probed = [r for r in records if "label_efficiency" in r["results"]]
    clusterings = [r for r in records if "clusterings" in r["results"]]

    def on(images: Images, chosen: Sequence[Value]) -> list[Value]:
        return [r for r in chosen if r["dataset"]["name"].content == images.name]

    found = [
        Evidence(images, by_run(on(images, simclr)), on(images, probed), on(images, clusterings))
        for images in by_images(records)
    ]
    return [evidence for evidence in found if evidence.probed or len(evidence.runs) > len(evidence.images.runs)]


@cache
def _listed(profile: str) -> dict[tuple[str, int], profiles.Run]:
    try:
        return {(run.name, run.seed): run for run in profiles.load(profile)}
    except profiles.ProfileError:  # records of a profile that is not there any more
        return {}


def command(record: Value, **more: Any) -> Markup:
    """The line that makes a record's run again; with ``more``, a part of it, as a run ``again`` of its own."""
    asked = record.content["parameters"]
    run = _listed(asked["profile"]).get((asked["run"], asked["seed"]))
    if run is None:
        return Markup(NONE)
    part = {"profile": profiles.cell(run.notebook)["profile"], "run": "again"} if more else {}
    return as_code(run.command(**part, **more))


def as_code(line: str) -> Markup:
    """A line for a shell, as a table shows it."""
    return Markup('<code class="code command">{}</code>').format(line)


def _show(report: Report, evidence: Evidence, key: str, figure: Figure, **given: Any) -> None:
    report.figure(
        figure, f"evidence.{key}", f"evidence-{key}-{evidence.images.name}", name=evidence.images.title, **given
    )


def by_count(probed: Sequence[Value]) -> dict[str, dict[int, dict[int, Value]]]:
    """What was measured of each way to use labels, by number of labels and seed."""
    found: dict[str, dict[int, dict[int, Value]]] = {}
    for record in probed:
        for row in record["results"]["label_efficiency"]:
            seeds = found.setdefault(row["method"].content, {}).setdefault(row["labels"].content, {})
            seeds[record["parameters"]["seed"].content] = row
    return found


def label_efficiency(report: Report, evidence: Evidence) -> None:
    """Test accuracy against the number of labels, for every way to use them."""
    say, name = report.words, evidence.images.name
    found = by_count(evidence.probed)
    if not found:
        return
    some = {count: row for rows in found.values() for count, seeds in rows.items() for row in seeds.values()}
    heads = {count: report.count(row["labels"]) for count, row in sorted(some.items())}
    anchors = {"figure": f"evidence-labels-{name}", "table": f"evidence-labels-{name}"}
    report.text("evidence.labels.text", **anchors)
    contents = [r.content for r in evidence.probed if len(r["results"]["label_efficiency"])]
    _show(report, evidence, "labels", plots.label_efficiency(contents, report.figure_words))
    rows, commands = [], []
    for way in (way for way in WAYS if way in found):
        cells = {
            head: report.percent(each([*found[way][n].values()], "test_accuracy"), 1) if n in found[way] else NONE
            for n, head in heads.items()
        }
        record = next(r for r in evidence.probed if way in r.content["parameters"]["methods"])
        rows.append({say("table.method"): say.or_as_is("way", way), **cells})
        commands.append(command(record, methods=[way], heads=[], map_images=0))
    anchor, given = (
        f"evidence-labels-{name}",
        {"name": evidence.images.title, "seeds": seed_count(report, evidence.probed)},
    )
    report.table(rows, "evidence.labels.table", anchor, commands, **given)
    report.points(_compared(report, found))


def _compared(report: Report, found: dict[str, dict[int, dict[int, Value]]]) -> list[str]:
    """What the numbers say of SimCLR against what a reader might have done instead, at few labels and at many."""
    points = []
    for one, other in (("linear", "random encoder"), ("linear", "from scratch"), ("fine-tuned", "from scratch")):
        shared = sorted(found.get(one, {}).keys() & found.get(other, {}).keys())
        for count in dict.fromkeys((shared[0], shared[-1]) if shared else ()):
            ours, theirs = found[one][count], found[other][count]
            apart = gains(ours, theirs)
            if not apart:
                continue
            points.append(report.words(
                "evidence.labels.compared",
                labels=report.count(next(iter(ours.values()))["labels"]), one=report.words(f"way.{one}"),
                other=report.words(f"way.{other}"), difference=report.number(apart, 100, 1),
            ))  # fmt: skip
    return points


def controls(report: Report, evidence: Evidence) -> None:
    """A run each with one setting changed."""
    groups = evidence.controls()
    if not groups:
        return
    say, name, base = report.words, evidence.images.name, evidence.base
    given = evidence.runs[base][0]["parameters"]
    report.text(
        "evidence.controls.text",
        epochs=report.count(given["epochs"]),
        batch=report.count(given["batch_size"]),
        figure=f"evidence-controls-{name}",
        run=given_name(base),
        accuracy=report.percent(evidence.accuracy(base)),
        seeds=seed_count(report, evidence.runs[base]),
        labels=report.count(evidence.runs[base][0]["results"]["classifiers"][0]["labels"]),
    )
    drawn = []
    for key, runs in groups.items():
        bars = [
            (_plain(report, evidence, run, key), [v.content for v in evidence.accuracy(run)], run == base)
            for run in runs
        ]
        drawn.append((report.figure_words.plain(f"settings.{key}"), bars))
    dataset = evidence.images.first["dataset"].content
    _show(report, evidence, "controls", plots.controls(drawn, dataset, report.figure_words))
    rows, commands = [], []
    for key, runs in groups.items():
        for run in (run for run in runs if run != base):
            apart = evidence.difference(run, base)  # empty as long as no seed has run both
            rows.append({
                say("table.choice"): say(f"settings.{key}"),
                say("table.value"): report.value(evidence.runs[run][0]["parameters"][key], "operation"),
                say("table.test_accuracy"): report.percent(evidence.accuracy(run)),
                say("table.difference"): report.number(apart, 100, 2) if apart else NONE,
                say("table.seeds"): count_seeds(report, evidence.runs[run]),
            })  # fmt: skip
            commands.append(command(evidence.runs[run][0]))
    report.table(rows, "evidence.controls.table", f"evidence-controls-{name}", commands, name=evidence.images.title)
    report.points([_best(report, evidence, key, runs) for key, runs in groups.items()])


def _plain(report: Report, evidence: Evidence, run: str, key: str) -> str:
    """A setting's value for a figure."""
    value = evidence.runs[run][0].content["parameters"][key]
    shown = value if isinstance(value, list) else [value]
    say = report.figure_words
    return ", ".join(say.or_as_is("operation", item) for item in shown) or say.plain("plot.nothing")


def _best(report: Report, evidence: Evidence, key: str, runs: Sequence[str]) -> str:
    """Which value of a choice did best, which worst."""

    def mean(run: str) -> float:
        return sum(v.content for v in evidence.accuracy(run)) / len(evidence.runs[run])

    given, text = {}, "evidence.controls.best"
    if key == "left_out":  # the run that leaves nothing out is in the text above
        text, runs = f"{text}_left_out", [run for run in runs if run != evidence.base]
    for place, run in (("best", max(runs, key=mean)), ("worst", min(runs, key=mean))):
        given[place] = report.value(evidence.runs[run][0]["parameters"][key], "operation")
        given[f"{place}_accuracy"] = report.percent(evidence.accuracy(run))
    return report.words(text, choice=report.words(f"settings.{key}"), **given)


def heads(report: Report, evidence: Evidence) -> None:
    """The lab's head and what it might have been instead."""
    say, found = report.words, {}
    for record in evidence.probed:
        for row in record["results"]["heads"]:
            found.setdefault(row["head"].content, []).append((record, row))
    if not found:
        return
    rows, commands = [], []
    for head in (head for head in HEADS if head in found):
        measured = [row for _, row in found[head]]
        rows.append({
            say("table.head"): say.or_as_is("head", head),
            say("table.test_accuracy"): report.percent(each(measured, "test_accuracy")),
            say("table.buffers_changed"): report.count(measured[0]["buffers_changed"]),
        })  # fmt: skip
        commands.append(command(found[head][0][0], methods=[], heads=[head], map_images=0))
    first = next(iter(found.values()))[0][1]
    report.text("evidence.heads.text", table=f"evidence-heads-{evidence.images.name}")
    report.table(
        rows, "evidence.heads.table", f"evidence-heads-{evidence.images.name}", commands, name=evidence.images.title,
        labels=report.count(first["labels"]), seeds=seed_count(report, evidence.probed),
    )  # fmt: skip


def representation(report: Report, evidence: Evidence) -> None:
    """Maps, similarities of pairs, and how alignment and uniformity grew."""
    seen = [r for r in evidence.probed if "pairs" in r["results"]]
    if not seen:
        return
    name = evidence.images.name
    main = [r for r in evidence.images.main if "alignment" in r["history"]["pretraining"][0]]
    report.text("evidence.map.text", figure=f"evidence-map-{name}")
    _show(report, evidence, "map", plots.maps(seen[0].content, report.figure_words))

    def pairs(network: str, *steps: str) -> list[Value]:
        return each(seen, "results", "pairs", network, *steps)

    shown = {
        f"{measure}_{short}": report.number(pairs(network, measure), digits=3)
        for network, short in (("random encoder", "random"), ("SimCLR", "simclr"))
        for measure in ("alignment", "uniformity")
    }
    shown |= {
        kind: report.number(pairs("SimCLR", "similarities", kind, "mean"), digits=3)
        for kind in ("positive", "same_class", "other_class")
    }
    figures = {"similarities": f"evidence-similarities-{name}", "growth": f"evidence-growth-{name}"}
    report.text("evidence.pairs.text" if main else "evidence.pairs.no_growth", **shown, **figures)
    _show(report, evidence, "similarities", plots.similarities(seen[0].content, report.figure_words))
    if main:
        _show(report, evidence, "growth", plots.growth([r.content for r in main], report.figure_words))
