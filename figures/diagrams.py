"""The report's diagrams: python figures/diagrams.py writes figures/diagrams/<name>.<language>.svg.

facts.py asks the code for the numbers, diagrams/<language>.yaml holds the words, sheet.py draws.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from facts import HELD_OUT, SIZES, STAGES, image_shape, network, output_shapes, parameters
from sheet import Box, Sheet

from lib.models import Classifier

HERE = Path(__file__).parent
LANGUAGES = ("en", "zh")
Texts = dict[str, str]


def tensor(*shape: int) -> str:
    return f"({', '.join(map(str, shape))})"


def data_flow(sheet: Sheet, t: Texts, run: str, pretraining: tuple[int, int], note: tuple[int, int]) -> None:
    """Which chunk goes where; ``pretraining`` and ``note`` are where those boxes begin and how wide they are."""
    p = parameters(run)
    total, test = SIZES[p["dataset"]]
    count, size, held = p["chunk_count"], total // p["chunk_count"], HELD_OUT[p["dataset"]]
    wide = 408 / count

    def bar(chunks: list[int], y: float, h: float, kind: str, text: str = "") -> Box:
        """Over chunks that lie side by side."""
        return sheet.box(17.5 + (chunks[0] - 1) * wide, y, len(chunks) * wide - 3, h, text, kind, 13)

    shape = tensor(*image_shape(run))
    sheet.text(220, 14, t["training_set"].format(total=total, shape=shape, count=count, size=size))
    for chunk in range(1, count + 1):
        bar([chunk], 48, 26, "plain", str(chunk))
    free = bar(p["unlabelled_chunks"], 84, 44, "unlabelled", t["unlabelled"].format(size * len(p["unlabelled_chunks"])))
    choice = bar(held, 84, 44, "held", t["held_out"].format(size * len(held)))
    used = {*p["unlabelled_chunks"], *held, *(c for chunks in p["labelled_chunks"] for c in chunks)}
    if unused := sorted(set(range(1, count + 1)) - used):
        bar(unused, 84, 44, "unused", t["unused"])
    starts = []
    # The longest list first, so that the arrow from its last chunk passes beside the shorter ones.
    lists = sorted(p["labelled_chunks"], key=len, reverse=True)
    for row, chunks in enumerate(lists):
        labelled = bar(chunks, 138 + 30 * row, 24, "labelled")
        starts.append((labelled.right + 1.5 - wide / 2, labelled.bottom))
        inside = labelled.w > 120
        left = labelled.x + 40 if inside else 16 + lists[0][-1] * wide + 32
        sheet.text(left, labelled.cy, t["labelled"].format(size * len(chunks)), "start", 13)
        sheet.tag(left - 16, labelled.cy)
    learn = sheet.box(pretraining[0], 216, pretraining[1], 66, t["pretraining_box"], "unlabelled", 13)
    sheet.arrow((learn.cx, free.bottom), (learn.cx, learn.y))
    sheet.box(note[0], 216, note[1], 66, t["recipe"], "held", 13)
    sheet.arrow((choice.right + 1.5 - wide / 2, choice.bottom), (choice.right + 1.5 - wide / 2, 216))
    classifier_and_test(sheet, t, learn, starts, test)


def classifier_and_test(sheet: Sheet, t: Texts, learn: Box, starts: list[tuple[float, float]], test: int) -> None:
    """The lower half of a data flow: encoder and labels into the classifier, that and the test set into the test."""
    both = sheet.box(16, 324, 408, 80, kind="group")
    frozen = sheet.box(28, 336, 170, 56, t["frozen_f"], "frozen", indent=14)
    sheet.snowflake(frozen.x + 24, frozen.cy)
    head = sheet.box(242, 336, 170, 56, t["head_box"], "labelled")
    sheet.arrow((frozen.right, frozen.cy), (head.x, head.cy))
    sheet.text((frozen.right + head.x) / 2 - 4, frozen.cy - 13, "*h*")
    sheet.arrow((learn.cx, learn.bottom), (learn.cx, both.y))
    sheet.text(learn.cx + 10, 303, t["encoder"], "start", 13)
    for x, y in starts:
        sheet.arrow((x, y), (x, both.y))
    images = sheet.box(16, 440, 150, 48, t["test_set"].format(test), "test", 13)
    result = sheet.box(230, 440, 194, 48, t["test_box"], "test", 13)
    sheet.arrow((images.right, images.cy), (result.x, result.cy))
    sheet.arrow((result.cx, both.bottom), (result.cx, result.y))


def mnist_data(t: Texts) -> Sheet:
    sheet = Sheet("mnist-data", t, 498)
    data_flow(sheet, t, "mnist", pretraining=(16, 156), note=(296, 128))
    return sheet


def cifar10_data(t: Texts) -> Sheet:
    sheet = Sheet("cifar10-data", t, 498)
    data_flow(sheet, t, "cifar10-resnet18", pretraining=(176, 156), note=(342, 82))
    return sheet


def layers(sheet: Sheet, t: Texts, run: str, part: str, top: float, outcome: str) -> float:
    """One row a layer, its name to the left, what comes out of it to the right; returns the last row's bottom."""
    model, shapes = network(run)
    for row, (key, asked, shown) in enumerate(STAGES[part]):
        module = model.get_submodule(asked)
        words = t[key].format(m=module, n=len(list(module.children())))
        box = sheet.box(24, top + 46 * row, 236, 32, words, "unused" if key == "no_pool" else "bare")
        if row:
            sheet.arrow((box.cx, box.y - 14), (box.cx, box.y))
        sheet.volume(298, box.cy, shapes[shown])
        name = outcome if row == len(STAGES[part]) - 1 else ""
        sheet.text(338, box.cy, f"{name} {tensor(*shapes[shown])}".strip(), "start", 13)
    return box.bottom


