"""What a trained classifier makes of images it has not seen."""

from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor

from lib import records
from lib.augment import Views
from lib.models import Classifier, SimCLR


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
    model = SimCLR(wanted["encoder"], tuple(wanted["projection"]), tuple(record["dataset"]["shape"]))
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return record, model.eval()


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


@torch.no_grad()
def probabilities(model: Classifier, images: Tensor, views: Views, count: int = 1, seed: int = 0) -> Tensor:
    """Class probabilities (N, classes), on the CPU, for uint8 images (N, C, H, W).

    With random views, the mean over ``count`` views of each image: what the head is unsure of
    in one view it may see in another.
    """
    model.eval()
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    batches = images.split(1000)

    def once() -> Tensor:
        return torch.cat([model(views(batch.to(device), generator)).softmax(1) for batch in batches])

    return torch.stack([once() for _ in range(count)]).mean(0).cpu()


def scores(probability: Tensor, labels: Tensor) -> dict[str, Any]:
    """Accuracy in [0, 1], per class too, and the confusion matrix (rows: true class).

    Args:
        probability: (N, classes).
        labels: (N,) int64.
    """
    predicted = probability.argmax(1)
    confusion = confusion_matrix(labels, predicted, labels=range(probability.shape[1]))
    return {
        "accuracy": (predicted == labels).float().mean().item(),
        "class_accuracy": (confusion.diagonal() / confusion.sum(1).clip(min=1)).tolist(),
        "confusion": confusion.tolist(),
    }


def confident_mistakes(probability: Tensor, labels: Tensor, count: int = 12) -> list[dict[str, Any]]:
    """The wrong predictions with the highest probability: index, label, predicted, probability."""
    confidence, predicted = probability.max(1)
    wrong = (predicted != labels).nonzero()[:, 0]
    worst = wrong[confidence[wrong].argsort(descending=True)][:count]
    return [
        {"index": i, "label": labels[i].item(), "predicted": predicted[i].item(), "probability": confidence[i].item()}
        for i in worst.tolist()
    ]
