"""How long a run will take, from the records of runs like it: this machine's own, else those that come with the kit."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.files import ROOT
from lib.runs.parameters import SimCLRParameters
from lib.runs.records import runs_folder

STARTING = 8.0  # seconds of each run that no record counts: a new process, its imports, the record's writing
NEWEST = 60  # records that are looked at
EVALUATION = ("test", "linear evaluation")  # phases of a record in which, as in the heads' training, features are taken


def known(folder: Path | None = None) -> list[tuple[bool, dict[str, Any]]]:
    """Records of SimCLR runs, each with whether it is of this machine, the newest first."""
    places = [(True, folder or runs_folder()), (False, ROOT / "figures" / "records")]
    found = []
    for here, place in places:
        paths = [path for path in place.glob("*/*/record.json") if "published" not in path.parts]
        for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[:NEWEST]:
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                if "pretraining" in record["seconds"] and "classifiers" in record["results"]:
                    found.append((here, record))
            except (OSError, ValueError, KeyError, TypeError):  # what cannot be read tells nothing
                continue
    return found


def seconds(
    p: SimCLRParameters, dataset: Mapping[str, Any], records: Sequence[tuple[bool, dict[str, Any]]]
) -> tuple[float, bool] | None:
    """Seconds that a run will take, and whether this machine's own runs say so; None if none was like it."""
    asked = p.model_dump()
    alike = [(here, record) for here, record in records if _alike(asked, dataset, record)]
    if not alike:
        return None

    def likeness(found: tuple[bool, dict[str, Any]]) -> tuple[bool, int]:
        return found[0], sum(asked[key] == value for key, value in found[1]["parameters"].items() if key in asked)

    here, record = max(alike, key=likeness)
    before, took = record["parameters"], record["seconds"]
    heads = [took[entry["history"]] for entry in record["results"]["classifiers"]]
    pretraining = took["pretraining"] * _steps(asked, dataset) / _steps(before, record["dataset"])
    head = sum(heads) * _labels(asked, dataset) / _labels(before, record["dataset"])
    evaluation = sum(took.get(phase, 0.0) for phase in EVALUATION)  # older records have no linear evaluation
    rest = sum(took.values()) - took["pretraining"] - sum(heads) - evaluation
    larger = _pixels(asked, dataset) / _pixels(before, record["dataset"])
    return STARTING + pretraining + (head + evaluation) * larger + rest, here


def _alike(asked: dict[str, Any], dataset: Mapping[str, Any], record: dict[str, Any]) -> bool:
    """Whether a record's times tell something of these settings: the same network on images of the same size."""
    same = ("encoder", "classifier_views")
    before = record["parameters"]
    return all(before.get(key) == asked[key] for key in same) and record["dataset"]["shape"] == dataset["shape"]


def _steps(p: Mapping[str, Any], dataset: Mapping[str, Any]) -> float:
    """Images seen in pretraining, those of small views by their share of the area."""
    side, begun, epochs = dataset["shape"][-1], 0, 0.0
    for last, small in p.get("small_crops", ()):  # older records have none
        whole = max(0, min(last, p["epochs"]) - begun)
        epochs, begun = epochs + whole * (small / side) ** 2, begun + whole
    return (epochs + p["epochs"] - begun) * dataset["train"] / p["chunk_count"] * len(p["unlabelled_chunks"])


def _labels(p: Mapping[str, Any], dataset: Mapping[str, Any]) -> float:
    """Images seen by all heads in their trainings."""
    return p["classifier_epochs"] * dataset["train"] / p["chunk_count"] * sum(map(len, p["labelled_chunks"]))


def _pixels(p: Mapping[str, Any], dataset: Mapping[str, Any]) -> float:
    """Pixels from which the features of an image are taken, as a multiple of its own: it may be enlarged."""
    side = dataset["shape"][-1]
    return sum((larger / side) ** 2 for larger in p.get("feature_sides", ())) or 1.0
