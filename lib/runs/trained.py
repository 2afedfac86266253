"""A run's network read back: as it was when it ended, and as it was before it learnt anything."""

from pathlib import Path
from typing import Any

import torch

from lib.augment import Views
from lib.data import Dataset, equal_chunks, join
from lib.models import SimCLR, whiten
from lib.runs import records
from lib.training.checkpoint import Damaged, load_whole


def load_run(folder: str | Path) -> tuple[dict[str, Any], SimCLR]:
    """A run's record and its pretrained network.

    Raises:
        RecordError: the folder holds no whole run.
    """
    record = records.load(folder)
    weights = Path(folder) / "model.pt"
    if not weights.exists():
        raise records.RecordError(
            f"{weights} is missing: the run's record is there, its weights are not. Run it again."
        )
    wanted = record["parameters"]
    norm = wanted.get("projection_batch_norm", False)  # records from before there was a choice have none
    shape = tuple(record["dataset"]["shape"])
    model = SimCLR(wanted["encoder"], tuple(wanted["projection"]), shape, batch_norm=norm)
    try:
        if record.get("model_sha256", found := records.file_digest(weights)) != found:
            raise Damaged("it is not the file this record was written with")
        model.load_state_dict(load_whole(weights))
    except (Damaged, RuntimeError, TypeError) as error:  # the last two: weights of another network, no weights
        raise records.RecordError(
            f"{weights} does not hold the network of its run ({' '.join(str(error).split())[:200]}). "
            f"Delete {folder} and run it again."
        ) from error
    return record, model.eval()


def starting_point(record: dict[str, Any], images: Dataset) -> SimCLR:
    """The network as it was before a run's pretraining: the same seed, the same whitened patches, nothing learnt.

    Raises:
        WeightsError: it started from weights that cannot be had here.
    """
    p = record["parameters"]
    torch.manual_seed(p["seed"])
    norm = p["projection_batch_norm"]
    model = SimCLR(p["encoder"], tuple(p["projection"]), images.image_shape, p["weights"], norm)
    if p["whiten_stem"]:
        rows = join(equal_chunks(images, p["chunk_count"]), p["unlabelled_chunks"])
        whiten(model.encoder, Views(p["views"]).plain(images.train_images[rows[:4000]]))
    return model.eval()


def check_same_data(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Refuse to set a run beside one that was made on other images.

    Raises:
        RecordError: the data of two records (``Dataset.describe``) differ in more than their folder.
    """
    differ = [key for key in ("name", "train", "test", "shape", "genuine") if one[key] != other[key]]
    if differ:
        raise records.RecordError(
            f"the SimCLR run was made on {one['name']} ({one['description']}), here is {other['name']} "
            f"({other['description']}): run it again on the data that is here now."
        )
