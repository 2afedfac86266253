"""What decides a training besides model and data: epochs, batch, optimiser, schedule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from lib.training.device import PRECISIONS

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": lambda parameters, **options: torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **options),
}
# Each schedule is stepped once a batch, so its period is counted in batches.
SCHEDULES: dict[str, Callable[[torch.optim.Optimizer, int], LRScheduler]] = {
    "constant": lambda optimizer, steps: LambdaLR(optimizer, lambda step: 1.0),
    "cosine": lambda optimizer, steps: CosineAnnealingLR(optimizer, steps),
    "one_cycle": lambda optimizer, steps: OneCycleLR(
        # a fifth of the steps to warm up; torch divides by (pct_start * steps - 1), so never exactly one step. The
        # momentum (Adam's first beta) goes the other way, from 0.95 down to 0.85 and up again, as is torch's default
        optimizer,
        max_lr=optimizer.param_groups[0]["lr"],
        total_steps=steps,
        pct_start=0.2 if steps > 9 else 0.35,
    ),
}


@dataclass(frozen=True)
class Settings:
    """What decides a training besides model and data. ``learning_rate`` is the schedule's peak.

    ``precision`` is one of ``PRECISIONS``; a training that has begun has in its place what it computes in.
    """

    epochs: int
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "constant"
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self):
        known_precisions = (*PRECISIONS, "float16")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("precision", known_precisions)):
            if getattr(self, name) not in known:
                raise ValueError(f"no {name} named {getattr(self, name)!r}; there are: {', '.join(known)}.")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, {getattr(self, name)} was given.")


def crop_side(epoch: int, small_crops: Sequence[tuple[int, int]]) -> int | None:
    """Side of the views in an epoch (from 1), by pairs (last epoch, side); None is the images' own size."""
    return next((side for last, side in small_crops if epoch <= last), None)