def network_diagram(name: str, t: Texts, run: str, picture: str) -> Sheet:
    encoder, weights = parameters(run)["encoder"], parameters(run).get("weights", "none")
    above = 36 if weights == "none" else 56  # room for a line that says whose weights they are at first
    tall = 46 * len(STAGES[encoder]) + above - 2
    sheet = Sheet(name, t, tall + 332)
    sheet.picture(36, 24, picture)
    sheet.arrow((60, 24), (92, 24))
    sheet.picture(118, 24, picture, scale=1.05, turn=14)
    sheet.picture(166, 24, picture, scale=0.8, turn=-12, mirror=picture == "boat")
    sheet.text(202, 16, t["views"].format(tensor(*image_shape(run))), "start", 13)
    sheet.text(154, 69, t["same_way"], "start", 13, "soft")
    f = sheet.box(8, 84, 424, tall, kind="unlabelled")
    sheet.text(424, f.y + 17, t["encoder_named"].format(encoder), "end")
    if weights != "none":
        sheet.text(424, f.y + 38, t["weights"], "end", 13, "soft")
    bottom = layers(sheet, t, run, encoder, f.y + above, "*h*")
    sheet.arrow((118, 44), (118, 54), (166, 54), (166, 44), head=False)
    sheet.arrow((142, 54), (142, f.y + above))
    g = sheet.box(8, f.bottom + 46, 424, 126, kind="unlabelled")
    sheet.text(424, g.y + 17, t["head_named"], "end")
    sheet.arrow((142, bottom), (142, g.y + 36))
    sheet.text(154, f.bottom + 23, t["kept"], "start", 13, "soft")
    bottom = layers(sheet, t, run, "projection_head", g.y + 36, "*z*")
    loss = sheet.box(24, g.bottom + 32, 236, 34, t["loss"])
    sheet.arrow((142, bottom), (142, loss.y))
    sheet.text(272, loss.cy - 9, t["only_pretraining"], "start", 13, "soft")
    return sheet


def network_mnist(t: Texts) -> Sheet:
    return network_diagram("network-mnist", t, "mnist", "digit")


def network_cifar10(t: Texts) -> Sheet:
    return network_diagram("network-cifar10", t, "cifar10-resnet18", "boat")


