"""Colour operations on batches of float RGB images (N, 3, H, W) in [0, 1], each image with its own draw."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.augment.drawing import Parameters, chosen, uniform

LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601-2, the weights Pillow and torchvision use
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)  # the steps of a jitter


def greyscale(images: Tensor) -> Tensor:
    """(N, 1, H, W): the luma of each pixel."""
    red, green, blue = images.unbind(1)
    return (LUMA[0] * red).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2]).unsqueeze(1)


def adjust(images: Tensor, step: Tensor, factor: Tensor) -> Tensor:
    """Brightness, contrast or saturation, in place: each image has its own ``step`` (N,) and ``factor`` (N,).

    All three are ``factor · image + (1 - factor) · other``, the other being black, the image's mean grey, or
    its grey. As one formula they take the whole batch, with no image moved to a group of its step.
    """
    step, factor = step[:, None, None, None], factor[:, None, None, None]
    grey = greyscale(images)
    mean = grey.mean((2, 3), keepdim=True) * (1 - factor) * (step == CONTRAST)
    grey.mul_((1 - factor) * (step == SATURATION)).add_(mean)
    return images.mul_(factor).add_(grey).clamp_(0, 1)


def adjust_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue by ``shift`` (N,), in turns of the colour circle, at constant value and chroma, in place.

    The HSV hexagon without telling its six sides apart, which takes a CPU longer than arithmetic: a colour is
    ``(chroma - lowest + green + blue - red) / chroma`` sixths of a turn from pure red, on green's side if
    green is above blue. Back: a channel is at one end of the chroma up to a sixth of a turn from a certain
    hue, at the other end from a third on, and a straight line between.
    """
    red, green, blue = images.unbind(1)
    highest, lowest = images.amax(1), images.amin(1)
    sixfold = (highest - lowest).mul_(6).clamp_(min=1e-8)  # six times the chroma; of a grey it is 0
    turn = highest.sub_(lowest, alpha=2).add_(green).add_(blue).sub_(red).copysign_(green - blue).div_(sixfold)
    turn = turn.add_(1 + shift[:, None, None]).frac_()
    lower, upper = lowest.sub(sixfold, alpha=1 / 6), lowest.add(sixfold, alpha=1 / 3)
    for channel, base, sign, hue in ((0, lower, 1, 1 / 2), (1, upper, -1, 1 / 3), (2, upper, -1, 2 / 3)):
        away = (turn - hue).abs_().clamp_(1 / 6, 1 / 3)
        torch.addcmul(base, sixfold, away, value=sign, out=images[:, channel])
    return images


@dataclass(frozen=True)
class ColourJitter:
    """SimCLR's colour distortion: brightness, contrast, saturation and hue in random order.

    Factors come from 1 ± ``brightness`` and so on, the hue's shift from ± ``hue`` turns; with
    probability ``1 - p`` an image keeps its colours. Each image has its own factors and order.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    p: float = 0.8

    def draw(self, n: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        ranges = [(1 - v, 1 + v) for v in (self.brightness, self.contrast, self.saturation)] + [(-self.hue, self.hue)]
        amounts = torch.stack([uniform(n, *bounds, generator) for bounds in ranges], 1)
        order = torch.rand(n, 4, generator=generator, device=generator.device).argsort(1)
        return {"amounts": amounts, "order": order, "jitter": chosen(n, self.p, generator)}

    def apply(self, images: Tensor, amounts: Tensor, order: Tensor, jitter: Tensor) -> Tensor:
        """``amounts`` (N, 4): three factors and the hue's shift; ``order`` (N, 4): which comes first."""
        place = (order == HUE).int().argmax(1)  # of the hue: the others are so many steps before it
        rows = jitter.nonzero()[:, 0]
        rows = rows[place[rows].argsort()]  # so that those with a step at some place are a slice, no copy
        place, order, amounts = place[rows], order[rows], amounts[rows]
        factors, some = amounts.gather(1, order), images.index_select(0, rows)
        ends = [int((place <= p).sum()) for p in range(3)]  # images whose hue is turned at place p or before
        for p, end in enumerate(ends):
            adjust(some[end:], order[end:, p], factors[end:, p])
        adjust_hue(some, amounts[:, HUE])
        for p, end in enumerate(ends, 1):
            adjust(some[:end], order[:end, p], factors[:end, p])
        return images.index_copy(0, rows, some)


@dataclass(frozen=True)
class RandomGreyscale:
    """Take the colour away with probability ``p``."""

    p: float = 0.2

    def draw(self, n: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        return {"grey": chosen(n, self.p, generator)}

    def apply(self, images: Tensor, grey: Tensor) -> Tensor:
        rows = grey.nonzero()[:, 0]
        some = images.index_select(0, rows)
        return images.index_copy(0, rows, greyscale(some).expand_as(some))
