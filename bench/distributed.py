"""Pretraining on several processes or machines, each with a share of every batch: an example to start from.

torchrun --nproc-per-node 2 bench/distributed.py [--dataset cifar10 --encoder resnet18 --epochs 100 --batch-size 512]

On a machine with accelerators take one process for each. Batch size and learning rate are those of all processes
together: the run is the one that a single process would make (python bench/distributed.py), to rounding, and
either goes on from the other's checkpoint. `pretrain` finds the other processes by itself; a script only has to
leave what is to be done once to the first of them. Writes runs/distributed/pretraining.ckpt and, in the end, model.pt.
"""

import argparse
from pathlib import Path

import torch

from lib import data
from lib.augment import Views
from lib.models import ENCODERS, SimCLR
from lib.training import distributed
from lib.training.checkpoint import save_beside
from lib.training.pretraining import pretrain
from lib.training.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--encoder", default="small_cnn", choices=ENCODERS)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--out", type=Path, default=Path("runs/distributed"))
    options = parser.parse_args()
    distributed.start()
    if distributed.is_first():
        data.load(options.dataset)  # one downloads
    distributed.from_first(None)  # the others wait for it
    images = data.load(options.dataset)
    torch.manual_seed(0)
    model = SimCLR(options.encoder, (128, 64), images.image_shape)
    views = Views("strong_mnist" if images.image_shape[0] == 1 else "simclr_cifar10")
    settings = Settings(options.epochs, options.batch_size, "adamw", 0.002, 1e-4, "one_cycle")
    history = pretrain(model, images.train_images, views, settings, 0.2, options.out / "pretraining.ckpt")
    if distributed.is_first():
        save_beside(options.out / "model.pt", model.state_dict())
        print(f"{distributed.processes()} processes, loss {history[-1]['loss']:.3f}, {history.seconds:.1f} s")
    distributed.stop()


if __name__ == "__main__":
    main()
