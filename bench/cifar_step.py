"""Where a CIFAR-10 pretraining step of the fast encoder spends its time: the views' share of it, by view size.

Each repeat times, in turns in one process: drawing and applying the two views of a batch of 256, and the
whole step (views, forward, loss, backward, optimiser) as `pretrain` takes it, in the precision that is fastest here.
The rate is that of the network's counted FLOPs over the whole step, beside a matrix product of 2,048³ in the same
precision and the same repeat.

Then the same step with `torch.compile`d and plain network in turns, and how long compiling took.

python -m bench.cifar_step [--repeats 15] [--save]; writes bench/results/cifar_step.json with --save.
LAB_DATA names CIFAR-10; the embedded colour shapes serve as well: time does not hang on what is shown.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import torch

from bench.measure import alternate, clock
from lib import data
from lib.augment import Views
from lib.loss import nt_xent_loss
from lib.models import SimCLR, whiten
from lib.runs import records
from lib.training.device import autocast, choose_device, choose_precision
from lib.training.flops import matmul_rate, pretraining_flops
from lib.training.loop import keep_freed_memory
from lib.training.settings import Settings

BATCH = 256


def prepare(batch: int):
    """A step to call with views, the views, and the ways to time for views of a side: drawing them, the whole step."""
    keep_freed_memory()
    images = data.load("cifar10").train_images[:4000]
    generator, views = torch.Generator().manual_seed(0), Views("simclr_cifar10")
    model = SimCLR("fast_resnet", (256, 128), batch_norm=True)
    whiten(model.encoder, views.plain(images))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4, fused=True)

    precision = choose_precision("auto", choose_device())

    def step(sized: Views, network=model) -> None:
        pairs = sized.pair(images[:batch], generator)
        with autocast(precision, pairs.device):
            _, projections = network(pairs)
        loss = nt_xent_loss(projections, 0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def ways(side: int) -> dict[str, Callable[[], object]]:
        sized = views.resized(side)
        return {"views": lambda: sized.pair(images[:batch], generator), "step": lambda: step(sized)}

    step.model = model
    return step, views, ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--save", action="store_true", help="write bench/results/cifar_step.json")
    options = parser.parse_args()
    step, views, ways = prepare(BATCH)
    model, measured = step.model, {}
    for side in (16, 24, 32):
        work, rates = pretraining_flops(model, (3, side, side), BATCH, Settings(1, BATCH)), []
        product = {"matmul": lambda rates=rates: rates.append(matmul_rate(repeats=1, precision="auto"))}
        times = alternate(ways(side) | product, options.repeats)
        del times["matmul"]
        times["matmul_rate"] = rates[-options.repeats :]  # less the warm-up
        view, whole, peak = (statistics.median(times[key]) for key in ("views", "step", "matmul_rate"))
        measured[side] = {**times, "flops": work, "views_share": view / whole, "rate_share": work / whole / peak}
        print(
            f"{side}×{side}: views {1e3 * view:5.1f} ms of {1e3 * whole:5.0f} ms, {view / whole:.1%}; "
            f"{work / whole / 1e9:4.0f} GFLOP/s, {work / whole / peak:.0%} of a matrix product's",
            flush=True,
        )
    compiled = torch.compile(model)
    began = clock(lambda: step(views, compiled))
    turns = [(clock(lambda: step(views)), clock(lambda: step(views, compiled))) for _ in range(options.repeats)]
    plain, fused = (statistics.median(times) for times in zip(*turns, strict=True))
    print(f"torch.compile: {plain / fused:.2f} times as fast at 32×32, after {began:.0f} s of compiling")
    compiling = {
        "seconds": began,
        "plain": [a for a, _ in turns],
        "compiled": [b for _, b in turns],
        "ratio": plain / fused,
    }
    if options.save:
        target = Path(__file__).parent / "results" / "cifar_step.json"
        target.write_text(
            json.dumps({"sides": measured, "compile": compiling, "environment": records.environment()}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
