"""Profiles: named runs of the notebooks, one file each in ``notebooks/profiles/``.

A profile lists ``runs`` by name: the ``notebook``, its ``parameters`` as far as they differ from the
notebook's own, and perhaps ``seeds`` (a run for each; default 0), ``after`` (the SimCLR run it builds
on), ``needs: accelerator``, and ``vary``: a list of changes to the parameters, a run for each, named after
the first parameter it changes ({} is the run without a change). ``threads`` beside ``runs`` says how many
each run gets.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lib.files import NAME, ROOT

FOLDER = ROOT / "notebooks" / "profiles"


class ProfileError(ValueError):
    """A profile that is not there, or names a run so that it would lie elsewhere."""


@dataclass(frozen=True)
class Run:
    """One run of a notebook: ``runs/<profile>/<name>-seed<seed>/``."""

    profile: str
    name: str
    seed: int
    notebook: str
    changes: dict[str, Any] = field(hash=False)
    after: str | None = None
    needs: str | None = None

    def __str__(self) -> str:
        return f"{self.name}-seed{self.seed}"

    @property
    def simclr_run(self) -> str | None:
        """Name and seed of the run whose encoder it uses."""
        return f"{self.after}-seed{self.seed}" if self.after else None

    @property
    def parameters(self) -> dict[str, Any]:
        """All that papermill is to give the notebook, but for the place of the runs."""
        given = {"profile": self.profile, "run": self.name, "seed": self.seed}
        if self.after:
            given["simclr_run"] = f"{self.profile}/{self.simclr_run}"
        return given | self.changes

    def command(self, **more: Any) -> str:
        """The line for a shell that makes this run again, with other parameters where ``more`` has them.

        What the notebook's own parameters say already is left out.
        """
        own = defaults(self.notebook)
        given = {k: v for k, v in (self.parameters | more).items() if k not in own or own[k] != v}
        given = yaml.safe_dump(given, default_flow_style=True, sort_keys=False, width=10**6).strip()
        return f'papermill notebooks/{self.notebook}.ipynb out.ipynb -y "{given}"'


@cache
def defaults(notebook: str) -> dict[str, Any]:
    """What a notebook's parameters cell sets."""
    cells = json.loads((FOLDER.parent / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = next("".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", ()))
    return {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(source).body}


def _read(profile: str) -> dict[str, Any]:
    path = FOLDER / f"{profile}.yaml"
    if not re.fullmatch(NAME, profile) or not path.exists():
        there = ", ".join(sorted(p.stem for p in FOLDER.glob("*.yaml")))
        raise ProfileError(f"There is no profile {profile!r}; there are: {there}.")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def threads(profile: str) -> int | None:
    """How many threads each run of the profile is to have, if it says so; raises as ``load`` does."""
    return _read(profile).get("threads")


def load(profile: str) -> list[Run]:
    """Every run of a profile, in the file's order.

    Raises:
        ProfileError: there is no such profile, and the message lists those there are; or a run's name is no name.
    """
    return [run for name, asked in _read(profile)["runs"].items() for run in _expand(profile, name, **asked)]


def _expand(
    profile: str, name: str, notebook: str, seeds=(0,), parameters=None, vary=({},), after=None, needs=None
) -> Iterator[Run]:
    if not re.fullmatch(NAME, name):
        raise ProfileError(
            f"{profile}: a run cannot be named {name!r}; letters, digits, '_', '-' and '.' within are right."
        )
    for change in vary:
        for seed in seeds:
            yield Run(profile, _named(name, change), seed, notebook, (parameters or {}) | change, after, needs)


def _named(name: str, change: dict[str, Any]) -> str:
    if not change:
        return name
    parameter, value = next(iter(change.items()))
    words = [parameter, *(value if isinstance(value, list) else [value])]
    return "-".join([name, *(re.sub(r"[^\w.]+", "-", str(word)) for word in words)])
