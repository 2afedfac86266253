"""The lab's own CIFAR-10 runs, in docs/cifar10.md: a table of the published records, and each run's curves.

python figures/lab_runs.py writes them, between <!-- lab runs --> and <!-- end -->; figures/make.py calls it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import readme

from lib.files import ROOT, fill
from lib.report import plots, values
from lib.report.chapters.verdicts import PUBLISHED
from lib.runs import profiles

PAGE = ROOT / "docs/cifar10.md"
HEAD = (
    "run", "epochs", "the lab's figure", "head", "linear evaluation", "kNN on h", "untrained, linear",
    "loss, first and last epoch", "knowing nothing", "pretraining", "head's training", "compute", "machine",
)  # fmt: skip
NONE = "None of these runs is published yet."


def records() -> dict[str, list[dict[str, Any]]]:
    """The published records of each run, a record for each seed; the smallest network first."""
    shown = [record for record in values.load_all(PUBLISHED) if record.content["dataset"]["name"] == "cifar10"]
    found = values.by_run(shown)
    order = dict.fromkeys(claim["run"] for claim in _claims()["statements"] if "run" in claim)
    return {run: [record.content for record in found[run]] for run in order if run in found}


def table() -> str:
    """A row for each run; a sentence where there is none."""
    rows = [_row(run, seeds) for run, seeds in records().items()]
    lines = [HEAD, ("---", *["---:"] * (len(HEAD) - 2), "---"), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else NONE


def _claims() -> dict[str, Any]:
    return values.load_yaml(ROOT / "notebooks/claims.yaml").content["cifar10"]


def _row(run: str, seeds: list[dict[str, Any]]) -> tuple[str, ...]:
    entries, place = [seed["results"]["classifiers"][0] for seed in seeds], seeds[0]["environment"]
    losses = [[seed["history"]["pretraining"][at]["loss"] for seed in seeds] for at in (0, -1)]
    phases = ("pretraining", entries[0]["history"])
    work = seeds[0]["results"]["flops"]["pretraining"]  # the same for every seed
    return (
        f"`{run}`",
        _epochs(seeds[0]["parameters"]),
        _reported(run),
        values.percent([entry["test_accuracy"] for entry in entries]),
        *readme.evaluated(entries),
        " → ".join(values.mean(each) for each in losses),
        values.written(values.knowing_nothing(seeds[0]["parameters"]["batch_size"]), 2),
        *(values.mean([seed["seconds"][phase] for seed in seeds], digits=0, unit=" s") for phase in phases),
        f"{work / 1e12:,.0f} TFLOP",
        f"{place['processor']}, {place['cores']} cores" if place["device"] == "cpu" else place["device"],
    )


def _epochs(asked: dict[str, Any]) -> str:
    """Of pretraining; of how many, where a run was cut short."""
    whole = profiles.find("original", asked["run"]).resolved["epochs"]
    return f"{asked['epochs']} of {whole}, cut short" if profiles.cut_short(asked) else str(whole)


def _reported(run: str) -> str:
    """The accuracy that the lab's text gives for a run, or hoped for."""
    claims = _claims()
    (claim,) = (c for c in claims["statements"] if c.get("run") == run and c["measure"] == "accuracy")
    _, place, name = claim["reported"]
    share = values.share(claims["recipes"][place][name])
    return f"{share}, hoped for" if name.endswith("hoped_for") else share


def pictures() -> Iterator[tuple[str, Any]]:
    """Loss and kNN accuracy over the epochs of each run."""
    for run, seeds in records().items():
        yield f"original-{run}", plots.pretraining(seeds)


def content() -> str:
    """What stands between the page's marks: the table and the pictures."""
    shown = [table(), *(f"`{name.removeprefix('original-')}`:\n\n![{drawn.alt}](../figures/{name}.svg)"
                        for name, drawn in pictures())]  # fmt: skip
    return "\n\n".join(shown) + "\n"


def write() -> None:
    fill(PAGE, "lab runs", content())
    for name, drawn in pictures():
        drawn.savefig(Path(__file__).parent / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    write()
