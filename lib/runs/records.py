"""One JSON record a run: what was asked, where it ran, what it measured."""

import base64
import hashlib
import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib import progress
from lib.files import ROOT, file_digest, write_whole
from lib.runs.parameters import RunParameters
from lib.training.device import choose_device, choose_precision

REQUIRED = ("name", "profile", "dataset", "parameters", "environment", "seconds", "history", "results")

#: Settings that records lack which were made before there were such settings.
BEFORE = {"weights": "none", "whiten_stem": False, "projection_batch_norm": False, "left_out": [], "augmented_views": 2,
          "small_crops": [], "probe_images": 0, "feature_layers": [], "feature_grid": 0, "feature_sides": [],
          "classifier_dropout": 0.0, "classifier_batch_norm": False, "classifier_label_smoothing": 0.0}  # fmt: skip


def runs_folder(runs: str = "") -> Path:
    """Where runs leave their records: ``runs``, else the environment's ``LAB_RUNS``, else the kit's ``runs/``."""
    return Path(runs or os.environ.get("LAB_RUNS") or ROOT / "runs").absolute()


class RecordError(ValueError):
    """A file that is no record, or a run that must not become one."""


class Run:
    """What a notebook run gathers on its way; ``save`` writes it as ``folder/record.json``.

    ``asked`` are the parameters, which the record keeps as a dict, ``parameters``.
    ``seconds`` holds a figure for each phase, ``history`` a list of epochs for each training,
    ``results`` whatever was measured, ``pictures`` small uint8 images for the report.
    """

    def __init__(self, parameters: RunParameters):
        self.asked, self.profile, self.parameters = parameters, parameters.profile, parameters.model_dump()
        self.name = f"{parameters.run}-seed{parameters.seed}"
        self.folder = runs_folder(parameters.runs) / self.profile / self.name
        self.dataset: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}
        self.history: dict[str, list[dict]] = {}
        self.results: dict[str, Any] = {}
        self.pictures: dict[str, dict] = {}
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase of the run, in seconds."""
        progress.tell(phase=name)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    def resumable(self, training: str, file: str = "") -> dict[str, Any]:
        """What makes a training one that can be resumed: its checkpoint, and the name shown while it runs.

        The checkpoint is ``file`` in the run's folder, without ``.ckpt``; by default it has the training's name.
        """
        name = f"{self.profile}/{self.name} {training}"
        return {"checkpoint": self.folder / f"{file or training}.ckpt", "name": name}

    def training(self, name: str, history: list[dict]) -> None:
        """Keep a training's epochs and their time, which counts those before a resume.

        Raises:
            RecordError: the training was interrupted.
        """
        if getattr(history, "interrupted", False):
            raise RecordError(
                f"{name} was interrupted after {len(history)} epochs, so this run gets no record. "
                "Run it again: it goes on from its checkpoint."
            )
        self.history[name] = list(history)
        self.seconds[name] = history.seconds

    def picture(self, name: str, images: torch.Tensor) -> None:
        """Keep uint8 images (N, C, H, W)."""
        content = base64.b64encode(images.cpu().numpy().tobytes()).decode()
        self.pictures[name] = {"shape": list(images.shape), "base64": content}

    @property
    def content(self) -> dict[str, Any]:
        """What the record holds so far of data, parameters and measurements: enough for any plot."""
        kept = ("name", "profile", "dataset", "parameters", "seconds", "history", "results", "pictures")
        return {name: getattr(self, name) for name in kept}

    def save(self) -> Path:
        """Write the record beside its place, then rename it there; the path.

        Raises:
            RecordError: a figure is infinite or not a number.
        """
        content = self.content
        if wrong := list(_not_finite(content)):
            raise RecordError(
                f"{self.name} gets no record, because a figure in it is not a finite number: {'; '.join(wrong[:5])}. "
                "Run it again. If it comes back, please report it as a fault of the kit."
            )
        record = {name: content.pop(name) for name in ("name", "profile", "dataset", "parameters")}
        record["environment"] = environment(self.parameters.get("precision"))
        record |= {"finished": datetime.now(UTC).isoformat(timespec="seconds")} | content
        if not self.parameters.get("illustrated", True):
            record["pictures"] = {}
        if (model := self.folder / "model.pt").exists():
            record["model_sha256"] = file_digest(model)
        record["sha256"] = digest(json.loads(json.dumps(record)))  # as it will be read back
        path = self.folder / "record.json"
        write_whole(path, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
        return path


def _not_finite(content: Any, at: str = "") -> Iterator[str]:
    """Each figure that is infinite or not a number, with the keys and places that lead to it."""
    if isinstance(content, float) and not math.isfinite(content):
        yield f"{at} is {content}"
    elif isinstance(content, dict | list | tuple):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _not_finite(value, f"{at}.{key}".lstrip("."))


def digest(record: dict[str, Any]) -> str:
    """A hash of what a record says, but for its own ``sha256``, however it is indented."""
    said = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def load(path: str | Path) -> dict[str, Any]:
    """A record from its file or the folder it is in.

    Raises:
        RecordError: no such file, no JSON, a key of ``REQUIRED`` missing, or not what its run wrote.
    """
    path = Path(path)
    path = path if path.suffix == ".json" else path / "record.json"
    if not path.exists():
        raise RecordError(f"{path} is not there: run the notebook that writes it first, or name another run.")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is no record that can be read: {error}") from error
    missing = [key for key in REQUIRED if key not in record] if isinstance(record, dict) else REQUIRED
    if missing:
        raise RecordError(f"{path} is no record of a run: {', '.join(missing)} missing.")
    if record.get("sha256", found := digest(record)) != found:  # records from before there was one have none
        raise RecordError(f"{path} is not as its run wrote it: something in it was changed. Run it again.")
    return record


def find_all(folder: str | Path) -> list[Path]:
    """The path of every record below a folder, in order.

    Raises:
        RecordError: there is none.
    """
    paths = sorted(Path(folder).glob("**/record.json"))
    if not paths:
        raise RecordError(
            f"no record.json below {folder}: run `python lab.py report` first, or name the folder of a profile's runs."
        )
    return paths


def load_all(folder: str | Path) -> list[dict[str, Any]]:
    """Every record below a folder, ordered by path; raises RecordError where there is none."""
    return [load(path) for path in find_all(folder)]


def picture(record: dict[str, Any], name: str) -> np.ndarray:
    """The uint8 images (N, C, H, W) that ``Run.picture`` kept under a name."""
    kept = record["pictures"][name]
    return np.frombuffer(base64.b64decode(kept["base64"]), np.uint8).reshape(kept["shape"])


def environment(precision: str | None = "auto") -> dict[str, Any]:
    """Machine and versions a run's figures depend on.

    ``precision`` is what its networks were to be trained in, None if none was; told is what they were then trained
    in. Records from before there was a choice have no such entry: on a CPU they are of float32.
    """
    packages = ("torch", "torchvision", "numpy", "scikit-learn", "papermill")
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": accelerator.type if accelerator else "cpu",
        **({"precision": choose_precision(precision, choose_device())} if precision else {}),
        "packages": {package: version(package) for package in packages},
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The kit's commit, with a + if the tree has other changes; None outside a checkout."""
    try:
        command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=5).stdout
        return said.decode("utf-8", "replace").strip()
    except (OSError, subprocess.SubprocessError):
        return None
