"""Accuracies in the text of a report against the records that it says they are from.

A record's hash says nothing of the page: an accuracy can be typed over in the HTML file. Each accuracy there leads to
a row of the appendix, which names its record and its place in it.
"""

import re
from collections.abc import Mapping
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

from bs4 import BeautifulSoup, Tag

SHOWN = re.compile(r"(\d+(?:\.(\d+))?)(?: ?± ?[\d.]+)? ?%")


def rewritten(page: BeautifulSoup, records: Mapping[str, dict[str, Any]]) -> list[str]:
    """The accuracies of a page, as they are shown, that nothing in its records gives.

    Args:
        records: by the name of their run.
    """
    rows, found = {}, []
    for row in page.select(".sources tbody tr[id]"):
        if values := _values(row, records):
            rows[f"#{row['id']}"] = [100 * value for value in values]
    for link in page.select("a.sourced"):
        shown = SHOWN.fullmatch(link.get_text(strip=True))
        if shown and link["href"] in rows:
            rounded = 0.51 * 10 ** -len(shown[2] or "")
            if all(abs(float(shown[1]) - value) > rounded for value in _may_be(rows[link["href"]])):
                found.append(shown[0])
    return list(dict.fromkeys(found))


def _values(row: Tag, records: Mapping[str, dict[str, Any]]) -> list[float]:
    """What the records hold at the places of a row; nothing where not all are accuracies of records that are there."""
    _, files, keys, _ = row.find_all(["th", "td"])
    files, keys = files.get_text().split(", "), [code.get_text() for code in keys.find_all("code")]
    try:
        values = [_at(records[file.removesuffix("/record.json")], key) for file in files for key in keys]
    except (KeyError, IndexError, TypeError):
        return []
    accuracies = all(key.endswith("accuracy") for key in keys)
    return values if accuracies and all(isinstance(value, float) for value in values) else []


def _at(record: Any, key: str) -> Any:
    """What stands at a place such as ``.results.classifiers[0].test_accuracy``."""
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", key):
        record = record[name] if name else record[int(index)]
    return record


def _may_be(values: list[float]) -> list[float]:
    """What a report makes of accuracies: mean, spread, errors, differences."""
    mean = fmean(values)
    spread = [stdev(values)] if len(values) > 1 else []
    return [mean, 100 - mean, *values, *spread, *(abs(a - b) for a, b in combinations(values, 2))]
