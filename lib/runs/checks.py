"""Whether parameters and data fit together: all that a later phase needs, asked before anything is trained."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from lib.augment import Views
from lib.data import Dataset, equal_chunks, join
from lib.evaluation.efficiency import draw_labels, enough
from lib.evaluation.protocols import HEADS, LEAST_PROBE, WAYS
from lib.methods import METHODS
from lib.models import ENCODERS, Classifier, SimCLR
from lib.runs.parameters import (
    ComparisonParameters,
    EvidenceParameters,
    MethodsParameters,
    ParameterError,
    PretrainingParameters,
    SimCLRParameters,
)
from lib.training.loop import check_batch

NEIGHBOURS = 7  # that the notebook shows of each image
MAPPED = 2  # t-SNE's least


def check_simclr(p: SimCLRParameters, images: Dataset) -> None:
    """Refuse what pretraining, classifiers, test, neighbours or map of a SimCLR run could not be done with.

    Raises:
        ParameterError: one paragraph with everything that does not fit.
        ValueError: chunks that there are not, batches larger than the data.
    """
    parts = equal_chunks(images, p.chunk_count)
    unlabelled = join(parts, p.unlabelled_chunks)
    labelled = [join(parts, numbers) for numbers in p.labelled_chunks]
    check_batch(len(unlabelled), p.pretraining)
    for rows in labelled:
        check_batch(len(rows), p.classifier)
    _refuse(_simclr(p, images, len(unlabelled), list(map(len, labelled))))


def check_methods(p: MethodsParameters, images: Dataset) -> None:
    """The same for a run of the methods notebook."""
    parts = equal_chunks(images, p.chunk_count)
    unlabelled, labelled = (join(parts, numbers) for numbers in (p.unlabelled_chunks, p.labelled_chunks))
    join(parts, p.scored_chunks or [1])
    for rows in (unlabelled, labelled) if "from scratch" in p.beside else (unlabelled,):
        check_batch(len(rows), p.pretraining(1))
    _refuse(_methods(p, images, len(unlabelled), images.train_labels[labelled]))


def check_evidence(p: EvidenceParameters, images: Dataset, simclr: Mapping[str, Any], model: SimCLR) -> None:
    """The same for a run of the evidence notebook on a SimCLR run, its parameters ``simclr`` and its network."""
    parts = equal_chunks(images, simclr["chunk_count"])
    pool = join(parts, sorted({chunk for chunks in simclr["labelled_chunks"] for chunk in chunks}))
    held = torch.arange(parts[-1].start, parts[-1].stop)
    _refuse(_evidence(p, images, images.train_labels[pool], images.train_labels[held], model))


def check_comparison(p: ComparisonParameters, images: Dataset, simclr: Mapping[str, Any]) -> None:
    """The same for a comparison of a SimCLR run, its parameters ``simclr``, with clusterings."""
    fit = len(join(equal_chunks(images, simclr["chunk_count"]), simclr["unlabelled_chunks"]))
    _refuse(_comparison(p, images, fit))


def _refuse(complaints: Iterator[str]) -> None:
    if said := " ".join(complaints):
        raise ParameterError(said)


def _simclr(p: SimCLRParameters, images: Dataset, unlabelled: int, labelled: list[int]) -> Iterator[str]:
    yield from _views("views", p.views, p.pretraining_views, images)
    for name in ("classifier_views", "test_views"):
        if (asked := getattr(p, name)) != "plain":
            yield from _views(name, asked, Views(asked), images)
    side = min(images.image_shape[1:])
    if too_large := [pair for pair in p.small_crops if pair[1] > side]:
        yield f"small_crops = {too_large} are larger than the images: sides of at most {side} are right."
    yield from _whitening(p, images)
    with torch.device("meta"):  # shapes alone: it costs nothing
        encoder = SimCLR(p.encoder, tuple(p.projection), images.image_shape).encoder
        try:
            Classifier(encoder, images.image_shape, **p.head)
        except ValueError as error:  # a layer that the encoder does not have
            yield f"feature_layers = {p.feature_layers} is not right: {error}"
    if min(labelled) < 2:
        yield "The linear evaluation needs two labelled images at least: give each list of labelled_chunks more chunks."
    if p.classifier_batch_norm:
        for count in labelled:
            yield from _last_of_one("classifier_batch_norm", count, p.classifier_batch_size)
    if 0 < min(p.probe_images, labelled[0]) < LEAST_PROBE:
        yield (
            f"The kNN probe needs {LEAST_PROBE} labelled images at least, and the first of labelled_chunks has "
            f"{labelled[0]}: give it more, or set probe_images = 0."
        )
    if p.illustrated and unlabelled < NEIGHBOURS:
        yield (
            f"The {NEIGHBOURS} nearest neighbours are looked for among the images of unlabelled_chunks, {unlabelled}: "
            f"give it {NEIGHBOURS} or more, or set illustrated = False."
        )
    if p.illustrated and len(images.test_images) < MAPPED:
        yield (
            f"A map takes {MAPPED} test images at least, and there is {len(images.test_images)}: "
            "add some, or set illustrated = False."
        )


def _methods(p: MethodsParameters, images: Dataset, unlabelled: int, labels: Tensor) -> Iterator[str]:
    if METHODS[p.method].least_batch > 1:
        yield from _last_of_one(p.method, unlabelled, p.batch_size)
    yield from _views("views", p.views, p.random_views, images)
    yield from _whitening(p, images)
    if "from scratch" in p.beside:
        yield from _views("supervised_views", p.supervised_views, Views(p.supervised_views), images)
    side = min(images.image_shape[1:])
    if too_large := [pair for pair in p.crops if pair[1] > side]:
        yield f"crops = {too_large} are larger than the images: sides of at most {side} are right."
    counts = labels.unique(return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 2:
        yield "A linear evaluation needs two classes, and two labels of each: give labelled_chunks more chunks."
    if p.probe_images and min(p.probe_images, len(labels)) < LEAST_PROBE:
        yield f"The kNN probe needs {LEAST_PROBE} labelled images at least: add chunks, or set probe_images = 0."
    if unlabelled < NEIGHBOURS:
        yield (
            f"The {NEIGHBOURS} nearest neighbours are looked for among the images of unlabelled_chunks, {unlabelled}: "
            f"give it {NEIGHBOURS} or more."
        )


def _views(name: str, asked: str, views: Views, images: Dataset) -> Iterator[str]:
    """Two images are enough to see whether views can be taken."""
    try:
        views.pair(images.train_images[:2], torch.Generator().manual_seed(0))
    except (ValueError, RuntimeError, IndexError) as error:
        shape = " × ".join(map(str, images.image_shape))
        yield f"{name} = {asked!r} cannot be taken of images of {shape} (channels, height, width): {error}"


def _whitening(p: PretrainingParameters, images: Dataset) -> Iterator[str]:
    """A patch has as many principal directions as values, and two filters are made of each."""
    if p.whiten_stem:
        with torch.device("meta"):
            stem = ENCODERS[p.encoder].build(images.image_shape[0]).stem.weight
        pairs, values = len(stem) // 2, stem[0].numel()
        if values < pairs:
            yield (
                f"whiten_stem makes {pairs} pairs of filters from patches of the images, and a patch of these images "
                f"has {values} values only: set whiten_stem = False, or take images in colour."
            )


def _last_of_one(name: str, count: int, batch_size: int) -> Iterator[str]:
    if _one_left(count, batch_size):
        yield (
            f"{name} needs two images in every batch, and of {count:,} in batches of {batch_size} the last has one: "
            f"choose another batch size, such as {_without_rest(count, batch_size)}."
        )


def _one_left(count: int, batch_size: int) -> bool:
    """Whether the last batch is a single image."""
    return count % batch_size == 1 % batch_size


def _without_rest(count: int, batch_size: int) -> int:
    """The nearest batch size that leaves no batch of one."""
    near = sorted(range(2, count + 1), key=lambda size: abs(size - batch_size))
    return next(size for size in near if count % size != 1) if near else 2


def _evidence(p: EvidenceParameters, images: Dataset, pool: Tensor, held: Tensor, model: SimCLR) -> Iterator[str]:
    if p.views != "plain":
        yield from _views("views", p.views, Views(p.views), images)
    counts = {
        "label_counts": [count for count in p.label_counts if count <= len(pool)] if p.methods else [],
        "head_labels": [min(p.head_labels, len(pool))] if p.heads else [],
    }
    if any(counts.values()) and len(pool.unique()) < 2:
        yield "The labelled chunks of the SimCLR run hold images of one class only, so nothing can be learnt from them."
        return
    for name, asked in counts.items():
        for count in asked:
            try:
                draw_labels(pool, count, p.seed)
            except ValueError as error:
                yield f"{name} holds {count:,}: {error}"
    whole = any(WAYS[way].learner == "whole" for way in p.methods)
    trained = [enough(p.whole, count, p.least_steps).batch_size for count in counts["label_counts"]] if whole else []
    alone = any(_one_left(count, size) for count, size in zip(counts["label_counts"], trained, strict=False))
    kept = any(HEADS[head].training_mode for head in p.heads)
    alone |= kept and any(_one_left(count, min(p.head_batch_size, count)) for count in counts["head_labels"])
    if alone and not _takes_one(model, images):
        yield (
            "In some training of the encoder the last batch is a single image, from which its BatchNorm learns "
            "nothing: choose another whole_batch_size or head_batch_size."
        )
    if p.map_images:
        yield from _map(p.map_images, held)


def _takes_one(model: SimCLR, images: Dataset) -> bool:
    """Whether the encoder can be trained on a batch of one."""
    encoder = copy.deepcopy(model.encoder).cpu().train()
    try:
        encoder(torch.zeros(1, *images.image_shape))
    except ValueError:  # torch's, of BatchNorm over a single value a channel
        return False
    return True


def _map(asked: int, held: Tensor) -> Iterator[str]:
    """Maps and similarities are of the first images of the last chunk: two of one class, two of different ones."""

    def enough_of(count: int) -> bool:
        classes = held[:count].unique(return_counts=True)[1]
        return len(classes) > 1 and bool((classes > 1).any())

    if not enough_of(asked):
        least = next((count for count in range(len(held) + 1) if enough_of(count)), None)
        remedy = f"{least} or more" if least else "with these images 0"
        yield (
            f"map_images = {asked}: among the first {min(asked, len(held))} images of the last chunk there must be two "
            f"of one class and two of different ones; {remedy} is right."
        )


def _comparison(p: ComparisonParameters, images: Dataset, fit: int) -> Iterator[str]:
    most = min(fit, images.train_images[0].numel())
    if p.components > most:
        values = images.train_images[0].numel()
        yield f"components = {p.components}: of {fit:,} images of {values:,} values there are {most} at most."
    if p.clusters > fit:
        yield f"clusters = {p.clusters}: {fit:,} images make {fit:,} clusters at most."
    if min(fit, len(images.test_images)) < MAPPED:
        yield f"A map takes {MAPPED} images at least; there are {fit} to fit and {len(images.test_images)} to test."
