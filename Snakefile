"""Which notebook runs make up a profile, and the report that reads their records.

python lab.py report quick; by hand: snakemake --cores all --config profile=quick
With published=yes the records are those that come with the kit, and nothing is run.
"""

import json
import os
import sys
from glob import glob
from pathlib import Path

from lib import files
from lib.cli import LabError, jobs, plan

HERE = Path(workflow.basedir)
try:
    PLAN = plan.make(
        config.get("profile", "quick"),
        str(config.get("only") or ""),
        {"yes": True, "True": True, "no": False, "False": False}.get(str(config.get("all"))),
        bool(config.get("published")),
    )
except LabError as error:
    raise WorkflowError(str(error)) from None
FOLDER, RUNS = PLAN.folder, PLAN.runs
if PLAN.left_out and not os.environ.get("LAB_SAID"):
    os.environ["LAB_SAID"] = "once"  # Snakemake reads this file again for each job
    print(f"Left out, for there is no GPU here: {', '.join(PLAN.left_out)}; --config all=yes starts them.", file=sys.stderr)
# An edit to what a measured figure depends on makes the runs anew, one to a plot or the report does not.
METHOD, REPORT = ([path.relative_to(HERE).as_posix() for path in files.sources(*parts)] for parts in (files.METHOD, ["report", "runs"]))


def after(wildcards):
    simclr_run = RUNS[wildcards.run].simclr_run
    return PLAN.made(simclr_run) if simclr_run else []


# On a cluster only the runs are jobs: what reads their records takes seconds.
localrules:
    report,
    notebook_report,
    html,
    pdf,


# The runs are asked for here too: what is missing behind a finished page would else stay missing.
rule report:
    input:
        [] if PLAN.published else PLAN.inputs,
        f"{FOLDER}/report.html",
        f"{FOLDER}/report.pdf",


# Neither record nor checkpoint is an output of the rule: Snakemake would delete them with a failed run. The
# output says that the record is whole (lib.cli.state).
rule run:
    input:
        notebook=lambda w: f"notebooks/{RUNS[w.run].notebook}.ipynb",
        method=METHOD,
        after=after,
    output:
        f"{FOLDER}/{{run}}/record.sha256",
    params:
        parameters=lambda w: json.dumps(RUNS[w.run].parameters),
        resolved=lambda w: json.dumps(RUNS[w.run].resolved),  # an edit to its recipe makes a run anew
        data=os.environ.get("LAB_DATA", ""),
    wildcard_constraints:
        run="|".join(RUNS) or "none",
    threads: PLAN.threads(workflow.cores)
    resources:  # for a cluster, see profiles/slurm: minutes, megabytes, GPUs
        runtime=120,
        mem_mb=lambda w: plan.memory(RUNS[w.run], int(config["room"])) if "room" in config else 8000,
        gpu=lambda w: 1 if RUNS[w.run].needs == "accelerator" else 0,
    run:
        after = [input.after] if isinstance(input.after, str) else list(input.after)
        jobs.run(input.notebook, Path(output[0]).parent, json.loads(params.parameters), after, threads)


rule notebook_report:
    input:
        PLAN.inputs,
        notebook="notebooks/report.ipynb",
        cover="notebooks/cover.yaml",
        words=lambda w: [PLAN.words] if PLAN.words else [],  # the path may hold braces
        code=REPORT,
        lab=PLAN.lab_runs,
        texts=glob("notebooks/text/*.yaml") + ["notebooks/claims.yaml", "bench/results/original_cifar10.json", "bench/results/methods.json"],
    output:
        f"{FOLDER}/report.ipynb",
    params:
        profile=PLAN.profile,
        published=PLAN.published,
    run:
        words = Path(PLAN.words).absolute().as_posix() if PLAN.words else ""
        records = HERE / "figures/records" if params.published else Path(output[0]).absolute().parents[1]
        jobs.report_notebook(input.notebook, input.cover, Path(output[0]), {"profile": params.profile, "runs": str(records), "words": words})


rule html:
    input:
        f"{FOLDER}/report.ipynb",
        glob("notebooks/template/*") + glob("notebooks/text/references.*"),
        "lib/report/export.py",
    output:
        f"{FOLDER}/report.html",
    run:
        jobs.html(Path(input[0]), Path(output[0]))


rule pdf:
    input:
        f"{FOLDER}/report.html",
        "lib/report/pdf.py",
        "lib/report/paper.py",
    output:
        f"{FOLDER}/report.pdf",
    run:
        jobs.pdf(Path(input[0]), Path(output[0]))
