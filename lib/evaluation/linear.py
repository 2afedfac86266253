"""Linear evaluation: how far a linear classifier gets on frozen features of an image as it is, a single plain view.

It is the field's usual measure of what an encoder has learnt, because the classifier can add little of its own.
The classifier is a ridge regression onto the classes. It has one solution and takes seconds on thousands of features,
so that no choice of steps or learning rate stands between two encoders.
"""

import copy
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from lib.augment import Views
from lib.training.classifier import compute_features

#: Penalties to choose from, for features of deviation 1: the squared length of the weights, to be added to the mean
#: squared error over images.
PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
#: Rows or columns that are standardised at a time: 100 MB of 12,800 features.
BLOCK = 2048
#: Images whose features are computed at a time, a multiple of the batch of ``compute_features``.
PART = 2000
#: Unlabelled images that BatchNorm's statistics of an encoder that never learnt are taken from.
STATISTICS = 4000


def plain_features(encoder: nn.Module, images: Tensor, views: Views) -> np.ndarray:
    """Features (N, width), float32, of uint8 images (N, C, H, W), each as it is, by an encoder that is left as it was.

    Args:
        views: those of the pretraining, whose normalisation is taken.
    """
    parts = (compute_features(encoder, some, views).float().cpu().numpy() for some in images.split(PART))
    first = next(parts)
    features = np.empty((len(images), first.shape[1]), np.float32)  # joined at the end, they would be there twice
    for start, part in zip(range(0, len(images), PART), chain([first], parts), strict=True):
        features[start : start + PART] = part
    return features


def without_learning(encoder: nn.Module, images: Tensor, views: Views) -> list[nn.Module]:
    """What an encoder that never learnt may be as a control: as it is, and with BatchNorm's statistics of some images.

    Either may be the better one, and a control that is too weak makes a method look good: on CIFAR-10 the output h of
    the kit's encoder is worth more without the statistics. ``best_evaluation`` takes the better one.

    Args:
        images: uint8 (N, C, H, W), unlabelled, shown as they are; ``STATISTICS`` are plenty.
    Returns:
        One encoder, in evaluation mode, where there is no BatchNorm, else two.
    """
    encoder.eval()
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in encoder.modules()):
        return [encoder]
    knowing = copy.deepcopy(encoder)
    update_bn(map(views.plain, images.split(1000)), knowing, next(knowing.parameters()).device)
    return [encoder, knowing.eval()]


