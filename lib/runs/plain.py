"""A run's linear evaluation: its encoder, frozen, on a single plain view, beside an encoder that has learnt nothing."""

import numpy as np
import torch
from torch import Tensor, nn

from lib.evaluation.linear import (
    STATISTICS,
    best_evaluation,
    linear_evaluation,
    plain_features,
    without_learning,
)
from lib.evaluation.neighbours import knn_accuracy
from lib.models import ENCODERS, Features, SimCLR
from lib.runs.lab import Data
from lib.runs.parameters import SimCLRParameters
from lib.runs.records import Run
from lib.runs.spoken import tell
from lib.runs.trained import starting_point

GRID = 4  # maps are averaged over a grid of 4 × 4 places


def evaluate(run: Run, given: Data, model: SimCLR) -> None:
    """What a linear classifier makes of the encoder's features of the test images, for each list of labelled chunks.

    The features are taken where the run's head takes them: maps of layers, averaged over ``GRID`` × ``GRID`` places
    whatever ``feature_grid`` is, or the output h, of the image in one size or in several (``feature_sides``). Beside
    it stand a vote of the 20 nearest neighbours in h, and the control: the same classifier on as many features of the
    encoder as it was before pretraining, with BatchNorm's statistics of unlabelled images or without, whichever is
    better on held-out labels.
    """
    p, images, device = run.asked, given.images, next(model.parameters()).device

    def features(encoder: nn.Module, some: Tensor) -> np.ndarray:
        return plain_features(encoder, some, p.plain_views)

    with run.phase("linear evaluation"):
        encoder, asked, h = _reader(p, model.encoder)
        controls = [Features(c, p.feature_layers, GRID, p.feature_sides) for c in untrained(run, given, device)]
        tested, controlled = features(encoder, images.test_images), [features(c, images.test_images) for c in controls]
        answers = images.test_labels.numpy()
        for place, entry in enumerate(run.results["classifiers"]):
            labelled, labels = given.labelled(place)
            labels, known = labels.numpy(), features(encoder, labelled)
            found = linear_evaluation(known[:, asked], labels, tested[:, asked], answers, p.seed)
            entry["linear_evaluation"] = found
            entry["untrained_linear_evaluation"] = control = best_evaluation(
                linear_evaluation(features(one, labelled), labels, test, answers, p.seed)
                for one, test in zip(controls, controlled, strict=True)
            )
            entry["knn_accuracy"] = knn_accuracy(known[:, h], labels, tested[:, h], answers)
            shown = (found["accuracy"], entry["knn_accuracy"], control["accuracy"], entry["test_accuracy"])
            names = ("linear", "knn", "untrained", "head")
            tell("lesson.evaluated_linearly", labels=f"{len(labels):,}", features=f"{found['features']:,}",
                 **{name: f"{share:.2%}" for name, share in zip(names, shown, strict=True)})  # fmt: skip
    if p.weights != "none":
        tell("lesson.started_elsewhere", weights=p.weights)


def _reader(p: SimCLRParameters, encoder: nn.Module) -> tuple[nn.Module, slice, slice]:
    """One pass for both: what gives the head's features and h, and the columns of either, of which h are the last."""
    width, (*_, (last, _)) = ENCODERS[p.encoder].features * max(1, len(p.feature_sides)), encoder.named_children()
    if not p.feature_layers:
        return Features(encoder, sides=p.feature_sides), slice(None), slice(None)
    reader = Features(encoder, [*dict.fromkeys([*p.feature_layers, last])], GRID, p.feature_sides)
    return reader, slice(None if last in p.feature_layers else -width), slice(-width, None)


def untrained(run: Run, given: Data, device: torch.device | str = "cpu") -> list[nn.Module]:
    """The run's encoder as it was before pretraining, on this device; see ``without_learning``."""
    p = run.asked
    with torch.random.fork_rng(devices=[]):  # the run's own random numbers go on as if there were no control
        encoder = starting_point(run.content, given.images).encoder.to(device)
    read = Features(encoder, sides=p.feature_sides)  # BatchNorm's statistics are of images as it will be given them
    return [one.encoder for one in without_learning(read, given.unlabelled(STATISTICS), p.plain_views)]
