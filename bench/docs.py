"""docs/speed.md and docs/scaling.md from the records in bench/results: ``python -m bench.docs`` writes them.

No figure is typed by hand; a page without its record is left out.
"""

from bench.measure import from_record, number, quartiles, table
from bench.run import TOPICS, load
from lib.records import ROOT

# Without figures of their own: what the changes came to is in the tables.
TRIED = [
    "- Views: the turn of the hue took more time than any other step. Its remainder of a division is now a floor, and "
    "its channels are written in place: the same values, bit for bit, in somewhat less time.",
    "- Views: sorting the images by their next colour operation, so that each group is a slice, instead of gathering "
    "and scattering each group: no faster, because the time lies in the arithmetic. Not kept.",
    "- `torch.compile` of a step on the CPU: see docs/cifar10.md. Not used there.",
]


def speed(record: dict) -> str:
    """The page of ratios: a table for each topic that was measured."""
    parts = ["# How fast the kit is, and against what", ""]
    parts += ["Made by `python -m bench.docs` from `bench/results/bench.json`, which `make bench` writes.", ""]
    missed = []
    for topic in (t for t in TOPICS if t in record):
        lines = [from_record(line) for line in record[topic]["lines"]]
        about, environment = record[topic], record[topic]["environment"]
        missed += [line for line in lines if not line.met]
        where = f"{environment['processor']}, {environment['cores']} cores, torch {environment['packages']['torch']}"
        parts += [f"## {topic}", "", table(lines), ""]
        parts += [
            f"At most {about['repeats']} rounds in turns, {about['finished']}; "
            f"commit {environment['commit']}; {where}.",
            "",
        ]
    parts += ["## Targets missed", ""]
    parts += [f"- {line.measured}, against {line.against}: {line.cells()[4]}, {line.cells()[5]}" for line in missed]
    parts += [] if missed else ["None."]
    parts += ["", "## What was tried", "", *TRIED]
    return "\n".join(parts) + "\n"


def scaling(record: dict) -> str:
    """The page of growth, and what follows from it for a GPU, for ImageNet and for the loss's matrix."""
    parts = ["# How cost grows", ""]
    parts += [
        "Made by `python -m bench.docs` from `bench/results/growth.json`: four sizes each, medians, every point a "
        "process of its own; memory beyond an idle process. Exponent 1 is proportional, 2 quadratic.",
        "",
    ]
    for axis in record["axes"].values():
        parts += [f"## {axis['words']}", "", "| size | time, s | memory, MB |", "| ---: | ---: | ---: |"]
        for size, seconds, memory in zip(axis["sizes"], axis["seconds"], axis["memory"], strict=True):
            parts.append(f"| {size:,} | {number(quartiles(seconds)[1])} | {number(quartiles(memory)[1])} |")
        grown = axis["exponents"]
        parts += ["", f"Exponent of time {grown['time']:.2f}, of memory {grown['memory']:.2f}.", ""]
    parts += [*elsewhere(record), *first_limit(record)]
    return "\n".join(parts) + "\n"


def elsewhere(record: dict) -> list[str]:
    """Hours of a hundred epochs at this machine's rate and at an accelerator's, if both reach the same share."""
    rate, a100 = record["matmul_rate"], 19.5e12  # NVIDIA's data sheet of the A100: float32 without tensor cores
    jobs = {"fast_resnet at 32×32": 50_000, "resnet18 at 32×32": 50_000, "resnet50 at 224×224": 1_281_167}
    parts = ["## On a GPU, and on ImageNet", ""]
    parts += [
        f"Counted FLOPs over the rate of a matrix product, which is the least it can take: {rate / 1e9:.0f} GFLOP/s "
        "measured here, 19.5 TFLOP/s float32 in the data sheet of an A100 (not measured).",
        "",
    ]
    parts += ["| encoder, images, 100 epochs | here, hours | A100, hours |", "| --- | ---: | ---: |"]
    for name, images in jobs.items():
        work = 100 * images * record["flops_an_image"][name]
        parts.append(f"| {name}, {images:,} | {number(work / rate / 3600)} | {number(work / a100 / 3600)} |")
    held = 1_281_167 * 3 * 224**2 / 1e9
    parts += [
        "",
        f"The kit keeps its images in memory, a byte a value: ImageNet at 224×224 would be {held:,.0f} GB.",
        "",
    ]
    return parts


def first_limit(record: dict) -> list[str]:
    """Where the loss's (2N)² similarities overtake the encoder's activations, by the largest sizes measured."""
    pairs, batch = record["axes"]["pairs"], record["axes"]["batch"]
    square = quartiles(pairs["memory"][-1])[1] / pairs["sizes"][-1] ** 2
    linear = quartiles(batch["memory"][-1])[1] / batch["sizes"][-1]
    grows = pairs["exponents"]["memory"]
    parts = ["## The first limit", "", f"The loss's memory grows with exponent {grows:.2f} in the number of pairs."]
    if grows > 1.5:
        parts.append(
            f"Its similarity matrix takes as much as the fast encoder's activations at N ≈ {linear / square:,.0f}."
        )
    else:
        parts.append("It holds no whole similarity matrix at the sizes measured: the activations are the first limit.")
    return [*parts, ""]


def pages() -> dict[str, str]:
    """Path below the kit's folder to content, for each record that is there."""
    bench, growth = load("bench"), load("growth")
    made = {"docs/speed.md": speed(bench)} if bench else {}
    return made | ({"docs/scaling.md": scaling(growth)} if growth else {})


if __name__ == "__main__":
    for name, content in pages().items():
        (ROOT / name).write_text(content, encoding="utf-8")
        print(name)
