"""The network of a run: encoder, projection head and loss, every layer with the shape of what comes out of it."""

from lib.report.drawing.facts import Facts, Row, Shape, Texts
from lib.report.drawing.sheet import Box, Sheet
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
    start = {"none": t["random_weights"], "imagenet": t["imagenet_weights"]}.get(
        facts.asked["weights"], t["file_weights"]
    )
    y = sheet.text(424, y + 12, t["weights"].format(count=facts.weights, start=start), "end", 13, "soft", room=268)
    sheet.arrow((SPINE, top), (SPINE, y + 10))
    return _rows(sheet, facts, facts.rows("encoder", t), y + 10, "*h*", facts.asked["feature_layers"])


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


def feature_shapes(facts: Facts) -> list[tuple[str, Shape]]:
    """The layers whose outputs are the classifier's features, with their shapes; the encoder's own output is ``h``."""
    names = facts.asked["feature_layers"]
    return [(name, facts.shapes[f"encoder.{name}"]) for name in names] or [("*h*", facts.shapes["encoder"])]
