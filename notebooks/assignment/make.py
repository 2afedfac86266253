"""The master notebooks from one source of code and one text a language: ``python notebooks/assignment/make.py``.

``source/cells.py`` has the cells in order, in jupytext's percent format; ``source/en.md`` and ``source/zh.md`` have
what is said in each. A cell's title is its key. ``[[key]]`` in code stands for a text too, a docstring or a message,
and ``LANGUAGE`` for the language's name.
``kind`` says what nbgrader makes of a cell: ``solution`` is written by the student, ``tests`` is run for points,
``answer`` is a question to answer in words, graded by hand; without a kind a cell is only locked.
"""

import re
import sys
from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).parent
LANGUAGES = ("en", "zh")
#: What nbgrader (schema 3) is told of a cell: is it graded, does the student write in it, is it locked.
KINDS = {
    "solution": {"grade": False, "solution": True, "locked": False},
    "tests": {"grade": True, "solution": False, "locked": True},
    "answer": {"grade": True, "solution": True, "locked": False},
    "given": {"grade": False, "solution": False, "locked": True},
}
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def path(language: str) -> Path:
    """Where the master of a language lies."""
    return HERE / ("simclr.ipynb" if language == "en" else f"simclr.{language}.ipynb")


def texts(language: str) -> dict[str, str]:
    """Texts by key: each follows a line ``<!-- key -->``."""
    parts = re.split(r"^<!-- ([\w-]+) -->\n", (HERE / f"source/{language}.md").read_text(encoding="utf-8"), flags=re.M)
    return {key: text.strip() for key, text in zip(parts[1::2], parts[2::2], strict=True)}


def cells() -> list[nbformat.NotebookNode]:
    """The cells of the source: keys in their metadata, no text yet."""
    return jupytext.read(HERE / "source/cells.py", fmt="py:percent").cells


def _filled(code: str, say: dict[str, str]) -> str:
    """Code with its texts in place; the second line of a text, and those after, stand as deep as the first."""
    lines = []
    for line in code.splitlines():
        indent = re.match(r" *", line)[0]
        line = line.replace("LANGUAGE", say["language"])
        lines.append(re.sub(r"\[\[([\w-]+)\]\]", lambda m, i=indent: say[m[1]].replace("\n", f"\n{i}"), line))
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines())


def notebook(language: str) -> nbformat.NotebookNode:
    """The master of a language.

    Raises:
        KeyError: a text that the code asks for is missing.
    """
    say, made = texts(language), []
    for cell in cells():
        key, kind = cell.metadata["title"], cell.metadata.get("kind", "given")
        if cell.cell_type == "markdown":
            new = nbformat.v4.new_markdown_cell(say[key], id=key)
        else:
            new = nbformat.v4.new_code_cell(_filled(cell.source, say), id=key)
        points = {"points": cell.metadata["points"]} if "points" in cell.metadata else {}
        named = {"grade_id": key, "schema_version": 3, "task": False, "cell_type": new.cell_type}
        new.metadata["nbgrader"] = KINDS[kind] | named | points
        made.append(new)
    return nbformat.v4.new_notebook(cells=made, metadata=KERNEL | {"lab": {"language": language}})


def main() -> int:
    """Write the masters."""
    for language in LANGUAGES:
        nbformat.write(notebook(language), path(language))
    return 0


if __name__ == "__main__":
    sys.exit(main())
