"""A CIFAR-10 pretraining epoch with the fast encoder: the kit against lightly's documented loop, and its rate.

Lightly's loop is the one of its SimCLR tutorial: ``SimCLRTransform`` on PIL images with the same operations, a
``DataLoader`` with two workers, a forward for each view, its ``NTXentLoss``. Encoder, head, optimiser, batch
and temperature are the kit's, so that only the way differs.
"""

import time

import torch
from lightly.loss import NTXentLoss
from lightly.transforms import SimCLRTransform
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bench.measure import Line, alternate
from bench.views import MEAN, STD, to_pil
from lib import data
from lib.augment import Views
from lib.models import SimCLR
from lib.training.device import cpu_computes_bfloat16
from lib.training.flops import matmul_rate, pretraining_flops
from lib.training.pretraining import pretrain
from lib.training.settings import Settings

BATCH, TEMPERATURE = 256, 0.1
SETTINGS = {"optimizer": "adamw", "learning_rate": 2e-3, "weight_decay": 0.01}


class Pictures(Dataset):
    """As torchvision's CIFAR10 gives them: a PIL image each, through the transform."""

    def __init__(self, images: Tensor):
        self.images = images
        self.transform = SimCLRTransform(
            input_size=32, cj_strength=0.5, gaussian_blur=0.0, normalize={"mean": list(MEAN), "std": list(STD)}
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> list[Tensor]:
        return self.transform(to_pil(self.images[index]))


def network() -> SimCLR:
    torch.manual_seed(0)
    return SimCLR("fast_resnet", (256, 128), batch_norm=True)


def lightlys_epoch(images: Tensor, batch: int) -> float:
    model, criterion = network(), NTXentLoss(temperature=TEMPERATURE)
    optimizer = torch.optim.AdamW(model.parameters(), SETTINGS["learning_rate"], weight_decay=SETTINGS["weight_decay"])
    loader = DataLoader(Pictures(images), batch_size=batch, shuffle=True, num_workers=2)
    start = time.perf_counter()
    for first, second in loader:
        loss = criterion(model(first)[1], model(second)[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def kits_epoch(images: Tensor, batch: int, precision: str = "auto") -> float:
    settings = Settings(1, batch, precision=precision, **SETTINGS)
    return pretrain(network(), images, Views("simclr_cifar10"), settings, TEMPERATURE).seconds


def measure(repeats: int, quick: bool) -> list[Line]:
    """Time against lightly's and in float32; counted FLOPs over time against a matrix product in the same round.

    The product is in the kit's precision: what a training can at best reach. In float32 70 % of it are the target,
    in bfloat16, where the rest of a step weighs twice as much, 65 %.
    """
    count, batch = (128, 64) if quick else (5120, BATCH)
    images = data.load("cifar10").train_images
    images = images.repeat(-(-count // len(images)), 1, 1, 1)[:count]
    work = pretraining_flops(network(), (3, 32, 32), count, Settings(1, batch))
    kits_epoch(images[: 4 * batch], batch)
    kit, lightly, full, peak = [], [], [], []
    bfloat16 = cpu_computes_bfloat16()
    size = 256 if quick else 2048
    for _ in range(repeats):
        kit.append(kits_epoch(images, batch))
        peak.append(matmul_rate(size, precision="auto") / 1e9)
        if bfloat16:
            full.append(kits_epoch(images, batch, "float32"))
        lightly.append(lightlys_epoch(images, batch))
    what = f"a pretraining epoch, fast CIFAR encoder, {count:,} images"
    rate = [work / seconds / 1e9 for seconds in kit]
    product = "bfloat16 product" if bfloat16 else "matrix product"
    return [
        Line(what, "lightly's documented loop, 2 workers", "s", kit, 1.8, lightly),
        *([Line(f"{what}, in bfloat16", "in float32", "s", kit, 1.6, full)] if bfloat16 else []),
        Line(f"{what}: arithmetic rate", f"a {size:,}³ {product}", "GFLOP/s", rate, 0.65 if bfloat16 else 0.7, peak),
        *shares(repeats, quick),
    ]


def shares(repeats: int, quick: bool) -> list[Line]:
    """The views' share of a step, at each size of view that the recipe uses.

    In bfloat16 the network takes half as long and the views as long as before: on the smallest, 15 % are the limit.
    """
    from bench.cifar_step import prepare

    batch, lines = 16 if quick else BATCH, []
    limits = {16: 15 if cpu_computes_bfloat16() else 10, 24: 10, 32: 10}
    *_, ways = prepare(batch)
    for side, limit in limits.items():
        seconds = alternate(ways(side), repeats if quick else 3 * repeats)
        share = [100 * a / b for a, b in zip(seconds["views"], seconds["step"], strict=True)]
        lines.append(
            Line(f"views' share of a CIFAR pretraining step, {side}×{side} pixels", "a limit", "%", share, limit)
        )
    return lines