def training_step(t: Texts) -> Sheet:
    p, (_, shapes), image = parameters("mnist"), network("mnist"), image_shape("mnist")
    n = p["batch_size"]
    images = SIZES["mnist"][0] // p["chunk_count"] * len(p["unlabelled_chunks"])
    sheet = Sheet("training-step", t, 556)
    batch = sheet.box(16, 8, 312, 48, t["batch"].format(n=n, shape=tensor(n, *image)), "unlabelled")
    stack = sheet.box(16, 178, 312, 48, t["stack"].format(tensor(2 * n, *image)), "unlabelled")
    for x, turn, scale, key in ((16, 14, 1.05, "first_rows"), (176, -12, 0.8, "second_rows")):
        view = sheet.box(x, 90, 152, 54, t[key], "unlabelled", 13, indent=19)
        sheet.picture(x + 24, view.cy, "digit", 30, scale, turn)
        sheet.arrow((view.cx, batch.bottom), (view.cx, view.y))
        sheet.arrow((view.cx, view.bottom), (view.cx, stack.y))
        sheet.text(view.cx + 10, 72, "*t*" if key == "first_rows" else "*t*′", "start")
    sheet.text(344, 64, t["operations"], "start", 13, "soft")
    f = sheet.box(16, 254, 312, 38, t["encoder"], "unlabelled")
    g = sheet.box(16, 330, 312, 38, t["projection_head"], "unlabelled")
    loss = sheet.box(16, 406, 312, 48, t["loss_box"].format(2 * n - 1))
    step = sheet.box(
        16,
        484,
        312,
        62,
        t["step"].format(optimizer=p["optimizer"].capitalize(), steps=math.ceil(images / n), images=images),
    )
    for above, below in ((stack, f), (f, g), (g, loss), (loss, step)):
        sheet.arrow((172, above.bottom), (172, below.y))
    sheet.text(184, f.bottom + 18, t["features"].format(tensor(2 * n, *shapes["encoder"])), "start", 13)
    sheet.text(184, g.bottom + 18, t["projections"].format(tensor(2 * n, *shapes["projection_head"])), "start", 13)
    for start, end in ((loss, g), (g, f)):
        y = (start.cy - 6 if start is g else start.cy, end.cy + 6 if end is g else end.cy)
        sheet.arrow((328, y[0]), (346, y[0]), (346, y[1]), (328, y[1]), kind="back")
    sheet.text(355, 332, t["backward"], "start", 13)
    return sheet


def toy_projections() -> torch.Tensor:
    """(8, 2): two views of each of N = 4 images, as points of the unit circle; rows i and i + 4 are a pair."""
    angles = torch.deg2rad(torch.tensor([20.0, 100.0, 185.0, 290.0, 60.0, 120.0, 215.0, 250.0]))
    return torch.stack([angles.cos(), angles.sin()], 1)


def nt_xent(t: Texts) -> Sheet:
    z, row, cell, x0, y0 = toy_projections(), 1, 38, 68, 84
    n = len(z) // 2
    sheet = Sheet("nt-xent", t, y0 + 8 * cell + 374)
    sheet.text(16, 14, t["matrix"].format(n=n, rows=2 * n), "start")
    for half, key in enumerate(("first_views", "second_views")):
        start = half * n * cell
        sheet.text(x0 + start + n * cell / 2, 40, t[key].replace("\n", t["space"]), size=13, kind="soft")
        sheet.arrow((x0 + start + 4, 52), (x0 + start + n * cell - 4, 52), head=False)
        side = x0 + 2 * n * cell + 6
        sheet.arrow((side, y0 + start + 4), (side, y0 + start + n * cell - 4), head=False)
        sheet.text(side + 6, y0 + start + n * cell / 2 - 8, t[key], "start", 13, "soft")
    for i in range(2 * n):
        sheet.text(x0 + (i + 0.5) * cell, y0 - 16, f"*z*_[{i + 1}]")
        sheet.text(x0 - 18, y0 + (i + 0.5) * cell - 2, f"*z*_[{i + 1}]")
        for k in range(2 * n):
            kind, text = ("solid", t["pull"]) if (i - k) % (2 * n) == n else ("plain", t["push"] if i == row else "")
            kind, text = ("unused", "−∞") if i == k else (kind, text)
            sheet.box(x0 + k * cell, y0 + i * cell, cell, cell, text, f"cell {kind}", 13)
    sheet.box(x0, y0 + row * cell, 2 * n * cell, cell, kind="cell mark")
    bottom = y0 + 2 * n * cell
    for line, key in enumerate(("pull_means", "push_means", "masked")):
        sheet.text(44, bottom + 20 + 22 * line, t[key].format(2 * n - 2), "start", 13)
    middle = y0 + (row + 0.5) * cell
    sheet.arrow((x0 - 34, middle), (24, middle), (24, bottom + 88))
    spelled_out(sheet, t, z, row, bottom + 104)
    return sheet


def row_shares(z: torch.Tensor, row: int, tau: float) -> torch.Tensor:
    """(2N,): the softmax over a row of the matrix, the row's own column left out."""
    return (z[row] @ z.T / tau).masked_fill(torch.arange(len(z)) == row, -torch.inf).softmax(0)


