"""Random views of a batch: the kit on the whole batch, and the same operations by other means.

All take the same uint8 images to two normalised float views each, with the same ranges and probabilities.
Kornia draws for each image, but one order of the colour operations for the whole batch, which spares it the
grouping; its crop that resamples the batch at once is the faster of its two, and is the one taken.
"""

from collections.abc import Callable

import kornia.augmentation as K
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms as T
from torchvision.transforms import v2

from bench.epoch import TRANSFORM
from bench.measure import Line, Threads, alternate
from lib import data
from lib.augment import VIEWS, Views

NAMES = {"mnist": "original_mnist", "cifar10": "simclr_cifar10"}
_, MEAN, STD = VIEWS["simclr_cifar10"]
PIL = {
    "mnist": TRANSFORM,
    "cifar10": T.Compose(
        [
            T.RandomResizedCrop(32, scale=(0.08, 1.0)),
            T.RandomHorizontalFlip(0.5),
            T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            T.RandomGrayscale(0.2),
            T.ToTensor(),
            T.Normalize(MEAN, STD),
        ]
    ),
}
TORCHVISION = {
    "mnist": v2.Compose(
        [
            v2.RandomHorizontalFlip(0.5),
            v2.RandomApply([v2.RandomResizedCrop(28, scale=(0.8, 1.0))], p=0.5),
            v2.RandomApply([v2.GaussianBlur(5, (0.1, 2.0))], p=0.3),
            v2.RandomRotation(15),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.1307,), (0.3081,)),
        ]
    ),
    "cifar10": v2.Compose(
        [
            v2.RandomResizedCrop(32, scale=(0.08, 1.0)),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    ),
}


def kornias(dataset: str) -> nn.Module:
    """Kornia's operations, each image its own draw."""
    if dataset == "mnist":
        return nn.Sequential(
            K.RandomHorizontalFlip(0.5),
            K.RandomResizedCrop((28, 28), (0.8, 1.0), p=0.5, cropping_mode="resample"),
            K.RandomGaussianBlur((5, 5), (0.1, 2.0), p=0.3),
            K.RandomRotation(15.0, resample="nearest", p=1.0),
            K.Normalize((0.1307,), (0.3081,)),
        )
    return nn.Sequential(
        K.RandomResizedCrop((32, 32), (0.08, 1.0), cropping_mode="resample"),
        K.RandomHorizontalFlip(0.5),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
        K.Normalize(MEAN, STD),
    )


def to_pil(image: Tensor) -> Image.Image:
    pixels = image.permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def ways(dataset: str, images: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Each way's two views of these images, as a call."""
    twice = torch.cat([images, images])
    views, batch = Views(NAMES[dataset]), kornias(dataset)
    generator = torch.Generator().manual_seed(0)
    return {
        "kit": lambda: views.pair(images, generator),
        "the lab's PIL loop": lambda: torch.stack([PIL[dataset](to_pil(image)) for image in twice]),
        "torchvision v2 an image at a time": lambda: torch.stack([TORCHVISION[dataset](image) for image in twice]),
        "kornia on the batch": lambda: batch(twice.float().div_(255)),
    }


TARGETS = {"the lab's PIL loop": 30, "torchvision v2 an image at a time": 10, "kornia on the batch": 2}


def measure(repeats: int, quick: bool) -> list[Line]:
    """Images a second through two views, on one thread and on two."""
    lines, batch = [], 32 if quick else 256
    for dataset in NAMES:
        images = data.load(dataset).train_images[:batch]
        for threads in (1, 2):
            with Threads(threads):
                seconds = alternate(ways(dataset, images), repeats)
            rates = {name: [batch / s for s in values] for name, values in seconds.items()}
            what = f"two views of {batch} images, {dataset}, {threads} thread{'s' * (threads > 1)}"
            lines += [
                Line(what, name, "images/s", rates["kit"], target, rates[name]) for name, target in TARGETS.items()
            ]
    return lines
