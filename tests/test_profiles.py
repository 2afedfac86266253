"""Profiles: what the files expand to, and that a printed command is the run."""

import re
import shlex

import pytest
import yaml

from lib.runs import profiles
from lib.runs.profiles import Run


def test_runs_for_every_seed_and_every_change(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    (tmp_path / "p.yaml").write_text("""
threads: 1
runs:
  a:
    notebook: mnist
    seeds: [0, 3]
    parameters: {epochs: 2}
    vary: [{}, {left_out: [HorizontalFlip]}, {epochs: 5, temperature: 0.1}]
  b: {notebook: evidence, after: a}
""")
    assert profiles.threads("p") == 1
    runs = profiles.load("p")
    names = ["a", "a-left_out-HorizontalFlip", "a-epochs-5"]
    assert [str(run) for run in runs] == [f"{name}-seed{seed}" for name in names for seed in (0, 3)] + ["b-seed0"]
    assert runs[1].parameters == {"profile": "p", "run": "a", "seed": 3, "epochs": 2}
    assert runs[4].parameters == {"profile": "p", "run": "a-epochs-5", "seed": 0, "epochs": 5, "temperature": 0.1}
    assert runs[-1].parameters == {"profile": "p", "run": "b", "seed": 0, "simclr_run": "p/a-seed0"}
    with pytest.raises(profiles.ProfileError, match="There is no profile 'q'; there are: p"):
        profiles.load("q")


def test_a_command_gives_papermill_what_the_notebook_does_not_say_itself():
    run = Run("evidence", "mnist-x", 1, "mnist", {"temperature": 0.5, "epochs": 5, "left_out": ["Rotation"]})
    words = shlex.split(run.command(heads=["lab's head"]))
    assert words[:4] == ["papermill", "notebooks/mnist.ipynb", "out.ipynb", "-y"]
    assert yaml.safe_load(words[4]) == {
        "profile": "evidence",
        "run": "mnist-x",
        "seed": 1,
        "epochs": 5,
        "left_out": ["Rotation"],
        "heads": ["lab's head"],
    }  # fmt: skip  (0.5 is the notebook's own temperature)


@pytest.mark.parametrize("profile", sorted(p.stem for p in profiles.FOLDER.glob("*.yaml")))
def test_names_are_fit_for_folders(profile):
    assert all(re.fullmatch(r"[\w.-]+", run.name) for run in profiles.load(profile))
