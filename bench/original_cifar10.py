"""What the lab's four CIFAR-10 runs amount to: each proved by a few steps here, its whole cost counted.

Takes the runs' parameters from the profile `original`, trains each for a few real steps
(pretraining, then the head) on real images at the run's own batch size, and prints for each its
network's size, the FLOPs of the whole pretraining, the measured seconds a step and what the whole
would take at that pace here.

LAB_DATA=… python bench/original_cifar10.py [--steps 3] [--only RUN …] [--weights FILE] [--save]
--weights is `none` unless given (random numbers: time does not hang on them), `imagenet` or a file.
python bench/original_cifar10.py --table prints the saved record as the table of docs/cifar10.md.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from lib import data, progress
from lib.augment import Views
from lib.models import Classifier, SimCLR, freeze_encoder
from lib.runs import profiles, records
from lib.training import flops, loop, pretrain, train_classifier
from lib.training.settings import Settings

RESULT = Path(__file__).parent / "results" / "original_cifar10.json"


def few_steps(asked: dict, images: data.Dataset, steps: int, weights: str) -> dict:
    """Train ``steps`` batches of pretraining and of the head; what the whole run amounts to."""
    torch.manual_seed(0)
    model = SimCLR(asked["encoder"], tuple(asked["projection"]), images.image_shape, weights)
    views, batch = Views(asked["views"]), asked["batch_size"]
    used = len(images.train_images) // asked["chunk_count"] * len(asked["unlabelled_chunks"])
    work = [  # counted while everything still learns
        flops.pretraining_flops(model, images.image_shape, count, Settings(epochs, batch))
        for count, epochs in ((batch, 1), (used, asked["epochs"]))
    ]
    seconds: list[float] = []

    class Timed(loop.Pace):
        def step(self):
            seconds.append(time.perf_counter())

    loop.Pace = Timed
    chosen = images.train_images[: batch * steps]
    start = time.perf_counter()
    losses = [e["loss"] for e in pretrain(model, chosen, views, Settings(1, batch), asked["temperature"])]
    each = [b - a for a, b in zip([start, *seconds], seconds, strict=False)]
    classifier = freeze_encoder(Classifier(model.encoder, images.image_shape, hidden=tuple(asked["classifier_hidden"])))
    settings = Settings(2, min(asked["classifier_batch_size"], len(chosen)))
    head = train_classifier(classifier, chosen, images.train_labels[: len(chosen)], views.plain, settings)
    return {
        "encoder": asked["encoder"],
        "batch_size": batch,
        "weights": weights,
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": steps,
        "loss": losses[-1],
        "head_losses": [e["loss"] for e in head],
        "step_flops": work[0],
        "pretraining_flops": work[1],
        "seconds_a_step": statistics.median(each[1:] or each),
        "total_steps": -(-used // batch) * asked["epochs"],
    }


def table(record: dict) -> str:
    """The record as a markdown table."""
    lines = [
        "| run | weights (millions) | batch | steps | whole pretraining | measured here, a step | at that pace |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, run in record["runs"].items():
        hours = run["seconds_a_step"] * run["total_steps"] / 3600
        lines.append(
            f"| `{name}` | {run['parameters'] / 1e6:.1f} | {run['batch_size']} | {run['total_steps']:,} "
            f"| {run['pretraining_flops'] / 1e12:,.0f} TFLOP | {run['seconds_a_step']:.1f} s | {hours:.1f} h |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--weights", default="none")
    parser.add_argument("--save", action="store_true", help="write bench/results/original_cifar10.json")
    parser.add_argument("--table", action="store_true", help="print the saved record, measure nothing")
    options = parser.parse_args()
    if options.table:
        print(table(json.loads(RESULT.read_text())))
        return
    progress.WATCHERS.clear()
    images = data.load("cifar10")
    runs = {run.name: run.resolved for run in profiles.load("original") if run.notebook == "cifar10"}
    measured = {}
    for name in options.only or runs:
        result = few_steps(runs[name], images, options.steps, options.weights)
        measured[name] = result
        hours = result["seconds_a_step"] * result["total_steps"] / 3600
        print(
            f"{name:18} {result['parameters'] / 1e6:5.1f} M weights {result['pretraining_flops'] / 1e12:7,.0f} TFLOP "
            f"{result['seconds_a_step']:6.1f} s a step, {hours:5.1f} h for {result['total_steps']:,} steps here",
            flush=True,
        )
    if options.save:
        record = {"runs": measured, "dataset": images.describe(), "environment": records.environment()}
        RESULT.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
