"""Which chunk of the training images a run used for what, and what came of it."""

from collections.abc import Sequence

from lib.report.drawing.facts import Facts, Texts
from lib.report.drawing.sheet import Box, Sheet

X, BAR, TALL = 16, 256, 24  # the bars' left edge, width and height
SIDE, WIDE = 308, 116  # the boxes beside them


def data(facts: Facts, t: Texts) -> Sheet:
    asked, sheet = facts.asked, Sheet("data", t)
    count, size = asked["chunk_count"], facts.chunk_size
    kind = {1: "grey", 3: "colour"}.get(facts.shape[0], "channels")
    shape = t[kind].format(*facts.shape)
    words = t["training_set"].format(total=facts.dataset["train"], shape=shape, count=count, size=size)
    y = sheet.text(X, 14, words, "start", 13, room=408) + 6
    for chunk in range(1, count + 1):
        name = str(chunk) if BAR / count > 23 else ""  # a number of two digits needs as much
        sheet.box(*_place([chunk], count, y), name, "plain", 13)
    free = _bar(sheet, asked["unlabelled_chunks"], count, y + TALL + 14, "unlabelled",
                t["unlabelled"].format(size * len(asked["unlabelled_chunks"])))  # fmt: skip
    learn = sheet.box(SIDE, free.y - 32, WIDE, None, t["pretraining_box"], "unlabelled", 13)
    bars, y = [], max(free.bottom, learn.bottom) + 8
    for chunks in asked["labelled_chunks"]:
        bars.append(_bar(sheet, chunks, count, y, "labelled", t["labelled"].format(size * len(chunks))))
        y = bars[-1].bottom + 6
    used = {*asked["unlabelled_chunks"], *(c for chunks in asked["labelled_chunks"] for c in chunks)}
    classifier = _classifier(sheet, t, learn, bars)
    if unused := sorted(set(range(1, count + 1)) - used):
        words = t["unused"].format(size * len(unused))
        y = _bar(sheet, unused, count, max(y, classifier.bottom - 50), "unused", words).bottom
    sheet.arrow((free.right + 4, free.cy), (learn.x, free.cy))
    y = max(y, classifier.bottom) + 30
    test = sheet.box(X, y, BAR - 60, None, t["test_set"].format(facts.dataset["test"]), "test", 13)
    result = sheet.box(SIDE, y, WIDE, None, t["test_box"], "test", 13)
    sheet.arrow((test.right, test.cy), (result.x, test.cy))
    sheet.arrow((result.cx, classifier.bottom), (result.cx, result.y))
    return sheet


def _classifier(sheet: Sheet, t: Texts, learn: Box, bars: list[Box]) -> Box:
    """The box that the encoder and the labels go to."""
    key = "classifier_box" if len(bars) == 1 else "classifiers_box"
    top = learn.bottom + 34
    box = sheet.box(SIDE, top, WIDE, None, t[key].format(len(bars)), "labelled", 13, indent=6)
    sheet.arrow((learn.cx, learn.bottom), (learn.cx, box.y))
    sheet.text(learn.cx - 8, learn.bottom + 16, t["encoder"], "end", 13)
    sheet.snowflake(learn.cx + 20, learn.bottom + 16)
    for bar in bars:
        y = min(max(bar.cy, box.y + 8), box.bottom - 8)
        middle = SIDE - 12
        way = ((bar.right + 4, bar.cy), (middle, bar.cy), (middle, y), (SIDE, y))
        sheet.arrow(*(way if y != bar.cy else (way[0], way[-1])))
    return box


def _place(chunks: Sequence[int], count: int, y: float) -> tuple[float, float, float, float]:
    """Where chunks that lie side by side are: left, top, width, height."""
    wide = BAR / count
    return X + (chunks[0] - 1) * wide, y, len(chunks) * wide - min(3, wide / 4), TALL


def _bar(sheet: Sheet, chunks: Sequence[int], count: int, y: float, kind: str, words: str) -> Box:
    """What the chunks are for, and below it the chunks, neighbours as one bar; returns all up to the last bar."""
    if kind == "labelled":
        sheet.tag(X + 10, y + 9)
    y = sheet.text(X + (28 if kind == "labelled" else 0), y + 8, words, "start", 13, room=BAR - 28) + 5
    for run in _side_by_side(sorted(chunks)):
        sheet.box(*_place(run, count, y), "", kind)
    left, _, wide, _ = _place(run, count, y)
    return Box(X, y, left + wide - X, TALL)


def _side_by_side(chunks: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for chunk in chunks:
        if runs and runs[-1][-1] == chunk - 1:
            runs[-1].append(chunk)
        else:
            runs.append([chunk])
    return runs
