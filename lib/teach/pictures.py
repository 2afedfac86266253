"""The assignment's pictures, one a step, in the notebook's language (English where no font has Chinese characters)."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from lib.report import style
from lib.report.style import PALETTE, figure
from lib.teach.checks import Tutor, frozen, losses

SHOWN_TAU = 0.5
PARTNER, OTHER, SELF = PALETTE[0], PALETTE[7], PALETTE[3]


def _say(language: str) -> Callable[[str], str]:
    drawable = language == "en" or style.chinese_font(look=True)
    tutor = Tutor(language if drawable else "en")
    return lambda key: tutor.say(f"pictures.{key}")


def _projections() -> Tensor:
    """Of four images in two views (8, 16), rows i and i + 4 a pair that is alike but not equal."""
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(4, 16, generator=generator)
    return torch.cat([images, images + 0.7 * torch.randn(4, 16, generator=generator)])


def cosine(language: str) -> Figure:
    """Arrows at the same angle: short and long ones have the same cosine."""
    say = _say(language)
    drawn, axes = figure(6.4, 2.4, 1, 2)
    for axis, length in zip(axes[0], (1.0, 2.2), strict=True):
        for degrees, size, name in ((15, 2.0, "a"), (65, length, "b")):
            x, y = size * np.cos(np.radians(degrees)), size * np.sin(np.radians(degrees))
            axis.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": PARTNER, "lw": 1.8})
            axis.text(1.06 * x, 1.06 * y, name, fontsize=11)
        dot = 2 * length * np.cos(np.radians(50))
        axis.set(xlim=(0, 2.6), ylim=(-0.1, 2.4), aspect="equal", xticks=[], yticks=[])
        axis.set_title(f"a·b = {dot:.2f},  cos = {np.cos(np.radians(50)):.2f}")
    drawn.supxlabel(say("cosine"), fontsize=9)
    return drawn


def row(language: str) -> Figure:
    """What row 0 is compared with: itself (left out), its partner, six others."""
    say = _say(language)
    terms = (losses.cosines(_projections())[0] / SHOWN_TAU).exp().tolist()
    drawn, axes = figure(6.4, 2.8)
    axis, kinds = axes[0, 0], [("self", SELF, [0]), ("partner", PARTNER, [4]), ("others", OTHER, [1, 2, 3, 5, 6, 7])]
    for key, colour, places in kinds:
        hatch = "//" if key == "self" else ""
        axis.bar(places, [terms[k] for k in places], color=colour, label=say(key), hatch=hatch)
    axis.set(xlabel="k", ylabel=say("exponential"), xticks=range(8), title=say("row"))
    axis.legend()
    return drawn


def matrix(language: str) -> Figure:
    """The similarity matrix: self-pairs crossed out, partners framed."""
    say = _say(language)
    drawn, axes = figure(4.6, 3.9)
    axis = axes[0, 0]
    shown = axis.imshow(losses.cosines(_projections()), cmap="RdBu_r", vmin=-1, vmax=1)
    rows = np.arange(8)
    axis.plot(rows, rows, "x", color="0.2", markersize=9, label=say("self"), linestyle="none")
    partners = losses.halves(8).numpy()
    frame = {"marker": "s", "markersize": 17, "markerfacecolor": "none", "markeredgewidth": 2}
    axis.plot(partners, rows, color="black", linestyle="none", label=say("partner"), **frame)
    axis.set(xticks=rows, yticks=rows, xlabel="k", ylabel="i", title=say("matrix"))
    axis.grid(False)
    drawn.colorbar(shown, ax=axis, label="cos")
    drawn.legend(loc="outside lower center", ncols=2, markerscale=0.5)
    return drawn


def overflow(language: str) -> Figure:
    """exp(1/τ) against τ, and where float32 ends."""
    say = _say(language)
    drawn, axes = figure(6.4, 2.8)
    axis, tau = axes[0, 0], np.geomspace(0.005, 1, 200)
    axis.loglog(tau, np.exp(1 / tau), color=PARTNER, label=say("overflow"))
    axis.axhline(torch.finfo(torch.float32).max, color=SELF, linestyle="--", label=say("largest"))
    axis.set(xlabel=say("tau"))
    axis.legend()
    return drawn


def views(images: Tensor, pairs: Tensor, language: str) -> Figure:
    """Images (N, 1, H, W) in the first row, their two views (2N, 1, H, W) below."""
    say, count = _say(language), len(images)
    drawn, axes = figure(0.8 * count + 0.6, 2.8, 3, count)
    for line, (key, shown) in enumerate([("image", images), ("view1", pairs[:count]), ("view2", pairs[count:])]):
        for axis, image in zip(axes[line], shown, strict=True):
            axis.imshow(image[0], cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
        axes[line, 0].set_ylabel(say(key), fontsize=9)
    return drawn


def drift(language: str) -> Figure:
    """BatchNorm's running mean over forward passes without any gradient: training mode, evaluation mode."""
    say = _say(language)
    drawn, axes = figure(6.4, 2.6)
    images, _ = frozen.labelled()
    for mode, colour, key in ((True, SELF, "training"), (False, PARTNER, "frozen")):
        encoder = frozen.small()[0].train(mode)
        means = [encoder.norm.running_mean[0].item()]
        with torch.no_grad():
            for _ in range(20):
                encoder(images)
                means.append(encoder.norm.running_mean[0].item())
        axes[0, 0].plot(means, color=colour, linestyle="-" if mode else "--", marker="o", markersize=3, label=say(key))
    axes[0, 0].set(xlabel=say("forward"), ylabel=say("drift"), xticks=range(0, 21, 5))
    axes[0, 0].legend()
    return drawn


def curves(by_name: Mapping[str, Mapping[int, float]], language: str) -> Figure:
    """Test accuracy against the number of labels, a line for each name."""
    say = _say(language)
    drawn, axes = figure(6.4, 3.4)
    for (name, accuracy), marker in zip(by_name.items(), "os^Dv", strict=False):
        axes[0, 0].plot(list(accuracy), [100 * value for value in accuracy.values()], marker=marker, label=say(name))
    ticks = sorted({count for accuracy in by_name.values() for count in accuracy})
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_xticks(ticks, map(str, ticks), minor=False)
    axes[0, 0].set_xticks([], minor=True)
    axes[0, 0].set(xlabel=say("labels"), ylabel=f"{say('accuracy')} (%)")
    axes[0, 0].legend()
    return drawn
