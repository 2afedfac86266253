"""A run's linear evaluation: its encoder, frozen, on a single plain view, beside an encoder that has learnt nothing."""

import torch
from torch import nn

from lib.evaluation.linear import STATISTICS, Pooled, linear_evaluation, plain_features, take_statistics
from lib.evaluation.neighbours import knn_accuracy
from lib.models import ENCODERS, SimCLR
from lib.runs.lab import Data
from lib.runs.records import Run
from lib.runs.spoken import tell
from lib.runs.trained import starting_point

CELLS = 4  # maps are averaged over a grid of 4 × 4 places


def evaluate(run: Run, given: Data, model: SimCLR) -> None:
    """What a linear classifier makes of the encoder's features of the test images, for each list of labelled chunks.

    The features are those that the run's head takes: maps of layers, averaged over a grid, or the output h. Beside it
    stand a vote of the 20 nearest neighbours in h, and the same classifier on as many features of the encoder as it
    was before pretraining, its BatchNorm's statistics taken from unlabelled images.
    """
    p, images = run.asked, given.images
    with run.phase("linear evaluation"):
        encoders, layers = {"after": model.encoder, "before": untrained(run, given).encoder}, p.feature_layers
        # one pass for both: h stands in the last columns
        readers = {name: Pooled(e, [*layers, _last(e)], CELLS) if layers else e for name, e in encoders.items()}
        asked, h = slice(-ENCODERS[p.encoder].features if layers else None), slice(-ENCODERS[p.encoder].features, None)
        tested = {name: plain_features(r, images.test_images, p.plain_views) for name, r in readers.items()}
        for place, entry in enumerate(run.results["classifiers"]):
            labelled, labels = given.labelled(place)
            known = {name: plain_features(r, labelled, p.plain_views) for name, r in readers.items()}
            labels, answers = labels.numpy(), images.test_labels.numpy()
            found, control = (
                linear_evaluation(known[name][:, asked], labels, tested[name][:, asked], answers, p.seed)
                for name in ("after", "before")
            )
            entry["linear_evaluation"] = found
            entry["untrained_linear_evaluation"] = control
            entry["knn_accuracy"] = knn_accuracy(known["after"][:, h], labels, tested["after"][:, h], answers)
            shown = (found["accuracy"], entry["knn_accuracy"], control["accuracy"], entry["test_accuracy"])
            names = ("linear", "knn", "untrained", "head")
            tell("lesson.evaluated_linearly", labels=f"{len(labels):,}", features=f"{found['features']:,}",
                 **{name: f"{share:.2%}" for name, share in zip(names, shown, strict=True)})  # fmt: skip


def _last(encoder: nn.Module) -> str:
    """The name of the layer whose output is h."""
    return [name for name, _ in encoder.named_children()][-1]


def untrained(run: Run, given: Data) -> SimCLR:
    """The run's network as it was before pretraining, but with BatchNorm's statistics of unlabelled images."""
    with torch.random.fork_rng(devices=[]):  # the run's own random numbers go on as if there were no control
        model = starting_point(run.content, given.images)
    take_statistics(model.encoder, given.unlabelled(STATISTICS), run.asked.plain_views)
    return model.eval()
