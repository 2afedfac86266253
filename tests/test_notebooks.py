"""The notebooks as texts: short cells, a reason before each, no variable that is mistaken for a parameter."""

import ast
from itertools import pairwise

import nbformat
import pytest

from lib.files import ROOT
from lib.runs.parameters import NOTEBOOKS
from lib.runs.profiles import cell

READ = {
    name: [c for c in nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4).cells if c.id != "setup"]
    for name in NOTEBOOKS
}  # without the cell that is the same in all


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_code_cells_show_the_method_and_not_the_bookkeeping(notebook):
    for shown in (c for c in READ[notebook] if c.cell_type == "code"):
        limit = 16 if "parameters" in shown.metadata.get("tags", ()) else 12
        assert len(shown.source.splitlines()) <= limit, shown.source
    imports = [line for c in READ[notebook] for line in c.source.splitlines() if line.startswith(("import ", "from "))]
    assert len(imports) <= 7


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_cell_of_code_follows_a_reason(notebook):
    """The parameters' check and the cell of imports excepted, which follow the parameters."""
    for before, shown in pairwise(READ[notebook]):
        if shown.cell_type == "code" and "parameters" not in before.metadata.get("tags", ()):
            assert before.cell_type == "markdown", shown.source


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_the_parameters_cell_holds_parameters(notebook):
    assert set(cell(notebook)) <= set(NOTEBOOKS[notebook].model_fields)
    assert {"recipe", "profile", "run", "runs", "seed"} <= set(cell(notebook))


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_no_name_of_a_parameter_is_used_for_something_else(notebook):
    """A student runs the cell that reads the parameters a second time: it must not take a variable for one of them."""
    fields = set(NOTEBOOKS[notebook].model_fields)
    for shown in READ[notebook]:
        if shown.cell_type == "code" and "parameters" not in shown.metadata.get("tags", ()):
            tree = list(ast.walk(ast.parse(shown.source)))
            names = {node.id for node in tree if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            names |= {alias.asname or alias.name for node in tree for alias in getattr(node, "names", ())
                      if isinstance(alias, ast.alias)}  # fmt: skip
            assert not names & fields
