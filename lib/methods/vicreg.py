"""Methods that make the outputs of a projection head vary, and each of them tell something of its own.

They need neither negatives nor a second network, and no large batch.
"""

import torch.nn.functional as F
from torch import Tensor

from lib import models
from lib.methods.method import Method


def _off_diagonal(matrix: Tensor) -> Tensor:
    return matrix - matrix.diagonal().diag_embed()


class VICReg(Method):
    """Variance, invariance, covariance (Bardes, Ponce & LeCun 2022, arXiv:2105.04906, eq. 6).

    Scaled as in the authors' code: the variance term is halved, the invariance a mean over dimensions, not a sum.

    Args:
        invariance, variance, covariance: weights λ, μ and ν of the three terms.
    """

    least_batch = 2

    def __init__(self, model: models.SimCLR, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0):
        super().__init__(model)
        self.weights = invariance, variance, covariance

    def loss(self, projections: Tensor) -> Tensor:
        first, second = projections.float().chunk(2)
        terms = F.mse_loss(first, second), *(a + b for a, b in zip(_spread(first), _spread(second), strict=True))
        return sum(weight * term for weight, term in zip(self.weights, terms, strict=True))

    def nothing(self, views: Tensor) -> float:
        return self.weights[1]  # both views' deviations fall short of 1 by nearly all of it


def _spread(z: Tensor) -> tuple[Tensor, Tensor]:
    """Of projections (N, D): how far their deviations fall short of 1, halved, and how they vary together."""
    centred = z - z.mean(0)
    covariance = centred.T @ centred / (len(z) - 1)
    short = F.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean() / 2
    return short, _off_diagonal(covariance).square().sum() / z.shape[1]


class BarlowTwins(Method):
    """Cross-correlation of the two views' projections towards the identity (Zbontar et al. 2021, arXiv:2103.03230).

    Args:
        redundancy: weight λ of what is off the diagonal.
    """

    least_batch = 2

    def __init__(self, model: models.SimCLR, redundancy: float = 5e-3):
        super().__init__(model)
        self.redundancy = redundancy

    def loss(self, projections: Tensor) -> Tensor:
        first, second = (F.batch_norm(z, None, None, training=True) for z in projections.float().chunk(2))
        correlation = first.T @ second / len(first)
        return (1 - correlation.diagonal()).square().sum() + self.redundancy * _off_diagonal(correlation).square().sum()

    def nothing(self, views: Tensor) -> float:
        return float(self.model.projection_head[-1].out_features)  # no correlation: 1 for each number of a projection
