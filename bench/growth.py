"""How cost grows: time and memory at four sizes each of four things, with the exponent of growth.

Each point is a process of its own (``python -m bench.growth AXIS SIZE``), rounds in turns, so that its peak
memory is its own; the memory beyond an idle process counts. ``python -m bench.growth`` measures all.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torchvision.models import resnet50

from bench.loss import forward_backward
from bench.measure import quartiles
from bench.peak import peak
from lib.augment import Views
from lib.models import SimCLR
from lib.training.flops import forward_flops, matmul_rate, pretraining_flops
from lib.training.pretraining import pretrain
from lib.training.settings import Settings

# what grows: (its name in words, four sizes, four tiny sizes)
AXES = {
    "images": ("images an epoch, MNIST encoder, batch 256", (2048, 4096, 8192, 16384), (32, 64, 128, 256)),
    "batch": ("batch size, fast CIFAR encoder, four steps", (64, 128, 256, 512), (4, 8, 16, 32)),
    "encoder": ("FLOPs of an encoder's forward on one image, batch 16, two steps", (0, 1, 2, 3), (0, 0, 0, 0)),
    "pairs": ("pairs N in the loss alone, D = 128", (512, 1024, 2048, 4096), (8, 16, 32, 64)),
}
# from light to heavy: each a network of the kit at a size of view
ENCODERS = (("fast_resnet", 32), ("resnet18", 16), ("resnet18", 32), ("resnet34", 32))


def pixels(count: int, channels: int, side: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8)


def encoder(index: int) -> SimCLR:
    name, side = ENCODERS[index]
    return SimCLR(name, (256, 128), (3, side, side))


def job(axis: str, size: int) -> Callable[[], object]:
    """What is timed: an epoch, some steps, or the loss. One pass warms it up."""
    if axis == "pairs":
        return forward_backward("kit", size)
    if axis == "images":
        images, batch = pixels(size, 1, 28), min(256, size)
        return lambda: pretrain(SimCLR(), images, Views("original_mnist"), Settings(1, batch))
    if axis == "batch":
        images, model = pixels(4 * size, 3, 32), SimCLR("fast_resnet", (256, 128), batch_norm=True)
        return lambda: pretrain(model, images, Views("simclr_cifar10"), Settings(1, size))
    images, model = pixels(32, 3, ENCODERS[size][1]), encoder(size)
    return lambda: pretrain(model, images, Views("simclr_cifar10"), Settings(1, 16))


def point(axis: str, size: int) -> None:
    """One process's figure: prints its seconds."""
    if size < 0:  # an idle process, everything imported
        print(0.0)
        return
    way = job(axis, size)
    if axis != "images":  # an epoch of many steps needs no warming up
        way()
    start = time.perf_counter()
    way()
    print(time.perf_counter() - start)


def exponent(sizes: list[float], costs: list[float]) -> float:
    """Slope of log cost against log size: 1 is proportional, 2 quadratic."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-9)), 1)[0])


def costs(axis: str, size: int) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of a fresh process."""
    used, printed = peak([sys.executable, "-m", "bench.growth", axis, str(size)])
    return float(printed.splitlines()[-1]), used


def grow(axis: str, repeats: int, quick: bool) -> dict:
    """Medians over the rounds at each size, and the exponents."""
    words, real, tiny = AXES[axis]
    sizes = tiny if quick else real
    _, idle = costs(axis, -1)
    rounds = [[costs(axis, size) for size in sizes] for _ in range(repeats)]
    seconds = [[r[i][0] for r in rounds] for i in range(4)]
    memory = [[r[i][1] - idle for r in rounds] for i in range(4)]
    shown = [forward_flops(encoder(i), (3, ENCODERS[i][1], ENCODERS[i][1])) for i in range(4)]
    sizes = shown if axis == "encoder" else list(sizes)
    middle = [quartiles(s)[1] for s in seconds], [max(quartiles(m)[1], 0.1) for m in memory]
    return {
        "words": words, "sizes": sizes, "seconds": seconds, "memory": memory, "idle_memory": idle,
        "exponents": {"time": exponent(sizes, middle[0]), "memory": exponent(sizes, middle[1])},
    }  # fmt: skip


def imagenet_flops() -> int:
    """Of pretraining ResNet-50, its own stem, for one epoch of one image of 224×224 pixels, two views."""
    model = SimCLR("resnet50", (2048, 128))
    model.encoder = resnet50(weights=None)
    model.encoder.fc = torch.nn.Identity()
    return pretraining_flops(model, (3, 224, 224), 64, Settings(1, 64)) // 64


def measure(repeats: int, quick: bool) -> dict:
    """All four axes and what the page of predictions needs besides."""
    lab = SimCLR("resnet18", (256, 128))
    return {
        "axes": {axis: grow(axis, repeats, quick) for axis in AXES},
        "matmul_rate": matmul_rate(256 if quick else 2048, precision="auto"),
        "flops_an_image": {
            "fast_resnet at 32×32": per_image(SimCLR("fast_resnet", (256, 128), batch_norm=True)),
            "resnet18 at 32×32": per_image(lab),
            "resnet50 at 224×224": imagenet_flops(),
        },
    }


def per_image(model: SimCLR) -> int:
    return pretraining_flops(model, (3, 32, 32), 64, Settings(1, 64)) // 64


if __name__ == "__main__":
    if len(sys.argv) == 3:
        point(sys.argv[1], int(sys.argv[2]))
    else:
        print(json.dumps(measure(1, False), indent=1))