def best_evaluation(evaluations: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The ``linear_evaluation`` that did best on the held-out fifth of its labels, so without a look at the test."""
    return max(evaluations, key=lambda found: found["held_out_accuracy"])


def linear_evaluation(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """Accuracy in [0, 1] of a ridge regression on features; its penalty is chosen on a fifth of the labelled ones.

    The test features are looked at once, by the regression on all labelled ones. Beside the features, memory is taken
    for at most three matrices of min(N, D) × min(N, D): 2 GB for 20,000 rows of 12,800 features.

    Args:
        train, test: features (N, D) and (M, D), float32, which are standardised here and left as they are.
        labels, test_labels: integers (N,) and (M,).
        seed: draws the fifth that is held out, with its share of each class where each has two labels at least.
    Returns:
        ``accuracy``; ``penalty``, one of ``PENALTIES``; ``held_out_accuracy``, with which it was chosen; and
        ``features``, D.
    Raises:
        ValueError: counts that differ, features that are not finite, or a single label.
    """
    check_features(train, labels, test, test_labels)
    from sklearn.model_selection import train_test_split  # where it is used: it takes a second

    classes, targets = np.unique(labels, return_inverse=True)
    enough = np.bincount(targets).min() >= 2  # for a share of each class on both sides
    size = max(round(len(labels) / 5), len(classes) if enough else 1)
    parts = train_test_split(
        np.arange(len(labels)), test_size=size, stratify=labels if enough else None, random_state=seed
    )
    fitted, held = map(torch.from_numpy, parts)
    ridge = Ridge(torch.from_numpy(train), F.one_hot(torch.from_numpy(targets), len(classes)).float())
    ridge.add(fitted)
    shares = {}
    for penalty in PENALTIES:
        if (weights := ridge.weights(penalty)) is None:
            break
        predicted = ridge.outputs(ridge.features[held], weights).argmax(1).numpy()
        shares[penalty] = float((predicted == targets[held]).mean())
    penalty = max(shares, key=shares.get)  # of equals the first, which is the largest
    ridge.add(held)
    larger = PENALTIES[PENALTIES.index(penalty) :: -1]  # with more rows it can be too small after all
    penalty, weights = next((p, found) for p in larger if (found := ridge.weights(p)) is not None)
    outputs = ridge.outputs(torch.from_numpy(test), weights)
    return {
        "accuracy": float((classes[outputs.argmax(1).numpy()] == test_labels).mean()),
        "penalty": penalty,
        "held_out_accuracy": shares[penalty],
        "features": train.shape[1],
    }


class Ridge:
    """A ridge regression of targets (N, K) on standardised features (N, D), on the rows added so far.

    It minimises the mean squared error over these rows plus ``penalty`` times the squared length of the weights. What
    costs most is shared by all penalties: the products of the features with each other, D × D, or of the rows, N × N,
    whichever is smaller (Hastie, Tibshirani & Friedman 2009, "The Elements of Statistical Learning", section 18.3.5).
    """

    def __init__(self, features: Tensor, targets: Tensor):
        self.features, self.targets = features, targets
        self.mean, self.deviation = features.mean(0), features.std(0, correction=0)
        self.deviation[self.deviation <= 1e-6 * self.deviation.max()] = 1.0  # a constant stays 0
        self.rows = torch.empty(0, dtype=torch.long)
        self.by_rows = features.shape[1] > len(features)
        self.products = torch.zeros(min(features.shape), min(features.shape))

    def add(self, rows: Tensor) -> None:
        """Take rows, indices (n,), into the regression."""
        for some in rows.split(BLOCK) if not self.by_rows else ():
            block = self._standard(self.features[some])
            self.products.addmm_(block.T, block)
        if self.by_rows and not len(self.rows):  # of all rows at once: those not added are not looked at
            for columns in torch.arange(self.features.shape[1]).split(BLOCK):
                block = self._standard(self.features[:, columns], columns)
                self.products.addmm_(block, block.T)
        self.rows = torch.cat([self.rows, rows])

    def weights(self, penalty: float) -> Tensor | None:
        """Weights (D, K); None if the penalty is too small for the matrix to be factored in float32."""
        centred = self.targets[self.rows] - self.targets[self.rows].mean(0)
        matrix = self.products[self.rows][:, self.rows] if self.by_rows else self.products.clone()
        matrix.diagonal().add_(penalty * len(self.rows))
        factor, failed = torch.linalg.cholesky_ex(matrix, out=(matrix, torch.empty((), dtype=torch.int32)))
        if failed:
            return None
        if self.by_rows:
            return self._backwards(torch.cholesky_solve(centred, factor))
        return torch.cholesky_solve(self._backwards(centred), factor)

    def outputs(self, features: Tensor, weights: Tensor) -> Tensor:
        """Outputs (M, K) for features (M, D)."""
        answers = [self._standard(block) @ weights for block in features.split(BLOCK)]
        return torch.cat(answers) + self.targets[self.rows].mean(0)

    def _backwards(self, values: Tensor) -> Tensor:
        """The transposed features (D, n) times values (n, K)."""
        pairs = zip(self.rows.split(BLOCK), values.split(BLOCK), strict=True)
        return sum(self._standard(self.features[rows]).T @ some for rows, some in pairs)

    def _standard(self, features: Tensor, columns: Tensor | slice = slice(None)) -> Tensor:
        return (features - self.mean[columns]) / self.deviation[columns]


def check_features(train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> None:
    """Refuse what no linear evaluation can be made of; raises ValueError."""
    shapes = [part.shape for part in (train, labels, test, test_labels)]
    if len(train) != len(labels) or len(test) != len(test_labels) or train.shape[1:] != test.shape[1:]:
        raise ValueError(
            "features (N, D) need N labels, and those of the test as many columns: "
            f"{shapes[0]} with labels {shapes[1]} and {shapes[2]} with labels {shapes[3]} were given."
        )
    if not np.isfinite(train).all() or not np.isfinite(test).all():
        raise ValueError("some features are not finite numbers: look at the encoder's training.")
    if len(labels) < 2:
        raise ValueError(
            "a linear evaluation needs two labels at least, one to fit and one to choose the penalty on; "
            f"there is {len(labels)}."
        )
