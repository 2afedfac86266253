"""What the methods have in common."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lib import models


class Method(nn.Module):
    """A way to pretrain ``model``: one call for what the networks give for some views, one for the loss of that.

    The two are apart because networks may compute in half precision, and losses must not; and because between them
    stands what several processes have to exchange.
    """

    #: Whether ``forward`` draws random numbers. Processes that share a batch would all draw the same.
    draws = False
    #: The fewest images that a batch may hold: two where the loss is about a variance.
    least_batch = 1

    def __init__(self, model: models.SimCLR):
        super().__init__()
        self.model = model
        model.projection_head.requires_grad_(True)  # a method before may have had no use for it

    def forward(self, views: Tensor) -> tuple[Tensor, ...]:
        """What the networks give for views (2N, C, H, W), rows i and i + N of one image: tensors (2N, …)."""
        return (self.model(views)[1],)

    def loss(self, *outputs: Tensor) -> Tensor:
        """A scalar, float32, from what ``forward`` gave for a whole batch."""
        raise NotImplementedError

    def nothing(self, views: Tensor) -> float:
        """The loss, on a batch of views (2N, C, H, W), of answers that tell nothing of the image."""
        raise NotImplementedError

    def advance(self) -> None:
        """Called before each step: what follows the network takes up its newest weights."""


class Follower(AveragedModel):
    """A copy of a network whose weights are a moving average of the network's, and whose buffers are the network's.

    It gets no gradient, and it stays in training mode: its BatchNorm takes the statistics of the batch, as MoCo's
    and BYOL's own code does.

    Args:
        momentum: the share of its old weights that it keeps at each step, in [0, 1).
    Raises:
        ValueError: the momentum is out of range.
    """

    def __init__(self, network: nn.Module, momentum: float):
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, {momentum} was given.")
        super().__init__(network, multi_avg_fn=get_ema_multi_avg_fn(momentum))
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, views: Tensor) -> Tensor:
        """Projections (2N, D), without gradient."""
        return self.module(views)[1]
