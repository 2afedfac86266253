"""Room 4: a picture of your own, prepared as the data set's were, and what three ways of looking make of it."""

import io

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from lib.explore import html
from lib.explore.answers import answers
from lib.explore.pad import Pad
from lib.explore.room import Room
from lib.explore.subject import Subject
from lib.report import plots
from lib.report.style import listed

BOX = 20  # pixels that the longer side of a digit of MNIST takes
SIDE = 28
VIEWS = 6


class PictureError(ValueError):
    """A picture with nothing on it, or that cannot be read."""


def prepare(ink: np.ndarray) -> Tensor:
    """Ink on an empty ground as MNIST prepared its digits (LeCun et al. 1998, section III.A): uint8 (1, 28, 28).

    Cut out, scaled to a box of 20 × 20 with its proportions kept, and laid so that the centre of mass of the ink is in
    the middle of 28 × 28, which for MNIST is row and column 14, counted from 0.

    Args:
        ink: uint8 (H, W), 0 where there is none.
    Raises:
        PictureError: there is no ink.
    """
    rows, columns = np.nonzero(ink.max(1) > 30)[0], np.nonzero(ink.max(0) > 30)[0]
    if not len(rows):
        raise PictureError("there is nothing on the picture.")
    cut = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = BOX / max(cut.size)
    size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
    small = np.asarray(cut.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR), float)
    small = small * (255 / small.max())  # the strokes' middle is white, as in MNIST
    y, x = (float((np.arange(n) * small.sum(1 - axis)).sum() / small.sum()) for axis, n in enumerate(small.shape))
    top, left = (min(max(round(SIDE / 2 - at), 0), SIDE - n) for at, n in zip((y, x), small.shape, strict=True))
    whole = np.zeros((SIDE, SIDE), np.uint8)
    whole[top : top + small.shape[0], left : left + small.shape[1]] = small.round()
    return torch.from_numpy(whole)[None]


def ink_of(photo: Image.Image) -> np.ndarray:
    """A photo of dark writing on light paper, or light on dark, as ink on nothing: uint8 (H, W).

    The paper is what most pixels are; what differs from it by less than a third of the most is no ink.
    """
    grey = ImageOps.exif_transpose(photo).convert("L")
    grey.thumbnail((400, 400))
    pixels = np.asarray(grey, float)
    away = np.abs(pixels - np.median(pixels))
    if away.max() < 40:
        raise PictureError("the picture has hardly any contrast.")
    away = away / away.max()
    return (np.where(away < 1 / 3, 0, away) * 255).astype(np.uint8)


def square(photo: Image.Image, side: int) -> Tensor:
    """The middle of a photo as a colour image: uint8 (3, side, side)."""
    small = ImageOps.fit(ImageOps.exif_transpose(photo).convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)


def read(content: bytes, subject: Subject) -> Tensor:
    """An uploaded picture, prepared: uint8 (C, H, W).

    Raises:
        PictureError: it is no picture, or there is nothing on it.
    """
    channels, side, _ = subject.images.image_shape
    try:
        photo = Image.open(io.BytesIO(content))
        photo.load()
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise PictureError("the file is no picture that can be read.") from error
    return prepare(ink_of(photo)) if channels == 1 else square(photo, side)


def views_of(image: Tensor, subject: Subject, seed: int = 0) -> Tensor:
    """Random views of one image, uint8 (VIEWS, C, H, W)."""
    views = subject.views(image.repeat(VIEWS, 1, 1, 1), torch.Generator().manual_seed(seed))
    return subject.views.to_uint8(views)


def figure(subject: Subject, number: int = 0) -> Figure:
    """The same for a test image: in each row the image and its nearest training images, by one way of looking."""
    say, image = subject.drawn, subject.tested[number : number + 1]
    names = [say.or_as_is("classes", name) for name in subject.images.classes]
    rows, titles, labels = [image, views_of(image[0], subject), image[:0]], ["", *[""] * VIEWS], []
    width = 1 + VIEWS
    labels.append(say("explore.image_and_views"))
    told = []
    for name, reader in subject.readers.items():
        (verdict,) = reader.ask(image)
        near = verdict.rows[:VIEWS]
        rows += [image, subject.known[near]]
        titles += [f"→ {names[verdict.winner]} {max(verdict.shares):.0%}"]
        titles += [names[label] for label in subject.known_labels[near]]
        labels.append(say(f"explore.reader.{name}"))
        told.append(f"{labels[-1]} {titles[-width]}")
    drawn = plots.image_grid(torch.cat(rows).numpy(), subject.dataset, titles, width, labels, say)
    drawn.alt = say.plain("explore.alt.digit", views=VIEWS, near=VIEWS, list=listed(told, say))
    return drawn


def widget(subject: Subject) -> ipywidgets.Widget:
    """A pad to draw on (for grey images), a button to upload a picture, and what comes of it."""
    say, grey = subject.say, subject.images.image_shape[0] == 1
    upload = ipywidgets.FileUpload(accept="image/*", description=say("explore.upload"), layout={"width": "200px"})
    shown = ipywidgets.HTML(say("explore.draw_first" if grey else "explore.upload_first"), layout={"width": "100%"})
    shown.add_class("explore-digit")

    def show(image: Tensor) -> None:
        shown.value = answer(subject, image)

    def attempt(picture) -> None:
        try:
            show(picture())
        except PictureError as error:
            shown.value = html.line(
                say.plain("explore.no_picture", why=say.or_as_is("explore.why", error)), weight="bold"
            )

    def drawn(change) -> None:
        ink = np.frombuffer(change["new"], np.uint8)
        if ink.any():
            attempt(lambda: prepare(ink.reshape(Pad.SIDE, Pad.SIDE)))
        else:
            shown.value = html.line(say("explore.draw_first"))

    def uploaded(change) -> None:
        if change["new"]:
            attempt(lambda: read(bytes(change["new"][0]["content"]), subject))

    upload.observe(uploaded, "value")
    if not grey:
        return Room([upload, shown], say)
    pad = Pad(clear_label=say("explore.clear"))
    pad.observe(drawn, "ink")
    left = ipywidgets.VBox([pad, upload], layout={"flex": "0 0 auto"})  # else the answer squeezes the pad
    return Room([ipywidgets.HBox([left, shown])], say)


def answer(subject: Subject, image: Tensor) -> str:
    """The image as the network sees it, its views, and for each reader its prediction and nearest training images."""
    say = subject.say
    prepared = html.column(html.line(say("explore.as_seen")), html.picture(image, say("plot.image"), 84))
    views = [html.picture(view, say("explore.a_view"), 56) for view in views_of(image, subject)]
    above = html.row([prepared, html.column(html.line(say("explore.its_views")), html.row(views, 4))], 24)
    return above + answers(subject, image, {})
