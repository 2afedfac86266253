"""Figures that are images: views, neighbours, mistakes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lib.report.measure import width
from lib.report.named import operations
from lib.report.style import NARROW, PALETTE, SPOKEN, WARNING, classes, figure, listed, name_data
from lib.runs.records import picture
from lib.words import Words

# Inches of an image, and of all of them side by side on a page and on a phone; points of a title.
SIDE, PAGE, ON_PHONE, LETTERS = 0.78, 6.9, NARROW - 0.3, 8


def image_grid(
    images: np.ndarray,
    dataset: dict[str, Any],
    titles: Sequence[str] = (),
    columns: int = 8,
    row_labels: Sequence[str] = (),
    say: Words = SPOKEN,
    fewer: bool = False,
    room: float = PAGE,
) -> Figure:
    """uint8 images (N, C, H, W) in rows of ``columns``, each with its title if there are titles.

    Columns are as wide as the longest title as far as there is ``room``, in inches; with ``fewer``, there are fewer
    of them where there is not, else titles are cut short.
    """
    columns = min(columns, len(images))
    wide = max([min(SIDE, room / columns), *(width(title, LETTERS) / 72 + 0.1 for title in titles)])
    columns = min(columns, max(1, int(room / wide))) if fewer else columns
    wide = min(wide, room / columns)
    titles, side = [_cut(title, wide * 72 - 4) for title in titles], min(SIDE, wide - 0.02)
    rows, tall = math.ceil(len(images) / columns), side + (0.22 if titles else 0.03)
    drawn, ((axis,),) = figure(columns * wide + 0.3, rows * tall + 0.3)
    drawn.stacks = False
    high, across = (side / max(images.shape[2:]) * pixels / 2 for pixels in images.shape[2:])  # half of it, in inches
    axis.set(xlim=(0, columns * wide), ylim=(rows * tall, 0), xticks=[], yticks=[], aspect="equal")
    axis.spines[:].set_visible(False)
    axis.grid(visible=False)
    for i, image in enumerate(images):
        x, y = (i % columns + 0.5) * wide, (i // columns + 1) * tall - side / 2 - 0.01
        pixels = image.squeeze(0) if len(image) == 1 else image.transpose(1, 2, 0)
        place = (x - across, x + across, y + high, y - high)
        axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=place, interpolation="none")  # every pixel a square
        if titles:
            axis.text(x, y - high - 0.04, titles[i], fontsize=LETTERS, ha="center", va="bottom")
    axis.set(xlim=(0, columns * wide), ylim=(rows * tall, 0))  # each image moved them
    places = [(row + 1) * tall - side / 2 - 0.01 for row in range(len(row_labels))]
    axis.set_yticks(places, row_labels, fontsize=LETTERS, rotation=90, va="center")
    return name_data(drawn, dataset, say)


def _cut(title: str, room: float) -> str:
    """A title that is not wider than ``room`` points."""
    while width(title, LETTERS) > room and len(title) > 2:
        title = f"{title.removesuffix('…')[:-1]}…"
    return title


def filters(weights: np.ndarray, dataset: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Filters (N, C, k, k) of a first layer as images: 0 is grey, and the largest weight of each white or black."""
    largest = np.abs(weights).max((1, 2, 3), keepdims=True).clip(min=1e-9)
    drawn = image_grid((127.5 + 127.5 * weights / largest).astype(np.uint8), dataset, say=say)
    drawn.alt = say.plain("alt.filters", count=len(weights), side=weights.shape[-1])
    return drawn


