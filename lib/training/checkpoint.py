"""The state of a training run beside its model, and the file that lets it go on after a cut."""

import hashlib
import io
import os
import warnings
import zipfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.files import TRAINED_BY, sources, write_whole
from lib.training import distributed
from lib.training.settings import Settings

MARK = b"sha256:"
# torch.save writes a zip archive. Its last 22 bytes begin with END; the last two are the length of a comment to follow.
END, TO_LENGTH = b"PK\x05\x06", 20


class Damaged(ValueError):
    """A file that is not, or no longer, what ``save_beside`` wrote."""


def save_beside(path: str | Path, state: Any) -> None:
    """``torch.save``, so that a reader never meets half a file, with a SHA-256 of it all as the archive's comment.

    Raises:
        DiskFull: there is no room; an older file of that name is still there.
    """
    archive = io.BytesIO()
    torch.save(state, archive)
    comment = MARK + hashlib.sha256(archive.getbuffer()).hexdigest().encode()
    archive.seek(-2, os.SEEK_END)
    archive.write(len(comment).to_bytes(2, "little") + comment)
    write_whole(path, archive.getbuffer())


def load_whole(path: str | Path) -> Any:
    """What ``save_beside`` wrote, on the CPU. A file without a SHA-256, from before there was one, is held against
    the CRC-32 that a zip archive keeps of each of its parts.

    Raises:
        Damaged: it is cut off, changed in as little as a bit, or another file.
    """
    try:
        content = Path(path).read_bytes()
    except IsADirectoryError as error:
        raise Damaged("it is a folder") from error
    if not content:
        raise Damaged("it is empty")
    length = content.rfind(END) + TO_LENGTH
    if (told := content[length:]) != b"\0\0":
        comment = MARK + hashlib.sha256(content[:length] + b"\0\0").hexdigest().encode()
        if told != len(comment).to_bytes(2, "little") + comment:
            raise Damaged("it is cut off, changed, or another kind of file")
    try:
        broken = zipfile.ZipFile(io.BytesIO(content)).testzip()
        loaded = None if broken else torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # zipfile and torch have many ways to say it
        raise Damaged("it is cut off, changed, or another kind of file") from error
    if broken:
        raise Damaged(f"its part {broken} was changed")
    return loaded


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

    def _read(self, path: Path) -> dict[str, Any] | None:
        """What is in a checkpoint; None of a damaged one, which is then set aside."""
        try:
            saved = load_whole(path)
            if not isinstance(saved, dict) or not {"identity", "history", "random", *self._parts()} <= set(saved):
                raise Damaged("it is no checkpoint")
        except Damaged as error:
            aside = path.with_name(f"{path.name}.damaged")
            os.replace(path, aside)
            warnings.warn(
                f"{path} is damaged: {error}. It was renamed to {aside.name}, and this phase starts anew.", stacklevel=5
            )
            return None
        return saved

    def resume(self, path: str | Path, together: bool = False) -> list[dict]:
        """The history so far, every part restored; [] if there is no checkpoint of this run.

        A damaged one is set aside, ``.damaged`` added to its name, and a warning says so.
        ``together``: with the other processes, from the file the first one finds.
        """
        there = Path(path).exists() and (distributed.is_first() or not together)
        saved = self._read(Path(path)) if there else None
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
