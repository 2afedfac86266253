"""What all of it comes to: a point for each thing that the records have shown, each figure from them.

A point stands there only where its evidence is among the runs reported. A difference counts as one if it is more than
chance may do (``values.beyond_chance``).
"""

from collections.abc import Sequence

from markupsafe import Markup

from lib.report.chapters import measured
from lib.report.chapters.evidence import Evidence, by_count, gains
from lib.report.chapters.findings import best_of, copy_note, decimals, likest, recipes, reference, rows_of
from lib.report.page import Report
from lib.report.sections import Images, each
from lib.report.values import Value, beyond_chance, derive
from lib.runs import profiles
from lib.words import given_name


def conclusions(
    report: Report,
    images: Sequence[Images],
    compared: Sequence[Sequence[Value]],
    claims: Value,
    gathered: Sequence[Evidence] = (),
    methods: Sequence[measured.Measured] = (),
) -> None:
    """The points; ``compared``: the seeds of each comparison with clustering; ``methods``: those at equal computing."""
    points = [point for group in images for point in _labels(report, group, claims)]
    points += [point for seeds in compared for point in _clustering(report, seeds, images, claims)]
    for found in gathered:
        points += [*_views(report, found), *_settings(report, found), *_worth(report, found)]
    for found in methods:
        points.append(report.words("conclusions.methods", name=found.title, said=measured.summary(report, found)))
    report.points(points)


def _clustering(report: Report, seeds: Sequence[Value], images: Sequence[Images], claims: Value) -> list[str]:
    rows, (simclr, seconds) = rows_of(seeds), reference(seeds, images)
    raw, learnt = best_of(rows, learnt=False), best_of(rows, learnt=True)
    shares = {name: each(found, "majority") for name, found in (("raw", raw), ("learnt", learnt))}
    better = _mean(shares["learnt"]) > _mean(shares["raw"])
    points = [report.words(
        "conclusions.better" if better else "conclusions.no_better",
        **{name: report.percent(found, 1) for name, found in shares.items()},
        simclr=report.percent(simclr),
        seconds=report.number(seconds, digits=1, unit=" s"),
        raw_seconds=report.number(each(raw, "seconds"), digits=1, unit=" s"),
    )]  # fmt: skip
    dataset = seeds[0]["dataset"]
    if dataset["genuine"].content and dataset["name"].content == "mnist":
        limit = claims["comparison"]["best_clustering_at_most"]
        key = "conclusions.agrees" if _mean(shares["raw"]) <= limit.content else "conclusions.contradicts"
        points.append(report.words(key, limit=report.percent(limit, 0), raw=report.percent(shares["raw"], 1)))
    return points


def _mean(given: Sequence[Value]) -> float:
    return sum(value.content for value in given) / len(given)


def directions(found: Evidence) -> dict[str, tuple[str, list[Value]]]:
    """For each control ``up``, ``down`` or ``same``, whether it is better or worse than the base by more than chance,
    and the differences in accuracy, seed by seed.

    The spread is that of all controls together; where each has a single seed, twice the base's variance stands in.
    """
    runs = [run for group in found.controls().values() for run in group if run != found.base]
    apart = {run: values for run in runs if (values := found.difference(run, found.base))}
    groups = [[value.content for value in values] for values in apart.values()]
    if all(len(group) < 2 for group in groups):
        base = [value.content for value in found.accuracy(found.base)]
        groups.append([2**0.5 * (value - sum(base) / len(base)) for value in base])
    judged = zip(apart.items(), beyond_chance(groups), strict=False)
    return {
        run: ("same" if not beyond else "up" if _mean(values) > 0 else "down", values)
        for (run, values), beyond in judged
    }


def left_out(found: Evidence) -> dict[str, tuple[str, list[Value]]]:
    """What leaving out each operation of the views did to the accuracy; see ``directions``."""
    judged, effects = directions(found), {}
    for run in found.controls().get("left_out", ()):
        operations = found.runs[run][0].content["parameters"]["left_out"]
        if run in judged and len(operations) == 1:
            effects[operations[0]] = judged[run]
    return effects


def _views(report: Report, found: Evidence) -> list[str]:
    """What each operation of the views is good for."""
    say, effects = report.words, left_out(found)
    ways: dict[str, list[str]] = {"down": [], "up": [], "same": []}
    for operation, (way, apart) in sorted(effects.items(), key=lambda item: _mean(item[1][1])):
        named = say.or_as_is("operation", operation)
        size = report.number(apart if way != "down" else [derive(lambda d: -d, v) for v in apart], 100)
        ways[way].append(say("conclusions.effect", operation=named, size=size))
    if not effects:
        return []
    sentences = [say(f"conclusions.left_out.{way}", effects=say.list(told)) for way, told in ways.items() if told]
    if found.images.name == "mnist" and effects.get("HorizontalFlip", ("",))[0] == "up":
        sentences.append(say("conclusions.mirrored"))
    if effects.get("ResizedCrop", ("",))[0] == "down":
        sentences.append(say("conclusions.cropped"))
    named = say("conclusions.views", name=found.images.title)
    return [Markup("{} {}").format(named, say.join(sentences))]  # Markdown wants the space after what is bold


