"""Geometric operations on batches of float images (N, C, H, W), each image with its own draw.

What moves pixels is one ``grid_sample`` of the batch. Blur, and a crop that shrinks, are separable and
linear, so they are written as one small matrix for the rows and one for the columns of each image:
``rows @ image @ columns.T``, two batched matrix products instead of N calls.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.augment.drawing import Parameters, chosen, uniform


def _separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Apply row matrices (N, H', H) and column matrices (N, W', W) to images (N, C, H, W).

    The channels' rows stand one under the other: one product an image for the columns, not one a channel.
    """
    across = images.flatten(1, 2) @ columns.mT  # (N, C·H, W')
    return rows[:, None] @ across.unflatten(1, images.shape[1:3])


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirror left and right with probability ``p``."""

    p: float = 0.5

    def draw(self, n: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        return {"flip": chosen(n, self.p, generator)}

    def apply(self, images: Tensor, flip: Tensor) -> Tensor:
        rows = flip.nonzero()[:, 0]
        return images.index_copy(0, rows, images.index_select(0, rows).flip(-1))


@dataclass(frozen=True)
class ResizedCrop:
    """Crop a random box and resize it to ``side`` × ``side`` pixels (Szegedy et al. 2015).

    ``scale`` is the box's share of the area, ``ratio`` its width / height; with probability
    ``1 - p`` the box is the whole image. It is found as torchvision finds it: up to ten attempts,
    then the largest central box of an allowed ratio. Bilinear, antialiased where it shrinks.
    ``side`` None is the image's own height and width.
    """

    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    p: float = 1.0
    side: int | None = None
    attempts = 10

    def draw(self, n: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        height, width = size
        tries = n * self.attempts
        area = uniform(tries, *self.scale, generator) * height * width
        log_ratio = uniform(tries, *map(math.log, self.ratio), generator)
        w = (area * log_ratio.exp()).sqrt().round().view(n, -1)
        h = (area / log_ratio.exp()).sqrt().round().view(n, -1)
        fits = (w >= 1) & (w <= width) & (h >= 1) & (h <= height)
        first = fits.float().argmax(1, keepdim=True)  # the first attempt that fits, else 0
        w, h = w.gather(1, first)[:, 0], h.gather(1, first)[:, 0]
        central_h, central_w = self._central(height, width)
        none_fits = ~fits.any(1)
        h, w = h.masked_fill(none_fits, central_h), w.masked_fill(none_fits, central_w)
        top = (uniform(n, 0, 1, generator) * (height - h + 1)).floor()
        left = (uniform(n, 0, 1, generator) * (width - w + 1)).floor()
        top = torch.where(none_fits, ((height - h) / 2).floor(), top)
        left = torch.where(none_fits, ((width - w) / 2).floor(), left)
        whole = ~chosen(n, self.p, generator)
        return {
            "top": top.masked_fill(whole, 0),
            "left": left.masked_fill(whole, 0),
            "height": h.masked_fill(whole, height),
            "width": w.masked_fill(whole, width),
        }

    def _central(self, height: int, width: int) -> tuple[int, int]:
        low, high = self.ratio
        if width / height < low:
            return round(width / low), width
        if width / height > high:
            return height, round(height * high)
        return height, width

    def apply(self, images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
        if self.side is None:  # boxes only grow, so that antialiasing has nothing to do
            at = _centres(left, width, images.shape[-1])[:, None], _centres(top, height, images.shape[-2])[..., None]
            grid = torch.stack(torch.broadcast_tensors(*at), 1).permute(0, 2, 3, 1)
            return F.grid_sample(images, grid, mode="bilinear", align_corners=False)
        rows = _resize_matrix(top, height, images.shape[-2], self.side)
        columns = _resize_matrix(left, width, images.shape[-1], self.side)
        return _separable(images, rows, columns)


def _centres(start: Tensor, length: Tensor, size: int) -> Tensor:
    """(N, size): where in [start, start + length) the centres of ``size`` pixels lie, from -1 to 1 over ``size``.

    Not beyond the box's own outermost centres, so that no pixel outside the crop is mixed in.
    """
    start, length = start[:, None], length[:, None]
    centre = (torch.arange(size, device=start.device) + 0.5) * (length / size)
    return (start + centre.clamp(min=0.5).minimum(length - 0.5)) * (2 / size) - 1


def _resize_matrix(start: Tensor, length: Tensor, size: int, target: int) -> Tensor:
    """(N, target, size): bilinear weights taking pixels [start, start + length) of ``size`` to ``target`` pixels.

    A triangle of half-width max(1, length / target) around each output pixel's centre, cut off at
    the crop's border and normalised: what Pillow and torchvision (``antialias=True``) do.
    """
    pixel = torch.arange(size, device=start.device) + 0.5
    start, scale = start[:, None], (length / target)[:, None]
    reach = scale.clamp(min=1)
    centre = (start + (torch.arange(target, device=start.device) + 0.5) * scale) / reach
    outside = (pixel < start) | (pixel > start + length[:, None])
    pixel = (pixel / reach).masked_fill(outside, torch.inf)  # infinitely far: no weight
    weight = (pixel[:, None] - centre[..., None]).abs_().neg_().add_(1).clamp_(min=0)
    return weight.div_(weight.sum(-1, keepdim=True))


@dataclass(frozen=True)
class GaussianBlur:
    """Blur with a ``kernel_size``-tap Gaussian (reflected borders), σ drawn from ``sigma`` (pixels)."""

    kernel_size: int = 5
    sigma: tuple[float, float] = (0.1, 2.0)
    p: float = 0.3

    def draw(self, n: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        return {"sigma": uniform(n, *self.sigma, generator), "blur": chosen(n, self.p, generator)}

    def apply(self, images: Tensor, sigma: Tensor, blur: Tensor) -> Tensor:
        drawn = blur.nonzero()[:, 0]
        rows, columns = (_blur_matrix(sigma[drawn], self.kernel_size, size) for size in images.shape[-2:])
        return images.index_copy(0, drawn, _separable(images.index_select(0, drawn), rows, columns))


def _blur_matrix(sigma: Tensor, kernel_size: int, size: int) -> Tensor:
    """(N, size, size): a Gaussian of ``kernel_size`` taps as a matrix, borders reflected."""
    half = kernel_size // 2
    tap = torch.arange(-half, half + 1, device=sigma.device)
    weight = (-0.5 * (tap / sigma[:, None]) ** 2).softmax(1)
    source = (torch.arange(size, device=sigma.device)[:, None] + tap).abs()  # (size, taps)
    source = torch.where(source < size, source, 2 * (size - 1) - source)
    return torch.einsum("nt,otk->nok", weight, F.one_hot(source, size).float())


@dataclass(frozen=True)
class Rotation:
    """Rotate by an angle from ±``degrees`` about the centre; nearest pixel, zeros outside."""

    degrees: float = 15.0

    def draw(self, n: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        return {"angle": uniform(n, -self.degrees, self.degrees, generator)}

    def apply(self, images: Tensor, angle: Tensor) -> Tensor:
        radians = angle.deg2rad()
        cos, sin, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
        inverse = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)
        return F.grid_sample(images, _grid(inverse, images), mode="nearest", align_corners=False)


def _grid(inverse: Tensor, images: Tensor) -> Tensor:
    """(N, H, W, 2) sampling grid for inverse maps (N, 2, 3) in pixels from the image's centre.

    An affine coordinate is a part that hangs on the column plus one that hangs on the row: one addition
    a pixel. ``F.affine_grid`` takes a matrix product for each image, on a CPU many times slower.
    """
    (height, width), device = images.shape[-2:], images.device
    inverse = inverse / torch.tensor([[width / 2], [height / 2]], device=device)  # in halves of a side, as grid_sample
    x, y = (torch.arange(side, device=device) + 0.5 - side / 2 for side in (width, height))
    of_column, of_row = inverse[:, :, :1] * x + inverse[:, :, 2:], inverse[:, :, 1:2] * y
    return (of_column[:, :, None] + of_row[..., None]).permute(0, 2, 3, 1)


@dataclass(frozen=True)
class Warp:
    """A random affine map followed by a smooth elastic one, in a single bilinear resampling.

    ``degrees``, ``shear`` (both axes) are ± degrees, ``translate`` a ± share of the side, ``scale``
    a factor; ``alpha`` is the elastic field's strength in pixels before smoothing with a Gaussian
    of ``sigma`` pixels (Simard et al. 2003). Outside the image is zero.
    """

    degrees: float = 30.0
    translate: float = 0.1
    scale: tuple[float, float] = (0.8, 1.2)
    shear: float = 10.0
    alpha: float = 0.0
    sigma: float = 4.0

    def draw(self, n: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        height, width = size
        parameters = {
            "angle": uniform(n, -self.degrees, self.degrees, generator),
            "x": uniform(n, -self.translate, self.translate, generator) * width,
            "y": uniform(n, -self.translate, self.translate, generator) * height,
            "scale": uniform(n, *self.scale, generator),
            "shear_x": uniform(n, -self.shear, self.shear, generator),
            "shear_y": uniform(n, -self.shear, self.shear, generator),
        }
        noise = uniform(n * 2 * height * width, -1, 1, generator).view(n, 2, height, width)
        sigma = torch.tensor([self.sigma], device=noise.device)
        # torchvision's kernel: 8 σ + 1 taps, an odd number, no wider than reflection allows
        taps = min(int(8 * self.sigma + 1) | 1, 2 * (min(size) - 1) + 1)
        smooth = _separable(noise, *(_blur_matrix(sigma, taps, side) for side in size))
        field = smooth * (self.alpha * 2 / torch.tensor([width, height], device=noise.device))[:, None, None]
        return parameters | {"displacement": field.permute(0, 2, 3, 1)}

    def apply(self, images: Tensor, *, displacement: Tensor, **affine: Tensor) -> Tensor:
        """``displacement`` (N, H, W, 2) is in units of half an image side, as in ``grid_sample``."""
        grid = _grid(_inverse_affine(**affine), images) + displacement
        return F.grid_sample(images, grid, mode="bilinear", align_corners=False)


def _inverse_affine(angle: Tensor, x: Tensor, y: Tensor, scale: Tensor, shear_x: Tensor, shear_y: Tensor) -> Tensor:
    """(N, 2, 3): the inverse of shift(x, y) ∘ rotate(angle) ∘ shear ∘ scale, in pixels."""
    rotation, sx, sy = angle.deg2rad(), shear_x.deg2rad(), shear_y.deg2rad()
    a = (rotation - sy).cos() / sy.cos()
    b = -a * sx.tan() - rotation.sin()
    c = (rotation - sy).sin() / sy.cos()
    d = -c * sx.tan() + rotation.cos()
    linear = torch.stack([d, -b, -c, a], 1).view(-1, 2, 2) / scale[:, None, None]
    shift = -linear @ torch.stack([x, y], 1)[..., None]
    return torch.cat([linear, shift], 2)
