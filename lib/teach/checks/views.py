"""Checks of step 5: images shifted at random, each by its own draw, and two views of each."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lib.teach.checks.tutor import Tutor

SIDE, MOST = 11, 3
MIDDLE = SIDE // 2


def _dots(count: int) -> Tensor:
    """Images (count, 1, 11, 11) with one bright pixel in the middle; image i has the value i + 1."""
    images = torch.zeros(count, 1, SIDE, SIDE)
    images[:, 0, MIDDLE, MIDDLE] = torch.arange(1.0, count + 1)
    return images


def _found(views: Tensor) -> tuple[Tensor, Tensor]:
    """Of each view of a dot: its image (N,), and by how much it is shifted (N, 2), down and right."""
    value, place = views.flatten(1).max(1)
    return value.long() - 1, torch.stack([place // SIDE, place % SIDE], 1) - MIDDLE


def _shape(tutor: Tutor, step: str, got: Any, count: int) -> Tensor:
    wanted = (count, 1, SIDE, SIDE)
    hints = {(count // 2, 1, SIDE, SIDE): "views.one_view", (count, SIDE, SIDE): "views.no_channel"}
    return tutor.tensor(step, got, wanted, hints)


def shifts(tutor: Tutor, function: Callable) -> None:
    """``function(images, most)``: every image has its own shift, zeros come in, all shifts occur."""
    count, step = 400, "shifts"
    images = _dots(count)
    kept = images.clone()
    views = _shape(tutor, step, tutor.call(step, function, images, MOST), count)
    if not torch.equal(images, kept):
        raise tutor.failure(step, "shifts.in_place")
    if views.dtype != images.dtype:
        raise tutor.failure(step, "shifts.dtype", str(images.dtype), str(views.dtype))
    image, by = _found(views)
    if not torch.equal(image, torch.arange(count)):
        raise tutor.failure(step, "shifts.lost")
    _draws(tutor, step, by)
    _, again = _found(tutor.call(step, function, images, MOST))
    if torch.equal(by, again):
        raise tutor.failure(step, "shifts.seeded")
    _border(tutor, step, function)
    tutor.right(step)


def _draws(tutor: Tutor, step: str, by: Tensor) -> None:
    """Refuse shifts (N, 2) that are not N draws of two numbers from -MOST to MOST."""
    expected = tutor.say("shifts.range", least=-MOST, most=MOST)
    lowest, highest = by.amin(0).tolist(), by.amax(0).tolist()
    yours = tutor.say("shifts.found", down=f"{lowest[0]} … {highest[0]}", right=f"{lowest[1]} … {highest[1]}")
    wrong = None
    if (by == 0).all():
        wrong = "shifts.nothing"
    elif (by == by[0]).all():
        wrong = "shifts.one_draw"
    elif (by[:, 0] == by[:, 1]).all():
        wrong = "shifts.diagonal"
    elif (by == 0).all(0).any():
        wrong = "shifts.one_axis"
    elif lowest == [-MOST] * 2 and highest == [MOST - 1] * 2:
        wrong = "shifts.upper_end"
    elif lowest == [0, 0]:
        wrong = "shifts.one_sign"
    elif lowest != [-MOST] * 2 or highest != [MOST] * 2:
        wrong = "shifts.other_range"
    if wrong:
        raise tutor.failure(step, wrong, expected, yours)


def _border(tutor: Tutor, step: str, function: Callable) -> None:
    """A white image shifted by (dy, dx) keeps (H - |dy|)(W - |dx|) white pixels, and black comes in."""
    white = torch.ones(50, 1, SIDE, SIDE)
    left = tutor.call(step, function, white, MOST).sum((1, 2, 3))
    possible = {(SIDE - dy) * (SIDE - dx) for dy in range(MOST + 1) for dx in range(MOST + 1)}
    if (left == SIDE * SIDE).all():
        raise tutor.failure(step, "shifts.wraps")
    if not set(left.tolist()) <= possible:
        raise tutor.failure(step, "shifts.border")


def two_views(tutor: Tutor, function: Callable) -> None:
    """``function(images, most)``: rows i and i + N are two draws of image i."""
    count, step = 40, "views"
    views = _shape(tutor, step, tutor.call(step, function, _dots(count), MOST), 2 * count)
    image, by = _found(views)
    order = torch.arange(count)
    first, second = by[:count], by[count:]
    wrong = None
    if torch.equal(image, order.repeat_interleave(2)):
        wrong = "views.interleaved"
    elif not torch.equal(image, order.repeat(2)):
        wrong = "views.shuffled"
    elif torch.equal(first, second):
        wrong = "views.same"
    elif (first == 0).all() or (second == 0).all():
        wrong = "views.one_sided"
    elif torch.equal(first, -second):
        wrong = "views.mirrored"
    if wrong:
        raise tutor.failure(
            step, wrong, tutor.say("views.order", n=count), tutor.say("views.found", rows=image.tolist()[:6])
        )
    tutor.right(step)
