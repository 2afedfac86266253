"""The READMEs' tables of results: python figures/readme.py writes them from the published records.

They stand between <!-- results: mnist --> and <!-- end --> (and cifar10, methods), in README.md and README.zh.md.
"""

from collections.abc import Iterator
from functools import reduce
from operator import getitem

import yaml

from lib.files import ROOT, between_marks
from lib.report import values
from lib.report.chapters.measured import gather
from lib.report.plots.methods import by_name, named
from lib.runs import profiles
from lib.words import load

PROFILES = ("improved", "quick", "original")  # what a reader looks for first comes first
WORDS = {
    "README.md": {
        "head": ("recipe", "labels", "test accuracy", "pretraining", "classifier", "seeds"),
        "evaluated": ("linear evaluation", "kNN on h", "untrained, linear"),
        "lab": "the original lab's report",
        "network": " ({})",
        "batch": "{}, batch {}",
        "compared": ("method", "{}, {:,} labels"),
        "language": "en",
    },
    "README.zh.md": {
        "head": ("方案", "标签数", "测试准确率", "预训练用时", "分类器用时", "随机种子数"),
        "evaluated": ("线性评估", "h 上的 kNN", "未训练，线性"),
        "lab": "原实验的报告",
        "network": "（{}）",
        "batch": "{}，批大小 {}",
        "compared": ("方法", "{}，{:,} 个标签"),
        "language": "zh",
    },
}


def measured(dataset: str) -> Iterator[tuple[str, ...]]:
    """A row for each published run of a data set and each number of labels; no sweeps, and none that was cut short."""
    for profile in PROFILES:
        shown = [
            record
            for record in values.load_all(ROOT / "figures/records" / profile)
            if record.content["dataset"]["name"] == dataset
            and "classifiers" in record.content["results"]
            and not values.in_sweep(record)
        ]
        for run, repeats in values.by_run(shown).items():
            contents = [record.content for record in repeats]
            if profiles.cut_short(contents[0]["parameters"]):
                continue
            for i, entry in enumerate(contents[0]["results"]["classifiers"]):
                accuracy = values.percent([r["results"]["classifiers"][i]["test_accuracy"] for r in contents])
                times = (
                    values.mean([r["seconds"][phase] for r in contents], digits=1, unit=" s")
                    for phase in ("pretraining", entry["history"])
                )
                name = f"`{profile}`" if run == dataset else f"`{profile}`, `{run}`"
                entries = [r["results"]["classifiers"][i] for r in contents]
                yield name, f"{entry['labels']:,}", *evaluated(entries), accuracy, *times, str(len(contents))


def evaluated(entries: list[dict]) -> Iterator[str]:
    """Linear evaluation, neighbours and the untrained encoder of a classifier's seeds; – where a record has none."""
    for steps in (("linear_evaluation", "accuracy"), ("knn_accuracy",), ("untrained_linear_evaluation", "accuracy")):
        if any(steps[0] not in entry for entry in entries):
            yield "–"
        else:
            yield values.percent([reduce(getitem, steps, entry) for entry in entries])


def reported(dataset: str, words: dict) -> Iterator[tuple[str, ...]]:
    """What the original lab's text says; – where it says nothing."""
    lab = yaml.safe_load((ROOT / "notebooks/claims.yaml").read_text(encoding="utf-8"))[dataset]
    for recipe in lab["recipes"]:
        if "test_accuracy" not in recipe:
            continue  # hoped for, never run
        network = recipe.get("encoder", "").replace("resnet", "ResNet-")
        if "batch_size" in recipe:
            network = words["batch"].format(network, recipe["batch_size"])
        name = words["lab"] + (words["network"].format(network) if network else "")
        times = (recipe.get(k, lab.get(k)) for k in ("pretraining_seconds", "classifier_seconds"))
        accuracy = values.share(recipe["test_accuracy"])
        shown = (f"{seconds} s" if seconds else "–" for seconds in times)
        yield name, f"{recipe.get('labels', lab.get('labels')):,}", "–", "–", "–", accuracy, *shown, "–"


def table(dataset: str, readme: str) -> str:
    """A README's table of a data set, in that README's language."""
    words = WORDS[readme]
    recipe, labels, *others = words["head"]
    rows = [(recipe, labels, *words["evaluated"], *others), ("---", *["---:"] * 8)]
    rows += [*measured(dataset), *reported(dataset, words)]
    if all(row[2] == "–" for row in rows[2:]):  # no record has a linear evaluation yet
        rows = [(*row[:2], *row[5:]) for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def compared(readme: str) -> str:
    """A README's table of the methods at equal computing, on each data set."""
    words = WORDS[readme]
    say, (method, column) = load(words["language"]), words["compared"]
    found = gather(values.load_all(ROOT / "figures/records/methods"))
    names = dict.fromkeys(name for one in found for name in by_name([r.content for r in one.records]))
    heads = [column.format(one.title, one.records[0].content["results"]["labels"]) for one in found]
    rows = [(method, *heads), ("---", *["---:"] * len(found))]
    for name in names:
        reached = [[value.content for value in one.linear(name)] for one in found]
        rows.append((named(name, say), *(values.percent(shares) if shares else "–" for shares in reached)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def filled(text: str, readme: str) -> str:
    """A README with its tables as the records give them."""
    for name in ("mnist", "cifar10", "methods"):
        made = compared(readme) if name == "methods" else table(name, readme)
        text = between_marks(text, f"results: {name}", f"{made}\n")
    return text


if __name__ == "__main__":
    for readme in WORDS:
        path = ROOT / readme
        path.write_text(filled(path.read_text(encoding="utf-8"), readme), encoding="utf-8", newline="\n")
