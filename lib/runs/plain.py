"""A run's linear evaluation: its encoder, frozen, on a single plain view, beside an encoder that has learnt nothing."""

from typing import Any

import torch
from torch import nn

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

    def measured(reader: nn.Module, columns: slice = slice(None), h: slice | None = None) -> list[dict[str, Any]]:
        # one encoder after the other: of `improved` on CIFAR-10, each has a gigabyte of features
        found, answers = [], images.test_labels.numpy()
        tested = plain_features(reader, images.test_images, p.plain_views)
        for place in range(len(run.results["classifiers"])):
            labelled, labels = given.labelled(place)
            known, labels = plain_features(reader, labelled, p.plain_views), labels.numpy()
            found.append(linear_evaluation(known[:, columns], labels, tested[:, columns], answers, p.seed))
            if h is not None:
                found[-1]["knn_accuracy"] = knn_accuracy(known[:, h], labels, tested[:, h], answers)
        return found

    with run.phase("linear evaluation"):
        found = measured(*_reader(p, model.encoder))
        controls = [
            measured(Features(encoder, p.feature_layers, GRID, p.feature_sides))
            for encoder in untrained(run, given, device)
        ]
    for entry, evaluation, *control in zip(run.results["classifiers"], found, *controls, strict=True):
        entry["knn_accuracy"] = evaluation.pop("knn_accuracy")
        entry["linear_evaluation"] = evaluation
        entry["untrained_linear_evaluation"] = best = best_evaluation(control)
        shown = (evaluation["accuracy"], entry["knn_accuracy"], best["accuracy"], entry["test_accuracy"])
        names = ("linear", "knn", "untrained", "head")
        tell("lesson.evaluated_linearly", labels=f"{entry['labels']:,}", features=f"{evaluation['features']:,}",
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
