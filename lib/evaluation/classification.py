"""What a trained classifier makes of images it has not seen.

scikit-learn is imported where it is used: it takes a second and 100 MB, and most callers want none of it.
"""

from typing import Any

import torch
from torch import Tensor

from lib.augment import Views
from lib.models import Classifier


@torch.no_grad()
def probabilities(model: Classifier, images: Tensor, views: Views, count: int = 1, seed: int = 0) -> Tensor:
    """Class probabilities (N, classes), on the CPU, for uint8 images (N, C, H, W).

    With random views, the mean over ``count`` views of each image: what the head is unsure of
    in one view it may see in another.
    """
    model.eval()
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)

    def once() -> Tensor:
        seen = (views(batch.to(device), generator) for batch in images.split(1000))
        # so few at a time that a network's maps stay small
        return torch.cat([model(few).softmax(1) for batch in seen for few in batch.split(250)])

    return torch.stack([once() for _ in range(count)]).mean(0).cpu()


def scores(probability: Tensor, labels: Tensor) -> dict[str, Any]:
    """Accuracy in [0, 1], per class too, and the confusion matrix (rows: true class).

    Args:
        probability: (N, classes).
        labels: (N,) int64.
    """
    from sklearn.metrics import confusion_matrix

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
