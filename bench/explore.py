"""How long a slider of explore.ipynb takes to answer on the embedded digits: ``python -m bench.explore``.

Milliseconds of the clock, median and largest over the sliders of a room, after each has answered once. The target is
200 ms on a quiet machine.
"""

import statistics
import time

from lib.explore import failures, loss, open_encoder, views


def sliders(widget) -> list:
    """Every slider in a widget, at any depth."""
    found = [widget] if hasattr(widget, "step") and hasattr(widget, "max") else []
    return found + [slider for child in getattr(widget, "children", ()) for slider in sliders(child)]


def move(slider) -> float:
    """Milliseconds until a slider that was moved by a step has been answered."""
    start = time.perf_counter()
    slider.value = slider.value + slider.step if slider.value < slider.max else slider.min
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    subject = open_encoder("mnist", "en")
    for room in (views, loss, failures):
        there = sliders(room.widget(subject))
        [move(slider) for slider in there]  # the first time, features of all known images are computed
        taken = [move(slider) for slider in there for _ in range(5)]
        name = room.__name__.split(".")[-1]
        print(f"{name}: {len(there)} sliders, median {statistics.median(taken):.0f} ms, most {max(taken):.0f} ms")
