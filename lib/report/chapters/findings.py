"""The report's results and conclusions: like ``lib.report.sections``, for what the runs measured."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from lib.report import plots
from lib.report.page import NONE, Report
from lib.report.sections import Images, count_seeds, each
from lib.report.values import Value, derive, knowing_nothing
from lib.runs import profiles
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
            chance=report.number(derive(knowing_nothing, batch)),
            change=report.number(
                [derive(lambda a, b: b - a, e[max(last - 1, 0)]["loss"], e[last]["loss"]) for e in epochs], digits=4
            ),
        )
        if profiles.cut_short(seeds[0]["parameters"].content):
            report.text("pretraining.cut_short", epochs=report.count(seeds[0]["parameters"]["epochs"]))
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


def likest(reported: Sequence[dict[str, Value]], labels: Value, asked: Value) -> dict[str, Value] | None:
    """Of what the original lab reported for as many labels, the same recipe; else the best one."""

    def same(recipe: dict[str, Value]) -> bool:
        keys = ("encoder", "batch_size", "classifier_epochs")
        return all(recipe[key].content == asked[key].content for key in keys if key in recipe)

    as_many = [recipe for recipe in reported if recipe["labels"].content == labels.content]
    chosen = [recipe for recipe in as_many if same(recipe)] or as_many
    return max(chosen, key=lambda recipe: recipe["test_accuracy"].content, default=None)


def accuracies(report: Report, images: Images, claims: Value) -> None:
    """The table of accuracies and times, ours and those the original lab reported."""
    say, rows = report.words, []

    def row(run: Any, labels: Any, seeds: Any, accuracy: Any, *times: Any) -> dict[str, Any]:
        names = ("run", "labels", "seeds", "test_accuracy", "pretraining_time", "classifier_time")
        cells = (run, labels, seeds, accuracy, *times)
        return {say(f"table.{name}"): cell for name, cell in zip(names, cells, strict=True)}

    for run, seeds in images.runs.items():
        short = profiles.cut_short(seeds[0]["parameters"].content)
        for i, entry in enumerate(seeds[0]["results"]["classifiers"]):
            rows.append(row(
                Markup("{} ({})").format(given_name(run), say("table.cut_short")) if short else given_name(run),
                report.count(entry["labels"]),
                count_seeds(report, seeds),
                report.percent(each(seeds, "results", "classifiers", i, "test_accuracy")),
                report.number(each(seeds, "seconds", "pretraining"), digits=1, unit=" s"),
                report.number(each(seeds, "seconds", entry["history"].content), digits=1, unit=" s"),
            ))  # fmt: skip
    for recipe in recipes(claims, images):
        times = [report.number(recipe[k], digits=2, unit=" s") if k in recipe else NONE
                 for k in ("pretraining_seconds", "classifier_seconds")]  # fmt: skip
        name, told = say("table.original_lab"), []
        if "encoder" in recipe:
            told.append(say.or_as_is("encoder", recipe["encoder"].content))
        if "batch_size" in recipe:
            told.append(Markup("{} {}").format(say("settings.batch_size"), report.count(recipe["batch_size"])))
        if told:
            name = Markup("{} ({})").format(name, Markup("，" if say.chinese else ", ").join(told))
        labels = report.count(recipe["labels"]) if "labels" in recipe else NONE
        rows.append(
            row(name, labels, NONE, report.percent(recipe["test_accuracy"], decimals(recipe["test_accuracy"])), *times)
        )
    several = any(len(seeds) > 1 for seeds in images.runs.values())
    report.table(rows, "accuracies", f"accuracies-{images.name}", name=images.title,
                 spread=say("seeds.spread") if several else "", copy=copy_note(report, images))  # fmt: skip


def decimals(share: Value) -> int:
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
    training, accuracies_table = f"head_training-{images.name}", f"accuracies-{images.name}"
    report.text("classification.text", accuracies=accuracies_table, classifier=training)
    _show(report, images, "head_training", plots.classifier(main, report.figure_words))
    accuracies(report, images, claims)
    evaluations(report, images)
    if len(images.first["dataset"]["classes"]) > 1:
        _show(report, images, "class_accuracy", plots.class_accuracy(main, report.figure_words))


def evaluations(report: Report, images: Images) -> None:
    """The linear evaluation, beside neighbours, the untrained encoder and the head; or that a record has none."""
    if any("linear_evaluation" not in entry for r in images.main for entry in r["results"]["classifiers"]):
        report.text("evaluations.missing")
        return
    anchor, entries = f"evaluations-{images.name}", each(images.main, "results", "classifiers", 0)
    found, control = (each(entries, name, "accuracy") for name in ("linear_evaluation", "untrained_linear_evaluation"))
    report.text(
        "evaluations.text",
        anchor=anchor,
        features=report.count(entries[0]["linear_evaluation"]["features"]),
        labels=report.count(entries[0]["labels"]),
        linear=report.percent(found),
        untrained=report.percent(control),
        added=report.number([derive(lambda a, b: a - b, *pair) for pair in zip(found, control, strict=True)], 100, 1),
        knn=report.percent(each(entries, "knn_accuracy")),
        head=report.percent(each(entries, "test_accuracy")),
    )
    weights = images.first["parameters"].get("weights")
    if weights and weights.content != "none":
        report.text("evaluations.start", weights=report.value(weights))
    sides, shape = images.first["parameters"].get("feature_sides"), images.first["dataset"]["shape"]
    if sides and sides.content != shape.content[-1:]:
        key = "evaluations.sizes" if len(sides) > 1 else "evaluations.size"
        report.text(key, sides=report.words.list([report.count(side) for side in sides]))
    drawn = plots.evaluations([r.content for r in images.main], report.figure_words)
    report.figure(drawn, "evaluations", anchor, name=images.title)


def errors(report: Report, images: Images) -> None:
    """Which images the first classifier gets wrong, and what it takes them for."""
    first, dataset = images.first, images.first["dataset"]
    entry = first["results"]["classifiers"][0]
    confusion, seed = entry["confusion"], report.value(first["parameters"]["seed"])

    def of_class(i: int) -> list[Value]:
        return each(images.main, "results", "classifiers", 0, "class_accuracy", i)

    classes = [report.value(name, "classes") for name in dataset["classes"]]
    order = sorted(range(len(classes)), key=lambda i: sum(share.content for share in of_class(i)))
    places = [(a, b) for a in range(len(classes)) for b in range(len(classes)) if a != b]
    a, b = max(places, key=lambda place: confusion.content[place[0]][place[1]])
    report.text(
        "confusion.text",
        anchor=f"confusion-{images.name}",
        best=classes[order[-1]],
        best_share=report.percent(of_class(order[-1]), 1),
        worst=classes[order[0]],
        worst_share=report.percent(of_class(order[0]), 1),
        actual=classes[a],
        taken=classes[b],
        count=report.count(confusion[a][b]),
        of=report.count(derive(sum, confusion[a])),
        seed=seed,
    )
    drawn = plots.confusion(confusion.content, dataset.content, report.figure_words)
    _show(report, images, "confusion", drawn, labels=report.count(entry["labels"]), seed=seed)
    if first["results"]["mistakes"]:
        _show(report, images, "mistakes", plots.mistakes(first.content, report.figure_words), seed=seed)


def features(report: Report, images: Images) -> None:
    """What the encoder takes for alike, where the run kept it: nearest neighbours, and a map."""
    results = images.first["results"]
    if "neighbours" in results:
        report.text("neighbours.text", anchor=f"neighbours-{images.name}")
        _show(report, images, "neighbours", plots.neighbours(images.first.content, report.figure_words, 3))
    if "map_method" in results:
        report.text("feature_map.text", anchor=f"feature_map-{images.name}")
        drawn = plots.maps(images.first.content, report.figure_words)
        _show(report, images, "feature_map", drawn, method=report.value(results["map_method"]))


def rows_of(seeds: Sequence[Value]) -> list[list[Value]]:
    """Each clustering of a comparison, as a list of its rows, one for each seed."""
    return [each(seeds, "results", "clusterings", i) for i in range(len(seeds[0]["results"]["clusterings"]))]


def reference(seeds: Sequence[Value], images: Sequence[Images]) -> tuple[list[Value], list[Value]]:
    """Accuracy and training time of SimCLR with a classifier, which a comparison stands beside.

    Of all seeds of its run where they are in the profile: a report has one figure for one thing. Else what the
    comparison's own records say.
    """
    said = seeds[0]["results"]["simclr"]
    run = str(said["run"].content).rpartition("/")[2].rpartition("-seed")[0]
    for group in (group for group in images if group.name == seeds[0]["dataset"]["name"].content):
        for i, entry in enumerate(group.runs[run][0]["results"]["classifiers"] if run in group.runs else ()):
            if entry["labels"].content == said["labels"].content:
                found = group.runs[run]
                trainings = (each(found, "seconds", name) for name in ("pretraining", entry["history"].content))
                seconds = [derive(lambda a, b: a + b, *both) for both in zip(*trainings, strict=True)]
                return each(found, "results", "classifiers", i, "test_accuracy"), seconds
    return each(seeds, "results", "simclr", "test_accuracy"), each(seeds, "results", "simclr", "seconds")


def clustering(report: Report, seeds: Sequence[Value], images: Sequence[Images] = ()) -> None:
    """The comparison with clustering, which uses no label, beside SimCLR with a classifier, which does."""
    rows, record, say = rows_of(seeds), seeds[0], report.words
    raw, top = best_of(rows, learnt=False), best_of(rows)
    report.text(
        "comparison.text",
        labels=report.count(record["results"]["simclr"]["labels"]),
        raw=clustering_name(report, raw[0]),
        raw_share=report.percent(each(raw, "majority"), 1),
        top=clustering_name(report, top[0]),
        top_share=report.percent(each(top, "majority"), 1),
        simclr=report.percent(reference(seeds, images)[0]),
    )
    seed = report.value(record["parameters"]["seed"])
    report.figure(plots.maps(record.content, report.figure_words), "maps", seed=seed)
    report.figure(plots.comparison(record.content, report.figure_words), "comparison", seed=seed)
    report.table(
        [
            {
                say("table.method"): say.or_as_is("method", r[0]["method"].content),
                say("table.input"): _input(report, r[0]),
                say("table.covariance"): say.or_as_is("covariance", r[0]["covariance"].content or NONE),
                say("table.majority"): report.percent(each(r, "majority"), 1),
                say("table.one_to_one"): report.percent(each(r, "one_to_one"), 1),
                say("table.nmi"): report.number(each(r, "nmi"), digits=3),
                say("table.ari"): report.number(each(r, "ari"), digits=3),
                say("table.fit_time"): report.number(each(r, "seconds"), digits=1, unit=" s"),
            }
            for r in rows
        ],
        "clusterings",
        clusters=report.count(record["parameters"]["clusters"]),
        test=report.count(record["dataset"]["test"]),
        spread=say("seeds.spread") if len(seeds) > 1 else "",
    )
    report.figure(plots.clustering_time(record.content, report.figure_words), "clustering_time", seed=seed)


def best_of(rows: Sequence[Sequence[Value]], learnt: bool | None = None) -> Sequence[Value]:
    """Of clusterings with a row for each seed, the one whose mean accuracy is highest.

    Args:
        learnt: True: among those of SimCLR's features; False: among the others; None: among all.
    """
    chosen = [r for r in rows if learnt is None or ("SimCLR" in r[0]["input"].content) == learnt]
    return max(chosen, key=lambda seeds: sum(r["majority"].content for r in seeds) / len(seeds))


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
