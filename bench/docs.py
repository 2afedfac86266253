"""docs/speed.md and docs/scaling.md from the records in bench/results: ``python -m bench.docs`` writes them.

No figure is typed by hand; a page without its record is left out.
"""

from bench import precision
from bench.measure import from_record, number, quartiles, table
from bench.run import TOPICS, load
from lib.files import ROOT
from lib.loss import CHUNK, CHUNKED_FROM

# An A100 by NVIDIA's data sheet, bfloat16 on tensor cores, which the kit's autocast uses there; its memory; and what a
# published SimCLR run took on one: github.com/dkobak/simclr-cifar10, ResNet-18, 100 epochs of 50,000 images.
A100_RATE, A100_BYTES, PUBLISHED_SECONDS, EPOCHS = 312e12, 80e9, 20 * 60, 100
IMAGENET = 1_281_167  # images

FEW_SEEDS = "With fewer than three seeds, a row shows only that the run works; it is no basis for a judgement."

# Without figures of their own: what the changes came to is in the tables.
TRIED = [
    "- Views, rotation and warp: `F.affine_grid` was most of a rotation's time, for it multiplies a tiny matrix for "
    "each image. Adding one term for the column and one for the row gives the same grid in a fraction of the time.",
    "- Views, crop: a box that is only enlarged needs no antialiasing, so one bilinear `grid_sample` gives "
    "torchvision's values in less time than two matrix products. Views of another size keep the products.",
    "- Views, blur, mirroring, greyscale: `torch.where` on the whole batch costs more than gathering the images that "
    "were drawn, changing them and putting them back.",
    "- Views, colours: sorting the images by their next operation, to turn gathers into slices, gained nothing while "
    "each step had code of its own. Brightness, contrast and saturation as one formula, and images ordered by the "
    "place of the hue alone, leave one gather and one copy back.",
    "- Views, hue: telling six cases apart by comparing and `torch.where` was most of it; a processor guesses such "
    "branches badly. The distance on the colour circle as a sum, with its direction as a sign, needs no cases at all.",
    "- Views, without a gain worth its lines: working through the batch in pieces that fit the cache (calls cost more "
    "than it saves); operations in place instead of copies (less than the noise); channels stored one after the other "
    "instead of images; colour matrices as batched 3×3 products; nearest pixels gathered by index.",
    "- Views, what is left: a colour view is dozens of passes over all pixels of the batch, each about as fast as "
    "memory allows. PIL takes its integer steps on an image that lies in the innermost cache. More than this would "
    "take compiled code of our own.",
    "- Start: torchvision, which brings torch's compiler with it, and scikit-learn are imported where they are used. A "
    "report, a figure or a refused parameter does without. A training does not: torch imports its compiler when the "
    "first optimiser is made. What remains is torch itself.",
    "- Memory of a whole run: most of it is there before the first image (docs/scaling.md has an idle process), and "
    "most of that is torch, built for GPUs too. Looked at cell by cell, images, views and model add little; the rest "
    "comes with training and testing. Freed blocks are kept on purpose: giving them back costs more time than a "
    "forward. Smaller test batches were left alone: they would change the random views of the published records. On "
    "CIFAR-10, `improved` needs three times as much, for its linear evaluation of 9,216 features of each image: it "
    "took 6.5 GB until it held the features of one encoder at a time and factored its matrix in place.",
    "- `torch.compile` of a step on the CPU: see docs/cifar10.md. Not used there.",
    "- bfloat16, what is left: on a Zen 5 processor a large product runs four times as fast in it, but the "
    "convolutions of a network with 48 to 128 channels do not. They are seven tenths of a CIFAR step, most of that in "
    "the backward pass. On MNIST nearly all of the step is the network: replacing max-pooling by a mean saved 5 %.",
]


