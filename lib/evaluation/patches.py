"""Whitened random patches: features that nobody has trained, and the baseline that any pretraining has to beat.

Patches cut at random from unlabelled images, whitened, are the filters of a single convolution; a soft threshold, a
mean over a grid of places, and a linear classifier do the rest (whitening and grid: Coates, Ng & Lee 2011, "An Analysis
of Single-Layer Networks in Unsupervised Feature Learning"; random patches and the soft threshold: Coates & Ng 2011,
"The Importance of Encoding Versus Training with Sparse Coding and Vector Quantization"; lately Thiry et al. 2021,
arXiv:2101.07528).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Patches(nn.Module):
    """Normalised images (N, C, H, W) to two answers a patch in ``cells`` × ``cells`` places: (N, 2 · count · cells²).

    Args:
        images: (M, C, H, W) normalised floats, unlabelled, from which the patches are cut; 2,000 are plenty.
        count: how many patches.
        side: of a patch, in pixels.
        cells: of a side of the grid over which answers are averaged.
        threshold: of an answer, in deviations of all answers to its patch; only what is above passes, likewise for
            the patch's negative.
        floor: added to the variance of each direction, so that directions of mere noise are not blown up.
        precision: of the convolution, ``float32`` or ``bfloat16``.
    """

    def __init__(self, images: Tensor, count: int, seed: int = 0, side: int = 6, cells: int = 2,
                 threshold: float = 1.0, floor: float = 1e-3, precision: str = "float32"):  # fmt: skip
        super().__init__()
        self.cells, self.precision = cells, getattr(torch, precision)
        cut = F.unfold(images, side, stride=side // 2).mT.flatten(0, 1)  # (M · places, C · side²)
        mean = cut.mean(0)
        variance, directions = torch.linalg.eigh((cut - mean).T @ (cut - mean) / len(cut))
        whitening = directions * (variance + floor).rsqrt() @ directions.T  # symmetric: a whitened patch is an image
        drawn = torch.randperm(len(cut), generator=torch.Generator().manual_seed(seed))[:count]
        filters = F.normalize((cut[drawn] - mean) @ whitening) @ whitening  # whitens what it is compared with, too
        # whitened, all directions have (nearly) the same variance: of unit length, so have all answers
        variance = (filters * (filters @ (cut - mean).T.cov())).sum(1, keepdim=True)
        filters /= threshold * variance.clamp(min=1e-24).sqrt()
        filters = filters.view(count, -1, side, side)
        self.filters = nn.Parameter(filters.contiguous(memory_format=torch.channels_last), requires_grad=False)
        self.register_buffer("bias", -filters.flatten(1) @ mean)

    def forward(self, images: Tensor) -> Tensor:
        # maps that stay in a processor's cache: three times as fast; a GPU wants more of them at a time
        maps = 2048 if images.device.type == "cpu" else 65_536
        return torch.cat([self._answers(some) for some in images.split(max(1, maps // len(self.filters)))])

    def _answers(self, images: Tensor) -> Tensor:
        kind = self.precision
        found = F.conv2d(images.to(kind), self.filters.to(kind), self.bias.to(kind)).float()
        passed = F.softshrink(found, 1.0)  # the filters answer in units of the threshold
        mean = F.adaptive_avg_pool2d(passed, self.cells)
        above = F.adaptive_avg_pool2d(passed.relu_(), self.cells)
        return torch.cat([above, above - mean], 1).flatten(1)
