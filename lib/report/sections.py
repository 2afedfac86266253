"""The report's sections: each takes a Report and records, and shows what it has to say about them.

A section of your own is a function like these, or a few calls in a notebook cell; its words go
into ``notebooks/text/``, once in each language.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lib.report import drawing, plots, style
from lib.report.named import crops_named, views_named
from lib.report.page import Report
from lib.report.values import Value, by_run, derive, in_sweep
from lib.words import given_name

# Settings of a run in the report's order, a row each, with a word in ``settings`` of the text files; those
# of the second line are the classifier's alone.
SETTINGS = ("encoder", "weights", "whiten_stem", "projection", "projection_batch_norm", "views", "left_out",
            "augmented_views", "small_crops", "temperature", "epochs", "batch_size", "optimizer", "learning_rate",
            "weight_decay", "schedule", "precision", "probe_images", "hidden", "batch_norm", "dropout",
            "label_smoothing", "feature_sides", "feature_layers", "feature_grid", "test_views",
            "test_view_count")  # fmt: skip
UNLESS_ASKED = ("feature_sides", "feature_grid")  # without them images and maps are taken as they are
CLASSIFIER_ONLY = ("feature_sides", "feature_layers", "feature_grid", "test_views", "test_view_count")


@dataclass(frozen=True)
class Images:
    """The SimCLR runs made on one data set: a list of records, one for each seed, under the name of each run."""

    name: str
    runs: dict[str, list[Value]]

    @property
    def main(self) -> list[Value]:
        """The seeds of the first run."""
        return next(iter(self.runs.values()))

    @property
    def first(self) -> Value:
        """The first seed of the first run, whose pictures and matrices are shown."""
        return self.main[0]

    @property
    def title(self) -> Markup:
        return given_name(style.title(self.first["dataset"].content))

    @property
    def standing(self) -> str:
        """What the images are, as ``style.standing`` has it."""
        return style.standing(self.first["dataset"].content)

    @property
    def comparable(self) -> bool:
        """Whether its figures may be set beside published ones: the data set itself or its JPEG copy."""
        return self.standing != "sample"


def by_images(records: Sequence[Value]) -> list[Images]:
    """SimCLR's records among those of a profile, by data set, grey images first; those of sweeps left out."""
    runs = by_run([r for r in records if "classifiers" in r["results"] and not in_sweep(r)])
    names = {seeds[0]["dataset"]["name"].content: seeds[0]["dataset"]["shape"][0].content for seeds in runs.values()}
    return [
        Images(name, {run: seeds for run, seeds in runs.items() if seeds[0]["dataset"]["name"].content == name})
        for name in sorted(names, key=lambda n: (names[n], n))
    ]


def each(seeds: Sequence[Value], *steps: str | int) -> list[Value]:
    """The same place in the record of each seed."""
    found = list(seeds)
    for step in steps:
        found = [value[step] for value in found]
    return found


def count_seeds(report: Report, records: Sequence[Value]) -> Markup:
    """How many seeds there are among records."""
    return report.count(derive(lambda *seeds: len(set(seeds)), *each(records, "parameters", "seed")))


def data_note(report: Report, dataset: Value, key: str = "cover.data") -> str:
    """Which images these are, and from where, with a warning where they are not the original ones."""
    source = report.words.or_as_is("data_source", dataset["source"].content)
    title, literature = given_name(style.title(dataset.content)), f"data.from.{dataset['name'].content}"
    cited = Markup("{} {}").format(title, report.words(literature)) if literature in report.words else title
    note = report.words(
        key,
        name=cited if key == "data.note" else title,
        train=report.count(dataset["train"]),
        test=report.count(dataset["test"]),
        source=source,
    )
    kind = style.standing(dataset.content)
    return note if kind == "genuine" else report.words.join([note, report.words(f"cover.{kind}")])


def cover(report: Report, images: Sequence[Images], records: Sequence[Value], fields: dict[str, str]) -> None:
    """The first page; ``fields`` are the student's."""
    datasets: dict[tuple[str, str], Value] = {}
    for record in [*(group.first for group in images), *records]:
        datasets.setdefault(tuple(record["dataset"].content[key] for key in ("name", "description")), record["dataset"])
    titles = [given_name(style.title(data.content)) for data in datasets.values()]
    fields = fields | {"course": fields["course"] or report.words("cover.default_course"),
                       "date": report.words.date(fields["date"])}  # fmt: skip
    report.cover(
        report.words(
            "cover.heading", names=report.words.list([group.title for group in images] or list(dict.fromkeys(titles)))
        ),
        report.words("cover.subtitle", profile=given_name(records[0]["profile"].content)),
        fields,
        [
            (data_note(report, data), "" if style.standing(data.content) == "genuine" else "warn")
            for data in datasets.values()
        ],
    )