def centres(pixels: np.ndarray, dataset: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """Centres (clusters, C·H·W) of a clustering of pixels in [0, 1], as images of the data set's shape."""
    images = (255 * pixels.clip(0, 1)).reshape(-1, *dataset["shape"]).astype(np.uint8)
    drawn = image_grid(images, dataset, columns=10, say=say)
    drawn.alt = say.plain("alt.centres", count=len(images))
    return drawn


def pair_cosines(cosines: np.ndarray, dataset: dict[str, Any], say: Words = SPOKEN, images: int = 16) -> Figure:
    """Cosines (2N, 2N) of a batch of projections: first views of its first ``images`` images against the second ones.

    Partners are on the diagonal.
    """
    shown = cosines[: len(cosines) // 2, len(cosines) // 2 :][:images, :images]
    drawn, ((axis,),) = figure(3.9, 3.1)
    drawn.colorbar(axis.imshow(shown, cmap="RdBu_r", vmin=-1, vmax=1), label=say("plot.cosine"))
    ticks = np.arange(0, len(shown), 5)
    axis.set_xticks(ticks, ticks + 1)
    axis.set_yticks(ticks, ticks + 1)
    axis.grid(visible=False)
    axis.set(xlabel=say.plain("plot.view_of_image", number=2), ylabel=say.plain("plot.view_of_image", number=1))
    partners = np.eye(len(shown), dtype=bool)
    mean = {"partners": shown[partners].mean(), "others": shown[~partners].mean()}
    drawn.alt = say.plain(
        "alt.pair_cosines", **{kind: f"{value:.2f}".replace("-", "−") for kind, value in mean.items()}
    )
    return name_data(drawn, dataset, say)


def views(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """The images that ``pictures`` kept: originals in the first row, two views of each below."""
    images, asked = picture(record, "views"), record["parameters"]
    labels = [say("plot.image"), *(say.plain("plot.view", number=i) for i in (1, 2))]
    count = len(images) // 3
    drawn = image_grid(images, record["dataset"], columns=count, row_labels=labels, say=say)
    few = min(count, int(ON_PHONE / SIDE))
    first = np.concatenate([images[row * count : row * count + few] for row in range(3)])
    drawn.narrow = image_grid(first, record["dataset"], columns=few, row_labels=labels, say=say, room=ON_PHONE)
    done = listed(operations(asked["views"], say, asked.get("left_out", [])), say)
    drawn.alt = say.plain("alt.views", count=len(images) // 3, operations=done or asked["views"])
    return drawn


def neighbours(record: dict[str, Any], say: Words = SPOKEN, most: int = 6) -> Figure:
    """At most so many test images (first column, framed) and the training images nearest to each in feature space.

    The class of a neighbour that is not the test image's is in red.
    """
    rows = record["results"]["neighbours"][:most]
    labels = np.array([[row["label"], *row["neighbours"]] for row in rows])
    images = picture(record, "neighbours")[: labels.size]
    images = images.reshape(*labels.shape, *images.shape[1:])
    drawn = _near(images, labels, record["dataset"], say, PAGE)
    few = int(ON_PHONE / SIDE)
    drawn.narrow = _near(images[:, :few], labels[:, :few], record["dataset"], say, ON_PHONE)
    found = int((labels == labels[:, :1]).sum()) - len(rows)
    drawn.alt = say.plain("alt.neighbours", images=len(rows), same=found, all=labels.size - len(rows))
    return drawn


def _near(images: np.ndarray, labels: np.ndarray, dataset: dict[str, Any], say: Words, room: float) -> Figure:
    """Images (rows, columns, C, H, W) with the names of their labels, those of each row's first in its own colour."""
    names, columns = classes(dataset, say), labels.shape[1]
    titles = [names[label] for label in labels.flat]
    drawn = image_grid(images.reshape(-1, *images.shape[2:]), dataset, titles, columns, say=say, room=room)
    same = (labels == labels[:, :1]).flat
    (axis,) = drawn.axes
    for shown, title, right in zip(axis.images, axis.texts, same, strict=True):
        if not right:
            title.set_color(WARNING)
        if shown in axis.images[::columns]:
            left, end, bottom, top = shown.get_extent()
            axis.add_patch(Rectangle((left, top), end - left, bottom - top, fill=False, edgecolor=PALETTE[0], lw=2.5))
    return drawn


def mistakes(record: dict[str, Any], say: Words = SPOKEN) -> Figure:
    """The most confident wrong predictions of the first classifier, as pictures: ``6 → 1 (100%)``."""
    names, found = classes(record["dataset"], say), record["results"]["mistakes"]
    titles = [f"{names[m['label']]} → {names[m['predicted']]} ({m['probability']:.0%})" for m in found]
    images, dataset = picture(record, "mistakes"), record["dataset"]
    drawn = image_grid(images, dataset, titles, columns=6, say=say, fewer=True)
    few = 4 * max(1, int(ON_PHONE / max(SIDE, *(width(title, LETTERS) / 72 + 0.1 for title in titles))))  # four rows
    drawn.narrow = image_grid(images[:few], dataset, titles[:few], 6, say=say, fewer=True, room=ON_PHONE)
    drawn.alt = say.plain("alt.mistakes", list=listed(titles, say))
    return drawn