def speed(record: dict, paired: dict) -> str:
    """The page of ratios: a table for each topic that was measured, and ``paired``, what half precision costs."""
    parts = ["# How fast the kit is, and against what", ""]
    parts += ["Made by `python -m bench.docs` from `bench/results/bench.json`, which `python lab.py bench` writes.", ""]
    missed = []
    for topic in (t for t in TOPICS if t in record):
        lines = [from_record(line) for line in record[topic]["lines"]]
        missed += [line for line in lines if not line.met]
        parts += [f"## {topic}", "", table(lines), "", measured(record[topic]), ""]
    parts += half_precision(paired) if paired else []
    parts += ["## Targets missed", ""]
    parts += [f"- {line.measured}, against {line.against}: {line.cells()[4]}, {line.cells()[5]}" for line in missed]
    parts += [] if missed else ["None."]
    parts += ["", "## What was tried", "", *TRIED]
    return "\n".join(parts) + "\n"


def half_precision(record: dict) -> list[str]:
    """Accuracies of the same runs and seeds in both precisions."""
    runs = [run for seeds in record["runs"].values() for run in seeds.values()]
    about = next(iter(runs[-1].values()))["environment"]
    data = {run["dataset"]: None for pair in runs for run in pair.values()}
    few = min(map(len, record["runs"].values())) < 3
    return [
        "## What half precision costs in accuracy",
        "",
        "Whole runs of the profiles, networks trained in float32 and in bfloat16 from the same seeds; test accuracies. "
        "Made by `python -m bench.precision`. Two seeds of one precision differ too, so compare the mean "
        "difference with its standard deviation.",
        "",
        precision.table(record),
        "",
        *([FEW_SEEDS, ""] if few else []),
        f"Data: {'; '.join(data)}. {about['processor']}, torch {about['packages']['torch']}.",
        "",
    ]


def scaling(record: dict) -> str:
    """The page of growth, and what follows from it for a GPU, for ImageNet and for the loss's matrix."""
    parts = ["# How cost grows", ""]
    parts += [
        "Made by `python -m bench.docs` from `bench/results/growth.json`, which `python -m bench.run --only growth` "
        "writes. Figures are medians over rounds. Each point is a process of its own, and its memory is its peak above "
        "that of an idle process. The exponent is the slope of log cost against log size over the four sizes: 1 means "
        "proportional, 2 quadratic, 0 no growth. A fixed part of the cost makes it smaller.",
        "",
        measured(record),
        f"An idle process with everything imported takes {number(record['axes']['images']['idle_memory'])} MB.",
        "",
    ]
    for axis in record["axes"].values():
        parts += [f"## {axis['words']}", "", "| size | time, s | memory, MB |", "| ---: | ---: | ---: |"]
        for size, seconds, memory in zip(axis["sizes"], axis["seconds"], axis["memory"], strict=True):
            shown = f"{size:,}" if size < 1e6 else f"{number(size / 1e6)} million"
            parts.append(f"| {shown} | {number(quartiles(seconds)[1])} | {number(quartiles(memory)[1])} |")
        time, memory = (round(axis["exponents"][cost], 2) + 0.0 for cost in ("time", "memory"))  # -0.0 + 0.0 is 0.0
        parts += ["", f"Exponent of time {time:.2f}, of memory {memory:.2f}.", ""]
    parts += [*elsewhere(record), *first_limit(record)]
    return "\n".join(parts) + "\n"


def measured(about: dict) -> str:
    """When and where a part of a record was measured."""
    environment = about["environment"]
    return (
        f"At most {about['repeats']} rounds in turns, {about['finished']}; commit {environment['commit']}; "
        f"{environment['processor']}, {environment['cores']} cores, torch {environment['packages']['torch']}."
    )


