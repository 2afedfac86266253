"""Random views of a whole batch at once, every image with its own draw."""

from lib.augment.colour import ColourJitter, RandomGreyscale
from lib.augment.geometry import GaussianBlur, HorizontalFlip, ResizedCrop, Rotation, Warp
from lib.augment.views import VIEWS, Operation, Views

__all__ = [
    "VIEWS", "ColourJitter", "GaussianBlur", "HorizontalFlip", "Operation", "RandomGreyscale", "ResizedCrop",
    "Rotation", "Views", "Warp",
]  # fmt: skip
