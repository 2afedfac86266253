"""What every benchmark shares: ways timed in turns, and the line of the table that comes of it.

``torch.utils.benchmark.Timer`` warms up twice before every figure. Ways that take seconds are timed here in
turns, so that a slow minute of a shared machine meets all of them, and each is warmed up once.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch


def clock(way: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def alternate(ways: dict[str, Callable[[], object]], repeats: int, warm_up: bool = True) -> dict[str, list[float]]:
    """Seconds of each way in each of ``repeats`` rounds; the ways take turns within a round."""
    if warm_up:
        for way in ways.values():
            way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].append(clock(way))
    return seconds


class Threads:
    """``with Threads(1):`` torch computes on so many threads."""

    def __init__(self, count: int):
        self.count = count

    def __enter__(self):
        self.before = torch.get_num_threads()
        torch.set_num_threads(self.count)

    def __exit__(self, *_):
        torch.set_num_threads(self.before)


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile; of one value, that value three times."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


@dataclass
class Line:
    """A line of the table: what the kit takes (``ours``) beside another way (``theirs``) or a limit.

    One value a round in each list. ``unit`` s and MB are the better the smaller, rates (…/s) the better the
    larger. With ``theirs`` the line's figure is how many times better the kit is, and ``target`` the least it
    should be; without, the figure is ``ours`` itself and ``target`` the most.
    """

    measured: str
    against: str
    unit: str
    ours: list[float]
    target: float
    theirs: list[float] = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        """The line's figure in each round."""
        pairs = list(zip(self.ours, self.theirs, strict=True)) if self.theirs else []
        if self.unit.endswith("/s"):
            return [a / b for a, b in pairs]
        return [b / a for a, b in pairs] if pairs else self.ours

    @property
    def met(self) -> bool:
        """Whether the median reaches the target."""
        middle = quartiles(self.values)[1]
        return middle >= self.target if self.theirs else middle <= self.target

    def record(self) -> dict[str, Any]:
        """All of it for a JSON record, the derived figures among it."""
        return asdict(self) | {"quartiles": quartiles(self.values), "met": self.met}

    def cells(self) -> list[str]:
        """The line's cells: measured, against, kit, other, figure and its quartiles, target, met."""
        low, middle, high = quartiles(self.values)
        unit = " ×" if self.theirs else f" {self.unit}"
        spread = f"{number(low)}–{number(high)}"
        return [
            self.measured,
            self.against,
            f"{number(quartiles(self.ours)[1])} {self.unit}",
            f"{number(quartiles(self.theirs)[1])} {self.unit}" if self.theirs else "",
            f"{number(middle)}{unit} ({spread})",
            f"{'≥' if self.theirs else '≤'} {number(self.target)}{unit}",
            "yes" if self.met else "**no**",
        ]


HEAD = ["measured", "against", "kit", "other", "median (quartiles)", "target", "met"]


def number(value: float) -> str:
    """Three digits that matter: 0.123, 1.23, 12.3, 1,234."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(lines: list[Line]) -> str:
    """A Markdown table, padded so that it reads as well in a terminal."""
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in rows)


def from_record(record: dict[str, Any]) -> Line:
    """The line that ``Line.record`` wrote."""
    return Line(**{key: record[key] for key in ("measured", "against", "unit", "ours", "target", "theirs")})
