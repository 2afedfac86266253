"""A denoising autoencoder (Vincent et al. 2008), for the generative family: what is hidden is to be drawn again."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib import models
from lib.methods.method import Method

PATCH = 4  # pixels a side of what is hidden


class Autoencoder(Method):
    """Mean squared error of a view drawn again from the features h of the view with patches hidden.

    The projection head has nothing to do here and is left as it is.

    Args:
        hidden: the share of the patches that is set to the mean colour, in [0, 1).
        channels: of the decoder's first map.
    Raises:
        ValueError: nothing, or everything, would be left to see.
    """

    draws = True  # what is hidden

    def __init__(self, model: models.SimCLR, hidden: float = 0.5, channels: int = 64):
        super().__init__(model)
        if not 0 <= hidden < 1:
            raise ValueError(f"hidden must be at least 0 and below 1, {hidden} was given.")
        self.hidden = hidden
        model.projection_head.requires_grad_(False)
        image_channels, *size = model.image_shape
        grid = [side // 4 for side in size]
        self.decoder = nn.Sequential(
            nn.Linear(model.projection_head[0].in_features, channels * grid[0] * grid[1]),
            nn.Unflatten(1, (channels, *grid)),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(channels // 2, image_channels, 4, stride=2, padding=1),
        )

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        height, width = views.shape[2:]
        kept = torch.rand(len(views), 1, -(-height // PATCH), -(-width // PATCH), device=views.device) >= self.hidden
        mask = kept.to(views.dtype).repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3)[..., :height, :width]
        drawn = self.decoder(self.model.encoder(views * mask))
        return drawn.flatten(1), F.interpolate(views, drawn.shape[2:], mode="bilinear").flatten(1)

    def loss(self, drawn: Tensor, views: Tensor) -> Tensor:
        return F.mse_loss(drawn.float(), views)

    def nothing(self, views: Tensor) -> float:
        return views.var(correction=0).item()  # of one colour, the mean, drawn everywhere
