"""What decides a training besides model and data: epochs, batch, optimiser, schedule."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from lib.training.device import PRECISIONS, choose_precision


def muon(parameters: Iterable[Tensor], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Muon: the update of each weight matrix is made orthogonal (Jordan 2024, kellerjordan.github.io/posts/muon).

    A convolution counts as the matrix (channels, inputs · kernel). Updates are scaled to the size of AdamW's, so that
    AdamW's learning rates are a place to start from (Liu et al. 2025, arXiv:2502.16982, equation 4). What is no
    matrix, BatchNorm's weights and the biases, is left to AdamW; both have Nesterov's momentum.
    """
    # torch.optim.Muon takes matrices only. Imported here, because timm takes seconds and few runs need it.
    from timm.optim import muon as timms

    parameters = list(parameters)
    # timm's own choice is bfloat16, and cannot be set from outside. On a processor without arithmetic for it, that took
    # most of a step of fast_resnet (python -m bench.run --only muon).
    kind = torch.bfloat16 if choose_precision("auto", parameters[0].device) == "bfloat16" else torch.float32
    timms.zeropower_via_newtonschulz = partial(timms.zeropower_via_newtonschulz, dtype=kind)
    return timms.Muon(parameters, lr, weight_decay, nesterov=True, betas=(0.9, 0.999))


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "muon": muon,
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True, fused=True),
}
# Each schedule is stepped once a batch, so its period is counted in batches.
SCHEDULES: dict[str, Callable[[torch.optim.Optimizer, int], LRScheduler]] = {
    "constant": lambda optimizer, steps: LambdaLR(optimizer, lambda step: 1.0),
    "cosine": lambda optimizer, steps: CosineAnnealingLR(optimizer, steps),
    "one_cycle": lambda optimizer, steps: OneCycleLR(
        # a fifth of the steps to warm up; torch divides by (pct_start * steps - 1), so never exactly one step. The
        # momentum (Adam's first beta) goes the other way, from 0.95 down to 0.85 and up again, as is torch's default;
        # of Muon it reaches only what AdamW updates, the matrices keep 0.95
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
