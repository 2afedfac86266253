# ruff: noqa: E501 - a paragraph of the page is a line
"""docs/methods.md and its pictures: the report's chapter on methods as Markdown, from the published records, and the
trials that chose each method's settings, from bench/results/methods.json.

python figures/methods.py writes them; figures/make.py calls it.
"""

import json
from pathlib import Path
from typing import Any

import evidence

from lib.files import ROOT
from lib.report import values
from lib.report.chapters import measured
from lib.report.chapters.measured import TRIALS
from lib.runs import recipes
from lib.words import load

RECORDS = ROOT / "figures/records/methods"
PAGE = ROOT / "docs/methods.md"
INTRO = """# Methods at equal computing

Six ways to pretrain an encoder without labels, in one loop ([lib/training/pretraining.py](../lib/training/pretraining.py)); each is a class of at most 60 lines in [lib/methods](../lib/methods). `notebooks/methods.ipynb` runs one of them and shows what it does.

```sh
python lab.py report methods                 # every run of the profile, then the report; what is done stays done
python lab.py report methods --only mnist    # a part of it
python -m bench.methods runs/methods-trials  # the trials that choose each method's settings, one by one
```

Trials come first: what they choose stands in `notebooks/recipes.yaml`. Both commands can be stopped and started again. `python figures/methods.py` makes this page anew from the records in `figures/records/methods` and `bench/results/methods.json`."""
NO_RUNS = "## Results\n\nNo runs are published yet. The commands above make them."
NO_TRIALS = "No trials are published yet: the recipes have usual values, which nobody has tuned on these images."
UNTRIED = (
    "No trials on {name} are published yet: its recipes have usual values, which nobody has tuned on these images."
)
EDGE = "The best {what} lies at the end of what was tried ({names}); a value beyond it might be better still."
CHOSEN = """Every method gets the same five trials on a data set: three learning rates with its option's middle value, then the option's two other values with the best of the three. A trial has {share:.0%} of the recipe's budget and seed {seed}, which no run has, and is scored by linear evaluation on training images that no run is trained on (MNIST: chunks 9 and 10, CIFAR-10: chunk 5). The best of each method is bold."""
PATCHES = """The whitened random patches had five trials too, on the same images: three thresholds, then two other floors with the best of the three ([lib/evaluation/patches.py](../lib/evaluation/patches.py) says what both do)."""


def page() -> str:
    """The page as Markdown."""
    parts = [INTRO, *_results(), "## Trials", *_trials()]
    return "\n\n".join(parts) + "\n"


def chapter() -> evidence.Page | None:
    """The report's chapter on the published records; None where there are none."""
    if not any(RECORDS.glob("*/record.json")):
        return None
    made = evidence.Page()
    measured.whole(made, measured.gather(values.load_all(RECORDS)))
    return made


def _results() -> list[str]:
    made = chapter()
    return ["## Results", made.markdown().strip()] if made else [NO_RUNS]


def _trials() -> list[str]:
    if not TRIALS.exists():
        return [NO_TRIALS]
    kept = json.loads(TRIALS.read_text(encoding="utf-8"))
    rows = kept["trials"]
    tables = [_table(name, [row for row in rows if row["dataset"] == name]) for name in ("mnist", "cifar10")]
    say, tried = load("en"), {row["dataset"] for row in rows}
    untried = [UNTRIED.format(name=say.plain(f"dataset.{name}")) for name in ("mnist", "cifar10") if name not in tried]
    return [CHOSEN.format(**kept), *untried, *filter(None, tables), *_patches(kept.get("patches", []))]


def _patches(rows: list[dict[str, Any]]) -> list[str]:
    """What the trials of the whitened patches gave."""
    if not rows:
        return []
    say, datasets = load("en"), {row["dataset"] for row in rows}
    winners = [best([row for row in rows if row["dataset"] == name]) for name in datasets]
    lines = ["| data | threshold | floor | linear | kNN |", "| --- | ---: | ---: | ---: | ---: |"]
    for row in rows:
        star = "**" if row in winners else ""
        cells = [say.plain(f"dataset.{row['dataset']}"), f"{row['threshold']:g}", f"{row['floor']:g}"]
        cells += [f"{row[key]:.2%}" for key in ("linear_accuracy", "knn_accuracy")]
        lines.append("| " + " | ".join(f"{star}{cell}{star}" for cell in cells) + " |")
    at_end = max(row["floor"] for row in rows) in {row["floor"] for row in winners}
    ends = [EDGE.format(names=say.plain("beside.patches"), what="floor")] if at_end else []
    return [PATCHES, "\n".join(lines), *ends]


def best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The trial that chooses: of equals the first."""
    return max(rows, key=lambda row: row["linear_accuracy"])


def _by_method(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["method"], []).append(row)
    return found


def _table(dataset: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    say = load("en")
    lines = [["method", "learning rate", "option", "epochs", "linear", "kNN"], ["---"] * 6]
    for method, own in _by_method(rows).items():
        for row in own:
            star = "**" if row is best(own) else ""
            figures = [f"{row[key]:.2%}" if row[key] else "–" for key in ("linear_accuracy", "knn_accuracy")]
            cells = [say.plain(f"method.{method}"), f"{row['learning_rate']:g}", f"{row['option']} {row['value']:g}"]
            lines.append([f"{star}{cell}{star}" for cell in [*cells, str(row["epochs"]), *figures]])
    title = recipes.load("methods", f"{dataset}-simclr")["dataset"]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join(filter(None, [f"**{say.plain(f'dataset.{title}')}**", table, _edge(rows)]))


def _edge(rows: list[dict[str, Any]]) -> str:
    """The methods whose best trial has the largest or smallest learning rate, or option, of all they were tried with."""
    say, said = load("en"), []
    for key, what in (("learning_rate", "learning rate"), ("value", "option")):
        at_end = [
            m for m, own in _by_method(rows).items() if best(own)[key] in {f(r[key] for r in own) for f in (min, max)}
        ]
        if at_end:
            said.append(EDGE.format(names=say.list([say.plain(f"method.{m}") for m in at_end]), what=what))
    return " ".join(said)


def write() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    if made := chapter():
        for anchor, figure in made.pictures.items():
            figure.savefig(Path(__file__).parent / f"{anchor}.svg", metadata={"Date": None})


if __name__ == "__main__":
    write()
