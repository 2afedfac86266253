"""What the rooms look at: a trained encoder, its data set, and two yardsticks: a random encoder, and the pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib import data, words
from lib.augment import Views
from lib.evaluation.representation import flat_map
from lib.models import SimCLR
from lib.report import style
from lib.runs import shipped, spoken, trained
from lib.words import Words

TESTED = 2000  # test images, for the map and for all that is asked about
KNOWN = 5000  # labelled training images, which the neighbours are looked for among
VOTES = 20  # neighbours that vote on a class


@dataclass(frozen=True)
class Verdict:
    """What the nearest of the known images say of one image."""

    rows: list[int]  # of the known images, nearest first
    shares: list[float]  # of the votes for each class

    @property
    def winner(self) -> int:
        return int(np.argmax(self.shares))


class Reader:
    """A way to turn images into rows of numbers that a cosine compares, and a vote of the nearest known images."""

    def __init__(self, encode: Callable[[Tensor], np.ndarray], known: Tensor, labels: Tensor, classes: int):
        self._encode, self._known, self._labels, self._classes = encode, known, labels, classes

    def __call__(self, images: Tensor) -> np.ndarray:
        """Rows (N, D) of length 1, float32, of uint8 images (N, C, H, W)."""
        rows = self._encode(images)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-8)

    @cached_property
    def bank(self) -> np.ndarray:
        """The rows of all known images."""
        return self(self._known)

    def ask(self, images: Tensor) -> list[Verdict]:
        """For each of uint8 images (N, C, H, W), the ``VOTES`` nearest known images and what most of them are."""
        cosine = torch.from_numpy(self(images) @ self.bank.T)
        count = min(VOTES, len(self.bank))
        near = cosine.topk(count, dim=1).indices.numpy()
        votes = [np.bincount(self._labels[rows].numpy(), minlength=self._classes) for rows in near]
        return [Verdict(rows.tolist(), (vote / count).tolist()) for rows, vote in zip(near, votes, strict=True)]

    def accuracy(self, images: Tensor, labels: Tensor) -> float:
        """Share of the images that the vote gets right."""
        return float(np.mean([v.winner == int(label) for v, label in zip(self.ask(images), labels, strict=True)]))


@dataclass(frozen=True)
class Subject:
    """An encoder with its record, its data set, and the words of a language."""

    record: dict[str, Any]
    model: SimCLR
    images: data.Dataset
    language: str

    @cached_property
    def say(self) -> Words:
        """Words for the screen."""
        return words.load(self.language)

    @cached_property
    def plane(self) -> np.ndarray:
        """t-SNE of the test images' features, (N, 2); it takes some seconds the first time."""
        return flat_map(self.readers["simclr"](self.tested))

    @cached_property
    def drawn(self) -> Words:
        """Words for figures: English where no font has the language's characters."""
        return style.drawable(self.say)

    @cached_property
    def classes(self) -> list[str]:
        return [self.say.or_as_is("classes", name) for name in self.images.classes]

    @property
    def dataset(self) -> dict[str, Any]:
        """What the images are, as a record has it."""
        return self.images.describe()

    @cached_property
    def views(self) -> Views:
        """The views that the encoder was pretrained with."""
        return Views(self.record["parameters"]["views"]).without(*self.record["parameters"].get("left_out", []))

    @property
    def tested(self) -> Tensor:
        return self.images.test_images[:TESTED]

    @property
    def tested_labels(self) -> Tensor:
        return self.images.test_labels[:TESTED]

    @cached_property
    def _known_rows(self) -> Tensor:
        """The images whose labels its classifier may use, then, where they are few, others."""
        parts = data.equal_chunks(self.images, self.record["parameters"]["chunk_count"])
        first = data.join(parts, self.record["parameters"]["labelled_chunks"][0])
        rest = torch.ones(len(self.images.train_images), dtype=torch.bool)
        rest[first] = False
        return torch.cat([first, rest.nonzero()[:, 0]])[:KNOWN]

    @cached_property
    def known(self) -> Tensor:
        return self.images.train_images[self._known_rows]

    @cached_property
    def known_labels(self) -> Tensor:
        return self.images.train_labels[self._known_rows]

    @cached_property
    def untrained(self) -> SimCLR:
        """The same network before it learnt anything."""
        return trained.starting_point(self.record, self.images)

    @cached_property
    def readers(self) -> dict[str, Reader]:
        """By the name that the texts have for them: SimCLR's features, a random encoder's, and the pixels."""

        def by(network: SimCLR) -> Callable[[Tensor], np.ndarray]:
            return lambda images: trained.features(network.encoder, images, self.views)

        encoders = {
            "simclr": by(self.model),
            "random": by(self.untrained),
            "pixels": lambda images: images.flatten(1).numpy() / np.float32(255),
        }
        return {
            name: Reader(encode, self.known, self.known_labels, len(self.classes)) for name, encode in encoders.items()
        }

    @torch.inference_mode()
    def projections(self, views: Tensor) -> Tensor:
        """z, rows (N, D) of length 1, of normalised views (N, C, H, W)."""
        return torch.nn.functional.normalize(self.model(views)[1], dim=1)


def open_encoder(which: str = "mnist", language: str = "en") -> Subject:
    """A trained encoder (see ``lib.runs.shipped``) with its data set, and a paragraph on both.

    Nothing is downloaded: where the data set is not on this machine, the embedded sample stands in.

    Raises:
        RecordError: there is no such encoder.
        WordsError: no such language.
        DataError: the data set is damaged, or the encoder takes other images.
    """
    say = spoken.speak(language)
    record, model = shipped.load_trained(which)
    images = data.load(record["parameters"]["dataset"], download_it=False)
    if list(images.image_shape) != record["dataset"]["shape"]:
        raise data.DataError(
            f"The encoder takes images of {record['dataset']['shape']} (C, H, W), and those of {images.name} "
            f"here are {list(images.image_shape)}: open another encoder."
        )
    opened = Subject(record, model, images, language)
    print(_introduction(opened, say))
    return opened


def _introduction(opened: Subject, say: Words) -> str:
    """Where the encoder comes from, what it was trained on, and what images are here, each in a line."""
    record, p, here = opened.record, opened.record["parameters"], opened.dataset
    first, standing = record["results"]["classifiers"][0], style.standing(here)
    values = {"encoder": p["encoder"], "data": style.title(record["dataset"]), "epochs": p["epochs"]}
    values |= {"accuracy": f"{first['test_accuracy']:.1%}", "labels": f"{first['labels']:,}"}
    lines = [say.plain("explore.encoder", run=f"{record['profile']}/{record['name']}", **values)]
    if style.standing(record["dataset"]) == "copy":
        lines.append(say.plain("explore.trained_on_copy"))
    if standing == "sample":
        lines.append(say.plain("explore.not_here", name=style.title(here)))
    counts = f"{here['train']:,} + {here['test']:,}"
    source = say.or_as_is("data_source", here["source"])
    lines.append(say.plain(f"plot.data_{standing}", name=style.title(here), images=counts, source=source))
    lines.append(say.plain("explore.shown", tested=f"{len(opened.tested):,}", known=f"{len(opened.known):,}"))
    return "\n".join(lines)
