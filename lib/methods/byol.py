"""BYOL (Grill et al. 2020, arXiv:2006.07733): no negatives; a network predicts what a slower copy of it says."""

import torch.nn.functional as F
from torch import Tensor

from lib import models
from lib.methods.method import Follower, Method


class BYOL(Method):
    """Squared distance, on the unit sphere, of a prediction from one view and the target's projection of the other.

    A constant output would have the loss 0. That it is not found is due to the predictor, which the target lacks,
    and to the target's slowness; the loss alone does not prevent it. The momentum is constant and the predictor 256
    wide; in the paper the momentum rises to 1 along a cosine, and the predictor is 4,096 wide.

    Args:
        momentum: of the target network.
        hidden: width of the predictor's hidden layer.
    """

    def __init__(self, model: models.SimCLR, momentum: float = 0.99, hidden: int = 256):
        super().__init__(model)
        self.target = Follower(model, momentum)
        width = model.projection_head[-1].out_features
        self.predictor = models.mlp(width, hidden, width, batch_norm=True)

    def advance(self) -> None:
        self.target.update_parameters(self.model)

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        return self.predictor(self.model(views)[1]), self.target(views)

    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        other_view = targets.float().roll(len(targets) // 2, 0)
        return 2 - 2 * F.cosine_similarity(predictions.float(), other_view).mean()

    def nothing(self, views: Tensor) -> float:
        return 2.0  # a prediction at right angles to its target; a constant has 0, which is collapse
