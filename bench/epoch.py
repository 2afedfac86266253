"""One pretraining epoch of the lab's MNIST recipe: the kit's way against the lab's own way.

The lab's way, as its description has it: each image through PIL and torchvision's transforms, twice,
in a DataLoader; ReLU before pooling; one forward for each view; all cosine similarities by
broadcasting (2N, 1, D) against (1, 2N, D). Both ways train on the same images from the same
weights, in turns, in one process; the figure is the ratio of the medians over the repeats.

The kit's way is in the precision that is fastest here; where that is bfloat16, the same in float32 stands beside it.

LAB_DATA names real MNIST; the embedded digits, repeated, serve as well: time does not depend on what is in
the pictures.
"""

import time
from functools import partial

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms as T

from bench.measure import Line
from lib import data
from lib.augment import Views
from lib.models import SimCLR
from lib.training.device import cpu_computes_bfloat16
from lib.training.pretraining import pretrain
from lib.training.settings import Settings

TRANSFORM = T.Compose(
    [
        T.RandomHorizontalFlip(0.5),
        T.RandomApply([T.RandomResizedCrop(28, scale=(0.8, 1.0))], p=0.5),
        T.RandomApply([T.GaussianBlur(5, (0.1, 2.0))], p=0.3),
        T.RandomRotation(15),
        T.ToTensor(),
        T.Normalize((0.1307,), (0.3081,)),
    ]
)


class PairsOfViews(torch.utils.data.Dataset):
    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = Image.fromarray(self.images[index, 0].numpy())
        return TRANSFORM(image), TRANSFORM(image)


def broadcast_loss(first, second, temperature=0.5):
    z = torch.cat([first, second])
    rows = len(z)
    similarity = F.cosine_similarity(z[:, None], z[None], dim=2) / temperature
    similarity = similarity.masked_fill(torch.eye(rows, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(similarity, torch.arange(rows).roll(rows // 2))


def labs_encoder() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 128),
    )  # fmt: skip


def labs_epoch(images) -> float:
    torch.manual_seed(0)
    head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 32))
    model = nn.Sequential(labs_encoder(), head)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = DataLoader(PairsOfViews(images), batch_size=128, shuffle=True)
    start = time.perf_counter()
    for first, second in loader:
        loss = broadcast_loss(model(first), model(second))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def kits_epoch(images, precision: str = "auto") -> float:
    torch.manual_seed(0)
    settings = Settings(1, 128, precision=precision)
    return pretrain(SimCLR("small_cnn"), images, Views("original_mnist"), settings).seconds


def improved_epoch(images) -> float:
    """One epoch of the profile `improved`, whose nine must not take longer than `original`'s ten."""
    torch.manual_seed(0)
    settings = Settings(1, 256, "adamw", 3e-3, 1e-4, "one_cycle")
    return pretrain(SimCLR("small_cnn", (128, 64)), images, Views("strong_mnist"), settings, 0.2).seconds


def measure(repeats: int, quick: bool) -> list[Line]:
    """The kit's epoch against the lab's; all of `improved`'s pretraining against all of `original`'s; precisions."""
    count = 512 if quick else 6000
    images = data.load("mnist").train_images
    images = images.repeat(-(-count // len(images)), 1, 1, 1)[:count]
    ways = {"lab": labs_epoch, "kit": kits_epoch, "improved": improved_epoch}
    if bfloat16 := cpu_computes_bfloat16():
        ways["float32"] = partial(kits_epoch, precision="float32")
    # pretrain tells glibc to keep freed memory; from the warm-up on the lab's way gains by it as well.
    for way in ways.values():
        way(images[:512])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():  # each counts its own seconds: making model and loader is not the epoch
            seconds[name].append(way(images))
    nine, ten = [9 * s for s in seconds["improved"]], [10 * s for s in seconds["kit"]]
    epoch = f"a pretraining epoch, lab's MNIST encoder, {count:,} images"
    lines = [
        Line(epoch, "the lab's way", "s", seconds["kit"], 6 if bfloat16 else 3.5, seconds["lab"]),
        Line(f"9 × an epoch of `improved`, MNIST, {count:,} images", "10 × an epoch of `original`", "s", nine, 1, ten),
    ]
    if bfloat16:
        lines.append(Line(f"{epoch}, in bfloat16", "in float32", "s", seconds["kit"], 2, seconds["float32"]))
    return lines
