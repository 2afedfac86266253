"""Driven by tests/test_faults_killed.py: ``python -m tests.killed_worker mnist|batchnorm FOLDER``.

Makes a tiny run whole; then the same run again and again, each killed at a random moment; then lets it end. Every one
is a process of its own, forked here, so that the imports are paid for once. Prints a line of JSON.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from lib import data
from lib.augment import Views
from lib.models import Classifier, SimCLR, freeze_encoder
from lib.training import Settings, pretrain, train_classifier
from lib.training.checkpoint import save_beside

KILLS, EPOCHS = 5, 5
NETWORKS = {"mnist": ("small_cnn", False, "original_mnist"), "batchnorm": ("fast_resnet", True, "slight_mnist")}


def run(kind: str, folder: Path, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Pretraining, then a head, each with its checkpoint, then the weights."""
    encoder, norm, views = NETWORKS[kind]
    torch.manual_seed(0)
    model = SimCLR(encoder, (16, 8), (1, 28, 28), batch_norm=norm)
    settings = Settings(EPOCHS, 32, precision="float32", schedule="cosine")
    pretrain(model, images, Views(views), settings, checkpoint=folder / "pretraining.ckpt")
    torch.manual_seed(0)
    classifier = freeze_encoder(Classifier(model.encoder, (1, 28, 28), hidden=(16,), batch_norm=norm, dropout=0.2))
    train_classifier(classifier, images, labels, Views(views), settings, folder / "classifier.ckpt")
    save_beside(folder / "model.pt", classifier.state_dict())


def forked(*given) -> int:
    """A process that makes the run; its id."""
    if child := os.fork():
        return child
    try:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the lines of its progress
        run(*given)
        os._exit(0)
    except BaseException as error:
        print(error, file=sys.stderr)
    os._exit(1)


def wait_for_saves(folder: Path, count: int, child: int) -> None:
    """Until a process has written so many checkpoints or is over: of a slow machine the clock tells little."""
    seen = {path.stat().st_mtime_ns for path in folder.glob("*.ckpt")}
    end = len(seen) + count
    while len(seen) < end and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        seen |= {path.stat().st_mtime_ns for path in folder.glob("*.ckpt")}
        time.sleep(0.002)


def main(kind: str, folder: Path) -> None:
    torch.set_num_threads(1)
    digits = data.samples.sample_mnist()
    given = digits.train_images[:128], digits.train_labels[:128]
    for name in ("whole", "killed"):
        (folder / name).mkdir()
    start = time.monotonic()
    _, status = os.waitpid(forked(kind, folder / "whole", *given), 0)
    assert status == 0
    epoch, draw, said = (time.monotonic() - start) / (2 * EPOCHS), random.Random(14), []
    for _ in range(KILLS):
        child = forked(kind, folder / "killed", *given)
        wait_for_saves(folder / "killed", draw.randint(0, 2), child)
        time.sleep(draw.uniform(0, 1) * epoch)
        os.kill(child, signal.SIGKILL)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        said.append([killed, sorted(path.name for path in (folder / "killed").iterdir())])
    _, status = os.waitpid(forked(kind, folder / "killed", *given), 0)
    print(json.dumps({"kills": said, "ended": status}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
