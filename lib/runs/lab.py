"""What the notebooks share: the steps around the method, with their checks, what they print and what the record keeps.

The method itself (views, loss, pretraining, freezing) stands in the notebooks; each function here fills the record of
the run that is going on.

``lib.training.flops`` is imported where it is used: it takes 80 MB, and mnist.ipynb counts nothing.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib import data, words
from lib.evaluation import classification, neighbours, representation
from lib.models import Classifier, SimCLR
from lib.progress import duration
from lib.runs import checks, parameters, recipes, records
from lib.runs.records import Run
from lib.runs.spoken import speak, table, tell, tell_data, word
from lib.training import train_classifier
from lib.training.checkpoint import save_beside

__all__ = ["table", "tell", "word"]  # of those that come from elsewhere, what the notebooks call


def begin(notebook: str, namespace: dict[str, Any]) -> Run:
    """Check the parameters of a notebook that hands over its ``globals()``, open the record of its run, and say both.

    Raises:
        ParameterError: one paragraph with every parameter that is unknown or out of range.
    """
    if (language := namespace.get("language", "en")) in words.LANGUAGES:  # in which to refuse the parameters, too
        speak(language)
    run = Run(parameters.read(notebook, namespace))
    recipe = recipes.load(notebook, run.asked.recipe)
    changed = [f"{name}={run.parameters[name]}" for name in recipe if run.parameters[name] != recipe[name]]
    as_it_is = [f"{name}={value}" for name, value in recipe.items() if run.parameters[name] == value]
    key = "lesson.recipe_changed" if changed else "lesson.recipe"
    tell(key, recipe=run.asked.recipe, notebook=notebook, changes=", ".join(changed))
    print(textwrap.fill(", ".join(as_it_is), 95))
    if seconds := _seconds_before(run):
        tell("lesson.before", seconds=f"{seconds:,.0f}")
    tell("lesson.folder", folder=run.folder)
    return run


def _seconds_before(run: Run) -> float | None:
    """How long the run of the same name took that left its record here; None where there is none to read."""
    try:
        return sum(records.load(run.folder)["seconds"].values())
    except records.RecordError:
        return None


@dataclass(frozen=True)
class Data:
    """A data set and the chunks of it that a run uses: indices of training images, without and with labels."""

    images: data.Dataset
    chunk_size: int
    unlabelled_rows: Tensor
    labelled_rows: list[Tensor]

    def unlabelled(self, count: int | None = None) -> Tensor:
        """The images for pretraining, uint8 (N, C, H, W), or the first ``count`` of them: a copy."""
        return self.images.train_images[self.unlabelled_rows[:count]]

    def labelled(self, place: int, count: int | None = None) -> tuple[Tensor, Tensor]:
        """Images, uint8 (N, C, H, W), and labels, int64 (N,), of one list of labelled chunks: a copy."""
        rows = self.labelled_rows[place][:count]
        return self.images.train_images[rows], self.images.train_labels[rows]


def load_data(run: Run) -> Data:
    """The run's images in its chunks. It is said what they are, should they not be the real ones too.

    Raises:
        DataError: the files are damaged or of a form the kit does not take.
        ValueError: no such data set or chunk, or a batch larger than the images it is made from.
        ParameterError: something that a later phase could not be done with; see ``lib.runs.checks``.
    """
    p = run.asked
    with run.phase("data"):
        images = data.load(p.dataset)
    parts = data.equal_chunks(images, p.chunk_count)
    unlabelled = data.join(parts, p.unlabelled_chunks)
    labelled = [data.join(parts, numbers) for numbers in p.labelled_chunks]
    run.dataset = images.describe()
    tell_data(run.dataset)
    counts = str(words.current().list([f"{len(rows):,}" for rows in labelled]))
    tell("lesson.images", unlabelled=f"{len(unlabelled):,}", labelled=counts)
    checks.check_simclr(p, images)
    return Data(images, len(parts[0]), unlabelled, labelled)


def knn_probe(run: Run, given: Data, model: SimCLR) -> Callable[[], dict[str, float]] | None:
    """``neighbours.knn_probe`` on the first ``probe_images`` labelled images; None if that is 0."""
    count = run.asked.probe_images
    return neighbours.knn_probe(model, *given.labelled(0, count), run.asked.pretraining_views) if count else None


def count_work(run: Run, given: Data, model: SimCLR) -> None:
    """Floating-point operations of the whole pretraining, and how fast this machine multiplies matrices."""
    from lib.training import flops

    p = run.asked
    shape, images = given.images.image_shape, len(given.unlabelled_rows)
    work = flops.pretraining_flops(model, shape, images, p.pretraining, p.small_crops)
    rate = flops.matmul_rate(precision=p.precision)
    run.results["flops"] = {"pretraining": work, "matmul_rate": rate}
    tell("lesson.work", work=f"{work / 1e12:,.1f}", rate=f"{rate / 1e9:,.0f}", time=duration(work / rate))


def train_classifiers(run: Run, given: Data, build: Callable[[], Classifier]) -> list[Classifier]:
    """A classifier for each list of labelled chunks, all from the same random numbers.

    Args:
        build: makes a classifier on the pretrained encoder, which it freezes.
    """
    p = run.asked
    classifiers, entries = [], []
    for place, numbers in enumerate(p.labelled_chunks):
        torch.manual_seed(p.seed)
        # with many chunks the name would be longer than Windows allows a path to be
        file = f"classifier-{'-'.join(map(str, numbers))}"
        file = file if len(file) <= 60 else f"classifier-place-{place + 1}"
        classifier, key = build(), f"classifier on chunks {', '.join(map(str, numbers))}"
        images, labels = given.labelled(place)
        history = train_classifier(
            classifier,
            images,
            labels,
            p.labelled_views,
            p.classifier,
            label_smoothing=p.classifier_label_smoothing,
            **run.resumable(key, file),
        )
        run.training(key, history)
        if "flops" in run.results:
            run.results["flops"][key] = _head_work(run, classifier, images)
        shared = len(set(numbers) & set(p.unlabelled_chunks)) * given.chunk_size
        entries.append({"labels": len(images), "chunks": numbers, "also_unlabelled": shared, "history": key})
        classifiers.append(classifier)
    run.results["classifiers"] = entries
    return classifiers


def _head_work(run: Run, classifier: Classifier, images: Tensor) -> int:
    """Floating-point operations of a head's whole training on labelled images (N, C, H, W)."""
    from lib.training import flops

    once = not run.asked.labelled_views.operations
    return flops.classifier_flops(classifier, images.shape[1:], len(images), run.asked.classifier_epochs, once)


