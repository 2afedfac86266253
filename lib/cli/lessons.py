"""The student's own copies of the notebooks: git does not track them, and no update of the kit collides with them."""

import hashlib
import json
import os
from pathlib import Path

import nbformat

from lib.files import ROOT, written_whole

FOLDER = ROOT / "my-notebooks"
#: In the order in which they are read.
LESSONS = ("mnist", "cifar10", "comparison", "evidence", "explore")


def lay_out(lessons: Path = ROOT / "notebooks", folder: Path = FOLDER) -> list[str]:
    """Copy the notebooks to a folder, and say in a sentence each what had to be said.

    A copy that holds the student's changes stays as it is; if the kit has a newer version of that notebook, it is laid
    beside as ``<name>.new.ipynb``. Outputs are no changes.
    """
    kept = folder / ".given.json"
    given = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    said = []
    for name in LESSONS:
        source, copy = lessons / f"{name}.ipynb", folder / f"{name}.ipynb"
        newest = _digest(source)
        if copy.exists() and given.get(name) == newest:
            continue
        if copy.exists() and _digest(copy) not in (given.get(name), newest):
            copy = copy.with_suffix(".new.ipynb")
            said.append(f"{name}.ipynb has a newer version. Yours has changes and stays; the new one is {copy.name}.")
        with written_whole(copy) as part:
            part.write_bytes(source.read_bytes())
        given[name] = newest
    with written_whole(kept) as part:
        part.write_text(json.dumps(given, indent=1), encoding="utf-8")
    return said


def _digest(notebook: Path) -> str:
    """A hash of what a notebook's cells say, whatever they have put out; of a file that is none, of its bytes."""
    try:
        cells = nbformat.read(os.fspath(notebook), as_version=4).cells
        content = json.dumps([(cell.cell_type, cell.source.strip()) for cell in cells]).encode()
    except Exception:  # whatever a student's file holds, it is kept
        content = notebook.read_bytes()
    return hashlib.sha256(content).hexdigest()
