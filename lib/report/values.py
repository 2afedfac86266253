"""Numbers that know which record they come from, and how they are written.

``load_all(folder)`` reads records as ``Value``s. A ``Value`` is walked into like the JSON it holds,
``record["results"]["test_accuracy"]``, and remembers the way; ``derive`` computes one from others
and keeps the ways of all. The report shows numbers through these only, so each has a source.
"""

import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lib.files import file_digest
from lib.runs.records import RecordError, find_all, load


class Source(NamedTuple):
    """A place in a file, as jq writes it, and what stands there."""

    file: str
    key: str
    stored: Any


@dataclass(frozen=True)
class Value:
    """Something that stands in a record, or was computed from such things."""

    content: Any
    sources: tuple[Source, ...]

    def __getitem__(self, step: str | int) -> "Value":
        (source,) = self.sources
        inner = self.content[step]
        plain = isinstance(step, str) and step.isidentifier()
        key = f"{source.key}.{step}" if plain else f"{source.key or '.'}[{json.dumps(step)}]"
        return Value(inner, (Source(source.file, key, inner),))

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> "Iterator[Value]":
        return (self[step] for step in (self.content if isinstance(self.content, dict) else range(len(self.content))))

    def __contains__(self, step: Any) -> bool:
        return step in self.content

    def get(self, step: str | int, default: Any = None) -> Any:
        """The value below, or ``default`` where there is none."""
        return self[step] if step in self.content else default

    def items(self) -> "Iterator[tuple[str, Value]]":
        """Keys of a dict and the values below them."""
        return ((step, self[step]) for step in self.content)


def derive(function: Callable[..., Any], *values: Value) -> Value:
    """``function`` of the contents of values; the result's sources are theirs."""
    sources = {(source.file, source.key): source for value in values for source in value.sources}
    return Value(function(*(value.content for value in values)), tuple(sources.values()))


def load_all(folder: str | Path) -> list[Value]:
    """Every record below a folder, ordered by path; a source's file is named from the folder on.

    Raises:
        RecordError: there is none, or a file is no record.
    """
    return [Value(load(path), (Source(path.relative_to(folder).as_posix(), "", None),)) for path in find_all(folder)]


def load_yaml(path: str | Path) -> Value:
    """A YAML file, such as the original lab's claims, as a Value."""
    path = Path(path)
    return Value(yaml.safe_load(path.read_text(encoding="utf-8")), (Source(path.name, "", None),))


def digest(record: Value, folder: str | Path) -> Value:
    """SHA-256 of a record's file, as ``sha256sum`` prints it; ``folder`` is the one it was loaded from."""
    (source,) = record.sources
    code = file_digest(Path(folder) / source.file)
    return Value(code, (Source(source.file, "SHA-256", code),))


def by_run(records: Sequence[Value]) -> dict[str, list[Value]]:
    """Records of the same run in one list, a record for each seed.

    Raises:
        RecordError: they were not made on the same data.
    """

    def place(record: Value) -> tuple[str, int]:
        return record.content["parameters"]["run"], record.content["parameters"]["seed"]

    runs = {run: list(seeds) for run, seeds in groupby(sorted(records, key=place), key=lambda r: place(r)[0])}
    for run, seeds in runs.items():
        if len(descriptions := {r.content["dataset"]["description"] for r in seeds}) > 1:
            raise RecordError(
                f"the seeds of {run} were run on different data ({'; '.join(sorted(descriptions))}): run them anew."
            )
    return runs


def in_sweep(record: Value) -> bool:
    """Whether a run is one of many that differ in little, and is shown beside the others only."""
    return not record.content["parameters"].get("illustrated", True)


def deviation(values: Sequence[float]) -> float:
    """Sample deviation over seeds; 0 of a single one, of which nothing is known."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def knowing_nothing(batch_size: int) -> float:
    """NT-Xent of a batch of N images for features that know nothing, log(2N − 1)."""
    return math.log(2 * batch_size - 1)


def beyond_chance(groups: Sequence[Sequence[float]], above: bool = False) -> list[bool]:
    """Whether the mean of each group of differences, one for each seed, is not 0: t tests at the level of 5%.

    Two or three seeds say little of their own spread, so the deviation is that of all groups together, as in an
    analysis of variance. Without two seeds in any group nothing is known of it, and nothing is beyond chance.

    Args:
        above: ask whether the means are above 0, not merely different from it (a one-sided test).
    """
    from scipy.special import stdtrit  # where it is used: quantiles of Student's t

    freedom = sum(len(group) - 1 for group in groups)
    if freedom < 1:
        return [False] * len(groups)
    spread = math.sqrt(sum((len(group) - 1) * deviation(group) ** 2 for group in groups) / freedom)
    least = stdtrit(freedom, 0.95 if above else 0.975) * spread
    means = [(statistics.mean(group), least / math.sqrt(len(group))) for group in groups]
    return [bool((mean if above else abs(mean)) > bound) for mean, bound in means]


def mean(values: Sequence[float], scale: float = 1.0, digits: int = 2, unit: str = "") -> str:
    """``mean ± sample deviation`` of several seeds, or the one value there is.

    The deviation gets two significant digits and the mean as many decimals as it, but neither more
    than ``digits``, which is how finely the thing can be measured (an accuracy on 10,000 images: 0.01%).
    """
    scaled = [value * scale for value in values]
    apart = deviation(scaled)
    if apart > 0:
        digits = min(digits, 1 - math.floor(math.log10(apart)))
    spread = f" ± {written(apart, digits)}" if len(scaled) > 1 else ""
    return f"{written(statistics.mean(scaled), digits)}{spread}{unit}"


def percent(values: Sequence[float]) -> str:
    """Shares in [0, 1] as ``mean ± deviation%``."""
    return mean(values, 100, 2, "%")


def share(value: float) -> str:
    """A share in [0, 1] in percent, as finely as 10,000 images can tell, and a whole one as such: 49.97%, but 47%."""
    return f"{written(100 * value, 2).removesuffix('.00')}%"


def written(value: float, digits: int = 0) -> str:
    """A number with thousands separators, a true minus and so many decimals; rounded to tens and so on below 0."""
    return f"{round(value, digits) + 0.0:,.{max(digits, 0)}f}".replace("-", "−")  # + 0.0: no minus before a zero
