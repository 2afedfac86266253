"""The commands around the notebooks: papermill, Snakemake, conda; that the tree is clean."""

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
import yaml

from lib import files
from lib.files import ROOT
from lib.runs import profiles
from lib.training.settings import crop_side

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def command(*words, cwd=ROOT, **environment):
    scripts = str(Path(sys.executable).parent)
    path = {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, env=os.environ | path | environment)


@pytest.mark.parametrize("parameter", [("temprature", "0.2"), ("temperature", "0"), ("labelled_chunks", "5")])
def test_papermill_stops_at_a_wrong_parameter_from_any_directory(parameter, tmp_path):
    notebook = ROOT / "notebooks" / "mnist.ipynb"
    run = command("papermill", str(notebook), "out.ipynb", "-p", *parameter, cwd=tmp_path)
    assert run.returncode
    assert "ParameterError" in run.stderr
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert not any("load" in c.source and c.get("execution_count") for c in cells), "data was loaded before the check"


def test_plain_nbconvert_takes_the_notebooks(tmp_path):
    english = [path for path in NOTEBOOKS if not path.stem.endswith(".zh")]  # the others have the same cells
    words = ("--to", "html", "--output-dir", str(tmp_path), *map(str, english))
    run = command("jupyter", "nbconvert", *words, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    for notebook in english:
        assert (tmp_path / f"{notebook.stem}.html").stat().st_size > 10_000


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_clean_and_tell_a_story(notebook):
    node = nbformat.read(notebook, as_version=4)
    nbformat.validate(node)
    code = [c for c in node.cells if c.cell_type == "code"]
    assert not any(c.outputs or c.execution_count for c in code)
    assert sum("parameters" in c.metadata.get("tags", []) for c in code) == 1


@pytest.mark.parametrize(
    ("profile", "everything"),
    [("quick", ""), ("original", ""), ("improved", ""), ("evidence", "yes")],
)
def test_snakemake_plans_every_run_and_the_report(profile, everything):
    asked = ("--config", f"profile={profile}", f"all={everything}")
    run = command("snakemake", "--dry-run", "--forceall", "--cores", "2", *asked)
    assert run.returncode == 0, run.stderr
    runs = profiles.load(profile)
    spared = not everything and not torch.accelerator.is_available()
    left_out = {run.name for run in runs if run.needs and spared}
    assert all(name in run.stdout + run.stderr for name in left_out), "what is left out is named"
    assert ("all=yes starts them" in run.stdout + run.stderr) == bool(left_out)
    planned = sum(run.name not in left_out for run in runs)
    assert re.search(rf"^run\s+{planned}$", run.stdout, re.M), run.stdout
    assert re.search(r"^html\s+1$", run.stdout, re.M)


def test_an_unknown_profile_lists_those_there_are():
    run = command("snakemake", "--dry-run", "--cores", "1", "--config", "profile=slow")
    assert run.returncode
    assert "evidence, improved, methods, original, quick" in run.stdout + run.stderr


def test_only_runs_of_a_name_are_planned():
    run = command(
        "snakemake", "--dry-run", "--forceall", "--cores", "2", "--config", "profile=evidence", "only=cifar10"
    )
    wanted = sum(r.name.startswith("cifar10") for r in profiles.load("evidence"))
    assert re.search(rf"^run\s+{wanted}$", run.stdout, re.M), run.stdout
    wrong = command("snakemake", "--dry-run", "--cores", "2", "--config", "profile=evidence", "only=svhn")
    assert "No run of the profile 'evidence' has a name that begins with 'svhn'" in wrong.stdout + wrong.stderr


@pytest.mark.parametrize("profile", ["improved", "original"])
def test_a_report_on_the_published_records_runs_nothing(profile):
    asked = ("--config", f"profile={profile}", "published=published")
    run = command("snakemake", "--dry-run", "--forceall", "--cores", "2", *asked, LAB_RUNS="")
    assert run.returncode == 0, run.stderr
    assert not re.search(r"^run\s+\d+$", run.stdout, re.M), run.stdout
    assert f"figures/records/{profile}/mnist-seed2/record.json" in run.stdout
    assert f"runs/published/{profile}/report.html" in run.stdout


def test_one_list_of_dependencies():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [d["pip"] for d in conda if isinstance(d, dict)]
    assert pip == ["-r requirements.txt", "-r requirements-test.txt", "-e ."]
    assert {d.split()[0] for d in conda if isinstance(d, str)} <= {"python", "pip", "make"}
    project = (ROOT / "pyproject.toml").read_text()
    assert 'dependencies = { file = ["requirements.txt"] }' in project
    for name in ("requirements.txt", "requirements-test.txt", "requirements-teach.txt"):
        for line in (ROOT / name).read_text().splitlines():
            assert line.startswith("#") or re.match(r"[a-z0-9-]+[<>=.,0-9]+( ; [^#]+)? +# \S", line), (
                f"{line}: range and reason"
            )


def test_imports_run_one_way_and_in_no_circle():
    """The contracts stand in pyproject.toml."""
    run = command("lint-imports", "--no-cache")
    assert run.returncode == 0, run.stdout


def test_what_counts_as_method_is_said_once_as_folders():
    wings = {path.name for path in (ROOT / "lib").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    said = {part for part in files.METHOD if not part.endswith(".py")}
    assert wings - said == {"report", "cli", "compare", "explore", "teach"}, "a new folder is method, or is told"
    assert not [path for path in files.sources(*files.METHOD) if "report" in path.parts]
    assert {"loss.py", "loop.py", "views.py"} <= {path.name for path in files.sources(*files.TRAINED_BY)}


def test_the_page_on_evidence_is_that_of_the_records():
    run = subprocess.run(
        [sys.executable, "-c", "import evidence; print(evidence.page().markdown(), end='')"],
        cwd=ROOT / "figures", capture_output=True, text=True,
    )  # fmt: skip
    assert run.stdout == (ROOT / "docs/evidence.md").read_text(encoding="utf-8"), run.stderr
    for picture in re.findall(r"\]\(\.\./(figures/[\w-]+\.svg)\)", run.stdout):
        assert (ROOT / picture).exists()


def test_the_page_on_methods_is_that_of_the_records():
    run = subprocess.run(
        [sys.executable, "-c", "import methods; print(methods.page(), end='')"],
        cwd=ROOT / "figures", capture_output=True, text=True,
    )  # fmt: skip
    assert run.stdout == (ROOT / "docs/methods.md").read_text(encoding="utf-8"), run.stderr
    for picture in re.findall(r"\]\(\.\./(figures/[\w-]+\.svg)\)", run.stdout):
        assert (ROOT / picture).exists()


def test_the_docs_cost_of_the_labs_runs_is_the_benchmarks():
    run = command(sys.executable, "bench/original_cifar10.py", "--table")
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() in (ROOT / "docs/cifar10.md").read_text(encoding="utf-8")


def test_the_views_take_a_tenth_of_the_pretraining_at_most():
    """Over the epochs of `improved`, by the size of their views; at 16×16 alone it is a little more."""
    sides = json.loads((ROOT / "bench/results/cifar_step.json").read_text())["sides"]
    asked = profiles.find("improved", "cifar10").resolved
    epochs = [str(crop_side(epoch, asked["small_crops"]) or 32) for epoch in range(1, asked["epochs"] + 1)]
    views, steps = (sum(statistics.median(sides[side][key]) for side in epochs) for key in ("views", "step"))
    assert views / steps <= 0.1


def test_the_style_is_ruffs():
    assert command("ruff", "check", ".").returncode == 0
    looked_at = command("ruff", "check", "--show-files", ".").stdout.splitlines()
    python = [*ROOT.glob("*.py"), *(p for f in ("lib", "tests", "bench", "figures") for p in (ROOT / f).rglob("*.py"))]
    assert {str(path) for path in python} <= set(looked_at), "no folder is left out"
    assert command("ruff", "format", "--check", ".").returncode == 0
