"""Recipes: named sets of parameters, in ``notebooks/recipes.yaml``.

The file has a section for each notebook, and in it the recipes by name. A recipe may ``extends`` another, of its own
section or, written ``notebook/name``, of another one; it then lists only what it changes.
"""

from functools import cache
from typing import Any

import yaml

from lib.files import ROOT

FILE = ROOT / "notebooks" / "recipes.yaml"


class RecipeError(ValueError):
    """A recipe that is not there."""


@cache
def read() -> dict[str, dict[str, dict[str, Any]]]:
    """What the file says: by notebook, recipe and parameter."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def names(notebook: str) -> list[str]:
    """The recipes of a notebook."""
    return list(read().get(notebook, {}))


def load(notebook: str, name: str) -> dict[str, Any]:
    """Every parameter that a recipe of a notebook sets, those of the recipes it extends among them.

    Raises:
        RecipeError: there is no such recipe; the message lists those there are.
    """
    known = read().get(notebook, {})
    if name not in known:
        raise RecipeError(f"There is no recipe {name!r} for {notebook}.ipynb; there are: {', '.join(known)}")
    own = dict(known[name])
    if base := own.pop("extends", None):
        section, _, base = base.rpartition("/")
        return load(section or notebook, base) | own
    return own


def resolve(notebook: str, given: dict[str, Any]) -> dict[str, Any]:
    """All parameters of a notebook: those given, and from the recipe those that are not or that are None.

    Nothing is checked but the recipe's name, so that this needs no torch; ``lib.runs.parameters`` checks.

    Raises:
        RecipeError: ``recipe`` names none of the notebook's recipes.
    """
    own = load(notebook, given["recipe"])
    return own | {name: value for name, value in given.items() if value is not None or name not in own}
