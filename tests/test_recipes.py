"""Recipes: complete, without repetition, and what a notebook makes of them."""

import pytest
import yaml

from lib.cli import jobs
from lib.files import ROOT
from lib.runs import parameters, profiles, recipes
from lib.runs.parameters import NOTEBOOKS, ParameterError
from lib.runs.profiles import cell

NAMES = {"recipe", "profile", "run", "runs", "seed", "simclr_run", "language"}  # of a run, no part of how it is made
RECIPES = [(notebook, name) for notebook, known in recipes.read().items() for name in known]


@pytest.mark.parametrize(("notebook", "name"), RECIPES)
def test_a_recipe_sets_every_parameter_in_its_range(notebook, name):
    kind, recipe = NOTEBOOKS[notebook], recipes.load(notebook, name)
    assert set(recipe) == set(kind.model_fields) - NAMES
    kind.checked(recipes.resolve(notebook, cell(notebook) | {"recipe": name}))


@pytest.mark.parametrize(("notebook", "name"), RECIPES)
def test_no_recipe_repeats_what_it_extends(notebook, name):
    own = dict(recipes.read()[notebook][name])
    if base := own.pop("extends", None):
        *section, base = base.split("/")
        before = recipes.load(section[0] if section else notebook, base)
        assert own, "a recipe that changes nothing is a second name"
        assert not [key for key, value in own.items() if before[key] == value]
    else:
        assert set(own) == set(recipes.load(notebook, name))


def test_no_two_recipes_of_a_notebook_are_one():
    for notebook, known in recipes.read().items():
        found = [recipes.load(notebook, name) for name in known]
        assert all(found.count(recipe) == 1 for recipe in found)


def test_a_key_stands_once_in_a_recipe():
    """YAML takes the last of two equal keys without a word."""

    class Strict(yaml.SafeLoader):
        pass

    def once(loader, node):
        keys = [key.value for key, _ in node.value]
        assert len(set(keys)) == len(keys), sorted(keys)
        return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, once)
    assert yaml.load(recipes.FILE.read_text(encoding="utf-8"), Strict) == recipes.read()


def test_extends_reaches_over_recipes_and_notebooks(tmp_path, monkeypatch):
    (tmp_path / "recipes.yaml").write_text("""
a:
  first: {x: 1, y: [1]}
  second: {extends: first, x: 2}
b:
  third: {extends: a/second, y: [3]}
  fourth: {extends: third, x: 4}
""")
    monkeypatch.setattr(recipes, "FILE", tmp_path / "recipes.yaml")
    recipes.read.cache_clear()
    try:
        assert recipes.load("b", "third") == {"x": 2, "y": [3]}
        assert recipes.load("b", "fourth") == {"x": 4, "y": [3]}
        assert recipes.load("a", "first") == {"x": 1, "y": [1]}
        assert recipes.names("b") == ["third", "fourth"]
    finally:
        recipes.read.cache_clear()


def test_a_run_whose_recipe_was_edited_is_another_run(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(jobs.state, "stands", lambda folder, asking: asked.append(asking) or True)
    monkeypatch.setattr(jobs.state, "stamp", lambda folder, asking: None)
    given = profiles.find("quick", "mnist").parameters
    before = recipes.FILE.read_text(encoding="utf-8")
    monkeypatch.setattr(recipes, "FILE", tmp_path / "recipes.yaml")
    try:
        for text in (before, before + "# a note\n", before.replace("temperature: 0.2", "temperature: 0.3")):
            recipes.FILE.write_text(text, encoding="utf-8")
            recipes.read.cache_clear()
            jobs.run(str(ROOT / "notebooks/mnist.ipynb"), tmp_path, given, [], 1)
    finally:
        recipes.read.cache_clear()
    assert asked[0] == asked[1] != asked[2]


def namespace(notebook, injected="", **edited):
    """A notebook's globals after its parameters cell, edited, and the cell that papermill puts behind it."""
    given = cell(notebook) | edited
    exec(injected, given)
    return given | {"In": [f"# Parameters\n{injected}"]}


def test_none_is_the_recipes_and_anything_else_is_the_students():
    p = parameters.read("mnist", namespace("mnist", recipe="improved", epochs=3))
    assert (p.temperature, p.epochs, p.recipe) == (0.2, 3, "improved")
    assert p.model_dump() == recipes.load("mnist", "improved") | {
        "recipe": "improved", "epochs": 3, "profile": "explore", "run": "mnist", "runs": "", "seed": 0
    }  # fmt: skip


def test_papermill_may_give_what_only_the_recipe_has():
    assert "learning_rate" not in cell("cifar10")
    p = parameters.read(
        "cifar10", namespace("cifar10", 'recipe = "resnet18"\nlearning_rate = 0.02\ntemperature = None')
    )
    assert (p.learning_rate, p.encoder, p.temperature) == (0.02, "resnet18", 0.5)


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        ("temprature = 0.2", "There is no parameter 'temprature'; there are: .*temperature"),
        ("temprature = None", "There is no parameter 'temprature'"),
        ("learning_rate = 50", "learning_rate = 50 is not right: input should be less than or equal to 10"),
        ("extends = 'quick'", "There is no parameter 'extends'"),
        ("recipe = 'resnet18'", "There is no recipe 'resnet18' for mnist.ipynb; there are: original, improved, quick"),
        ("recipe = None", "There is no recipe None for mnist.ipynb"),
    ],
)
def test_refusals_say_what_would_be_right(injected, message):
    with pytest.raises(ParameterError, match=message):
        parameters.read("mnist", namespace("mnist", injected))
