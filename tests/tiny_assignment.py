"""An assignment of three steps, small enough to be graded in seconds, and hand-ins made from it."""

from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TEXT = {
    "en": ("# Tiny\nThree steps.", "Why is the mean taken?", "Because the batch size must not matter."),
    "zh": ("# 小作业\n三个步骤。", "为什么要取平均值？", "因为结果不应随批大小变化。"),
}
SQUARE = "def square(x):\n    '''x * x, of a tensor.'''\n    {}"
LOSS = "def loss(z):\n    '''Mean of the squared rows' sums, of a tensor (N, D).'''\n    {}"
FREEZE = "def freeze(model):\n    '''No parameter learns.'''\n    {}"
SOLVED = {
    "square": SQUARE.format("### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION"),
    "loss": LOSS.format("### BEGIN SOLUTION\n    return square(z).sum(1).mean()\n    ### END SOLUTION"),
    "freeze": FREEZE.format(
        "### BEGIN SOLUTION\n    for p in model.parameters():\n        p.requires_grad_(False)\n    ### END SOLUTION"
    ),
}
TESTS = {
    "square": (
        4,
        "assert square(torch.tensor(2.0)).shape == (), 'square(2.) must be a single number'\n"
        "assert float(square(torch.tensor(3.0))) == 9, 'square(3.) must be 9'\n"
        "### BEGIN HIDDEN TESTS\n"
        "assert float(square(torch.tensor(-7.5))) == 56.25, 'secret message'\n### END HIDDEN TESTS",
    ),
    "loss": (
        6,
        "z = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)\n"
        "loss(z).backward()\n"
        "assert torch.allclose(z.grad, z.detach()), 'the gradient of loss is wrong'\n"
        "### BEGIN HIDDEN TESTS\n"
        "assert torch.allclose(loss(torch.full((3, 2), 5.0)), torch.tensor(50.0))\n### END HIDDEN TESTS",
    ),
    "freeze": (
        3,
        "model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))\n"
        "freeze(model)\n"
        "assert not any(p.requires_grad for p in model.parameters()), 'parameters still learn'",
    ),
}
STUDENT = (
    "student = ''  # your name\nnumber = ''  # your student number\n"
    "### BEGIN SOLUTION\nstudent = 'Solver'\nnumber = '1'\n### END SOLUTION"
)


def master(language: str = "en") -> Any:
    """The master notebook, solved."""
    text, question, answer = TEXT[language]
    cells = [
        _cell(new_markdown_cell(text), "intro", locked=True),
        _cell(new_code_cell("import torch"), "setup", locked=True),
        _cell(new_code_cell(STUDENT), "student", solution=True),
    ]
    for name, source in SOLVED.items():
        points, test = TESTS[name]
        cells.append(_cell(new_code_cell(source), name, solution=True))
        cells.append(_cell(new_code_cell(test), f"{name}-check", grade=True, locked=True, points=points))
    cells.append(_cell(new_markdown_cell(question), "question", locked=True))
    cells.append(_cell(new_markdown_cell(answer), "words", grade=True, solution=True, points=7))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "lab": {"language": language}})


def _cell(cell: Any, name: str, **about: Any) -> Any:
    said = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3} | about
    cell.metadata["nbgrader"] = said | {"grade_id": name}
    cell["id"] = name
    return cell


def write_master(folder: Path) -> Path:
    """Both languages of the master in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(master("en"), folder / "tiny.ipynb")
    nbformat.write(master("zh"), folder / "tiny.zh.ipynb")
    return folder


def hand_in(name: str = "Ada", number: str = "20260001", language: str = "en", **sources: str) -> Any:
    """A solved notebook of a student; ``sources`` replace cells by their id."""
    notebook = master(language)
    sources = {"student": f"student = {name!r}\nnumber = {number!r}"} | sources
    for cell in notebook.cells:
        if (part := cell.metadata["nbgrader"]["grade_id"]) in sources:
            cell.source = sources[part]
        elif part.endswith("-check"):
            cell.source = TESTS[part.removesuffix("-check")][1].split("### BEGIN HIDDEN")[0]
    return notebook
