"""Colour operations on batches of float RGB images (N, 3, H, W) in [0, 1], each image with its own draw."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.drawing import Parameters, chosen, uniform

LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601-2, the weights Pillow and torchvision use


def greyscale(images: Tensor) -> Tensor:
    """(N, 1, H, W): the luma of each pixel."""
    red, green, blue = images.unbind(1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)


def _blend(images: Tensor, others: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(others, images, factor[:, None, None, None]).clamp(0, 1)


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    return (images * factor[:, None, None, None]).clamp(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    return _blend(images, greyscale(images).mean((1, 2, 3), keepdim=True).expand_as(images), factor)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    return _blend(images, greyscale(images).expand_as(images), factor)


def adjust_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue by ``shift`` (N,), in turns of the colour circle, at constant value and chroma.

    A channel of a colour of hue h (in sixths), value v and chroma c is v - c·clamp(min(k, 4 - k), 0, 1)
    with k = (n + h) mod 6 and n = 5, 3, 1 for red, green, blue: the HSV hexagon unrolled.
    """
    red, green, blue = images.unbind(1)
    value, lowest = images.amax(1), images.amin(1)
    chroma = value - lowest
    scale = chroma.clamp(min=1e-8)
    sixth = torch.where(
        value == red,
        (green - blue) / scale,
        torch.where(value == green, 2 + (blue - red) / scale, 4 + (red - green) / scale),
    )
    sixth += 6 * shift[:, None, None]
    turned = torch.empty_like(images)
    for channel, n in enumerate((5, 3, 1)):
        k = sixth + n
        k -= 6 * (k / 6).floor_()  # k % 6, which torch's CPU kernel computes an element at a time
        torch.sub(value, chroma * torch.minimum(k, 4 - k).clamp_(0, 1), out=turned[:, channel])
    return turned


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
        images = images.clone()
        steps = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
        for place in range(4):
            for step, adjust in enumerate(steps):
                rows = ((order[:, place] == step) & jitter).nonzero()[:, 0]
                images[rows] = adjust(images[rows], amounts[rows, step])
        return images


@dataclass(frozen=True)
class RandomGreyscale:
    """Take the colour away with probability ``p``."""

    p: float = 0.2

    def draw(self, n: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        return {"grey": chosen(n, self.p, generator)}

    def apply(self, images: Tensor, grey: Tensor) -> Tensor:
        return torch.where(grey[:, None, None, None], greyscale(images), images)