def methods(report: Report) -> None:
    """Three contrastive methods side by side."""
    say = report.words
    columns = {column: say(f"methods.{column}") for column in ("method", "idea", "strength", "weakness")}
    keys = {"name" if column == "method" else column: head for column, head in columns.items()}
    rows = [{head: say(f"methods.{name}.{key}") for key, head in keys.items()} for name in ("simclr", "moco", "byol")]
    report.table(rows, "methods")


def chunks(report: Report, numbers: Value) -> str:
    """``chunk 5`` or ``chunks 1, 2 and 3``."""
    key = "data.chunk" if len(numbers) == 1 else "data.chunks"
    return report.words(key, numbers=report.words.list([report.count(n) for n in numbers]))


def data(report: Report, images: Images) -> None:
    """How the training images are divided among pretraining, classifier and test."""
    first, asked, dataset = images.first, images.first["parameters"], images.first["dataset"]
    entries = list(first["results"]["classifiers"])
    shared = derive(lambda *counts: max(counts), *(entry["also_unlabelled"] for entry in entries))
    labelled = [
        report.words("data.labelled", chunks=chunks(report, entry["chunks"]), labels=report.count(entry["labels"]))
        for entry in entries
    ]
    report.text(
        "data.text",
        note=data_note(report, dataset, "data.note"),
        chunk_count=report.count(asked["chunk_count"]),
        size=report.count(derive(lambda n, parts: n // parts, dataset["train"], asked["chunk_count"])),
        unlabelled=chunks(report, asked["unlabelled_chunks"]),
        labelled=report.words.list(labelled),
        shared=report.words("data.shared" if shared.content else "data.separate", count=report.count(shared)),
        test=report.count(dataset["test"]),
    )
    report.diagrams(first, "data")
    report.text("views.text", views=in_words(report, asked, "views"), anchor=f"views-{images.name}")
    report.figure(plots.views(first.content, report.figure_words), "views", f"views-{images.name}", name=images.title)
    network(report, images)


def network(report: Report, images: Images) -> None:
    """What network is trained with which loss, in a paragraph and in diagrams."""
    first, asked = images.first, images.first["parameters"]
    begun = asked.content.get("weights", "none")
    report.text(
        "network.text",
        encoder=in_words(report, asked, "encoder"),
        weights=report.words(f"network.weights.{begun if begun in ('none', 'imagenet') else 'file'}"),
        **{name: in_words(report, asked, name) or report.value(asked[name])
           for name in ("temperature", "epochs", "batch_size", "optimizer", "learning_rate")},
        projection=report.words.list([report.count(width) for width in asked["projection"]]),
        head_epochs=report.count(asked["classifier_epochs"]),
        anchor=f"settings-{images.name}",
    )  # fmt: skip
    if asked["optimizer"].content == "muon":
        report.text("network.muon")
    report.diagrams(first, "network", "training-step", "classifier")
    for other in drawing.networks(list(images.runs.values()))[1:]:
        report.diagrams(other, "network")


def in_words(report: Report, asked: Value, name: str) -> Markup | None:
    """Views by their operations and their sizes, an encoder or an optimiser by its name; None for another setting."""
    if name.endswith("views") and name != "augmented_views":
        left_out = asked.content.get("left_out", []) if name == "views" else []
        return report.value(derive(lambda views: views_named(views, report.words, left_out), asked[name]))
    if name == "small_crops":
        return report.value(
            derive(lambda crops, epochs: crops_named(crops, epochs, report.words), asked[name], asked["epochs"])
        )
    if name == "feature_grid":
        return report.value(derive(lambda side: f"{side} × {side}", asked[name]))
    if name == "encoder" or f"choice.{asked[name].content}" in report.words:
        return report.value(asked[name], "encoder" if name == "encoder" else "choice")
    return None


def settings(report: Report, images: Images) -> None:
    """The settings of every run on these images, two columns each."""
    rows = []
    for key in SETTINGS:
        row = {report.words("table.setting"): report.words(f"settings.{key}")}
        for run, seeds in images.runs.items():
            asked = seeds[0]["parameters"]
            for part, name in (("pretraining", key), ("classifier", f"classifier_{key}")):
                column = (
                    report.words(f"table.{part}")
                    if len(images.runs) == 1
                    else Markup("{}: {}").format(given_name(run), report.words(f"table.{part}"))
                )
                name = key if key in CLASSIFIER_ONLY and part == "classifier" else name
                shown = name in asked and not (key in CLASSIFIER_ONLY and part == "pretraining")
                shown = shown and (key not in UNLESS_ASKED or bool(asked[name].content))
                row[column] = (in_words(report, asked, name) or report.value(asked[name])) if shown else ""
        if any(list(row.values())[1:]):
            rows.append(row)
    report.table(rows, "settings", f"settings-{images.name}", name=images.title)
