"""Views and their sizes in words: ``strong_mnist`` as the operations it consists of."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lib.augment import VIEWS
from lib.words import Words


def operations(name: str, say: Words, left_out: Sequence[str] = ()) -> list[str]:
    """What is done to an image, a word or a few for each operation, in order; nothing for views that are plain."""
    kept = [o for o in VIEWS[name][0] if type(o).__name__ not in left_out] if name in VIEWS else []
    return [say.plain(f"operation.{type(operation).__name__}") for operation in kept]


def views_named(name: str, say: Words, left_out: Sequence[str] = ()) -> str:
    """The same with how far each operation may go: ``crop to 8–100% of the area, flip (50%)``.

    Views of another name than the kit's are said by that name.
    """
    if name == "plain":
        return say.plain("operation.plain")
    if name not in VIEWS:
        return name
    said = []
    for operation in VIEWS[name][0]:
        if (kind := type(operation).__name__) not in left_out:
            said.append(say.plain(f"operation_given.{kind}", **_written(asdict(operation))))
    return say.texts["label.comma"].join(said) if said else say.plain("operation.plain")


def _written(given: dict[str, Any]) -> dict[str, str]:
    """An operation's fields as they are said: shares in percent, the hue's turns in degrees, a range by its ends."""
    factors = {"degrees": 1, "shear": 1, "hue": 360}
    written = {"always": "100"} | {
        name: f"{value * factors.get(name, 100):.0f}" for name, value in given.items() if isinstance(value, int | float)
    }
    if "scale" in given:
        written |= {end: f"{100 * share:.0f}" for end, share in zip(("low", "high"), given["scale"], strict=True)}
    return written


def crops_named(small_crops: Sequence[Sequence[int]], epochs: int, say: Words) -> str:
    """``16 px to epoch 6, 24 px to epoch 16, then whole size``; empty if all views have the images' size.

    Of ``epochs`` in all, none may be left for the whole size.
    """
    if not small_crops:
        return ""
    steps = [say.plain("crops.until", epoch=epoch, side=side) for epoch, side in small_crops]
    steps += [say.plain("crops.then")] if epochs > small_crops[-1][0] else []
    return say.texts["label.comma"].join(steps)
