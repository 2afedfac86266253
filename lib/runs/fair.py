"""What methods.ipynb does around a method: the same images, the same budget and the same evaluation for all of them.

As in ``lib.runs.lab``, each function fills the record of the run that is going on.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor, nn

from lib import data, methods
from lib.augment import Views
from lib.evaluation import classification, linear, neighbours, representation
from lib.evaluation.patches import Patches
from lib.evaluation.protocols import BESIDE
from lib.methods import Method
from lib.models import Classifier, SimCLR
from lib.runs import checks, lab
from lib.runs.lines import lines_of
from lib.runs.parameters import MethodsParameters, ParameterError
from lib.runs.records import Run
from lib.runs.spoken import tell, tell_data, word
from lib.runs.trained import starting_point
from lib.training import Settings, train_classifier
from lib.training.device import choose_device
from lib.weights import ImageNetFeatures

PATCHES = {"count": 512, "threshold": 0.5, "floor": 0.3}  # chosen on held-out images: docs/methods.md
CUT_FROM = 2000  # unlabelled images that the patches are cut from
SPECTRUM = 64  # principal directions that a record keeps


@dataclass(frozen=True)
class Shared:
    """What all methods get: images to learn from, labelled ones, and those that they are scored on.

    ``labelled`` and ``scored`` are uint8 images (N, C, H, W) and labels (N,).
    """

    images: data.Dataset
    unlabelled_rows: Tensor
    labelled: tuple[Tensor, Tensor]
    scored: tuple[Tensor, Tensor]

    @property
    def unlabelled(self) -> Tensor:
        """The images for pretraining, uint8 (N, C, H, W): a copy."""
        return self.images.train_images[self.unlabelled_rows]


def load_data(run: Run) -> Shared:
    """The run's images. Scored are the test images, or training images of chunks that nothing is trained on.

    Raises:
        DataError, ValueError, ParameterError: as ``lab.load_data``.
    """
    p = run.asked
    with run.phase("data"):
        images = data.load(p.dataset)
    run.dataset = images.describe()
    tell_data(run.dataset)
    checks.check_methods(p, images)
    parts = data.equal_chunks(images, p.chunk_count)

    def chosen(numbers: list[int]) -> tuple[Tensor, Tensor]:
        rows = data.join(parts, numbers)
        return images.train_images[rows], images.train_labels[rows]

    scored = chosen(p.scored_chunks) if p.scored_chunks else (images.test_images, images.test_labels)
    given = Shared(images, data.join(parts, p.unlabelled_chunks), chosen(p.labelled_chunks), scored)
    counts = {"unlabelled": len(given.unlabelled_rows), "labelled": len(given.labelled[1])}
    tell("lesson.images", **{name: f"{count:,}" for name, count in counts.items()})
    run.results |= {"labels": len(given.labelled[1]), "scored_on": "held out" if p.scored_chunks else "test"}
    return given


def describe(run: Run, method: Method) -> list[dict[str, Any]]:
    """What a method keeps beside the network, how long its code is, and what a step of it holds in memory; as rows."""
    from lib.training.flops import step_bytes  # where it is used: see lib/runs/lab.py

    p, model = run.asked, method.model
    shape = tuple(run.dataset["shape"])
    run.results["kept"] = methods.kept_by(method)
    run.results["lines"] = lines_of(p.method)
    run.results["step_bytes"] = step_bytes(model, shape, p.batch_size, p.method, p.method_options)
    network = sum(value.numel() for value in model.state_dict().values())
    return [
        {"kept": word("kept", name), "numbers": count}
        for name, count in {"network": network, **run.results["kept"]}.items()
    ]


def loss_source(method: Method) -> str:
    """The code of a method's loss, then of the kit's functions that it calls."""
    loss = type(method).loss
    called = [loss.__globals__.get(name) for name in loss.__code__.co_names]
    own = [one for one in called if inspect.isfunction(one) and one.__module__.startswith("lib.")]
    return "\n\n".join(inspect.getsource(one).rstrip() for one in (loss, *own))


def within_budget(run: Run, given: Shared, model: SimCLR) -> tuple[Settings, list[list[int]]]:
    """Settings with as many epochs as the budget pays for, and the smaller views among them, for ``pretrain``.

    Raises:
        ParameterError: it does not pay for one.
    """
    from lib.training.flops import epoch_flops, matmul_rate

    p = run.asked
    shape, images = given.images.image_shape, len(given.unlabelled_rows)
    cost = epoch_flops(model, shape, images, p.batch_size, p.method, p.method_options)
    epochs, work = _most_epochs(p, cost)
    rate = matmul_rate(precision=p.precision)
    run.results.setdefault("flops", {}).update(budget=p.budget * 1e12, pretraining=work, matmul_rate=rate)
    run.results["epochs"] = epochs
    tell("lesson.budget", epochs=epochs, work=f"{work / 1e12:,.1f}", budget=f"{p.budget:g}")
    return p.pretraining(epochs), sides(p.crops, epochs)


def _most_epochs(p: MethodsParameters, cost: Callable[[int | None], int]) -> tuple[int, int]:
    """How many epochs the budget pays for, and what they take, by the cost of one with views of a side."""

    def work(epochs: int) -> int:
        pairs = [(0, None), *sides(p.crops, epochs)]
        small = sum((last - before) * cost(side) for (before, _), (last, side) in pairwise(pairs))
        return small + (epochs - pairs[-1][0]) * cost(None)

    epochs = 0
    while work(epochs + 1) <= p.budget * 1e12:
        epochs += 1
    if not epochs:
        raise ParameterError(
            f"budget = {p.budget:g} TFLOP does not pay for one epoch of {p.method}: "
            f"{work(1) / 1e12:.3g} or more is right."
        )
    return epochs, work(epochs)


def sides(crops: list[list[float]], epochs: int) -> list[list[int]]:
    """Pairs (share of the epochs, side) as pairs (last epoch, side), for ``pretrain``."""
    pairs: list[list[int]] = []
    for share, side in crops:
        last = round(share * epochs)
        if last > (pairs[-1][0] if pairs else 0):
            pairs.append([last, int(side)])
    return pairs


def evaluate(run: Run, given: Shared, name: str, *encoders: nn.Module | None) -> dict[str, Any]:
    """How good the features of an encoder are, None: the pixels; a row of ``results.evaluations``.

    ``linear_accuracy`` is that of ``linear_evaluation``, ``knn_accuracy`` a vote of 20 neighbours. Of several encoders
    the row is about the one that is best on held-out labels.
    """
    with run.phase(f"evaluation, {name}"):
        row = linear.best_evaluation(_evaluation(run, given, encoder) for encoder in encoders)
        row = {"name": name, "linear_accuracy": row.pop("accuracy")} | row
    run.results.setdefault("evaluations", []).append(row)
    if name == run.asked.method and run.results["scored_on"] == "test":
        run.results["test_accuracy"] = row["linear_accuracy"]
    tell(
        "lesson.evaluated", name=spoken(name), linear=f"{row['linear_accuracy']:.2%}", knn=f"{row['knn_accuracy']:.2%}"
    )
    return row


def _evaluation(run: Run, given: Shared, encoder: nn.Module | None) -> dict[str, Any]:
    parts = given.labelled, given.scored
    train, test = (_features(encoder, images, run.asked.random_views) for images, _ in parts)
    labels, known = (labels.numpy() for _, labels in parts)
    shares = representation.spectrum(train)
    return {
        **linear.linear_evaluation(train, labels, test, known, run.asked.seed),
        "knn_accuracy": neighbours.knn_accuracy(train, labels, test, known),
        "effective_rank": representation.effective_rank(shares),
        "spectrum": shares[:SPECTRUM],
    }


def _features(encoder: nn.Module | None, images: Tensor, views: Views) -> np.ndarray:
    if encoder is None:
        return images.flatten(1).numpy() / np.float32(255)
    return linear.plain_features(encoder.to(choose_device()), images, views)


def evaluate_beside(run: Run, given: Shared) -> None:
    """Every entry of ``beside``: what learns nothing, or from labels. Rows as ``evaluate`` has them.

    Raises:
        WeightsError: ImageNet's weights are asked for and cannot be had.
    """
    p = run.asked
    transfer = ImageNetFeatures("resnet18", p.random_views.mean, p.random_views.std) if "ImageNet" in p.beside else None
    for name in p.beside:
        if name == "pixels":
            evaluate(run, given, name, None)
        elif name == "untrained":
            encoder = starting_point(run.content, given.images).encoder.to(choose_device())
            some = given.unlabelled[: linear.STATISTICS]
            evaluate(run, given, name, *linear.without_learning(encoder, some, p.random_views))
        elif name == "patches":
            run.results["patches"] = PATCHES
            some = p.random_views.plain(given.unlabelled[:CUT_FROM])
            evaluate(run, given, name, Patches(some, seed=p.seed, **PATCHES))
        elif name == "ImageNet":
            evaluate(run, given, name, transfer)
        else:
            from_scratch(run, given)


def from_scratch(run: Run, given: Shared) -> None:
    """The same encoder with a linear head, both trained on the labels alone, within the same budget."""
    from lib.training.flops import training_flops

    p, (images, labels) = run.asked, given.labelled
    encoder = starting_point(run.content, given.images).encoder
    classifier = Classifier(encoder, given.images.image_shape, len(given.images.classes), hidden=())
    cost = training_flops(classifier, given.images.image_shape) * len(images)
    settings = p.supervised(max(1, int(p.budget * 1e12 // cost)))
    views, name = Views(p.supervised_views), "from scratch"
    history = train_classifier(classifier, images, labels, views, settings, **run.resumable(name, "from-scratch"))
    run.training(name, history)
    probability = classification.probabilities(classifier, given.scored[0], p.random_views.plain)
    accuracy = classification.scores(probability, given.scored[1])["accuracy"]
    run.results.setdefault("evaluations", []).append(
        {"name": name, "linear_accuracy": accuracy, "epochs": settings.epochs}
    )
    run.results.setdefault("flops", {})[name] = cost * settings.epochs
    tell("lesson.evaluated_only", name=spoken(name), accuracy=f"{accuracy:.2%}")


def spoken(name: str) -> str:
    """A method, or what stands beside it, in the language in use."""
    return word("beside" if name in BESIDE else "method", name)


def keep_neighbours(run: Run, given: Shared, encoder: nn.Module) -> None:
    """As ``lab.keep_neighbours``: for the first test images the nearest of the first 5,000 unlabelled ones."""
    parts = given.unlabelled[:5000], given.images.test_images[:6]
    known, asked = (_features(encoder, images, run.asked.random_views) for images in parts)
    lab.keep_neighbours(run, given, known, asked)


def knn_probe(run: Run, given: Shared, model: SimCLR) -> Callable[[], dict[str, float]] | None:
    """As ``lab.knn_probe``."""
    count = run.asked.probe_images
    images, labels = given.labelled
    return neighbours.knn_probe(model, images[:count], labels[:count], run.asked.random_views) if count else None
