"""Linear evaluation: how far a linear classifier gets on frozen features of an image as it is, a single plain view.

It is the field's usual measure of what an encoder has learnt, because the classifier can add little of its own.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.augment import Views
from lib.models import Classifier
from lib.training.classifier import compute_features

#: Penalties to choose from, for features of deviation 1.
PENALTIES = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)


class Pooled(nn.Module):
    """The maps of some layers, each averaged over a grid of ``cells`` × ``cells`` places: images to (N, width)."""

    def __init__(self, encoder: nn.Module, layers: Sequence[str], cells: int):
        super().__init__()
        from torchvision.models.feature_extraction import create_feature_extractor

        self.maps, self.cells = create_feature_extractor(encoder, list(layers)), cells

    def forward(self, images: Tensor) -> Tensor:
        pooled = (F.adaptive_avg_pool2d(found, self.cells) for found in self.maps(images).values())
        return torch.cat([found.flatten(1) for found in pooled], 1)


def plain_features(encoder: nn.Module, images: Tensor, plain: Views) -> np.ndarray:
    """Features (N, width), float32, of uint8 images (N, C, H, W) by a module that is left as it was."""
    with torch.random.fork_rng(devices=[]):  # the reader's unused head must not draw from the run's random numbers
        reader = Classifier(encoder, tuple(images.shape[1:]))
    return compute_features(reader, images, plain).float().cpu().numpy()


def ridge(labels: int, seed: int = 0, penalties: Sequence[float] = PENALTIES):
    """A ridge regression onto the classes, on standardised features, its penalty chosen on a fifth of the labels.

    It has one solution and takes seconds on thousands of features, so that no choice of steps or learning rate
    stands between two encoders.
    """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    held_out = StratifiedShuffleSplit(1, test_size=max(0.2, 10 / labels), random_state=seed)
    model = make_pipeline(StandardScaler(), RidgeClassifier(solver="cholesky"))
    return GridSearchCV(model, {"ridgeclassifier__alpha": list(penalties)}, cv=held_out)


def linear_evaluation(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray, seed: int = 0
) -> dict[str, float]:
    """Accuracy in [0, 1] on ``test`` (M, D) of a ridge regression on ``train`` (N, D), with the penalty it chose.

    The test set is looked at once.
    """
    search = ridge(len(labels), seed).fit(train, labels)
    return {
        "accuracy": float(search.score(test, test_labels)),
        "penalty": float(search.best_params_["ridgeclassifier__alpha"]),
        "held_out_accuracy": float(search.best_score_),
        "features": train.shape[1],
    }
