"""SimCLR (Chen et al. 2020, arXiv:2002.05709): the views of the other images of the batch are the negatives."""

import math

from torch import Tensor

from lib import models
from lib.loss import nt_xent_loss
from lib.methods.method import Method


class SimCLR(Method):
    """NT-Xent of the projections.

    Args:
        temperature: τ > 0.
    """

    def __init__(self, model: models.SimCLR, temperature: float = 0.5):
        super().__init__(model)
        self.temperature = temperature

    def loss(self, projections: Tensor) -> Tensor:
        return nt_xent_loss(projections, self.temperature)

    def nothing(self, views: Tensor) -> float:
        return math.log(len(views) - 1)  # every other view is as likely to be the partner
