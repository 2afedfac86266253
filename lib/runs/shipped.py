"""A trained network in one call: one that ships with the kit, or a student's own.

The kit's lie in ``lib/encoders/``: weights in half precision, the record of their run, and a list of both with
their SHA-256 and what half precision costs. ``python figures/ship.py`` makes them from the folder of a run.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lib.files import LIB, file_digest, write_whole, written_whole
from lib.models import SimCLR
from lib.runs import records, trained

FOLDER = LIB / "encoders"
LIST = "encoders.json"


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """What the networks that ship with the kit are called."""
    return tuple(_list(folder))


def load_trained(which: str | Path, folder: Path = FOLDER) -> tuple[dict[str, Any], SimCLR]:
    """The record and the network (float32, evaluation mode) of a trained encoder.

    Args:
        which: ``mnist`` or ``cifar10``, which ship with the kit; or the folder of a run of your own, whole or below
            the folder of all runs, such as ``explore/mnist-seed0``.
    Raises:
        RecordError: there is neither; or a file is not what its record was written with.
    """
    if str(which) in (listed := _list(folder)):
        return _load(str(which), listed[str(which)], folder)
    places = [Path(which), records.runs_folder() / which]
    for place in places:
        if (place / "record.json").exists():
            return trained.load_run(place)
    raise records.RecordError(
        f"There is no trained encoder {str(which)!r}: it is none of those that ship with the kit "
        f"({', '.join(listed)}), and neither {places[0].absolute()} nor {places[1]} holds the record of a run."
    )


def _list(folder: Path) -> dict[str, Any]:
    path = folder / LIST
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _load(name: str, entry: dict[str, Any], folder: Path) -> tuple[dict[str, Any], SimCLR]:
    weights, record = folder / f"{name}.safetensors", records.load(folder / f"{name}.json")
    if record["sha256"] != entry["record_sha256"] or not weights.exists() or file_digest(weights) != entry["sha256"]:
        raise records.RecordError(
            f"{weights} or its record is not the file that ships with the kit: fetch lib/encoders/ again."
        )
    model = trained.untrained(record)
    try:
        model.load_state_dict(load_file(weights))  # half precision is copied into float32 weights
    except (SafetensorError, RuntimeError) as error:
        raise records.RecordError(f"{weights} does not hold the network of its record: {error}") from error
    return record, model.eval()


def ship(name: str, run: str | Path, measured: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Write the network of a run, in half precision, with its record; the file of the weights.

    Args:
        measured: what half precision costs, which the list keeps.
    Raises:
        RecordError: the folder holds no whole run.
    """
    record, model = trained.load_run(run)
    weights = folder / f"{name}.safetensors"
    with written_whole(weights) as part:
        save_file(halved(model), part)
    write_whole(folder / f"{name}.json", (json.dumps(record, separators=(",", ":")) + "\n").encode())
    entry = {"sha256": file_digest(weights), "record_sha256": record["sha256"], **measured}
    listed = dict(sorted({**_list(folder), name: entry}.items()))
    write_whole(folder / LIST, (json.dumps(listed, indent=1) + "\n").encode())
    return weights


def halved(model: SimCLR) -> dict[str, torch.Tensor]:
    """The network's weights and buffers, those in floating point as float16."""
    return {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
