"""The report's results and conclusions: like ``lib.report.sections``, for what the runs measured."""

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from lib.report import plots
from lib.report.page import NONE, Report
from lib.report.sections import Images, count_seeds, each
from lib.report.values import Value, derive
from lib.words import given_name


def seed_count(report: Report, seeds: Sequence[Value]) -> str:
    """``one seed`` or ``3 seeds``."""
    if len({r["parameters"]["seed"].content for r in seeds}) == 1:
        return report.words("seeds.one")
    return report.words("seeds.many", count=count_seeds(report, seeds))


def pretraining(report: Report, images: Images) -> None:
    """The loss of each run on these images: where it began, where it ended, and whether it still fell."""
    if copy_note(report, images):
        report.text("data.copy")
    for run, seeds in images.runs.items():
        epochs = [r["history"]["pretraining"] for r in seeds]
        batch = seeds[0]["parameters"]["batch_size"]
        last = len(epochs[0]) - 1
        report.text(
            "pretraining.text" if last else "pretraining.one_epoch",
            run=given_name(run),
            anchor=f"pretraining-{run}",
            first=report.number(each(epochs, 0, "loss"), digits=3),
            last=report.number(each(epochs, last, "loss"), digits=3),
            seeds=seed_count(report, seeds),
            batch=report.count(batch),
            chance=report.number(derive(lambda n: math.log(2 * n - 1), batch)),
            change=report.number(
                [derive(lambda a, b: b - a, e[max(last - 1, 0)]["loss"], e[last]["loss"]) for e in epochs], digits=4
            ),
        )
        if "knn_accuracy" in epochs[0][last]:
            report.text("pretraining.knn", last=report.percent(each(epochs, last, "knn_accuracy"), 1))
        if "flops" in seeds[0]["results"]:
            flops = seeds[0]["results"]["flops"]["pretraining"]  # the same for every seed
            report.text("pretraining.compute", amount=report.number(flops, 1e-12, 1, " TFLOP"))
        band = report.words("seeds.band") if len(seeds) > 1 else ""
        report.figure(
            plots.pretraining([r.content for r in seeds], report.figure_words),
            "pretraining",
            f"pretraining-{run}",
            name=images.title,
            run=given_name(run),
            seeds=seed_count(report, seeds),
            band=band,
        )


def reported(claims: Value, images: Images, recipe: Value) -> dict[str, Value]:
    """What the original lab reported of a recipe, with what it said of all recipes on these images."""
    common = {key: value for key, value in claims[images.name].items() if key != "recipes"}
    return common | dict(recipe.items())


def recipes(claims: Value, images: Images) -> list[dict[str, Value]]:
    """What the original lab reported on these images; nothing where ours are a sample of them."""
    if not images.comparable or images.name not in claims:
        return []
    return [reported(claims, images, r) for r in claims[images.name]["recipes"] if "test_accuracy" in r]


def accuracies(report: Report, images: Images, claims: Value) -> None:
    """The table of accuracies and times, ours and those the original lab reported."""
    say, rows = report.words, []

    def row(run: Any, labels: Any, seeds: Any, accuracy: Any, *times: Any) -> dict[str, Any]:
        names = ("run", "labels", "seeds", "test_accuracy", "pretraining_time", "classifier_time")
        cells = (run, labels, seeds, accuracy, *times)
        return {say(f"table.{name}"): cell for name, cell in zip(names, cells, strict=True)}

    for run, seeds in images.runs.items():
        for i, entry in enumerate(seeds[0]["results"]["classifiers"]):
            rows.append(row(
                given_name(run),
                report.count(entry["labels"]),
                count_seeds(report, seeds),
                report.percent(each(seeds, "results", "classifiers", i, "test_accuracy")),
                report.number(each(seeds, "seconds", "pretraining"), digits=1, unit=" s"),
                report.number(each(seeds, "seconds", entry["history"].content), digits=1, unit=" s"),
            ))  # fmt: skip
    for recipe in recipes(claims, images):
        times = [report.number(recipe[k], digits=2, unit=" s") if k in recipe else NONE
                 for k in ("pretraining_seconds", "classifier_seconds")]  # fmt: skip
        name = say("table.original_lab")
        if "encoder" in recipe:
            name += f" ({say.or_as_is('encoder', recipe['encoder'].content)})"
        labels = report.count(recipe["labels"]) if "labels" in recipe else NONE
        rows.append(
            row(name, labels, NONE, report.percent(recipe["test_accuracy"], _decimals(recipe["test_accuracy"])), *times)
        )
    several = any(len(seeds) > 1 for seeds in images.runs.values())
    report.table(rows, "accuracies", f"accuracies-{images.name}", name=images.title,
                 spread=say("seeds.spread") if several else "", copy=copy_note(report, images))  # fmt: skip


