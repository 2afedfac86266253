"""The network of a run: encoder, projection head and loss, every layer with the shape of what comes out of it."""

import math

from lib.report.drawing.facts import Facts, Row, Texts
from lib.report.drawing.sheet import WIDE, Box, Sheet
from lib.report.measure import wrapped
from lib.runs.records import picture

LEFT, SPINE, GAP = 24, 142, 14  # the layers' left edge, the line through them, the room for an arrow


def tensor(*shape: int) -> str:
    return f"({', '.join(map(str, shape))})"


def originals(facts: Facts) -> list:
    """An image and its two views, as the record kept them; nothing if it kept none."""
    if "views" not in facts.record["pictures"]:
        return []
    kept = picture(facts.record, "views")
    return [kept[i * len(kept) // 3] for i in range(3)]


def network(facts: Facts, t: Texts) -> Sheet:
    sheet = Sheet("network", t)
    top = _views(sheet, facts, t)
    since, end = len(sheet.parts), _encoder(sheet, facts, t, top)
    f = sheet.around(since, 8, top, 424, end - top + 12, "unlabelled")
    kept = t["kept_layers"] if facts.asked["feature_layers"] else t["kept"]
    if facts.asked["feature_layers"]:
        sheet.tag(SPINE + 22, f.bottom + 24)
    under = sheet.text(SPINE + (38 if facts.asked["feature_layers"] else 12), f.bottom + 16, kept, "start", 13, "soft",
                       room=262)  # fmt: skip
    top, since = max(under, f.bottom + 30) + 8, len(sheet.parts)
    sheet.arrow((SPINE, end), (SPINE, top + 34))
    sheet.text(424, top + 17, t["head_named"], "end")
    end = _rows(sheet, facts, facts.rows("projection_head", t), top + 34, "*z*")
    g = sheet.around(since, 8, top, 424, end - top + 12, "unlabelled")
    loss = sheet.box(LEFT, g.bottom + 28, 236, None, t["loss"].format(tau=facts.asked["temperature"]))
    sheet.arrow((SPINE, end), (SPINE, loss.y))
    sheet.text(272, loss.cy, t["only_pretraining"], "start", 13, "soft", room=156)
    return sheet


# The wide sheet: where the frames begin, the room between boxes, boxes in one line at most.
FRAME, BETWEEN, MOST = 140, 14, 6


def network_wide(facts: Facts, t: Texts) -> Sheet:
    """The same for paper and wide screens, from left to right: the encoder's layers, below them the rest."""
    sheet, asked = Sheet("network", t, WIDE), facts.asked
    right = WIDE - 8
    since = len(sheet.parts)
    under = sheet.text(FRAME + 12, 25, t["encoder_named"].format(t["encoder_name"]), "start")
    sheet.text(right - 12, 25, _weights(facts, t), "end", 13, "soft")
    boxes, end = _lines(sheet, facts, facts.rows("encoder", t), under + 12, right, "*h*", asked["feature_layers"])
    f = sheet.around(since, FRAME, 8, right - FRAME, end - 8, "unlabelled")
    sheet.arrow((_views_wide(sheet, facts, t, boxes[0].cy) + 3, boxes[0].cy), (boxes[0].x, boxes[0].cy))
    line = f.bottom + 12
    kept = t["kept_layers"] if asked["feature_layers"] else t["kept"]
    if asked["feature_layers"]:
        sheet.tag(FRAME + 22, line + 15)
    bottom = sheet.text(FRAME + (38 if asked["feature_layers"] else 12), line + 15, kept, "start", 13, "soft")
    rows, since = facts.rows("projection_head", t), len(sheet.parts)
    middle = FRAME + 150 * min(len(rows), 3) + 20
    under = sheet.text(FRAME + 12, bottom + 25, t["head_named"], "start")
    head, end = _lines(sheet, facts, rows, under + 12, middle, "*z*", (), 3)
    sheet.around(since, FRAME, bottom + 8, middle - FRAME, end - bottom - 8, "unlabelled")
    _turn(sheet, boxes[-1], head[0], line, right - 4, FRAME - 9)
    loss = sheet.box(middle + 22, head[-1].y, right - middle - 22, None, t["loss"].format(tau=asked["temperature"]))
    sheet.arrow((head[-1].right, head[-1].cy), (loss.x, head[-1].cy))
    sheet.text(loss.x, loss.bottom + 18, t["only_pretraining"], "start", 13, "soft", room=loss.w)
    return sheet


def _turn(sheet: Sheet, above: Box, below: Box, line: float, right: float, left: float) -> None:
    """An arrow from the end of one line of boxes, through the gap at height ``line``, to the next line's begin."""
    sheet.arrow((above.right, above.cy), (right, above.cy), (right, line), (left, line), (left, below.cy),
                (below.x, below.cy))  # fmt: skip


def _lines(
    sheet: Sheet, facts: Facts, rows: list[Row], top: float, right: float, outcome: str, taken: list[str] = (),
    most: int = MOST,
) -> tuple[list[Box], float]:  # fmt: skip
    """A box a layer, in lines from left to right, below each what comes out of it; the boxes and the lower edge."""
    count = math.ceil(len(rows) / most)
    most = math.ceil(len(rows) / count)
    step = (right - FRAME - 24 + BETWEEN) / most
    boxes: list[Box] = []
    for begin in range(0, len(rows), most):
        line = rows[begin : begin + most]
        high = 14 + 1.3 * 13 * max(wrapped(row.text, step - BETWEEN - 10, 13).count("\n") + 1 for row in line)
        for i, row in enumerate(line):
            x = FRAME + 12 + i * step
            kind = "unused" if row.left_out else "bare"
            boxes.append(box := sheet.box(x, top, step - BETWEEN, high, row.text, kind, 13))
            if i:
                sheet.arrow((boxes[-2].right, box.cy), (box.x, box.cy))
            elif begin:
                _turn(sheet, boxes[-2], box, top - 8, right - 6, FRAME + 5)
            sheet.volume(box.cx, box.bottom + 21, row.shape, facts.shape[1])
            name = f"{outcome} " if row is rows[-1] else ""
            sheet.text(box.cx, box.bottom + 47, f"{name}{tensor(*row.shape)}", size=13)
            if any(name.split(".")[0] in row.names for name in taken):
                sheet.tag(box.cx - 38, box.bottom + 21)
        top += high + 72
    return boxes, top - 10


def _views_wide(sheet: Sheet, facts: Facts, t: Texts, y: float) -> float:
    """The image and below it its two views, which go into the encoder at height ``y``; returns their right edge."""
    words, pictures = t["views"].format(shape=tensor(*facts.shape)), originals(facts)
    if not pictures:
        return sheet.box(8, y - 60, 114, None, words, size=13).right
    image = sheet.picture(38, y - 76, pictures[0], 42)
    views = [sheet.picture(x, y - 21, p, 42) for x, p in zip((12, 64), pictures[1:], strict=True)]
    for view in views:
        sheet.arrow((image.cx, image.bottom + 2), (view.cx, view.y - 2))
    sheet.text(8, views[0].bottom + 16, words, "start", 13, room=116)
    return views[1].right


def _views(sheet: Sheet, facts: Facts, t: Texts) -> float:
    """The image and its two views, which go one way; returns where the encoder's frame begins."""
    words = t["views"].format(shape=tensor(*facts.shape))
    pictures = originals(facts)
    if not pictures:
        box = sheet.box(LEFT, 8, 236, None, words)
        sheet.arrow((SPINE, box.bottom), (SPINE, box.bottom + 50), head=False)
        return box.bottom + 16
    image, *views = (sheet.picture(x, 8, p) for x, p in zip((12, 84, 152), pictures, strict=True))
    sheet.arrow((image.right + 3, image.cy), (views[0].x - 3, image.cy))
    sheet.arrow((views[0].cx, 59), (views[0].cx, 68), (views[1].cx, 68), (views[1].cx, 59), head=False)
    sheet.arrow((SPINE, 68), (SPINE, 128), head=False)
    under = sheet.text(212, 16, words, "start", 13, room=216)
    return max(under, 74) + 10


def _encoder(sheet: Sheet, facts: Facts, t: Texts, top: float) -> float:
    """The encoder's name, its number of weights, where they begin, and its layers; returns the last one's edge."""
    named = t["encoder_named"].format(t["encoder_name"])
    y = sheet.text(424, top + 17, named, "end", room=268)
    y = sheet.text(424, y + 12, _weights(facts, t), "end", 13, "soft", room=268)
    sheet.arrow((SPINE, top), (SPINE, y + 10))
    return _rows(sheet, facts, facts.rows("encoder", t), y + 10, "*h*", facts.asked["feature_layers"])


def _weights(facts: Facts, t: Texts) -> str:
    """How many weights the encoder has, and from what they began."""
    begun = {"none": t["random_weights"], "imagenet": t["imagenet_weights"]}
    return t["weights"].format(count=facts.weights, start=begun.get(facts.asked["weights"], t["file_weights"]))


def _rows(sheet: Sheet, facts: Facts, rows: list[Row], top: float, outcome: str, taken: list[str] = ()) -> float:
    """A box a layer, what comes out of it to the right, a tag where the classifier takes its features."""
    above: Box | None = None
    for row in rows:
        top = top if above is None else above.bottom + GAP
        size = 14 if len(row.text) < 30 else 13
        box = sheet.box(LEFT, top, 236, None, row.text, "unused" if row.left_out else "bare", size)
        if above:
            sheet.arrow((SPINE, above.bottom), (SPINE, box.y))
        sheet.volume(308, box.cy, row.shape, facts.shape[1])
        name = f"{outcome} " if row is rows[-1] else ""
        sheet.text(340, box.cy, f"{name}{tensor(*row.shape)}", "start", 13)
        if any(name.split(".")[0] in row.names for name in taken):
            sheet.tag(276, box.cy)
        above = box
    return above.bottom
