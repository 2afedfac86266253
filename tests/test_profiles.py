"""Profiles: what the files expand to, that a printed command is the run, and that published records are their runs'."""

import json
import re

import pytest

from lib.files import NAME, ROOT
from lib.runs import profiles
from lib.runs.parameters import NOTEBOOKS
from lib.runs.profiles import Run, as_it_stands, cell
from lib.runs.recipes import resolve
from tests.commands import parsed

PROFILES = sorted(p.stem for p in profiles.FOLDER.glob("*.yaml"))
RECORDS = sorted((ROOT / "figures/records").glob("*/*/record.json"))
LONGEST = 180  # characters of a command; three lines of a table at most
# Parameters that came later than some of the records, and what those runs had: the only thing there was then.
LATER = {
    "left_out": [],
    "augmented_views": 2,
    "illustrated": True,
    "small_crops": [],
    "projection_batch_norm": False,
    "classifier_batch_norm": False,
    "classifier_label_smoothing": 0.0,
    "whiten_stem": False,
    "weights": "none",
    "feature_grid": 0,
    "feature_sides": [],
}
NO_PART_OF_THE_METHOD = {"recipe", "precision", "probe_images"}  # later too; none of them changes what is trained


def test_runs_for_every_seed_and_every_change(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    (tmp_path / "p.yaml").write_text("""
threads: 1
runs:
  a:
    notebook: mnist
    recipe: quick
    seeds: [0, 3]
    parameters: {epochs: 2}
    vary: [{}, {left_out: [HorizontalFlip]}, {epochs: 5, temperature: 0.1}]
  b: {notebook: evidence, after: a}
""")
    assert profiles.threads("p") == 1
    runs = profiles.load("p")
    names = ["a", "a-left_out-HorizontalFlip", "a-epochs-5"]
    assert [str(run) for run in runs] == [f"{name}-seed{seed}" for name in names for seed in (0, 3)] + ["b-seed0"]
    assert runs[1].parameters == {"recipe": "quick", "profile": "p", "run": "a", "seed": 3, "epochs": 2}
    changed = {"recipe": "quick", "profile": "p", "run": "a-epochs-5", "seed": 0, "epochs": 5, "temperature": 0.1}
    assert runs[4].parameters == changed
    assert runs[4].resolved == resolve("mnist", changed | {"runs": ""})
    own = cell("evidence")["recipe"]  # a run that names no recipe has the notebook's own
    assert runs[-1].parameters == {"recipe": own, "profile": "p", "run": "b", "seed": 0, "simclr_run": "p/a-seed0"}
    assert profiles.find("p", "a-epochs-5") == runs[4]
    with pytest.raises(profiles.ProfileError, match="There is no profile 'q'; there are: p"):
        profiles.load("q")
    (tmp_path / "w.yaml").write_text("runs: {a: {notebook: mnist, recipe: fast}}")
    with pytest.raises(
        profiles.ProfileError, match="run 'a' of the profile 'w' names the recipe 'fast', .* original, "
    ):
        profiles.load("w")
    with pytest.raises(
        profiles.ProfileError, match="no run 'c'; there are: a, a-left_out-HorizontalFlip, a-epochs-5, b"
    ):
        profiles.find("p", "c")


def test_a_command_gives_papermill_what_the_recipe_does_not_say_itself():
    run = Run("evidence", "mnist-x", 1, "mnist", "quick", {"temperature": 0.2, "epochs": 5, "left_out": []})
    line = "papermill notebooks/mnist.ipynb out.ipynb -p recipe quick -p profile evidence -p run mnist-x -p seed 1"
    assert run.command() == f"{line} -p epochs 5", "0.2 and no operation left out are the recipe's own"
    changed = Run("my own", "mnist", 0, "mnist", "original", {"left_out": ["Rotation", "GaussianBlur"]})
    assert changed.command() == (
        "papermill notebooks/mnist.ipynb out.ipynb -p profile 'my own' -y \"left_out: [Rotation, GaussianBlur]\""
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_a_command_is_short_and_is_the_run(profile):
    for run in profiles.load(profile):
        line = run.command()
        notebook, given = parsed(line)
        assert (notebook, resolve(notebook, as_it_stands(notebook) | given)) == (run.notebook, run.resolved)
        assert len(line) <= LONGEST, line


def test_a_part_of_a_run_is_a_line_too():
    run = profiles.find("evidence", "cifar10-labels")
    part = {"methods": [], "heads": ["lab's head"], "map_images": 0}
    notebook, given = parsed(run.command(**part))
    assert given.pop("recipe") == "cifar10-part"
    wanted = run.resolved | part
    assert resolve(notebook, as_it_stands(notebook) | given | {"recipe": run.recipe}) != wanted, (
        "the recipe leaves the rest out"
    )
    repeated = resolve(notebook, as_it_stands(notebook) | parsed(run.command(**part))[1])
    assert repeated == wanted | {"recipe": "cifar10-part"}
    maps = {"methods": [], "heads": []}
    _, given = parsed(run.command(**maps))
    assert resolve(notebook, as_it_stands(notebook) | given)["map_images"] == run.resolved["map_images"]


@pytest.mark.parametrize("profile", PROFILES)
def test_names_are_fit_for_folders(profile):
    runs = profiles.load(profile)
    assert all(re.fullmatch(r"[\w.-]+", run.name) for run in runs)
    assert len(set(map(str, runs))) == len(runs), "each has a folder of its own"
    assert all(run.simclr_run in (None, *map(str, runs)) for run in runs)


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_hold_parameters_that_exist(profile):
    for run in profiles.load(profile):
        assert NOTEBOOKS[run.notebook].checked(run.resolved).model_dump() == run.resolved


@pytest.mark.parametrize("profile", PROFILES)
def test_no_run_repeats_its_recipe(profile):
    for run in profiles.load(profile):
        own = resolve(run.notebook, as_it_stands(run.notebook) | {"recipe": run.recipe})
        # a change of two parameters may leave one of them as it is: epochs with their sizes of views
        assert not run.changes or any(own[name] != value for name, value in run.changes.items()), str(run)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_published_records_are_what_their_runs_would_be_today(path):
    asked = json.loads(path.read_text(encoding="utf-8"))["parameters"]
    runs = {str(run): run for run in profiles.load(asked["profile"])}
    today = runs[path.parent.name].resolved
    asked.pop("runs"), today.pop("runs")
    kept = {name: value for name, value in today.items() if name in asked}
    assert kept == asked | ({"epochs": today["epochs"]} if profiles.cut_short(asked) else {})
    assert {
        n: v for n, v in today.items() if n not in asked and n not in NO_PART_OF_THE_METHOD
    }.items() <= LATER.items()


def test_no_folder_is_named_as_a_device_of_windows():
    for name in ("CON", "nul", "Prn.txt", "aux.tar.gz", "COM1", "lpt9.x", "com²", "x\n", "a.", ".a", "..", ""):
        assert not re.fullmatch(NAME, name), name
        assert not re.match(NAME, name), name
    for name in ("console", "con-1", "CON_1", "com", "com10", "COM0", "x.con", "null", "lpt", "mnist-0.05", "实验"):
        assert re.fullmatch(NAME, name), name
