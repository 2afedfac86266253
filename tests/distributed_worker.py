"""The training that test_distributed.py runs in one process and, by torchrun, in two. Arguments: a folder."""

import os
import shutil
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from lib import distributed
from lib.augment import Views
from lib.checkpoint import TrainingState
from lib.loss import nt_xent_loss
from lib.models import SimCLR
from lib.train import Settings, pretrain

# Batches of 33, 33 and 1: shares of 17 and 16 images, and in the end of 1 and none.
IMAGES = torch.randint(0, 256, (67, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SETTINGS = Settings(2, 33, "sgd", 0.05, 1e-4, "cosine", seed=5)


class DoubleViews(Views):
    """Views for a network in float64, where rounding hides nothing and is not blown up from step to step."""

    def __call__(self, *args, **options) -> torch.Tensor:
        return super().__call__(*args, **options).double()


VIEWS = DoubleViews("simclr_cifar10")


def fresh() -> SimCLR:
    torch.manual_seed(5)
    return SimCLR("fast_resnet", (16, 8), batch_norm=True).double()


def one_step() -> dict:
    """Loss, gradients and buffers of a step in float64, where rounding hides nothing."""
    model, own = fresh().train(), distributed.own_rows(33)
    images = VIEWS.pair(IMAGES[:33], torch.Generator().manual_seed(1), own)
    network = distributed.replicate(model)  # held: with the wrapper gone, so are the hooks
    loss = nt_xent_loss(distributed.gather(network(images)[1], own, 33), 0.2)
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    return {"loss": loss.item(), "gradients": gradients, "buffers": dict(model.named_buffers())}


def run(checkpoint: Path) -> dict:
    """Two epochs with a checkpoint, that of the first one kept as <checkpoint>.first; what they left."""
    model, looks, saves, save = fresh(), [], [], TrainingState.save

    def save_and_keep(self, path, history):
        save(self, path, history)
        saves.append(len(history))
        if len(history) == 1:
            shutil.copy(path, f"{path}.first")

    def probe():
        looks.append(1)
        return {"looks": float(len(looks))}

    TrainingState.save = save_and_keep
    try:
        history = pretrain(model, IMAGES, VIEWS, SETTINGS, 0.5, checkpoint, f"rank {os.environ.get('RANK')}", probe)
    finally:
        TrainingState.save = save
    return {"state": model.state_dict(), "history": list(history), "looks": len(looks), "saves": saves}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    distributed.start()
    results = {"step": one_step(), "whole": run(folder / "two"), "resumed": run(folder / "from_one")}
    torch.save(results, folder / f"rank{dist.get_rank()}")
    distributed.stop()
