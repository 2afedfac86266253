"""One training step of a run, and its classifier: what goes through which layers, and what learns."""

import math

from lib.report.drawing.facts import Facts, Texts
from lib.report.drawing.network import originals, tensor
from lib.report.drawing.sheet import Box, Sheet

WIDE = 312  # of the boxes in the middle


def _down(sheet: Sheet, above: Box, gap: float, lines: str, kind="plain", **look) -> Box:
    """The next box below, with an arrow to it."""
    box = sheet.box(above.x, above.bottom + gap, above.w, None, lines, kind, **look)
    sheet.arrow((box.cx, above.bottom), (box.cx, box.y))
    return box


def training_step(facts: Facts, t: Texts) -> Sheet:
    asked, shape, shapes = facts.asked, facts.shape, facts.shapes
    n, sheet = asked["batch_size"], Sheet("training-step", t)
    batch = sheet.box(16, 8, 408, None, t["batch"].format(n=n, shape=tensor(n, *shape)), "unlabelled")
    under = sheet.text(16, batch.bottom + 16, t["operations"], "start", 13, "soft", room=408)
    views = [_view(sheet, facts, t, half, batch, under + 30) for half in (0, 1)]
    y = max(view.bottom for view in views) + 30
    stack = sheet.box(16, y, 408, None, t["stack"].format(tensor(2 * n, *shape)), "unlabelled")
    for view in views:
        sheet.arrow((view.cx, view.bottom), (view.cx, stack.y))
    f = sheet.box(16, stack.bottom + 26, WIDE, None, t["encoder"], "unlabelled")
    sheet.arrow((f.cx, stack.bottom), (f.cx, f.y))
    g = _down(sheet, f, 38, t["projection_head"], "unlabelled")
    loss = _down(sheet, g, 38, t["loss_box"].format(2 * n - 1, tau=asked["temperature"]))
    step = {"optimizer": t["optimizer"], "rate": asked["learning_rate"], "steps": math.ceil(facts.unlabelled / n),
            "images": facts.unlabelled, "epochs": asked["epochs"]}  # fmt: skip
    _down(sheet, loss, 28, t["step"].format(**step), size=13)
    middle = f.cx + 8
    sheet.text(middle, f.bottom + 18, t["features"].format(tensor(2 * n, *shapes["encoder"])), "start", 13)
    sheet.text(middle, g.bottom + 18, t["projections"].format(tensor(2 * n, *shapes["projection_head"])), "start", 13)
    for start, end in ((loss, g), (g, f)):
        y = (start.cy - 6 if start is g else start.cy, end.cy + 6 if end is g else end.cy)
        sheet.arrow((f.right, y[0]), (350, y[0]), (350, y[1]), (f.right, y[1]), kind="back")
    sheet.text(359, g.cy - 14, t["backward"], "start", 13, room=80)
    return sheet


def _view(sheet: Sheet, facts: Facts, t: Texts, half: int, batch: Box, y: float) -> Box:
    """The box of the first or the second views, with one of them as a picture."""
    key = ("first_rows", "second_rows")[half]
    if not half and facts.asked["augmented_views"] == 1:
        key = "original_rows"
    pictures = originals(facts)
    view = sheet.box(16 + 208 * half, y, 200, 58, t[key], "unlabelled", 13, indent=25 if pictures else 0)
    if pictures:
        sheet.picture(view.x + 6, view.y + 6, pictures[1 + half], 46)
    sheet.arrow((view.cx, y - 26), (view.cx, y))
    sheet.text(view.cx + 10, y - 12, "" if key == "original_rows" else ("*t*", "*t*′")[half], "start")
    return view


def classifier(facts: Facts, t: Texts) -> Sheet:
    asked, sheet = facts.asked, Sheet("classifier", t)
    n, classes = asked["classifier_batch_size"], len(facts.dataset["classes"])
    shown = t["labelled_batch"].format(n=n, shape=tensor(n, *facts.shape))
    batch = sheet.box(16, 8, WIDE, None, shown, "labelled", indent=12)
    sheet.tag(batch.x + 26, batch.cy)
    under = sheet.text(batch.cx - 60, batch.bottom + 14, t["labelled_views"], "start", 13, "soft", room=300)
    f = sheet.box(48, under + 12, 280, None, t["frozen_long"], "frozen", 13, indent=18)
    sheet.snowflake(f.x + 24, f.cy)
    sheet.arrow((88, batch.bottom), (88, f.y))
    g = sheet.box(346, f.bottom + 8, 80, None, t["left_out"], "unused", 13)
    under = _features(sheet, facts, t, f)
    head, last = _head(sheet, facts, t, max(under, g.bottom) + 14)
    sheet.arrow((88, f.bottom), (88, head.y))
    smooth = asked["classifier_label_smoothing"]
    words = t["cross_entropy"] + (t["smoothing"].format(smooth) if smooth else "")
    loss = sheet.box(48, head.bottom + 42, 280, None, words)
    sheet.arrow((88, last), (88, loss.y))
    sheet.text(102, head.bottom + 21, t["logits"].format(tensor(n, classes)), "start", 13)
    sheet.arrow((30, batch.bottom), (30, loss.cy), (loss.x, loss.cy))
    sheet.arrow((328, loss.cy), (346, loss.cy), (346, head.cy), (328, head.cy), kind="back")
    sheet.text(355, (loss.cy + head.cy) / 2 - 8, t["head_learns"], "start", 13, room=80)
    step = t["head_step"].format(rate=asked["classifier_learning_rate"], epochs=asked["classifier_epochs"])
    y = sheet.text(48, loss.bottom + 16, step, "start", 13, "soft", room=380)
    sheet.box(16, y + 14, 408, None, t["then_test"].format(facts.dataset["test"], classes=classes), "test", 13)
    return sheet


def _features(sheet: Sheet, facts: Facts, t: Texts, f: Box) -> float:
    """What the head is given, beside the arrow to it; returns the lower edge."""
    parts = t["comma"].join(f"{name} {tensor(*shape)}" for name, shape in facts.feature_shapes)
    layers, grid = (facts.asked[f"feature_{name}"] for name in ("layers", "grid"))
    key = "head_takes_h" if not layers else "head_takes_grid" if grid else "head_takes"
    return sheet.text(102, f.bottom + 16, t[key].format(parts=parts, width=facts.width), "start", 13, room=228)


def _head(sheet: Sheet, facts: Facts, t: Texts, top: float) -> tuple[Box, float]:
    """The classification head with its layers; returns its frame and the last layer's edge."""
    since, y = len(sheet.parts), top + 32
    sheet.text(320, top + 16, t["head"], "end")
    rows = facts.head_rows(t)
    for i, row in enumerate(rows):
        box = sheet.box(64, y, 248, None, row.text, "bare", 13)
        if i:
            sheet.arrow((88, y - 12), (88, y))
        y = box.bottom + 12
    return sheet.around(since, 48, top, 280, y - top, "labelled"), y - 12