def spelled_out(sheet: Sheet, t: Texts, z: torch.Tensor, row: int, y: float) -> None:
    """One row of the matrix as a cross-entropy: cosines, divided by τ, softmax, −log of the partner's share."""
    tau, rows, cell, x0 = parameters("mnist")["temperature"], len(z), 45, 72
    partner = (row + rows // 2) % rows
    cosines, shares = z[row] @ z.T, row_shares(z, row, tau)
    sheet.text(16, y, t["row_heading"].format(row=row + 1, tau=tau), "start")
    for height, key in ((50, "cosine"), (72, "divided"), (152, "softmax")):
        sheet.text(16, y + height, t[key], "start", 13)
    for k in range(rows):
        x, high = x0 + (k + 0.5) * cell, 110 * shares[k].item()
        masked = k == row
        sheet.text(x, y + 26, f"*z*_[{k + 1}]")
        sheet.text(x, y + 50, "1" if masked else f"{cosines[k]:.2f}".replace("-", "−"), size=13)
        sheet.text(x, y + 72, "−∞" if masked else f"{cosines[k] / tau:.1f}".replace("-", "−"), size=13)
        if not masked:
            sheet.box(x - 14, y + 140 - high, 28, high, kind="cell solid" if k == partner else "cell plain")
        sheet.text(x, y + 152, "0" if masked else f"{shares[k]:.2f}", size=13)
    values = {"row": row + 1, "partner": partner + 1, "share": shares[partner], "loss": -shares[partner].log()}
    sheet.text(16, y + 180, t["row_loss"].format(**values), "start")
    sheet.text(16, y + 204, t["batch_loss"], "start")
    sheet.text(16, y + 230, t["hardest"], "start", 13, "soft")
    sheet.text(16, y + 252, t["chance"].format(rows - 1, math.log(rows - 1)), "start", 13, "soft")


def classifier(t: Texts) -> Sheet:
    p, image = parameters("mnist"), image_shape("mnist")
    n, model = p["classifier_batch_size"], Classifier(network("mnist")[0].encoder, image, 10, p["classifier_hidden"])
    shapes = output_shapes(model, image)
    sheet = Sheet("classifier", t, 524)
    batch = sheet.box(16, 8, 312, 48, t["labelled_batch"].format(n=n, shape=tensor(n, *image)), "labelled", indent=10)
    sheet.tag(batch.x + 24, batch.cy)
    f = sheet.box(48, 86, 280, 68, t["frozen_long"], "frozen", 13, indent=18)
    sheet.snowflake(f.x + 24, f.cy)
    g = sheet.box(258, 168, 78, 34, t["left_out"], "unused", 13)
    head = sheet.box(48, 216, 280, 112, t["head"], "labelled", top=16, anchor="start", indent=12)
    rows = [
        sheet.box(64, head.y + y, 248, 30, t[key].format(m=model.head[layer]), "bare")
        for y, key, layer in ((32, "linear_relu", 0), (74, "linear", -1))
    ]
    loss = sheet.box(48, 370, 280, 48, t["cross_entropy"])
    for above, below in ((batch, f), (f, rows[0]), (rows[0], rows[1]), (rows[1], loss)):
        sheet.arrow((238, above.bottom), (238, below.y))
    sheet.arrow((238, g.cy), (g.x, g.cy), kind="back", head=False)
    sheet.text(228, g.cy, t["features"].format(tensor(n, *shapes["encoder"])), "end", 13)
    sheet.text(228, 349, t["logits"].format(tensor(n, *shapes["head"])), "end", 13)
    sheet.arrow((30, batch.bottom), (30, loss.cy), (loss.x, loss.cy))
    sheet.text(40, 349, t["labels"], "start", 13)
    sheet.arrow((328, loss.cy), (346, loss.cy), (346, head.cy + 20), (328, head.cy + 20), kind="back")
    sheet.text(355, 314, t["head_learns"], "start", 13)
    sheet.arrow((328, head.cy - 20), (346, head.cy - 20), (346, f.cy), (334, f.cy), kind="back", head=False)
    sheet.arrow((334, f.cy - 10), (334, f.cy + 10), head=False)
    sheet.text(355, 172, t["no_gradient"], "start", 13)
    sheet.box(16, 450, 408, 64, t["then_test"].format(SIZES["mnist"][1]), "test", 13)
    return sheet


DIAGRAMS: dict[str, Callable[[Texts], Sheet]] = {
    "mnist-data": mnist_data,
    "cifar10-data": cifar10_data,
    "network-mnist": network_mnist,
    "network-cifar10": network_cifar10,
    "training-step": training_step,
    "nt-xent": nt_xent,
    "classifier": classifier,
}


def draw(name: str, language: str) -> str:
    """The SVG file of a diagram in a language."""
    words = yaml.safe_load((HERE / "diagrams" / f"{language}.yaml").read_text(encoding="utf-8"))
    return DIAGRAMS[name]({"language": language} | words["common"] | words[name]).svg()


if __name__ == "__main__":
    for language in LANGUAGES:
        for name in DIAGRAMS:
            (HERE / "diagrams" / f"{name}.{language}.svg").write_text(draw(name, language), encoding="utf-8")
