"""MoCo v2 (He et al. 2020, arXiv:1911.05722; Chen et al. 2020, arXiv:2003.04297): a queue of negatives.

The queue makes the number of negatives independent of the batch size. Its keys come from an encoder that changes
slowly, so that those of some steps ago can still be compared with those of now.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lib import models
from lib.methods.method import Follower, Method


class MoCo(Method):
    """InfoNCE of queries against the key of the other view and the keys in the queue; symmetric in the two views.

    Their own CIFAR-10 example has the symmetric form as an option. It splits each batch for BatchNorm and shuffles the
    keys, so that no query shares its statistics with its key. This is left out here: queries and keys share batches.

    Args:
        temperature: τ > 0.
        momentum: of the encoder that makes the keys.
        queue: how many keys it holds.
    Raises:
        ValueError: no room for a key, or τ ≤ 0.
    """

    def __init__(self, model: models.SimCLR, temperature: float = 0.2, momentum: float = 0.99, queue: int = 4096):
        super().__init__(model)
        if queue < 1:
            raise ValueError(f"queue must be at least 1, {queue} was given.")
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, {temperature} was given; MoCo uses 0.07 to 0.2.")
        self.temperature = temperature
        self.target = Follower(model, momentum)
        width = model.projection_head[-1].out_features
        self.register_buffer("queue", F.normalize(torch.randn(queue, width), dim=1))

    def advance(self) -> None:
        self.target.update_parameters(self.model)

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        return self.model(views)[1], self.target(views)

    def loss(self, queries: Tensor, keys: Tensor) -> Tensor:
        q, k = F.normalize(queries.float(), dim=1), F.normalize(keys.float(), dim=1)
        positive = (q * k.roll(len(k) // 2, 0)).sum(1, keepdim=True)
        logits = torch.cat([positive, q @ self.queue.T], 1) / self.temperature
        if self.training:  # afterwards: no key of this batch is a negative of its own image
            self.queue = torch.cat([k, self.queue])[: len(self.queue)]
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))

    def nothing(self, views: Tensor) -> float:
        return math.log(1 + len(self.queue))
