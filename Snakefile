"""Which notebook runs make up a profile, and the report that reads their records.

snakemake --cores all --config profile=quick
With published=yes the records are those that come with the kit, and nothing is run.
"""

import json
import os
import sys
from glob import glob
from pathlib import Path

from lib import files
from lib.report.pdf import find_browser
from lib.runs import profiles


def has_accelerator():
    import torch  # a second or two, for those profiles only that ask

    return torch.accelerator.is_available()


PROFILE, ONLY = config.get("profile", "quick"), str(config.get("only") or "")
HERE = Path(workflow.basedir)
try:
    ASKED = [run for run in profiles.load(PROFILE) if run.name.startswith(ONLY)]
except profiles.ProfileError as error:
    raise WorkflowError(str(error)) from None
if not ASKED:
    raise WorkflowError(f"No run of the profile {PROFILE!r} has a name that begins with {ONLY!r}.")
LEFT_OUT = list(dict.fromkeys(run.name for run in ASKED if run.needs == "accelerator"))
if LEFT_OUT and (config.get("all") or has_accelerator()):
    LEFT_OUT = []
RUNS = {str(run): run for run in ASKED if run.name not in LEFT_OUT}
PUBLISHED = config.get("published")
FOLDER = f"runs/published/{PROFILE}" if PUBLISHED else f"runs/{PROFILE}"
RECORDS = glob(f"figures/records/{PROFILE}/*/record.json") if PUBLISHED else [f"{FOLDER}/{run}/record.json" for run in RUNS]
if not RECORDS:
    raise WorkflowError(f"No records of the profile {PROFILE!r} come with the kit.")
if LEFT_OUT and not PUBLISHED and not os.environ.get("LAB_SAID"):
    os.environ["LAB_SAID"] = "once"  # Snakemake reads this file again for each job
    print(
        f"Left out, for there is no GPU here: {', '.join(LEFT_OUT)}. What they would take stands in docs/cifar10.md; "
        f"to run them all the same: make report PROFILE={PROFILE} ALL=yes",
        file=sys.stderr,
    )
# An edit to what a measured figure depends on makes the runs anew, one to a plot or the report does not.
METHOD, REPORT = ([str(path.relative_to(HERE)) for path in files.sources(*parts)] for parts in (files.METHOD, ["report", "runs"]))


def after(wildcards):
    simclr_run = RUNS[wildcards.run].simclr_run
    return f"{FOLDER}/{simclr_run}/record.json" if simclr_run else []


# On a cluster only the runs are jobs: what reads their records takes seconds.
localrules:
    report,
    notebook_report,
    html,
    pdf,


rule report:
    input:
        f"{FOLDER}/report.html",
        [f"{FOLDER}/report.pdf"] if find_browser() else [],


# The checkpoint beside the record is no output of the rule: Snakemake would delete it with a failed run.
rule run:
    input:
        notebook=lambda w: f"notebooks/{RUNS[w.run].notebook}.ipynb",
        method=METHOD,
        after=after,
    output:
        f"{FOLDER}/{{run}}/record.json",
    params:
        parameters=lambda w: json.dumps(RUNS[w.run].parameters | {"runs": str(HERE / "runs")}),
        resolved=lambda w: json.dumps(RUNS[w.run].resolved),  # an edit to its recipe makes a run anew
        data=os.environ.get("LAB_DATA", ""),
        executed=lambda w: f"{FOLDER}/{w.run}/{RUNS[w.run].notebook}.ipynb",
    wildcard_constraints:
        run="|".join(RUNS),
    threads: profiles.threads(PROFILE) or max(2, (workflow.cores or 2) // len(RUNS))
    resources:  # for a cluster, see profiles/slurm: minutes, megabytes, GPUs
        runtime=120,
        mem_mb=4000,
        gpu=lambda w: 1 if RUNS[w.run].needs == "accelerator" else 0,
    shell:
        "OMP_NUM_THREADS={threads} papermill {input.notebook} {params.executed} -y {params.parameters:q}"
        " --log-output --no-progress-bar --start-timeout 300"


rule notebook_report:
    input:
        RECORDS,
        notebook="notebooks/report.ipynb",
        cover="notebooks/cover.yaml",
        code=REPORT,
        texts=glob("notebooks/text/*.yaml") + glob("figures/diagrams/*.svg") + ["notebooks/claims.yaml", "bench/results/original_cifar10.json"],
    output:
        f"{FOLDER}/report.ipynb",
    params:
        parameters=json.dumps({"profile": PROFILE, "runs": str(HERE / ("figures/records" if PUBLISHED else "runs"))}),
    shell:
        "papermill {input.notebook} {output} -f {input.cover} -y {params.parameters:q} --no-progress-bar --start-timeout 300"


rule html:
    input:
        f"{FOLDER}/report.ipynb",
        glob("notebooks/template/*"),
        "lib/report/export.py",
    output:
        f"{FOLDER}/report.html",
    shell:
        "python -m lib.report.export {input[0]} {output}"


rule pdf:
    input:
        f"{FOLDER}/report.html",
        "lib/report/pdf.py",
    output:
        f"{FOLDER}/report.pdf",
    shell:
        "python -m lib.report.pdf {input[0]} {output}"
