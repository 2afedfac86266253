"""What is asked of ``compare``: its lists multiplied out, every run checked and named before any is made."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from lib import data
from lib.files import NAME
from lib.runs import checks, profiles, recipes
from lib.runs.parameters import NOTEBOOKS, ParameterError, SimCLRParameters

#: The notebooks whose runs can be compared: each pretrains an encoder and tests a classifier on it.
TAKEN = tuple(name for name, kind in NOTEBOOKS.items() if kind is SimCLRParameters)
PROFILE = "explore"
OWN = ("run", "runs", "profile", "seed", "language")  # given by compare itself
LONGEST = 80  # characters of a run's name


@dataclass(frozen=True)
class Asked:
    """One run: what it is called, what papermill gives its notebook, and what of it the lists have varied."""

    notebook: str
    given: dict[str, Any] = field(hash=False)
    parameters: SimCLRParameters = field(hash=False)
    varied: dict[str, Any] = field(hash=False)

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"{self.parameters.run}-seed{self.parameters.seed}"


def expand(notebook: str, seeds: Sequence[int], asked: Mapping[str, Any]) -> list[Asked]:
    """A run for each combination of the values that ``asked`` lists, and for each seed.

    Raises:
        ParameterError: one paragraph with everything that is unknown or out of range.
    """
    if notebook not in TAKEN:
        raise ParameterError(f"compare takes the notebook {' or '.join(map(repr, TAKEN))}; {notebook!r} was given.")
    if own := [name for name in asked if name in OWN]:
        raise ParameterError(
            f"{', '.join(own)}: compare gives this itself, a folder to each run below {PROFILE}. "
            "Several seeds are seeds = [0, 1, 2]."
        )
    if unknown := [name for name in asked if name not in SimCLRParameters.model_fields]:
        known = ", ".join(name for name in SimCLRParameters.model_fields if name not in OWN)
        raise ParameterError(" ".join(f"There is no parameter {name!r}." for name in unknown) + f" There are: {known}.")
    values = {name: _values(name, value) for name, value in {**asked, "seed": seeds}.items()}
    if empty := [f"{'seeds' if name == 'seed' else name} = []" for name, several in values.items() if not several]:
        raise ParameterError(f"{', '.join(empty)}: a list of values to compare holds one at least.")
    varied = [name for name, several in values.items() if len(several) > 1 and name != "seed"]
    runs, complaints = {}, []
    for chosen in product(*values.values()):
        given = dict(zip(values, chosen, strict=True))
        try:
            run = _one(notebook, given, varied)
            runs[run.folder] = run
        except ParameterError as error:
            complaints.append(str(error))
    if complaints:
        raise ParameterError(" ".join(dict.fromkeys(complaints)))
    return list(runs.values())


def _values(name: str, value: Any) -> list[Any]:
    """The values to compare. A list that is itself right for the parameter, as [64, 32] for ``projection``, is one."""
    value = value.tolist() if hasattr(value, "tolist") else value  # NumPy's
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return [value]
    several = [list(item) if isinstance(item, tuple) else item for item in value]
    about = SimCLRParameters.model_fields[name]
    try:
        TypeAdapter(Annotated[about.annotation, about]).validate_python(several, strict=True)
    except ValidationError:
        return several
    return [several]


def _one(notebook: str, given: dict[str, Any], varied: Sequence[str]) -> Asked:
    """A run, checked as its notebook will check it; its values as the parameters' types have them."""
    wanted = {**profiles.cell(notebook), **given, "profile": PROFILE, "run": notebook}
    try:
        resolved = recipes.resolve(notebook, wanted)
    except recipes.RecipeError as error:
        raise ParameterError(f"{error}.") from None
    parameters = SimCLRParameters.checked(resolved)
    parameters = parameters.model_copy(update={"run": name(notebook, parameters)})
    own = {key: getattr(parameters, key) for key in (*given, "recipe", "profile", "run")}
    return Asked(notebook, own, parameters, {key: own[key] for key in varied})


def name(notebook: str, parameters: SimCLRParameters) -> str:
    """``mnist-quick-temperature-0.05``: the recipe and what differs from it, so that equal settings have one name.

    Where a value cannot stand in a name as it is, some digits of a hash keep names apart.
    """
    base = recipes.load(notebook, parameters.recipe)
    changes = {key: value for key in base if (value := getattr(parameters, key)) != base[key]}
    exact = "-".join([notebook, parameters.recipe, *(f"{key}-{value}" for key, value in changes.items())])
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", exact)
    if plain == exact and len(plain) <= LONGEST and re.match(NAME, plain):
        return plain
    code = hashlib.sha256(json.dumps(changes, sort_keys=True).encode()).hexdigest()[:8]
    return f"{plain[:LONGEST].strip('-.')}-{code}"


def check_data(runs: Sequence[Asked]) -> dict[str, dict[str, Any]]:
    """Look whether the images are there and every run can be made of them; what they are, by data set.

    Raises:
        ParameterError: one paragraph with what does not fit.
        DataError: the images cannot be had, or are damaged.
    """
    described, complaints = {}, []
    for dataset in dict.fromkeys(run.parameters.dataset for run in runs):
        images = data.load(dataset)
        described[dataset] = images.describe()
        for run in (run for run in runs if run.parameters.dataset == dataset):
            try:
                checks.check_simclr(run.parameters, images)
            except ValueError as error:
                complaints.append(str(error))
    if complaints:
        raise ParameterError(" ".join(dict.fromkeys(complaints)))
    return described
