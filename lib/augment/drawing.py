"""Random numbers for a batch: one draw for each image, on the generator's own device."""

import torch
from torch import Tensor

Parameters = dict[str, Tensor]


def uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """(n,) numbers from [low, high)."""
    return torch.rand(n, generator=generator, device=generator.device).mul_(high - low).add_(low)


def chosen(n: int, p: float, generator: torch.Generator) -> Tensor:
    """(n,) booleans, each true with probability p."""
    return uniform(n, 0, 1, generator) < p