def _decimals(share: Value) -> int:
    """As many decimals in percent as the original lab gave: 47%, but 49.97%."""
    return 0 if round(share.content, 2) == share.content else 2


def copy_note(report: Report, images: Images) -> str:
    """The caveat that goes with every figure made on JPEG copies; empty for the data set itself."""
    return report.words("data.copy") if images.standing == "copy" else ""


def _show(report: Report, images: Images, key: str, figure: Figure, **given: Any) -> None:
    report.figure(figure, key, f"{key}-{images.name}", name=images.title, **given)


def classification(report: Report, images: Images, claims: Value) -> None:
    """How the head learnt and how well it does on the test images."""
    main = [r.content for r in images.main]
    report.text("classification.text", accuracies=f"accuracies-{images.name}", classifier=f"classifier-{images.name}")
    _show(report, images, "classifier", plots.classifier(main, report.figure_words))
    accuracies(report, images, claims)
    if len(images.first["dataset"]["classes"]) > 1:
        _show(report, images, "class_accuracy", plots.class_accuracy(main, report.figure_words))


def errors(report: Report, images: Images) -> None:
    """Which images the first classifier gets wrong, and what it takes them for."""
    first, dataset = images.first, images.first["dataset"]
    entry = first["results"]["classifiers"][0]
    confusion, share = entry["confusion"], entry["class_accuracy"]
    classes = [report.value(name, "classes") for name in dataset["classes"]]
    order = sorted(range(len(share)), key=share.content.__getitem__)
    places = [(a, b) for a in range(len(classes)) for b in range(len(classes)) if a != b]
    a, b = max(places, key=lambda place: confusion.content[place[0]][place[1]])
    report.text(
        "confusion.text",
        anchor=f"confusion-{images.name}",
        best=classes[order[-1]],
        best_share=report.percent(share[order[-1]], 1),
        worst=classes[order[0]],
        worst_share=report.percent(share[order[0]], 1),
        actual=classes[a],
        taken=classes[b],
        count=report.count(confusion[a][b]),
        of=report.count(derive(sum, confusion[a])),
    )
    drawn = plots.confusion(confusion.content, dataset.content, report.figure_words)
    seed = report.value(first["parameters"]["seed"])
    _show(report, images, "confusion", drawn, labels=report.count(entry["labels"]), seed=seed)
    if first["results"]["mistakes"]:
        _show(report, images, "mistakes", plots.mistakes(first.content, report.figure_words))


def features(report: Report, images: Images) -> None:
    """What the encoder takes for alike, where the run kept it: nearest neighbours, and a map."""
    results = images.first["results"]
    if "neighbours" in results:
        report.text("neighbours.text", anchor=f"neighbours-{images.name}")
        _show(report, images, "neighbours", plots.neighbours(images.first.content, report.figure_words))
    if "map_method" in results:
        report.text("feature_map.text", anchor=f"feature_map-{images.name}")
        drawn = plots.maps(images.first.content, report.figure_words)
        _show(report, images, "feature_map", drawn, method=report.value(results["map_method"]))


def clustering(report: Report, record: Value) -> None:
    """The comparison with clustering, which uses no label, beside SimCLR with a classifier, which does."""
    rows, reference = list(record["results"]["clusterings"]), record["results"]["simclr"]
    raw, top = best(rows, learnt=False), best(rows)
    report.text(
        "comparison.text",
        labels=report.count(reference["labels"]),
        raw=clustering_name(report, raw),
        raw_share=report.percent(raw["majority"], 1),
        top=clustering_name(report, top),
        top_share=report.percent(top["majority"], 1),
        simclr=report.percent(reference["test_accuracy"], 1),
    )
    report.figure(plots.maps(record.content, report.figure_words), "maps")
    report.figure(plots.comparison(record.content, report.figure_words), "comparison")
    say = report.words
    report.table(
        [
            {
                say("table.method"): say.or_as_is("method", r["method"].content),
                say("table.input"): _input(report, r),
                say("table.covariance"): say.or_as_is("covariance", r["covariance"].content or NONE),
                say("table.majority"): report.percent(r["majority"], 1),
                say("table.one_to_one"): report.percent(r["one_to_one"], 1),
                say("table.nmi"): report.number(r["nmi"], digits=3),
                say("table.ari"): report.number(r["ari"], digits=3),
                say("table.fit_time"): report.number(r["seconds"], digits=1, unit=" s"),
            }
            for r in rows
        ],
        "clusterings",
        clusters=report.count(record["parameters"]["clusters"]),
        test=report.count(record["dataset"]["test"]),
    )
    report.figure(plots.clustering_time(record.content, report.figure_words), "clustering_time")


