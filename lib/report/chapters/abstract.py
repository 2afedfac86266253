"""The abstract: four to six sentences that say the result, each made of records, and the figure beside them.

What a profile has no runs for is not said: a single data set, a sample of the images, or runs that ask what the
result rests on each have their own sentences.
"""

from collections.abc import Sequence

from IPython.display import HTML
from markupsafe import Markup

from lib.report import page
from lib.report.chapters import conclusions
from lib.report.chapters.evidence import Evidence, by_count
from lib.report.chapters.findings import best_of, decimals, likest, recipes, reference, rows_of, seed_count
from lib.report.page import Report
from lib.report.sections import Images, each
from lib.report.values import Value, derive

MOST = 6  # sentences


def show(
    report: Report,
    images: Sequence[Images],
    compared: Sequence[Sequence[Value]],
    claims: Value,
    gathered: Sequence[Evidence] = (),
) -> None:
    """The abstract; ``compared``: the seeds of each comparison with clustering. Nothing where SimCLR never ran."""
    if not images:
        return
    said = report.words.join(sentences(report, images, compared, claims, gathered)[:MOST])
    heading = report.words("abstract.heading")
    page.display(HTML(f'<div class="abstract"><h2 id="abstract">{heading}</h2><p>{said}</p></div>'))


def sentences(
    report: Report, images: Sequence[Images], compared: Sequence[Sequence[Value]], claims: Value,
    gathered: Sequence[Evidence],
) -> list[Markup]:  # fmt: skip
    """In the order of their weight: question, results, what they stand beside, what they rest on."""
    told = [report.words("abstract.question"), *(_result(report, group) for group in images)]
    told += [_rests_on(report, found) for found in gathered]
    told += [_clustering(report, seeds, images) for seeds in compared]
    if any(not group.comparable for group in images):
        told.append(report.words("abstract.sample"))
    elif not gathered:
        told += [_original(report, group, claims) for group in images]
    told.append(_seeds(report, images))
    return [sentence for sentence in told if sentence]


def _result(report: Report, group: Images) -> Markup:
    """What network was trained on what with which loss, and how good it is."""
    asked, dataset, say = group.first["parameters"], group.first["dataset"], report.words
    unlabelled = derive(lambda chunks, n, parts: len(chunks) * (n // parts), asked["unlabelled_chunks"],
                        dataset["train"], asked["chunk_count"])  # fmt: skip
    reached = [
        say(
            "abstract.accuracy",
            accuracy=report.percent(each(group.main, "results", "classifiers", i, "test_accuracy")),
            labels=report.count(entry["labels"]),
        )
        for i, entry in enumerate(group.first["results"]["classifiers"])
    ]
    return say(
        "abstract.result",
        name=group.title,
        encoder=report.value(asked["encoder"], "encoder"),
        images=report.count(unlabelled),
        epochs=report.count(asked["epochs"]),
        temperature=report.value(asked["temperature"]),
        time=report.number(each(group.main, "seconds", "pretraining"), digits=1, unit=" s"),
        reached=say.list(reached),
    )


def _original(report: Report, group: Images, claims: Value) -> str:
    """The original lab's figure for as many labels, where it reported one."""
    labels = group.first["results"]["classifiers"][0]["labels"]
    recipe = likest(recipes(claims, group), labels, group.first["parameters"])
    if recipe is None:
        return ""
    theirs = recipe["test_accuracy"]
    shown = report.percent(theirs, decimals(theirs))
    return report.words("abstract.original", name=group.title, theirs=shown, labels=report.count(labels))


def _clustering(report: Report, seeds: Sequence[Value], images: Sequence[Images]) -> str:
    """The best clustering without SimCLR, which sees no label."""
    raw = best_of(rows_of(seeds), learnt=False)
    name = next((group.title for group in images if group.name == seeds[0]["dataset"]["name"].content), "")
    simclr, _ = reference(seeds, images)
    return report.words(
        "abstract.clustering", name=name, raw=report.percent(each(raw, "majority"), 1), simclr=report.percent(simclr)
    )


def _rests_on(report: Report, found: Evidence) -> str:
    """Which operation of the views matters most, and what the same labels give without SimCLR."""
    say, effects, ways = report.words, conclusions.left_out(found), by_count(found.probed)
    told = []
    if effects:
        operation, (way, apart) = max(
            effects.items(), key=lambda item: abs(sum(v.content for v in item[1][1]) / len(item[1][1]))
        )
        if way != "same":
            size = report.number(apart if way == "up" else [derive(lambda d: -d, v) for v in apart], 100)
            named = say.or_as_is("operation", operation)
            told.append(say(f"abstract.operation.{way}", operation=named, size=size))
    if judged := conclusions.scratch_verdict(ways, "linear"):
        verdict, count = judged
        ours, scratch = (each([*ways[way][count].values()], "test_accuracy") for way in ("linear", "from scratch"))
        labels = report.count(next(iter(ways["linear"][count].values()))["labels"])
        given = {"labels": labels, "ours": report.percent(ours, 1), "scratch": report.percent(scratch, 1)}
        told.append(say(f"abstract.scratch.{verdict}", **given))
    return say("abstract.rests", name=found.images.title, told=say.series(told)) if told else ""


def _seeds(report: Report, images: Sequence[Images]) -> str:
    """How much the figures vary, or that nobody knows."""
    several = [group for group in images if len(group.main) > 1]
    if len(several) < len(images):
        return report.words("abstract.one_seed") if not several else ""
    return report.words("abstract.seeds", seeds=seed_count(report, several[0].main))
