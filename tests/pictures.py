"""Whether an executed notebook shows what it drew."""

import re

import nbformat

# A training draws its curves by itself (lib.report.live).
DRAWS = re.compile(r"display\((\w*plots\.|\w+\.figure\()|= pretrain\(|lab\.train_classifiers\(")


def without_picture(notebook: nbformat.NotebookNode) -> list[str]:
    """The source of each executed cell that should show a picture and shows none.

    A cell should if it calls a plot or trains, or if one of its outputs is the text of a figure.
    """
    return [cell.source for cell in notebook.cells if cell.cell_type == "code" and _lacks_one(cell)]


def _lacks_one(cell: nbformat.NotebookNode) -> bool:
    bundles = [output.data for output in cell.outputs if "data" in output]
    drawn = [any(kind.startswith("image/") for kind in bundle) for bundle in bundles]
    figures = [shown for shown, bundle in zip(drawn, bundles, strict=True) if "Figure" in bundle.get("text/plain", "")]
    return not all(figures) or (bool(DRAWS.search(cell.source)) and not any(drawn))