def best(rows: Sequence[Value], learnt: bool | None = None) -> Value:
    """The clustering with the highest accuracy; ``learnt`` True or False: of SimCLR's features, or of others."""
    chosen = [r for r in rows if learnt is None or ("SimCLR" in r["input"].content) == learnt]
    return max(chosen, key=lambda r: r["majority"].content)


def _input(report: Report, row: Value) -> Any:
    """``pixels``; a number in it, as in ``50 components``, with its source."""
    name = row["input"].content
    number, _, rest = name.partition(" ")
    if not number.isdigit():
        return report.words.or_as_is("input", name)
    return report.words(f"input.{rest}", count=report.count(derive(lambda text: int(text.split()[0]), row["input"])))


def clustering_name(report: Report, row: Value) -> Any:
    """``k-means on pixels``."""
    return report.words(
        "comparison.clustering",
        method=report.words.or_as_is("method", row["method"].content),
        input=_input(report, row),
    )


def conclusions(report: Report, images: Sequence[Images], clusterings: Sequence[Value], claims: Value) -> None:
    """What all of it comes to, a point each."""
    points = [point for group in images for point in _labels(report, group, claims)]
    for record in clusterings:
        rows, reference = list(record["results"]["clusterings"]), record["results"]["simclr"]
        raw, learnt = best(rows, learnt=False), best(rows, learnt=True)
        better = learnt["majority"].content > raw["majority"].content
        points.append(report.words(
            "conclusions.better" if better else "conclusions.no_better",
            learnt=report.percent(learnt["majority"], 1), raw=report.percent(raw["majority"], 1),
            simclr=report.percent(reference["test_accuracy"], 1),
            seconds=report.number(reference["seconds"], digits=0, unit=" s"),
            raw_seconds=report.number(raw["seconds"], digits=1, unit=" s"),
        ))  # fmt: skip
        if record["dataset"]["genuine"].content and record["dataset"]["name"].content == "mnist":
            limit = claims["comparison"]["best_clustering_at_most"]
            key = "conclusions.agrees" if raw["majority"].content <= limit.content else "conclusions.contradicts"
            points.append(report.words(key, limit=report.percent(limit, 0), raw=report.percent(raw["majority"], 1)))
    report.points(points)


def _labels(report: Report, images: Images, claims: Value) -> list[str]:
    """A point for each run and number of labels, beside what the original lab reported for as many."""
    points, train = [], images.first["dataset"]["train"]
    for run, seeds in images.runs.items():
        for i, entry in enumerate(seeds[0]["results"]["classifiers"]):
            ours = each(seeds, "results", "classifiers", i, "test_accuracy")
            reached = report.words(
                "conclusions.accuracy",
                name=images.title if len(images.runs) == 1 else Markup("{}, {}").format(images.title, given_name(run)),
                labels=report.count(entry["labels"]),
                share=report.percent(derive(lambda n, all: n / all, entry["labels"], train), 0),
                accuracy=report.percent(ours),
            )
            compared = _beside(report, ours, likest(recipes(claims, images), entry["labels"], seeds[0]["parameters"]))
            points.append(report.words.join([reached, compared, copy_note(report, images)]))
    if not images.comparable:
        points.append(report.words("conclusions.sample", name=images.title))
    return points


def likest(reported: Sequence[dict[str, Value]], labels: Value, asked: Value) -> dict[str, Value] | None:
    """Of what the original lab reported for as many labels, the same recipe; else the best one."""

    def same(recipe: dict[str, Value]) -> bool:
        keys = ("encoder", "batch_size", "classifier_epochs")
        return all(recipe[key].content == asked[key].content for key in keys if key in recipe)

    as_many = [recipe for recipe in reported if recipe["labels"].content == labels.content]
    chosen = [recipe for recipe in as_many if same(recipe)] or as_many
    return max(chosen, key=lambda recipe: recipe["test_accuracy"].content, default=None)


def _beside(report: Report, ours: Sequence[Value], recipe: dict[str, Value] | None) -> str:
    if recipe is None:
        return ""
    theirs = recipe["test_accuracy"]
    encoder = report.words.or_as_is("encoder", recipe["encoder"].content) if "encoder" in recipe else ""
    return report.words(
        "conclusions.difference_encoder" if encoder else "conclusions.difference",
        encoder=encoder,
        theirs=report.percent(theirs, _decimals(theirs)),
        difference=report.number([derive(lambda a, b: a - b, accuracy, theirs) for accuracy in ours], 100),
    )
