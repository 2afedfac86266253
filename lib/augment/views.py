"""Random views of a whole batch at once, every image with its own draw.

An operation is a frozen dataclass with two methods: ``draw`` picks one set of parameters for each
image, ``apply`` carries them out. Keeping the two apart is what lets the tests hold each operation
against torchvision's functional of the same name on the very parameters that were drawn. Every
operation takes and returns float images (N, C, H, W) in [0, 1]; they stand in ``geometry.py`` and
``colour.py``.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from lib.augment.colour import ColourJitter, RandomGreyscale
from lib.augment.geometry import GaussianBlur, HorizontalFlip, ResizedCrop, Rotation, Warp

Operation = HorizontalFlip | ResizedCrop | GaussianBlur | Rotation | Warp | ColourJitter | RandomGreyscale

# Mean and deviation of each channel of the training images.
MNIST = ((0.1307,), (0.3081,))
CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))

#: The views by name: the operations in order, then the mean and deviation to normalise with.
VIEWS: dict[str, tuple[tuple[Operation, ...], tuple[float, ...], tuple[float, ...]]] = {
    "original_mnist": (
        (HorizontalFlip(0.5), ResizedCrop((0.8, 1.0), p=0.5), GaussianBlur(5, (0.1, 2.0), p=0.3), Rotation(15)),
        *MNIST,
    ),
    # The SimCLR paper's for CIFAR-10 (appendix B.9): colour strength 0.5, no blur.
    "simclr_cifar10": (
        (ResizedCrop((0.08, 1.0)), HorizontalFlip(0.5), ColourJitter(0.4, 0.4, 0.4, 0.1, p=0.8), RandomGreyscale(0.2)),
        *CIFAR10,
    ),
    # For the head and the test, where the thing in the picture should stay whole.
    "gentle_cifar10": (
        (ResizedCrop((0.5, 1.0)), HorizontalFlip(0.5), ColourJitter(0.2, 0.2, 0.2, 0.05, p=0.8), RandomGreyscale(0.05)),
        *CIFAR10,
    ),
    "slight_cifar10": (
        (ResizedCrop((0.7, 1.0)), HorizontalFlip(0.5)),
        *CIFAR10,
    ),
    # The improved recipe for digits. Pretraining: what a pen may do to a digit, and no mirroring. The head sees
    # gentler ones; the test averages over slight ones.
    "strong_mnist": ((Warp(25, 0.1, (0.8, 1.2), 10, alpha=20, sigma=4),), *MNIST),
    "gentle_mnist": ((Warp(10, 0.07, (0.9, 1.1), 7, alpha=15, sigma=4),), *MNIST),
    "slight_mnist": ((Warp(6, 0.04, (0.95, 1.05), 4, alpha=5, sigma=4),), *MNIST),
}


def _crops(operation: Operation) -> bool:
    return isinstance(operation, ResizedCrop)


def _whole(crop: ResizedCrop) -> ResizedCrop:
    return replace(crop, p=0.0)


class Views:
    """Turns uint8 images into random, normalised float views; drawn on the images' own device.

    ``Views("original_mnist")`` or ``Views(operations, mean, std)``; leaving out all operations
    (``Views("original_mnist").plain``) only normalises, which is what evaluation wants.
    """

    def __init__(self, operations="original_mnist", mean=(0.5,), std=(0.5,), one_sided=False):
        if isinstance(operations, str):
            if operations not in VIEWS:
                raise ValueError(f"no views named {operations!r}; there are: {', '.join(VIEWS)}.")
            operations, mean, std = VIEWS[operations]
        self.operations, self.mean, self.std = tuple(operations), tuple(mean), tuple(std)
        self.one_sided = one_sided

    def __repr__(self) -> str:
        last = ", one_sided=True" if self.one_sided else ""
        return f"Views({self.operations}, mean={self.mean}, std={self.std}{last})"

    def _with(self, operations: Iterable[Operation], one_sided: bool | None = None) -> "Views":
        return Views(operations, self.mean, self.std, self.one_sided if one_sided is None else one_sided)

    @property
    def plain(self) -> "Views":
        """The same normalisation without any random operation."""
        return self._with((), one_sided=False)

    @property
    def against_originals(self) -> "Views":
        """The same, but the first view of each pair is the image itself: one view augmented, not two."""
        return self._with(self.operations, one_sided=True)

    def without(self, *names: str) -> "Views":
        """The same views less the operations of these names (``HorizontalFlip``, …).

        A crop that is left out still takes the whole image to the size of the views.

        Raises:
            ValueError: there is no such operation among them.
        """
        there = [type(operation).__name__ for operation in self.operations]
        if missing := sorted(set(names) - set(there)):
            raise ValueError(f"{', '.join(missing)} cannot be left out; these views have: {', '.join(there)}")
        kept = zip(self.operations, there, strict=True)
        return self._with(_whole(o) if name in names else o for o, name in kept if name not in names or _crops(o))

    def resized(self, side: int) -> "Views":
        """The same views in ``side`` × ``side`` pixels.

        Raises:
            ValueError: there is no crop among the operations that could do it.
        """
        if not any(map(_crops, self.operations)):
            raise ValueError("only views with a resized crop come in another size; these have none.")
        return self._with(replace(o, side=side) if _crops(o) else o for o in self.operations)

    def to_uint8(self, views: Tensor) -> Tensor:
        """Normalised views (N, C, H, W) back to uint8 images, to look at."""
        mean, std = self._row(self.mean).to(views.device), self._row(self.std).to(views.device)
        return ((views * std + mean) * 255).round().clamp(0, 255).byte()

    @staticmethod
    def _row(values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values).view(1, -1, 1, 1)

    def __call__(self, images: Tensor, generator: torch.Generator | None = None, rows: Tensor | None = None) -> Tensor:
        """One view of each of the uint8 images (N, C, H, W): float32 (N, C, H, W), channels last.

        With ``rows``, indices (M,), the views of those M images only: random numbers are drawn for all
        N, so that processes that share a batch draw alike and make the views that one would make.
        """
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(f"views are taken of uint8 images (N, C, H, W), not {images.dtype} {tuple(images.shape)}.")
        if images.shape[1] != len(self.mean):
            raise ValueError(
                f"these views are of images with {len(self.mean)} channels, not {images.shape[1]}: choose other views."
            )
        if self.operations and generator is None:  # plain views leave the global random numbers alone
            generator = torch.Generator(images.device).manual_seed(torch.randint(2**62, ()).item())
        views = (images if rows is None else images[rows]).float().div_(255)
        for operation in self.operations:
            drawn = operation.draw(len(images), views.shape[-2:], generator)
            if rows is not None:
                drawn = {name: values[rows] for name, values in drawn.items()}
            views = operation.apply(views, **drawn)
        mean, std = self._row(self.mean).to(views.device), self._row(self.std).to(views.device)
        return ((views - mean) / std).contiguous(memory_format=torch.channels_last)

    def pair(self, images: Tensor, generator: torch.Generator | None = None, rows: Tensor | None = None) -> Tensor:
        """Two views of each image, (2N, C, H, W): rows i and i + N come from the same image.

        With ``rows``, both views of those M images only, (2M, C, H, W).
        """
        if self.one_sided:
            originals = self._with([_whole(o) for o in self.operations if _crops(o)], one_sided=False)
            return torch.cat([originals(images, generator, rows), self(images, generator, rows)])
        both = None if rows is None else torch.cat([rows, rows + len(images)])
        return self(torch.cat([images, images]), generator, both)
