"""Room 1: choose operations and their strength, see the views they make, and whether the encoder knows the pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from lib.augment import (
    ColourJitter,
    GaussianBlur,
    HorizontalFlip,
    Operation,
    RandomGreyscale,
    ResizedCrop,
    Rotation,
    Views,
    Warp,
)
from lib.explore import html
from lib.explore.room import Room
from lib.explore.subject import Subject
from lib.report import plots
from lib.report.style import listed

SHOWN = 8  # images of the widget
WIDE = {"description_width": "110px"}  # of the words beside a slider
ASKED = 64  # images of the mean similarities: those shown are the first of them


@dataclass(frozen=True)
class Strength:
    """An operation's strength: the end of its slider, a step of it, and one at which the operation is plainly seen."""

    most: float
    step: float
    plain: float


#: In the order of the operations. 0 is always: left out.
STRENGTHS = {
    "crop": Strength(0.95, 0.05, 0.7),  # the largest share of the area that is cut away
    "mirror": Strength(1.0, 0.1, 1.0),  # probability
    "rotation": Strength(180.0, 5.0, 45.0),  # ± degrees
    "shift": Strength(0.5, 0.05, 0.2),  # ± share of the side
    "size": Strength(0.6, 0.05, 0.4),  # 1 ± so much
    "shear": Strength(40.0, 5.0, 25.0),  # ± degrees
    "elastic": Strength(60.0, 5.0, 35.0),  # pixels, before the field is smoothed
    "blur": Strength(3.0, 0.25, 2.0),  # pixels, σ
    "colour": Strength(1.0, 0.1, 0.8),  # SimCLR's colour strength s
    "grey": Strength(1.0, 0.1, 1.0),  # probability
}


def named(channels: int) -> list[str]:
    """The operations that images of so many channels can have."""
    return [name for name in STRENGTHS if channels == 3 or name not in ("colour", "grey")]


def operations(strength: Mapping[str, float]) -> list[Operation]:
    """The operations of these strengths, in order; what is missing or 0 is left out."""
    s = {name: float(strength.get(name, 0)) for name in STRENGTHS}
    warp = [s[name] for name in ("rotation", "shift", "size", "shear", "elastic")]
    rotation, shift, size, shear, elastic = warp
    chosen: dict[Operation, bool] = {
        ResizedCrop((1 - s["crop"], 1.0)): s["crop"] > 0,
        HorizontalFlip(s["mirror"]): s["mirror"] > 0,
        Warp(rotation, shift, (1 - size, 1 + size), shear, elastic): any(warp),
        GaussianBlur(5, (0.1, max(0.2, s["blur"])), p=1.0): s["blur"] > 0,
        ColourJitter(*[0.8 * s["colour"]] * 3, 0.2 * s["colour"], p=1.0): s["colour"] > 0,
        RandomGreyscale(s["grey"]): s["grey"] > 0,
    }
    return [operation for operation, wanted in chosen.items() if wanted]


def recipe(views: Views) -> dict[str, float]:
    """The strengths that come nearest to these views."""
    found = dict.fromkeys(STRENGTHS, 0.0)
    for operation in views.operations:
        match operation:
            case ResizedCrop():
                found["crop"] = 1 - operation.scale[0]
            case HorizontalFlip():
                found["mirror"] = operation.p
            case Rotation():
                found["rotation"] = operation.degrees
            case GaussianBlur():
                found["blur"] = operation.sigma[1]
            case Warp(degrees, translate, scale, shear, alpha):
                found |= {"rotation": degrees, "shift": translate, "size": scale[1] - 1, "shear": shear}
                found["elastic"] = alpha
            case ColourJitter():
                found["colour"] = operation.brightness / 0.8
            case RandomGreyscale():
                found["grey"] = operation.p
    return {name: round(value / STRENGTHS[name].step) * STRENGTHS[name].step for name, value in found.items()}


def pairs(
    subject: Subject, strength: Mapping[str, float], images: Tensor, seed: int
) -> tuple[Tensor, Tensor, float, float]:
    """Two views of each image, and what the encoder makes of them.

    Returns:
        Views as uint8 (2N, C, H, W), the cosine of z of each pair (N,), its mean, and the mean cosine of views of
        different images.
    """
    views = Views(operations(strength), subject.views.mean, subject.views.std)
    made = views.pair(images, torch.Generator().manual_seed(seed))
    first, second = subject.projections(made).chunk(2)
    cosine = first @ second.T
    own = torch.eye(len(images), dtype=torch.bool)
    return views.to_uint8(made), cosine.diagonal(), cosine[own].mean().item(), cosine[~own].mean().item()


