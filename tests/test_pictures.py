"""Every figure of a notebook is seen in it: by papermill, by nbmake, with and without pyplot."""

import nbformat
import papermill
import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.core.pylabtools import select_figure_formats

from lib.files import ROOT
from lib.report.style import NotebookFigure, figure
from tests.pictures import DRAWS, without_picture

FEW = {"epochs": 1, "classifier_epochs": 1, "labelled_chunks": [[5]], "batch_size": 64, "classifier_batch_size": 64}


def test_papermill_leaves_a_picture_in_every_cell_that_draws(tmp_path):
    """In Chinese: nbmake runs the English notebooks."""
    notebook, parameters = ROOT / "notebooks/mnist.zh.ipynb", FEW | {"runs": str(tmp_path), "run": "pictures"}
    executed = papermill.execute_notebook(notebook, tmp_path / "out.ipynb", parameters, progress_bar=False)
    assert sum(bool(DRAWS.search(cell.source)) for cell in executed.cells) >= 5
    assert without_picture(executed) == []
    printed = "".join(o.text for cell in executed.cells for o in cell.get("outputs", ()) if o.output_type == "stream")
    assert "张测试图像的准确率为" in printed
    assert "test images" not in printed


@pytest.mark.parametrize("backend", [False, True], ids=["no backend", "inline backend"])
def test_a_figure_is_a_picture_whether_or_not_pyplot_has_a_backend(backend):
    """As a student's ``import matplotlib.pyplot`` may come before or after the kit's first figure, or never."""
    formatter = DisplayFormatter()
    if backend:
        shell = type("Shell", (), {"display_formatter": formatter})()
        select_figure_formats(shell, {"png"})
    drawn, _ = figure(2, 1)
    data, metadata = formatter.format(drawn)
    assert data["image/png"]
    if not backend:
        assert metadata["image/png"] == {"width": round(2 * drawn.dpi), "height": round(drawn.dpi)}
        assert int.from_bytes(data["image/png"][16:20], "big") == NotebookFigure.SHARP * 2 * drawn.dpi, "PNG's width"


def cell(source, *outputs):
    return nbformat.v4.new_code_cell(
        source, outputs=[nbformat.v4.new_output("display_data", data=data) for data in outputs]
    )


def test_a_cell_that_shows_only_the_name_of_its_figure_is_found():
    text, picture = {"text/plain": "<Figure size 979x313 with 1 Axes>"}, {"image/png": "iVBOR"}
    good = cell("display(plots.views(r))", text | picture)
    others = cell("1 + 1", {"text/plain": "2"})
    bad = [cell("display(plots.views(r))", text), cell("display(plots.views(r))"), cell("drawn", text)]
    notebook = nbformat.v4.new_notebook(cells=[good, *bad, others])
    assert without_picture(notebook) == [c.source for c in bad]