def test_once(run: Run, given: Data, classifiers: Sequence[Classifier]) -> list[Tensor]:
    """Class probabilities (N, classes) of the test images by each classifier; its scores go into the record."""
    p, images, labels = run.asked, given.images.test_images, given.images.test_labels
    probabilities = partial(classification.probabilities, images=images)
    with run.phase("test"):
        seen = [probabilities(c, views=p.tested_views, count=p.test_view_count, seed=p.seed) for c in classifiers]
    for classifier, probability, entry in zip(classifiers, seen, run.results["classifiers"], strict=True):
        scores = classification.scores(probability, labels)
        is_plain = p.test_views == "plain" and p.test_view_count == 1
        plain = probability if is_plain else probabilities(classifier, views=p.plain_views)
        single = classification.scores(plain, labels)["accuracy"]
        entry |= {"test_accuracy": scores.pop("accuracy"), "plain_view_accuracy": single, **scores}
        accuracy = f"{entry['test_accuracy']:.2%}"
        tell("lesson.tested", labels=f"{entry['labels']:,}", accuracy=accuracy, images=f"{len(labels):,}")
    run.results["test_accuracy"] = run.results["classifiers"][0]["test_accuracy"]
    return seen


def keep_mistakes(run: Run, given: Data, probability: Tensor) -> bool:
    """The wrong predictions a classifier was most sure of, by its probabilities (N, classes); whether any is wrong."""
    wrong = classification.confident_mistakes(probability, given.images.test_labels)
    run.results["mistakes"] = wrong
    if wrong:
        run.picture("mistakes", given.images.test_images[[m["index"] for m in wrong]])
    return bool(wrong)


def keep_neighbours(
    run: Run, given: Data, known: np.ndarray, asked: np.ndarray, count: int = checks.NEIGHBOURS
) -> None:
    """For each row of ``asked``, features (M, D) of the first test images, the nearest of ``known``.

    Args:
        known: features (N, D) of the first unlabelled images.
    """
    images = given.images
    near = given.unlabelled_rows[torch.from_numpy(neighbours.nearest(known, asked, count))]
    run.results["neighbours"] = [
        {"label": int(label), "neighbours": images.train_labels[rows].tolist()}
        for label, rows in zip(images.test_labels, near, strict=False)
    ]
    pairs = zip(images.test_images, near, strict=False)
    run.picture("neighbours", torch.cat([torch.cat([image[None], images.train_images[rows]]) for image, rows in pairs]))


def keep_maps(run: Run, inputs: Mapping[str, np.ndarray], labels: Tensor, decimals: int) -> None:
    """A t-SNE map in two dimensions of each of the inputs (N, D), whose rows have the same labels (N,)."""
    with run.phase("map"):
        maps = {name: representation.flat_map(points, run.asked.seed) for name, points in inputs.items()}
    run.results["maps"] = {name: points.round(decimals).tolist() for name, points in maps.items()}
    run.results["map_labels"] = labels.tolist()
    run.results["map_method"] = "t-SNE"


def finish(run: Run, model: SimCLR) -> Path:
    """Write the network and then the record, and remove the checkpoints: nothing is left to resume."""
    save_beside(run.folder / "model.pt", model.state_dict())
    path = run.save()
    for leftover in run.folder.glob("*.ckpt"):
        leftover.unlink()
    return path
