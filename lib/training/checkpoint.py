"""The state of a training run beside its model, and the file that lets it go on after a cut."""

import hashlib
import warnings
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.files import TRAINED_BY, sources, written_whole
from lib.training import distributed
from lib.training.settings import Settings


def save_beside(path: str | Path, state: Any) -> None:
    """``torch.save``, so that a reader never meets half a file."""
    with written_whole(path) as part:
        torch.save(state, part)


def digest(*tensors: Tensor) -> str:
    """A hash of the values of some tensors."""
    return hashlib.sha256(b"".join(t.detach().cpu().numpy().tobytes() for t in tensors)).hexdigest()


@cache
def code_digest() -> str:
    """A hash of the code that training depends on: after an edit, an old checkpoint is of another run."""
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources(*TRAINED_BY))).hexdigest()


class TrainingState:
    """Optimiser, schedule, loss scaler and random generator of one run, saved and restored as one.

    ``generator`` draws batches and views; the global generator (dropout) is seeded too.
    ``identity`` is whatever must be equal for a checkpoint to belong to this run, the settings and with them the
    precision among it: ``settings.precision`` is what is computed in, no longer ``auto``.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        device: torch.device,
        settings: Settings,
        identity: dict,
    ):
        self.model, self.optimizer, self.schedule, self.device = model, optimizer, schedule, device
        self.settings = settings
        self.identity = {**asdict(settings), **identity, "device": device.type}
        torch.manual_seed(settings.seed)
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        # gradients below float16's range would be lost without it; bfloat16 has float32's range
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "float16")

    def step(self, loss: Tensor) -> None:
        """One step of optimiser and schedule down the gradient of ``loss``."""
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()

    def _parts(self) -> dict[str, Any]:
        return {k: getattr(self, k) for k in ("model", "optimizer", "schedule", "scaler")}

    def save(self, path: str | Path, history: list[dict]) -> None:
        """Write everything the next epoch depends on."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        random = {"generator": self.generator.get_state(), "global": torch.get_rng_state()}
        if self.device.type != "cpu":  # dropout on an accelerator draws from the device's own generator
            random["device"] = torch.get_device_module(self.device).get_rng_state()
        save_beside(path, {"identity": self.identity, "history": list(history), "random": random, **parts})

    def resume(self, path: str | Path, together: bool = False) -> list[dict]:
        """The history so far, every part restored; [] if there is no checkpoint of this run.

        ``together``: with the other processes, from the file the first one finds.
        """
        there = Path(path).exists() and (distributed.is_first() or not together)
        saved = torch.load(path, map_location="cpu", weights_only=True) if there else None
        if together:
            saved = distributed.from_first(saved)  # what others see on their disks may be of another epoch
        if saved is None:
            return []
        if saved["identity"] != self.identity:
            differs = [k for k, v in self.identity.items() if saved["identity"].get(k) != v]
            warnings.warn(f"{path} is of another run ({', '.join(differs)} differ): starting anew.", stacklevel=4)
            return []
        for name, part in self._parts().items():
            part.load_state_dict(saved[name])
        self.generator.set_state(saved["random"]["generator"])
        torch.set_rng_state(saved["random"]["global"])
        if self.device.type != "cpu":
            torch.get_device_module(self.device).set_rng_state(saved["random"]["device"])
        return saved["history"]
