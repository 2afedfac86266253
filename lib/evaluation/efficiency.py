"""What labels are worth: the test accuracy that n of them give, with an encoder, fine-tuning it, or without one."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from lib.augment import Views
from lib.evaluation import classification, neighbours
from lib.evaluation.linear import plain_features
from lib.evaluation.protocols import HEADS, WAYS
from lib.models import Classifier, freeze_encoder
from lib.training.classifier import train_classifier
from lib.training.device import choose_device
from lib.training.settings import Settings


def draw_labels(labels: Tensor, count: int, seed: int) -> Tensor:
    """Indices of ``count`` of the labels (N,), each class with its share of them, ten of ten classes one each.

    Raises:
        ValueError: more than there are, or fewer than there are classes.
    """
    classes = len(labels.unique())
    most = len(labels) - classes
    if count == len(labels):
        return torch.arange(count)
    if not classes <= count <= most:  # the split leaves each class one image at least
        raise ValueError(
            f"{count} labels were asked for; {classes}, one for each class, to {most}, or all {len(labels)} can be had."
        )
    from sklearn.model_selection import train_test_split  # where it is used: it takes a second

    drawn, _ = train_test_split(np.arange(len(labels)), train_size=count, stratify=labels.numpy(), random_state=seed)
    return torch.from_numpy(drawn)


def enough(settings: Settings, labels: int, least_steps: int) -> Settings:
    """The settings for so many labels: a batch no larger than they are, and epochs for ``least_steps`` at least."""
    batch = min(settings.batch_size, labels)
    return replace(
        settings, batch_size=batch, epochs=max(settings.epochs, math.ceil(least_steps / math.ceil(labels / batch)))
    )


def linear_accuracy(train: np.ndarray, labels: Tensor, test: np.ndarray, test_labels: Tensor) -> float:
    """Share of ``test`` (M, D) that a logistic regression on ``train`` (N, D), standardised, gets right.

    The penalty is that of C = 10 on rows of unit mean square length, so that 3,072 pixels and 128 features are
    held back alike; of 0.1, 1, 10 and 100 it did best on training images of the last chunk, which no run uses.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = make_pipeline(StandardScaler(), LogisticRegression(C=10 / train.shape[1], max_iter=500, tol=1e-3))
    return float(regression.fit(train, labels.numpy()).score(test, test_labels.numpy()))


@dataclass
class Trial:
    """The same labelled and test images for every way and every head.

    Args:
        encoders: modules under ``pretrained`` and ``untrained``; they are never changed.
        pool, test: uint8 images (N, C, H, W) and labels (N,) to draw from, and to score on.
        plain: views without random operations.
        views: random views for the ways that train the encoder too.
        settings, least_steps: of every training of a head; see ``enough``.
        whole_settings: of every training of encoder and head together, likewise.
    """

    encoders: Mapping[str, nn.Module]
    pool: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    plain: Views
    views: Views
    settings: Settings
    whole_settings: Settings
    least_steps: int
    known: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def accuracy(self, way: str, count: int, seed: int) -> float:
        """Test accuracy in [0, 1] of one of ``WAYS`` with ``count`` labels drawn by ``seed``."""
        start, learner = WAYS[way]
        rows = draw_labels(self.pool[1], count, seed)
        if learner in ("linear", "knn"):
            train, test = self._features(start)
            labels = self.pool[1][rows]
            if learner == "linear":
                return linear_accuracy(train[rows], labels, test, self.test[1])
            nearest = max(1, min(20, count // 20))  # most of an image's neighbours must have a chance to be its class
            return neighbours.knn_accuracy(train[rows], labels.numpy(), test, self.test[1].numpy(), nearest)
        torch.manual_seed(seed)
        classifier = self._classifier(copy.deepcopy(self.encoders[start]), HEADS["lab's head"].hidden)
        if learner == "hidden":
            freeze_encoder(classifier)
        views, settings = (self.views, self.whole_settings) if learner == "whole" else (self.plain, self.settings)
        return self._train(classifier, rows, views, enough(settings, count, self.least_steps), f"{way}, {count} labels")

    def head(self, name: str, projection_head: nn.Module, count: int, seed: int) -> dict[str, float]:
        """Test accuracy of one of ``HEADS`` on the pretrained encoder, and how many of its buffers changed."""
        head = HEADS[name]
        torch.manual_seed(seed)
        encoder = copy.deepcopy(self.encoders["pretrained"])
        network = nn.Sequential(encoder, copy.deepcopy(projection_head)) if head.input == "z" else encoder
        classifier = self._classifier(network, head.hidden)
        # What the lab's code does in training mode: no gradient for the encoder, yet train() for all of it.
        network.requires_grad_(False) if head.training_mode else freeze_encoder(classifier)
        before = [buffer.clone() for buffer in network.buffers()]
        rows = draw_labels(self.pool[1], count, seed)
        accuracy = self._train(classifier, rows, self.plain, enough(self.settings, count, self.least_steps), name)
        changed = sum(not torch.equal(a, b.to(a.device)) for a, b in zip(before, network.buffers(), strict=True))
        return {"test_accuracy": accuracy, "buffers_changed": changed}

    def _classifier(self, encoder: nn.Module, hidden: tuple[int, ...]) -> Classifier:
        return Classifier(encoder, tuple(self.pool[0].shape[1:]), int(self.pool[1].max()) + 1, hidden)

    def _train(self, classifier: Classifier, rows: Tensor, views: Views, settings: Settings, name: str) -> float:
        train_classifier(classifier, self.pool[0][rows], self.pool[1][rows], views, settings, name=name)
        return classification.scores(classification.probabilities(classifier, self.test[0], self.plain), self.test[1])[
            "accuracy"
        ]

    def _features(self, start: str) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, D) of pool and test images, computed once."""
        if start not in self.known:
            images = self.pool[0], self.test[0]
            if start == "pixels":
                self.known[start] = tuple(part.flatten(1).numpy() / np.float32(255) for part in images)
            else:
                encoder = copy.deepcopy(self.encoders[start]).to(choose_device())
                self.known[start] = tuple(plain_features(encoder, part, self.plain) for part in images)
        return self.known[start]
