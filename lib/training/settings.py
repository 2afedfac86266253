"""What decides a training besides model and data: epochs, batch, optimiser, schedule."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

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
        # a fifth of the steps to warm up; torch divides by (pct_start * steps - 1), so never exactly one step
        optimizer,
        max_lr=optimizer.param_groups[0]["lr"],
        total_steps=steps,
        pct_start=0.2 if steps > 9 else 0.35,
    ),
}


@dataclass(frozen=True)
class Settings:
    """What decides a training besides model and data. ``learning_rate`` is the schedule's peak."""

    epochs: int
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "constant"
    seed: int = 0

    def __post_init__(self):
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise ValueError(f"no {name} named {getattr(self, name)!r}; there are: {', '.join(known)}.")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, {getattr(self, name)} was given.")


def crop_side(epoch: int, small_crops: Sequence[tuple[int, int]]) -> int | None:
    """Side of the views in an epoch (from 1), by pairs (last epoch, side); None is the images' own size."""
    return next((side for last, side in small_crops if epoch <= last), None)


def choose_device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def compile_for(device: torch.device, model: nn.Module) -> bool:
    """``torch.compile`` a network in place where it pays, and say whether it was done.

    On a CUDA device with Triton, BatchNorm and ReLU are fused into one pass over memory. On a CPU it is left
    alone: it asks for a C++ compiler, half a minute at each size of batch and view, and the step was no faster
    for it (docs/cifar10.md). The weights keep their names.
    """
    gains = device.type == "cuda" and importlib.util.find_spec("triton") is not None
    if gains:
        model.compile()
    return gains