def figure(subject: Subject) -> Figure:
    """Each operation alone, plainly strong: one view of some images, and the mean cosine of image and view."""
    images, say = subject.tested[:ASKED], subject.drawn
    rows, labels, told = [images[:SHOWN]], [say("plot.image")], []
    original = subject.projections(subject.views.plain(images))
    for name in named(images.shape[1]):
        views = Views(operations({name: STRENGTHS[name].plain}), subject.views.mean, subject.views.std)
        made = views(images, torch.Generator().manual_seed(0))
        cosine = (subject.projections(made) * original).sum(1).mean().item()
        rows.append(views.to_uint8(made[:SHOWN]))
        labels.append(f"{say(f'explore.operation.{name}')}\ncos {cosine:.2f}")
        told.append(f"{say(f'explore.operation.{name}')} {cosine:.2f}")
    stacked = torch.cat(rows).numpy()
    drawn = plots.image_grid(stacked, subject.dataset, columns=SHOWN, row_labels=labels, say=say)
    drawn.alt = say.plain("explore.alt.views", count=SHOWN, list=listed(told, say))
    return drawn


def widget(subject: Subject) -> ipywidgets.Widget:
    """A slider for each operation; below, some images with their two views and the cosine of each pair."""
    say, start = subject.say, recipe(subject.views)
    sliders = {name: _slider(subject, name, start[name]) for name in named(subject.images.image_shape[0])}
    seed = ipywidgets.BoundedIntText(
        0, min=0, max=9999, description=say("explore.draw"), style=WIDE, layout={"width": "200px"}
    )
    place = ipywidgets.IntSlider(
        0, 0, len(subject.tested) // ASKED - 1, description=say("explore.images"), style=WIDE, layout={"width": "300px"}
    )
    again = ipywidgets.Button(description=say("explore.recipe"), tooltip=say("explore.recipe_tip"))
    shown = ipywidgets.HTML(layout={"width": "100%"})
    shown.add_class("explore-views")

    def show(_: Any = None) -> None:
        strength = {name: slider.value for name, slider in sliders.items()}
        images = subject.tested[place.value * ASKED :][:ASKED]
        shown.value = _page(subject, images, pairs(subject, strength, images, seed.value))

    def reset(_: Any) -> None:
        for name, slider in sliders.items():
            slider.value = start[name]

    for control in (*sliders.values(), seed, place):
        control.observe(show, "value")
    again.on_click(reset)
    show()
    grid = ipywidgets.GridBox(list(sliders.values()), layout={"grid_template_columns": "repeat(auto-fill, 310px)"})
    return Room([grid, ipywidgets.HBox([place, seed, again]), shown], say)


def _slider(subject: Subject, name: str, value: float) -> ipywidgets.FloatSlider:
    strength = STRENGTHS[name]
    return ipywidgets.FloatSlider(
        value, min=0, max=strength.most, step=strength.step, readout_format=".2f" if strength.step < 1 else ".0f",
        description=subject.say(f"explore.operation.{name}"), style=WIDE,
        layout={"width": "300px"},
    )  # fmt: skip


def _page(subject: Subject, images: Tensor, made: tuple[Tensor, Tensor, float, float]) -> str:
    """The first images, the two views of each below it, and the cosine of the pair."""
    views, cosine, own, other = made
    say, first = subject.say, len(images)
    columns = [
        html.column(
            html.picture(images[i], say("plot.image"), 64),
            html.picture(views[i], say.plain("plot.view", number=1), 64),
            html.picture(views[first + i], say.plain("plot.view", number=2), 64),
            html.line(f"{cosine[i]:.2f}", weight="bold"),
        )
        for i in range(SHOWN)
    ]
    mean = say.plain("explore.mean_cosine", count=first, own=f"{own:.2f}", other=f"{other:.2f}")
    return html.row(columns) + html.line(say("explore.under")) + html.line(mean, weight="bold")
