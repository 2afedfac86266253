"""Room 2: one row of the similarity matrix of a real batch, its softmax and its gradient as τ moves."""

import math
from dataclasses import dataclass
from functools import cached_property

import ipywidgets
import torch
import torch.nn.functional as F
from IPython.display import Markdown
from matplotlib.figure import Figure
from torch import Tensor

from lib.explore import html
from lib.explore.room import Room
from lib.explore.subject import Subject
from lib.loss import nt_xent_loss
from lib.report.chapters.excerpts import Piece
from lib.report.style import PALETTE, name_data
from lib.report.style import figure as empty_figure

CANDIDATES = 18  # the most similar of the other views
TEMPERATURES = (0.05, 0.2, 1.0)  # of the figure


@dataclass(frozen=True)
class Batch:
    """Views (2N, C, H, W) as uint8, and their projections (2N, D), of length 1."""

    views: Tensor
    z: Tensor

    @cached_property
    def cosine(self) -> Tensor:
        """Of each view with each, (2N, 2N)."""
        return self.z @ self.z.T

    def partner(self, row: int) -> int:
        return (row + len(self.views) // 2) % len(self.views)


@dataclass(frozen=True)
class Row:
    """What the loss makes of one view: the others, the most similar first.

    ``others`` are rows of the batch; ``cosine``, ``softmax`` and ``gradient`` (of the view's loss by each cosine) are
    in the same order, (2N - 1,).
    """

    others: Tensor
    cosine: Tensor
    softmax: Tensor
    gradient: Tensor
    loss: float


def batch(subject: Subject, seed: int = 0) -> Batch:
    """A batch as in the encoder's pretraining: as many images, the same views; of test images."""
    size = min(subject.record["parameters"]["batch_size"], len(subject.tested))
    made = subject.views.pair(subject.tested[:size], torch.Generator().manual_seed(seed))
    return Batch(subject.views.to_uint8(made), subject.projections(made))


def row(of: Batch, anchor: int, temperature: float) -> Row:
    """The loss of one view, and by autograd its gradient."""
    others = torch.cat([torch.arange(anchor), torch.arange(anchor + 1, len(of.views))])
    others = others[of.cosine[anchor, others].argsort(descending=True)]
    cosine = of.cosine[anchor, others].clone().requires_grad_()
    logits = cosine / temperature
    loss = F.cross_entropy(logits, (others == of.partner(anchor)).nonzero()[0, 0])
    loss.backward()
    return Row(others, cosine.detach(), logits.detach().softmax(0), cosine.grad, loss.item())


def figure(subject: Subject) -> Figure:
    """Softmax and gradient of one row at a low, a usual and a high temperature, over the most similar candidates."""
    of, say, places = batch(subject), subject.drawn, range(1, CANDIDATES + 1)
    told = []
    drawn, axes = empty_figure(7.6, 3.8, 2, len(TEMPERATURES), sharex=True, sharey="row")
    for (above, below), temperature in zip(axes.T, TEMPERATURES, strict=True):
        seen = row(of, 0, temperature)
        right = (seen.others[:CANDIDATES] == of.partner(0)).tolist()
        look = {"color": [PALETTE[2] if own else PALETTE[0] for own in right], "edgecolor": "white", "linewidth": 0.3}
        hatch = ["//" if own else "" for own in right]
        above.bar(places, seen.softmax[:CANDIDATES], hatch=hatch, **look)
        below.bar(places, seen.gradient[:CANDIDATES], hatch=hatch, **look)
        above.set(title=f"τ = {temperature:g}")
        own = seen.others == of.partner(0)
        told.append(f"τ = {temperature:g}: {float(seen.softmax[own]):.2f}, {float(seen.gradient[own]):+.2f}")
        below.set(xlabel=say("explore.candidate"))
    axes[0, 0].set(ylabel="softmax")
    axes[1, 0].set(ylabel=say("explore.gradient"))
    drawn.alt = say.plain("explore.alt.loss", count=CANDIDATES, list=("；" if say.chinese else "; ").join(told))
    return name_data(drawn, subject.dataset, say)


def widget(subject: Subject) -> ipywidgets.Widget:
    """Sliders for τ and for the row; below, the most similar views with cosine, softmax and gradient."""
    of, say = batch(subject), subject.say
    wide = {"description_width": "130px"}
    temperature = ipywidgets.FloatLogSlider(
        subject.record["parameters"]["temperature"],
        min=math.log10(0.02), max=math.log10(2), step=0.02, readout_format=".2f",
        description=say("explore.temperature"), style=wide, layout={"width": "420px"},
    )  # fmt: skip
    anchor = ipywidgets.IntSlider(
        0, 0, len(of.views) - 1, description=say("explore.row"), style=wide, layout={"width": "420px"}
    )
    shown = ipywidgets.HTML(layout={"width": "100%"})
    shown.add_class("explore-loss")

    def show(_=None) -> None:
        shown.value = _page(subject, of, anchor.value, temperature.value)

    for control in (temperature, anchor):
        control.observe(show, "value")
    show()
    return Room([temperature, anchor, shown], say)


def _page(subject: Subject, of: Batch, anchor: int, temperature: float) -> str:
    """The view asked about, and a column for each of the most similar others."""
    say, seen, partner = subject.say, row(of, anchor, temperature), of.partner(anchor)
    scale = float(seen.gradient.abs().max())
    columns = []
    for i in range(CANDIDATES):
        own = int(seen.others[i]) == partner
        colour = html.COLOURS[2] if own else html.COLOURS[0]
        columns.append(
            html.column(
                html.picture(of.views[seen.others[i]], say("explore.partner" if own else "explore.other"), 36,
                             colour if own else "transparent"),
                html.line(f"{seen.cosine[i]:.2f}", 11),
                html.pillar(float(seen.softmax[i]), colour), html.line(f"{seen.softmax[i]:.2f}", 11),
                html.pillar(float(seen.gradient[i]) / scale, colour, 40), html.line(f"{seen.gradient[i]:+.2f}", 11),
            )
        )  # fmt: skip
    place = int((seen.others == partner).nonzero()[0, 0])
    heads = html.column(
        html.picture(of.views[anchor], say("explore.asked"), 36, "currentColor"),
        html.line(say("explore.cosine"), 11),
        _head("softmax", 60), html.line("", 11), _head(say("explore.gradient"), 40),
    )  # fmt: skip
    values = {"loss": f"{seen.loss:.2f}", "count": len(seen.others), "place": place + 1}
    values |= {"nothing": f"{math.log(len(seen.others)):.2f}", "rest": f"{float(seen.softmax[CANDIDATES:].sum()):.2f}"}
    whole = float(nt_xent_loss(of.z, temperature))
    return (
        html.row([heads, *columns], 4)
        + html.line(say.plain("explore.row_loss", **values), weight="bold")
        + html.line(say.plain("explore.batch_loss", loss=f"{whole:.3f}", views=len(of.views)))
    )


def _head(text: str, height: int) -> str:
    return f'<div style="height:{height}px;display:flex;align-items:center">{html.line(text, 11)}</div>'


def source() -> Markdown:
    """``nt_xent_loss`` as it stands in ``lib/loss.py``, less docstring and checks."""
    return Markdown(f"```python\n{Piece(nt_xent_loss).code}\n```")
