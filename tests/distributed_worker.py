"""The training that test_distributed.py runs in one process and, by torchrun, in two. Arguments: a folder."""

import os
import shutil
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from lib.augment import Views
from lib.loss import nt_xent_loss
from lib.models import Classifier, SimCLR, freeze_encoder, whiten
from lib.training import distributed
from lib.training.checkpoint import TrainingState
from lib.training.classifier import train_classifier
from lib.training.pretraining import pretrain
from lib.training.settings import Settings

# Batches of 33, 33 and 1: shares of 17 and 16 images, and in the end of 1 and none.
IMAGES = torch.randint(0, 256, (67, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
VIEWS, SETTINGS = Views("simclr_cifar10"), Settings(2, 33, "sgd", 0.05, 1e-4, "cosine", seed=5)


def fresh() -> SimCLR:
    """A network with BatchNorm in encoder and head, in float64.

    In float32 rounding decides on which side of ReLU's kink a unit lies, which moved gradients of
    about 1 by 0.01 in one process too, and by six steps a weight by 0.03.
    """
    torch.manual_seed(5)
    model = SimCLR("fast_resnet", (16, 8), batch_norm=True).double()
    model.register_forward_pre_hook(lambda model, images: images[0].double())
    return model


def one_step() -> dict:
    """Loss, gradients and buffers of a step on 33 images."""
    model, share = fresh().train(), distributed.share(33)
    network = distributed.replicate(model)
    _, projections = network(VIEWS.pair(IMAGES[:33], torch.Generator().manual_seed(1), share))
    loss = nt_xent_loss(distributed.gather(projections, share, 33), 0.2)
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    return {"loss": loss.item(), "gradients": gradients, "buffers": dict(model.named_buffers())}


def run(checkpoint: Path) -> dict:
    """Two epochs, the first on small crops, with a checkpoint, the first one kept as <checkpoint>.first."""
    model, looks, saves, save = fresh(), [], [], TrainingState.save
    whiten(model.encoder, VIEWS.plain(IMAGES))  # a layer without gradient

    def save_and_keep(self, path, history):
        save(self, path, history)
        saves.append(len(history))
        if len(history) == 1:
            shutil.copy(path, f"{path}.first")

    def probe():
        classifier = freeze_encoder(Classifier(SimCLR("fast_resnet").encoder, IMAGES.shape[1:]))
        train_classifier(classifier, IMAGES, torch.arange(67) % 10, VIEWS.plain, Settings(1, 67))
        looks.append(1)
        return {"looks": float(len(looks))}

    name = f"rank {os.environ.get('RANK')}"
    TrainingState.save = save_and_keep
    try:
        history = pretrain(model, IMAGES, VIEWS, SETTINGS, 0.5, checkpoint, name, probe, ((1, 16),))
    finally:
        TrainingState.save = save
    return {"state": model.state_dict(), "history": list(history), "looks": len(looks), "saves": saves}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    distributed.start()
    found = folder / ("from_one" if distributed.is_first() else "as on a machine with a disk of its own")
    results = {"step": one_step(), "whole": run(folder / "two"), "resumed": run(found)}
    torch.save(results, folder / f"rank{dist.get_rank()}")
    distributed.stop()