def _settings(report: Report, found: Evidence) -> list[str]:
    """What temperature, batch size and epochs do: the best and the worst that were tried, if any differs."""
    points, judged = [], directions(found)
    for key in ("temperature", "batch_size", "epochs"):
        runs = found.controls().get(key, ())
        if len(runs) < 2:
            continue
        order = sorted(runs, key=lambda run: _mean(found.accuracy(run)))
        given = {}
        for place, run in (("best", order[-1]), ("worst", order[0])):
            given[place] = report.value(found.runs[run][0]["parameters"][key])
            given[f"{place}_accuracy"] = report.percent(found.accuracy(run))
        differ = any(judged[run][0] != "same" for run in runs if run in judged)
        base = report.value(found.runs[found.base][0]["parameters"][key])
        points.append(report.words(
            f"conclusions.{key}" if differ else f"conclusions.{key}_same", name=found.images.title, base=base, **given,
            low=report.value(found.runs[runs[0]][0]["parameters"][key]),
            high=report.value(found.runs[runs[-1]][0]["parameters"][key]),
        ))  # fmt: skip
    return points


def _worth(report: Report, found: Evidence) -> list[str]:
    """What labels are worth, and whether SimCLR is needed: against training from scratch on the same labels."""
    ways, say, name = by_count(found.probed), report.words, found.images.title
    points = []
    if linear := ways.get("linear"):
        few, many = min(linear), max(linear)
        points.append(say(
            "conclusions.labels", name=name,
            few=_count(report, linear[few]), many=_count(report, linear[many]),
            few_accuracy=_accuracy(report, linear[few]), many_accuracy=_accuracy(report, linear[many]),
        ))  # fmt: skip
    points += [point for one in ("linear", "fine-tuned") for point in _from_scratch(report, found, ways, one)]
    if "linear" in ways and "random encoder" in ways:
        shared = sorted(ways["linear"].keys() & ways["random encoder"].keys())
        ends = [gains(ways["linear"][n], ways["random encoder"][n]) for n in (shared[0], shared[-1])] if shared else []
        if ends and all(ends):
            sizes = {key: report.number(end, 100, 1) for key, end in zip(("gain_few", "gain_many"), ends, strict=True)}
            counts = {key: _count(report, ways["linear"][n]) for key, n in (("few", shared[0]), ("many", shared[-1]))}
            points.append(say("conclusions.random", name=name, **sizes, **counts))
    return points


def scratch_verdict(ways: dict[str, dict[int, dict[int, Value]]], one: str) -> tuple[str, int] | None:
    """How a way to use SimCLR's encoder does against training from scratch with the most labels: ``better`` or
    ``worse`` by more than chance, or ``same``; and that number of labels."""
    shared = sorted(ways.get(one, {}).keys() & ways.get("from scratch", {}).keys())
    if not shared:
        return None
    apart = gains(ways[one][shared[-1]], ways["from scratch"][shared[-1]])
    if not apart:
        return None
    (beyond,) = beyond_chance([[v.content for v in apart]])
    return ("same" if not beyond else "better" if _mean(apart) > 0 else "worse"), shared[-1]


def _from_scratch(report: Report, found: Evidence, ways: dict, one: str) -> list[str]:
    if not (judged := scratch_verdict(ways, one)):
        return []
    verdict, count = judged
    return [report.words(
        f"conclusions.scratch.{verdict}", name=found.images.title, way=report.words(f"way.{one}"),
        labels=_count(report, ways[one][count]), ours=_accuracy(report, ways[one][count]),
        scratch=_accuracy(report, ways["from scratch"][count]),
    )]  # fmt: skip


def _count(report: Report, seeds: dict[int, Value]) -> Markup:
    return report.count(next(iter(seeds.values()))["labels"])


def _accuracy(report: Report, seeds: dict[int, Value]) -> Markup:
    return report.percent(each([*seeds.values()], "test_accuracy"), 1)


def _labels(report: Report, images: Images, claims: Value) -> list[str]:
    """A point for each run and number of labels, beside what the original lab reported for as many."""
    points, train = [], images.first["dataset"]["train"]
    for run, seeds in images.runs.items():
        named = report.words("conclusions.run", name=images.title, run=given_name(run))
        for i, entry in enumerate(seeds[0]["results"]["classifiers"]):
            ours = each(seeds, "results", "classifiers", i, "test_accuracy")
            reached = report.words(
                "conclusions.accuracy",
                name=named if len(images.runs) > 1 else images.title,
                labels=report.count(entry["labels"]),
                share=report.percent(derive(lambda n, all: n / all, entry["labels"], train), 0),
                accuracy=report.percent(ours),
            )
            asked, reported = seeds[0]["parameters"], recipes(claims, images)
            if profiles.cut_short(asked.content):
                compared = report.words("conclusions.cut_short") if reported else ""
            else:
                compared = _beside(report, ours, likest(reported, entry["labels"], asked))
            points.append(report.words.join([reached, compared, copy_note(report, images)]))
    if not images.comparable:
        points.append(report.words("conclusions.sample", name=images.title))
    return points


def _beside(report: Report, ours: Sequence[Value], recipe: dict[str, Value] | None) -> str:
    if recipe is None:
        return ""
    theirs = recipe["test_accuracy"]
    encoder = report.words.or_as_is("encoder", recipe["encoder"].content) if "encoder" in recipe else ""
    return report.words(
        "conclusions.difference_encoder" if encoder else "conclusions.difference",
        encoder=encoder,
        theirs=report.percent(theirs, decimals(theirs)),
        difference=report.number([derive(lambda a, b: a - b, accuracy, theirs) for accuracy in ours], 100),
    )
