"""What a student has run by hand (``runs/explore/``), side by side: no profile says which runs these are.

Their names, data and settings may be any. So each is told by its recipe and by what was changed in it; of the runs on
one data set the rest of the report shows one, the one from which the others differ least.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lib.report import style
from lib.report.chapters.evidence import NAMES, as_code
from lib.report.page import NONE, Report
from lib.report.plots import Shown, tries
from lib.report.sections import count_seeds, each
from lib.report.values import Value, in_sweep
from lib.runs import profiles, recipes
from lib.words import given_name


@dataclass(frozen=True)
class Try:
    """Runs of one name and one setting, a record for each seed."""

    seeds: list[Value]

    @property
    def first(self) -> Value:
        return self.seeds[0]

    @property
    def name(self) -> str:
        return self.first["parameters"]["run"].content

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its figures."""
        return {key: value for key, value in self.first["parameters"].content.items() if key not in NAMES}

    @property
    def recipe(self) -> str:
        """The recipe's name; empty in a record from before there were recipes."""
        return self.first["parameters"].content.get("recipe", "")

    @property
    def notebook(self) -> str | None:
        """The notebook whose recipe it names; of several the one whose recipe is more like it."""
        having = [notebook for notebook in recipes.read() if self.recipe in recipes.names(notebook)]
        return min(having, key=lambda notebook: len(self._changes(notebook)), default=None)

    @property
    def changed(self) -> list[str] | None:
        """The parameters in which it differs from its recipe; None if there is no such recipe any more."""
        return self._changes(self.notebook) if self.notebook else None

    def _changes(self, notebook: str) -> list[str]:
        base = recipes.load(notebook, self.recipe)
        return [key for key, value in self.settings.items() if base.get(key, value) != value or key not in base]

    @property
    def command(self) -> str:
        """The line for a shell that makes its first seed again; empty where no recipe is known."""
        if self.notebook is None or self.notebook not in profiles.notebooks():
            return ""
        asked = self.first["parameters"].content
        changes = {key: asked[key] for key in self.changed}
        run = profiles.Run(asked["profile"], self.name, asked["seed"], self.notebook, self.recipe, changes)
        return run.command()


def by_hand(records: Sequence[Value]) -> bool:
    """Whether these records are no profile's."""
    return not profiles.exists(records[0]["profile"].content)


def gather(records: Sequence[Value]) -> dict[tuple[str, str], list[Try]]:
    """SimCLR's runs, by the name and the description of their images: a sample stands by itself."""
    found: dict[tuple[str, str], dict[str, list[Value]]] = {}
    for record in records:
        if "classifiers" in record["results"]:
            images = tuple(record["dataset"].content[key] for key in ("name", "description"))
            alike = Try([record])
            found.setdefault(images, {}).setdefault(f"{alike.name} {alike.settings}", []).append(record)
    return {images: [Try(seeds) for seeds in runs.values()] for images, runs in found.items()}


def leading(records: Sequence[Value]) -> list[Value]:
    """The records that the rest of the report shows: of runs by hand one setting for each data set, else all.

    It is the one that differs least from all others, of the original images if there are runs on them. Of several
    comparisons with clustering it is the last.
    """
    if not by_hand(records):
        return list(records)
    chosen: dict[str, Try] = {}
    for (name, _), runs in sorted(gather(records).items(), key=lambda item: -_genuine(item[1])):
        shown = [run for run in runs if not in_sweep(run.first)]
        if shown and name not in chosen:
            chosen[name] = min(
                shown, key=lambda run: (sum(_apart(run, other) for other in runs), len(run.changed or ()))
            )
    compared = [r for r in records if "clusterings" in r["results"]]
    last = sorted(compared, key=lambda r: r["finished"].content)[-1:]
    asked = [r for r in records if "label_efficiency" in r["results"]]
    return [*(record for run in chosen.values() for record in run.seeds), *last, *asked]


def _genuine(runs: Sequence[Try]) -> bool:
    return runs[0].first["dataset"]["genuine"].content


def _apart(one: Try, other: Try) -> int:
    mine, others = one.settings, other.settings
    return sum(mine.get(key) != others.get(key) for key in mine.keys() | others)


def whole(report: Report, records: Sequence[Value]) -> None:
    """The chapter, where runs were made by hand: for each data set their table and their figure."""
    found = gather(records) if by_hand(records) else {}
    if not found:
        return
    report.section("tries")
    report.text("tries.text")
    for place, runs in enumerate(found.values(), 1):
        _images(report, runs, f"tries-{place}")


def _images(report: Report, runs: Sequence[Try], anchor: str) -> None:
    dataset = runs[0].first["dataset"]
    given = {"name": given_name(style.title(dataset.content))}
    data = report.words.or_as_is("data_source", dataset["source"].content)
    report.section("tries.images", 3, anchor, source=data, **given)
    kind = style.standing(dataset.content)
    about = report.words("tries.data", table=anchor, figure=anchor)
    note = report.words.join([about, "" if kind == "genuine" else report.words(f"cover.{kind}")])
    report.text("tries.note", note=note)
    rows = [row for run in runs for row in _rows(report, run)]
    below = [as_code(run.command) if run.command and not i else "" for run in runs for i in range(len(_heads(run)))]
    report.table(rows, "tries", anchor, below, **given)
    shown = [
        Shown(
            run.name,
            [r.content["history"]["pretraining"] for r in run.seeds],
            [r.content["results"]["classifiers"][0]["test_accuracy"] for r in run.seeds],
        )
        for run in runs
    ]
    report.figure(tries(shown, dataset.content, report.figure_words), "tries.curves", anchor, **given)


def _heads(run: Try) -> list[Value]:
    return list(run.first["results"]["classifiers"])


def _rows(report: Report, run: Try) -> list[dict[str, Any]]:
    """A row for each number of labels; the run's name and changes stand in the first."""
    say, rows = report.words, []
    epochs = each(run.seeds, "history", "pretraining")
    last, seconds = len(epochs[0]) - 1, each(run.seeds, "seconds", "pretraining")
    for i, head in enumerate(_heads(run)):
        rows.append({
            say("table.run"): given_name(run.name),
            say("table.recipe"): given_name(run.recipe) if run.recipe else NONE,
            say("table.changed"): _changed(report, run),
            say("table.seeds"): count_seeds(report, run.seeds),
            say("table.labels"): report.count(head["labels"]),
            say("table.knn"): report.percent(each(epochs, last, "knn_accuracy"), 1)
            if "knn_accuracy" in epochs[0][last] else NONE,
            say("table.test_accuracy"): report.percent(each(run.seeds, "results", "classifiers", i, "test_accuracy")),
            say("table.pretraining_time"): report.number(seconds, digits=1, unit=" s"),
        })  # fmt: skip
    return rows


def _changed(report: Report, run: Try) -> Any:
    """``temperature 0.05, epochs 2``: the parameters as the notebooks write them, each value from its record."""
    if run.changed is None:
        return report.words("tries.no_recipe")
    asked = run.first["parameters"]
    return (
        Markup(", ").join(
            Markup("<code>{}</code> {}").format(key, report.value(asked[key], "operation")) for key in run.changed
        )
        or NONE
    )