def elsewhere(record: dict) -> list[str]:
    """Hours of a hundred epochs at the rate of a matrix product here, and at a published run's on an accelerator."""
    here, work = record["matmul_rate"], record["flops_an_image"]
    there = EPOCHS * 50_000 * work["resnet18 at 32×32"] / PUBLISHED_SECONDS
    jobs = {"fast_resnet at 32×32": 50_000, "resnet18 at 32×32": 50_000, "resnet50 at 224×224": IMAGENET}
    held = IMAGENET * 3 * 224**2
    kind = record["environment"].get("precision", "float32")  # records without the entry are from before the choice
    rows = []
    for name, images in jobs.items():
        total = EPOCHS * images * work[name]
        rows.append(f"| {name}, {images:,} | {number(total / here / 3600)} | {number(total / there / 3600)} |")
    return [
        "## On a GPU, and on ImageNet",
        "",
        f"Times are counted FLOPs divided by a rate. For the machine named above the rate is that of a {kind} matrix "
        f"product, {here / 1e9:.0f} GFLOP/s. No training in {kind} gets there (docs/speed.md), so the time is a lower "
        "bound. A processor with units for bfloat16 matrices is faster: docs/cifar10.md has what the lab's ResNet-18 "
        "took on one. For an A100, on which nothing of this kit was measured, the rate is that of a "
        "[published run](https://github.com/dkobak/simclr-cifar10) of ResNet-18, data loading included: "
        f"{PUBLISHED_SECONDS / 60:.0f} minutes for {EPOCHS} epochs, which is {there / 1e12:.0f} TFLOP/s or "
        f"{there / A100_RATE:.0%} of the data sheet's bfloat16. A network as small as `fast_resnet` cannot keep such a "
        "GPU busy, and will take longer than the table says.",
        "",
        f"| encoder, images, {EPOCHS} epochs | that machine, hours, at least | A100, hours, about |",
        "| --- | ---: | ---: |",
        *rows,
        "",
        f"ImageNet needs more than time. The kit keeps all images in memory, one byte for each value, and pretraining "
        f"moves them to the device. At 224×224 they take {held / 1e9:,.0f} GB, and an A100 has "
        f"{A100_BYTES / 1e9:.0f} GB. Reading batches from disk, and using several GPUs, would have to come first.",
        "",
    ]


def first_limit(record: dict) -> list[str]:
    """What ends the growth of the batch: the activations, the loss's time, or its (2N)² similarities."""
    pairs, batch = record["axes"]["pairs"], record["axes"]["batch"]
    time, memory = (pairs["exponents"][cost] for cost in ("time", "memory"))
    (*_, largest), (*_, loss) = pairs["sizes"], pairs["seconds"]
    (*_, size), (*_, steps), (*_, held) = batch["sizes"], batch["seconds"], batch["memory"]
    a_pair, step = quartiles(held)[1] * 1e6 / size, quartiles(steps)[1] / 4  # bytes; seconds, the axis takes four steps
    meet = step / size * largest**2 / quartiles(loss)[1]
    whole = a_pair / (2 * 2 * 4 * 3)  # (2N)² float32 values, three times: logits, softmax, gradient
    if memory > 1.5:
        return ["## The first limit", "", f"The loss's memory grows with exponent {memory:.2f}: its similarities.", ""]
    return [
        "## The first limit",
        "",
        f"It is not the matrix of (2N)² similarities. From {CHUNKED_FROM:,} rows up, N = "
        f"{CHUNKED_FROM // 2:,} pairs, the loss computes {CHUNK} rows at a time, and again in the backward pass. Its "
        f"memory grows with exponent {memory:.2f}. Kept whole, with softmax and gradient, the matrix would take as "
        f"much memory as the fast encoder's activations at N ≈ {about(whole)}.",
        "",
        f"The first limit is the activations: they take {number(a_pair / 1e6)} MB for each pair at 32×32, so "
        f"{A100_BYTES / 1e9:.0f} GB are full at N ≈ {about(A100_BYTES / a_pair)}, and sooner with heavier encoders. "
        f"The second limit is the loss's time, which grows with exponent {time:.2f} even in chunks. Taken as quadratic "
        f"from the largest sizes measured on, it is as long as the rest of the step at N ≈ {about(meet)}, where the "
        f"activations take {meet * a_pair / 1e9:.0f} GB.",
        "",
    ]


def about(value: float) -> str:
    """Two digits: what is taken on from a measurement is no more certain."""
    return f"{float(f'{value:.2g}'):,.0f}"


def pages() -> dict[str, str]:
    """Path below the kit's folder to content, for each record that is there."""
    bench, growth = load("bench"), load("growth")
    made = {"docs/speed.md": speed(bench, load("precision"))} if bench else {}
    return made | ({"docs/scaling.md": scaling(growth)} if growth else {})


if __name__ == "__main__":
    for name, content in pages().items():
        (ROOT / name).write_text(content, encoding="utf-8")
        print(name)
