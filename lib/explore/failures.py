"""Room 5: where it fails. Turn, shift, mirror or blur an image, or add noise, and watch features and prediction."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import ipywidgets
import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from lib.augment import GaussianBlur, Rotation
from lib.explore import html
from lib.explore.answers import answers
from lib.explore.room import Room
from lib.explore.subject import Subject
from lib.report.style import DASHES, name_data
from lib.report.style import figure as empty_figure

ASKED = 300  # test images of the figure's curves


class Change(NamedTuple):
    """How an image (N, C, H, W) in [0, 1] is changed by so much, and the ends and the step of the slider."""

    apply: Callable[[Tensor, float], Tensor]
    least: float
    most: float
    step: float


def _rotate(images: Tensor, degrees: float) -> Tensor:
    return Rotation().apply(images, torch.full((len(images),), degrees))


def _shift(images: Tensor, pixels: float, axis: int) -> Tensor:
    """Moved, with nothing where nothing was."""
    count, size = round(pixels), images.shape[axis]
    if not count:
        return images
    moved = torch.zeros_like(images)
    kept = size - abs(count)
    moved.narrow(axis, max(count, 0), kept).copy_(images.narrow(axis, max(-count, 0), kept))
    return moved


def _noise(images: Tensor, deviation: float) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + deviation * noise).clamp(0, 1)


def _blur(images: Tensor, sigma: float) -> Tensor:
    every = torch.ones(len(images), dtype=torch.bool)
    return GaussianBlur(9).apply(images, torch.full((len(images),), sigma), every) if sigma else images


#: By the name the texts have for them, in the order in which they are made.
CHANGES = {
    "mirror": Change(lambda images, yes: images.flip(-1) if yes else images, 0, 1, 1),
    "rotate": Change(_rotate, -180, 180, 5),
    "right": Change(lambda images, pixels: _shift(images, pixels, 3), -12, 12, 1),
    "down": Change(lambda images, pixels: _shift(images, pixels, 2), -12, 12, 1),
    "blur": Change(_blur, 0, 3, 0.25),
    "noise": Change(_noise, 0, 1, 0.05),
}
#: Of the figure's curves.
CURVES = ("rotate", "right", "noise")


def change(images: Tensor, amounts: Mapping[str, float]) -> Tensor:
    """Changed uint8 images (N, C, H, W), all by the same amounts; one that is missing is 0."""
    changed = images.float() / 255
    for name, how in CHANGES.items():
        if amounts.get(name):
            changed = how.apply(changed, amounts[name])
    return (changed * 255).round().clamp(0, 255).byte()


def figure(subject: Subject) -> Figure:
    """The share of test images that are recognised, against how much they are changed, by each way of looking."""
    images, labels, say = subject.tested[:ASKED], subject.tested_labels[:ASKED], subject.drawn
    drawn, axes = empty_figure(7.6, 2.9, 1, len(CURVES), sharey=True)
    told = []
    for axis, name in zip(axes.flat, CURVES, strict=True):
        how = CHANGES[name]
        amounts = np.linspace(0, how.most, 7)
        for i, (reader, ask) in enumerate(subject.readers.items()):
            right = [100 * ask.accuracy(change(images, {name: float(amount)}), labels) for amount in amounts]
            told.append(
                f"{say(f'explore.change.{name}')}, {say(f'explore.reader.{reader}')} {right[0]:.0f} → {right[-1]:.0f}%"
            )
            axis.plot(amounts, right, DASHES[i], color=html.OF[reader], marker="os^"[i], markersize=3,
                      label=say(f"explore.reader.{reader}"))  # fmt: skip
        axis.axhline(100 / len(subject.classes), color="0.3", linestyle=":", linewidth=1)
        axis.set(xlabel=say(f"explore.amount.{name}"), ylim=(0, 102))
    axes[0, 0].set(ylabel=say("explore.recognised"))
    drawn.alt = say.plain("explore.alt.failures", list=("；" if say.chinese else "; ").join(told))
    drawn.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False)
    return name_data(drawn, subject.dataset, say)


def widget(subject: Subject) -> ipywidgets.Widget:
    """A slider for the image and one for each change; below, what becomes of features, neighbours and prediction."""
    say = subject.say
    wide, layout = {"description_width": "110px"}, {"width": "300px"}
    number = ipywidgets.IntSlider(
        0, 0, len(subject.tested) - 1, description=say("explore.test_image"), style=wide, layout=layout
    )
    sliders = {
        name: ipywidgets.FloatSlider(
            0, min=how.least, max=how.most, step=how.step, readout_format=".2f" if how.step < 1 else ".0f",
            description=say(f"explore.change.{name}"), style=wide, layout=layout,
        )
        for name, how in CHANGES.items()
    }  # fmt: skip
    back = ipywidgets.Button(description=say("explore.back"))
    shown = ipywidgets.HTML(layout={"width": "100%"})
    shown.add_class("explore-failures")

    def show(_=None) -> None:
        amounts = {name: slider.value for name, slider in sliders.items()}
        shown.value = _page(subject, number.value, amounts)

    def reset(_) -> None:
        for slider in sliders.values():
            slider.value = 0

    for control in (number, *sliders.values()):
        control.observe(show, "value")
    back.on_click(reset)
    show()
    grid = ipywidgets.GridBox(
        [number, *sliders.values(), back], layout={"grid_template_columns": "repeat(auto-fill, 310px)"}
    )
    return Room([grid, shown], say)


def _page(subject: Subject, number: int, amounts: Mapping[str, float]) -> str:
    """The image before and after with its features, their difference, and what is made of it."""
    say, image, truth = subject.say, subject.tested[number : number + 1], int(subject.tested_labels[number])
    both = torch.cat([image, change(image, amounts)])
    h = subject.readers["simclr"](both)
    names = (say.plain("explore.truth", name=subject.classes[truth]), say("explore.changed"))
    columns = [
        html.column(html.line(name), html.picture(one, name, 84), html.line("h", 11), stripes(features, h))
        for name, one, features in zip(names, both, h, strict=True)
    ]
    columns.append(html.column(html.line(say("explore.difference")), stripes(h[1] - h[0], h)))
    rows = {name: reader(both) for name, reader in subject.readers.items()}
    notes = {name: say.plain("explore.kept", cosine=f"{float(one @ other):.2f}") for name, (one, other) in rows.items()}
    return html.row(columns, 24, "flex-end") + answers(subject, both[1], notes, truth)


def stripes(values: np.ndarray, scale: np.ndarray) -> str:
    """Features as squares, red above 0 and blue below, 16 in a row."""
    values = np.pad(values, (0, -len(values) % 16)).reshape(-1, 16)
    share = np.clip(values / (2 * np.abs(scale).max()) + 0.5, 0, 1)
    colours = (matplotlib.colormaps["RdBu_r"](share)[..., :3] * 255).astype(np.uint8)
    return html.picture(colours.transpose(2, 0, 1), "h", 128)
