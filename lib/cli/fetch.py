"""``lab data``: the data sets are downloaded before a run asks for them, or where they lie is said."""

import os
import warnings
from collections.abc import Sequence

from lib.cli import LabError


def main(names: Sequence[str]) -> int:
    """Fetch each data set that is not here; 1 if one of them cannot be had.

    Raises:
        LabError: there is none of that name, a file is damaged, or LAB_OFFLINE forbids it.
    """
    from lib import data

    if os.environ.get("LAB_OFFLINE"):
        raise LabError("LAB_OFFLINE is set, so nothing is downloaded. Remove it from the environment first.")
    if unknown := [name for name in names if name not in data.NAMES]:
        raise LabError(f"There is no data set {unknown[0]!r}; there are: {', '.join(data.NAMES)}.")
    missing = False
    for name in names:
        with warnings.catch_warnings(record=True) as told:
            try:
                found = data.load(name)
            except data.DataError as error:
                raise LabError(f"{error}") from None
        if found.source.kind == "embedded sample":
            missing = True
            print(told[0].message if told else f"{name} could not be downloaded.")
            print("Until it can be, an embedded sample stands in. docs/data.md says where else the files can be had.")
        else:
            print(f"{name}: {found.source.description}, in {found.source.path}")
    return int(missing)
