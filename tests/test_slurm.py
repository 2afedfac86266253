"""The SLURM profile: planned by Snakemake without SLURM, then sent to a stand-in that notes what it gets."""

import os
import re
import sys
from pathlib import Path

import pytest
from test_project import command

from lib.files import ROOT
from lib.runs import profiles

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SLURM has no Windows; the stand-in is a shell script")

RUNS = {str(run): run for run in profiles.load("original")}
PROFILE = ("--workflow-profile", str(ROOT / "profiles" / "slurm"))
SWEEP = ("--config", "profile=original", "all=yes")

# A SLURM that takes every job and has it done at once: the stamp of its record is there and sacct says so.
# The report, which Snakemake then makes on this machine, finds no records and fails.
SLURM = r"""#!/bin/sh
case "$(basename "$0") $*" in
sacct*--name*) cat "$SLURM_STAND_IN/done" ;;
sbatch*)
    echo "$*" >> "$SLURM_STAND_IN/sent"
    number=$(($(wc -l < "$SLURM_STAND_IN/sent")))
    run=$(echo "$*" | sed "s/.*run:run=\([^' ]*\).*/\1/")
    mkdir -p "runs/original/$run" && touch "runs/original/$run/record.sha256"
    echo "$number|COMPLETED" >> "$SLURM_STAND_IN/done"
    echo "$number" ;;
esac
"""


def planned(*words: str) -> dict[str, str]:
    """What a dry run says of each run."""
    run = command("snakemake", "--dry-run", "--forceall", "--cores", "2", *words, *SWEEP)
    assert run.returncode == 0, run.stderr
    jobs = [job for job in re.split(r"^(?:local)?rule ", run.stdout, flags=re.M) if job.startswith("run:")]
    found = {re.search(r"wildcards: run=(\S+)", job)[1]: job for job in jobs}
    assert len(found) == len(jobs)
    return found


def test_a_dry_run_plans_every_run_unchanged_and_with_its_resources():
    here, cluster = planned(), planned(*PROFILE)
    assert cluster.keys() == RUNS.keys()
    for name, job in cluster.items():
        inputs, output = re.findall("^ +(?:input|output): (.*)", job, re.M)
        assert inputs in here[name]
        assert f"output: {output}" in here[name]
        (resources,) = re.findall("resources: (.*)", job)
        asked = {"runtime=120", "mem_mb=8000", f"gpu={int(RUNS[name].needs == 'accelerator')}"}
        assert asked <= set(resources.split(", "))


def test_every_run_and_nothing_else_is_sent(tmp_path):
    for name in ("sbatch", "sacct", "squeue", "scontrol", "sinfo", "sacctmgr", "scancel"):
        (tmp_path / name).write_text(SLURM)
        (tmp_path / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    for name in ("lib", "notebooks", "figures", "bench", "my-report"):  # the last is there once a report was made
        if (ROOT / name).exists():
            (work / name).symlink_to(ROOT / name)
    words = ("--directory", str(work), "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "1")
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    run = command("snakemake", *PROFILE, *words, *SWEEP, PATH=path, SLURM_STAND_IN=str(tmp_path), LAB_RUNS="")
    assert "Error in rule notebook_report" in run.stderr, run.stderr
    sent = (tmp_path / "sent").read_text().splitlines()
    jobs = {re.search(r"run:run=([^' ]+)", line)[1]: line.split(" --wrap=")[0] for line in sent}
    assert len(sent) == len(jobs)
    assert jobs.keys() == RUNS.keys()
    for name, job in jobs.items():
        assert "-t 120 --mem 8000" in job
        assert int(re.search(r"--cpus-per-task=(\d+)", job)[1]) >= 2
        assert ("--gpus=1" in job) == (RUNS[name].needs == "accelerator")
