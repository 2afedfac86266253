"""A run's network read back: as it was when it ended, and as it was before it learnt anything."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.augment import Views
from lib.data import Dataset, equal_chunks, join
from lib.data import load as load_images
from lib.evaluation.linear import plain_features as features
from lib.files import file_digest
from lib.models import SimCLR, whiten
from lib.runs import checks, records
from lib.runs.parameters import EvidenceParameters
from lib.runs.spoken import tell, tell_data
from lib.training.checkpoint import Damaged, load_whole

__all__ = ["Reopened", "check_same_data", "features", "load_run", "reopen", "same_data", "starting_point", "untrained"]


@dataclass(frozen=True)
class Reopened:
    """A SimCLR run that another notebook builds on: its record, its network, and its images in their chunks."""

    record: dict[str, Any]
    model: SimCLR
    images: Dataset
    parts: list[range]

    @property
    def views(self) -> Views:
        """The random views it was pretrained with, nothing left out."""
        return Views(self.record["parameters"]["views"])

    @property
    def unlabelled(self) -> Tensor:
        """The images it was pretrained on, uint8 (N, C, H, W): a copy."""
        return self.images.train_images[join(self.parts, self.record["parameters"]["unlabelled_chunks"])]

    @property
    def labelled(self) -> tuple[Tensor, Tensor]:
        """All images that one of its classifiers was trained on, uint8 (N, C, H, W), and their labels (N,): a copy."""
        chunks = self.record["parameters"]["labelled_chunks"]
        return self._chosen(join(self.parts, sorted({number for numbers in chunks for number in numbers})))

    def held_out(self, count: int) -> tuple[Tensor, Tensor]:
        """The first images of the last chunk, uint8 (N, C, H, W), and their labels (N,): a copy."""
        return self._chosen(torch.arange(self.parts[-1].start, self.parts[-1].stop)[:count])

    def _chosen(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.images.train_images[rows], self.images.train_labels[rows]

    @property
    def outcome(self) -> dict[str, Any]:
        """Test accuracy and number of labels of its first classifier, and the seconds that both trainings took."""
        first, seconds = self.record["results"]["classifiers"][0], self.record["seconds"]
        took = seconds["pretraining"] + seconds[first["history"]]
        return {"test_accuracy": first["test_accuracy"], "labels": first["labels"], "seconds": took}


def reopen(run: records.Run) -> Reopened:
    """The SimCLR run that a run builds on, with its images, which become the run's own.

    Raises:
        RecordError: it is not there, or was made on other images than those that are here now.
        ParameterError: something that a later phase could not be done with; see ``lib.runs.checks``.
    """
    record, model = load_run(records.runs_folder(run.asked.runs) / run.asked.simclr_run)
    with run.phase("data"):
        images = load_images(record["parameters"]["dataset"])
    run.dataset = images.describe()
    check_same_data(record["dataset"], run.dataset)
    tell("lesson.simclr_run", run=run.asked.simclr_run)
    tell_data(run.dataset)
    if isinstance(run.asked, EvidenceParameters):
        checks.check_evidence(run.asked, images, record["parameters"], model)
    else:
        checks.check_comparison(run.asked, images, record["parameters"])
    return Reopened(record, model, images, equal_chunks(images, record["parameters"]["chunk_count"]))


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
    model = untrained(record)
    try:
        if record.get("model_sha256", found := file_digest(weights)) != found:
            raise Damaged("it is not the file this record was written with")
        model.load_state_dict(load_whole(weights))
    except (Damaged, RuntimeError, TypeError) as error:  # the last two: weights of another network, no weights
        raise records.RecordError(
            f"{weights} does not hold the network of its run ({' '.join(str(error).split())[:200]}). "
            f"Delete {folder} and run it again."
        ) from error
    return record, model.eval()


def untrained(record: dict[str, Any]) -> SimCLR:
    """A network of the shape of a record's, with random weights; a stem that did not learn there does not learn."""
    wanted = records.BEFORE | record["parameters"]
    shape, norm = tuple(record["dataset"]["shape"]), wanted["projection_batch_norm"]
    model = SimCLR(wanted["encoder"], tuple(wanted["projection"]), shape, batch_norm=norm)
    if wanted["whiten_stem"]:
        model.encoder.stem.requires_grad_(False)
    return model


def starting_point(record: dict[str, Any], images: Dataset, weights: str | None = None) -> SimCLR:
    """The network as it was before a run's pretraining: the same seed, the same whitened patches.

    Args:
        weights: in place of those it started from, which may have learnt something: ``none`` for random ones.
    Raises:
        WeightsError: it started from weights that cannot be had here.
    """
    p = records.BEFORE | record["parameters"]
    torch.manual_seed(p["seed"])
    norm = p["projection_batch_norm"]
    model = SimCLR(p["encoder"], tuple(p["projection"]), images.image_shape, weights or p["weights"], norm)
    if p["whiten_stem"]:
        rows = join(equal_chunks(images, p["chunk_count"]), p["unlabelled_chunks"])
        whiten(model.encoder, Views(p["views"]).plain(images.train_images[rows[:4000]]))
    return model.eval()


def same_data(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the data of two records (``Dataset.describe``) are the same, but for their folder."""
    return all(one[key] == other[key] for key in ("name", "train", "test", "shape", "genuine"))


def check_same_data(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Refuse to set a run beside one that was made on other images.

    Raises:
        RecordError: the data of two records (``Dataset.describe``) differ in more than their folder.
    """
    if not same_data(one, other):
        raise records.RecordError(
            f"the SimCLR run was made on {one['name']} ({one['description']}), here is {other['name']} "
            f"({other['description']}): run it again on the data that is here now."
        )
