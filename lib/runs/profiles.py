"""Profiles: named runs of the notebooks, one file each in ``notebooks/profiles/``.

A profile lists ``runs`` by name: the ``notebook``, its ``recipe`` (default: the one in the notebook's parameters
cell), and perhaps ``parameters`` in which it differs from the recipe, ``seeds`` (a run for each; default 0), ``after``
(the SimCLR run it builds on), ``needs: accelerator``, and ``vary``: a list of changes to the parameters, a run for
each, named after the first parameter it changes ({} is the run without a change). ``threads`` beside ``runs`` says
how many each run gets.
"""

import ast
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from lib.files import NAME, NAMING, ROOT
from lib.runs import recipes
from lib.runs.recipes import resolve

NOTEBOOKS = ROOT / "notebooks"
FOLDER = NOTEBOOKS / "profiles"


class ProfileError(ValueError):
    """A profile that is not there, or names a run so that it would lie elsewhere."""


@dataclass(frozen=True)
class Run:
    """One run of a notebook: ``runs/<profile>/<name>-seed<seed>/``."""

    profile: str
    name: str
    seed: int
    notebook: str
    recipe: str
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
        given = {"recipe": self.recipe, "profile": self.profile, "run": self.name, "seed": self.seed}
        if self.after:
            given["simclr_run"] = f"{self.profile}/{self.simclr_run}"
        return given | self.changes

    @property
    def resolved(self) -> dict[str, Any]:
        """Every parameter of the run, those of its recipe among them."""
        return resolve(self.notebook, as_it_stands(self.notebook) | self.parameters)

    def command(self, **more: Any) -> str:
        """The line for a shell that makes this run again, with other parameters where ``more`` has them.

        It has the parameters in which the run differs from its recipe: ``-p name value``, and ``-y`` for lists. With
        ``more`` it is another run, and has whichever recipe makes the line shortest.
        """
        names = recipes.names(self.notebook) if more else [self.recipe]
        return min((self._line(self.resolved | more | {"recipe": name}) for name in names), key=len)

    def _line(self, wanted: dict[str, Any]) -> str:
        own = cell(self.notebook)
        known = resolve(self.notebook, own | {"recipe": wanted["recipe"]}) | {"recipe": own["recipe"]}
        order = dict.fromkeys([*self.parameters, *wanted])
        options = [_option(name, wanted[name]) for name in order if name not in known or known[name] != wanted[name]]
        return " ".join([f"papermill notebooks/{self.notebook}.ipynb out.ipynb", *options])


def _option(name: str, value: Any) -> str:
    """A parameter on papermill's command line."""
    if isinstance(value, list | dict):
        return f'-y "{name}: {yaml.safe_dump(value, default_flow_style=True, width=10**6).strip()}"'
    return f"-p {name} {shlex.quote(str(value))}"


@cache
def cell(notebook: str) -> dict[str, Any]:
    """What a notebook's parameters cell sets; None is left to the recipe."""
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = next("".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", ()))
    return {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(source).body}


def as_it_stands(notebook: str) -> dict[str, Any]:
    """What its cell asks of a run: not the language, which changes no result."""
    return {name: value for name, value in cell(notebook).items() if name != "language"}


def defaults(notebook: str) -> dict[str, Any]:
    """Every parameter of a notebook that is run as it stands."""
    return resolve(notebook, as_it_stands(notebook))


def names() -> list[str]:
    """The profiles there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def notebooks() -> tuple[str, ...]:
    """The notebooks that leave a record."""
    return tuple(sorted(recipes.read()))


def exists(profile: str) -> bool:
    """Whether a file lists the runs of a profile; those of ``explore`` were made by hand."""
    return bool(re.fullmatch(NAME, profile)) and (FOLDER / f"{profile}.yaml").exists()


def _read(profile: str) -> dict[str, Any]:
    path = FOLDER / f"{profile}.yaml"
    if not exists(profile):
        raise ProfileError(f"There is no profile {profile!r}; there are: {', '.join(names())}.")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def threads(profile: str) -> int | None:
    """How many threads each run of the profile is to have, if it says so; raises as ``load`` does."""
    return _read(profile).get("threads")


def load(profile: str) -> list[Run]:
    """Every run of a profile, in the file's order.

    Raises:
        ProfileError: there is no such profile, or a run names a recipe that is not there, and the message lists those
            there are; or a run's name is no name.
    """
    return [run for name, asked in _read(profile)["runs"].items() for run in _expand(profile, name, **asked)]


def find(profile: str, name: str) -> Run:
    """The first run of a name in a profile.

    Raises:
        ProfileError: there is no such profile, or no such run in it; the message lists those there are.
    """
    runs = load(profile)
    for run in runs:
        if run.name == name:
            return run
    there = ", ".join(dict.fromkeys(run.name for run in runs))
    raise ProfileError(f"The profile {profile!r} has no run {name!r}; there are: {there}.")


def cut_short(asked: Mapping[str, Any]) -> bool:
    """Whether a record, by its parameters, has fewer epochs of pretraining than the run of its profile and name."""
    try:
        whole = find(asked["profile"], asked["run"]).resolved
    except ProfileError:  # a run by hand, or one that no profile has any more
        return False
    return "epochs" in whole and asked["epochs"] < whole["epochs"]


def _expand(
    profile: str,
    name: str,
    notebook: str,
    recipe: str | None = None,
    seeds=(0,),
    parameters=None,
    vary=({},),
    after=None,
    needs=None,
) -> Iterator[Run]:
    if not re.fullmatch(NAME, name):
        raise ProfileError(f"{profile}: a run cannot be named {name!r}; {NAMING}.")
    recipe = recipe or cell(notebook)["recipe"]
    if recipe not in (known := recipes.names(notebook)):
        raise ProfileError(
            f"The run {name!r} of the profile {profile!r} names the recipe {recipe!r}, which {notebook}.ipynb "
            f"does not have; there are: {', '.join(known)}."
        )
    for change in vary:
        for seed in seeds:
            changes = (parameters or {}) | change
            yield Run(profile, _named(name, change), seed, notebook, recipe, changes, after, needs)


def _named(name: str, change: dict[str, Any]) -> str:
    if not change:
        return name
    parameter, value = next(iter(change.items()))
    words = [parameter, *(value if isinstance(value, list) else [value])]
    return "-".join([name, *(re.sub(r"[^\w.]+", "-", str(word)) for word in words)])
