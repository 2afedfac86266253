"""Make the notebooks from their sources: ``python lab.py lessons``, with a lesson's name only that lesson.

``notebooks/lessons/<name>.md`` holds a lesson's code once and its text in every language; it is Jupytext's Markdown
(https://jupytext.readthedocs.io/en/latest/formats-markdown.html).Out of it come ``notebooks/<name>.ipynb``, English,
and ``notebooks/<name>.zh.ipynb``, Chinese, without outputs; the READMEs get their badges, which name the same address.
With ``--check`` nothing is written, and the exit status says whether all is as its source has it. docs/lessons.md says
how a source is written.
"""

import argparse
import io
import json
import re
import statistics
import sys
import tokenize
from collections.abc import Sequence
from typing import Any

import nbformat

from lib import words
from lib.cli.address import setup, with_badges
from lib.cli.lessons import file_name
from lib.files import ROOT, write_whole
from lib.runs import records

SOURCES, NOTEBOOKS = ROOT / "notebooks" / "lessons", ROOT / "notebooks"
MARK = "<!-- zh -->"  # between a text's English and its Chinese
COMMENT = "# zh:"  # before a comment's Chinese, which stands below its English
TOOK = "took"  # how long the notebook takes, where a text says {{ took }}: the header names the records that know
BENCH = ROOT / "bench" / "results" / "bench.json"  # or, for what is no run, lines of this record
DEFAULT = "en"


class SourceError(ValueError):
    """A lesson's source that lacks something."""


def main(given: Sequence[str] | None = None) -> int:
    """Write what is not as its source has it; the exit status.

    Raises:
        SourceError: there is no such lesson, or as ``notebook``.
    """
    parser = argparse.ArgumentParser(prog="lab lessons", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="LESSON", help="default: all")
    parser.add_argument("--check", action="store_true", help="write nothing, say what is not as its source has it")
    asked = parser.parse_args(given)
    there = [path.stem for path in sorted(SOURCES.glob("*.md"))]
    if unknown := [name for name in asked.names if name not in there]:
        raise SourceError(f"There is no lesson {unknown[0]!r}; there are: {', '.join(there)}.")
    made = {
        NOTEBOOKS / file_name(name, language): nbformat.writes(notebook(name, language)) + "\n"
        for name in asked.names or there
        for language in words.LANGUAGES
    }
    for readme, language in {"README.md": "en", "README.zh.md": "zh"}.items():
        made[ROOT / readme] = with_badges((ROOT / readme).read_text(encoding="utf-8"), language)
    drifted = [p for p, content in made.items() if not p.exists() or p.read_text(encoding="utf-8") != content]
    for path in drifted:
        if not asked.check:
            write_whole(path, made[path].encode())
        print(f"{path.relative_to(ROOT)} {'is not as its source has it' if asked.check else 'written'}")
    return 1 if asked.check and drifted else 0


def notebook(name: str, language: str) -> nbformat.NotebookNode:
    """A lesson as a notebook in a language.

    Raises:
        SourceError: a cell has no id or one that is there before, or a text or a comment is not in both languages.
    """
    import jupytext  # where it is used: it is among the test requirements

    source = jupytext.read(SOURCES / f"{name}.md")
    took = source.metadata.pop("lesson", {})
    cells = [_cell(cell, language, f"{name}.md") for cell in source.cells]
    hidden = {"jupyter": {"source_hidden": True}}  # JupyterLab shows that there is a cell, and opens it on a click
    cells.insert(1, nbformat.v4.new_code_cell(setup(words.load(language)), id="setup", metadata=hidden))
    ids = [cell.id for cell in cells]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise SourceError(f"{name}.md: the ids {', '.join(twice)} are there more than once.")
    for place, knows in took.items():
        said = time_taken(place, knows, words.load(language))
        cells[0].source = cells[0].source.replace(f"{{{{ {place} }}}}", said)
    metadata = {"kernelspec": source.metadata.kernelspec, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _cell(cell: nbformat.NotebookNode, language: str, file: str) -> nbformat.NotebookNode:
    kept = dict(cell.metadata)
    if "id" not in kept:
        raise SourceError(f"{file}: the cell that begins {cell.source[:40]!r} has no id.")
    where = f"{file}, cell {kept['id']}"
    if cell.cell_type == "code":
        return nbformat.v4.new_code_cell(code(cell.source, language, where), id=kept.pop("id"), metadata=kept)
    return nbformat.v4.new_markdown_cell(text(cell.source, language, where), id=kept.pop("id"), metadata=kept)


def text(source: str, language: str, where: str) -> str:
    """A text cell's part in a language; raises SourceError where it has not one for each."""
    parts = [part.strip() for part in source.split(MARK)]
    if len(parts) != 2 or not all(parts):
        raise SourceError(f"{where}: English, a line {MARK}, Chinese are right; here are {len(parts)} parts.")
    return parts[0 if language == DEFAULT else 1]


def code(source: str, language: str, where: str) -> str:
    """A code cell with its comments, and its setting ``language``, in a language.

    A line ``# zh: …`` is the Chinese of the comment above it. A comment without words, such as a formula or the name
    of a shape, needs none.

    Raises:
        SourceError: a comment with words has no line ``# zh:``, or such a line follows no comment.
    """
    lines, comments = source.splitlines(), _comments(source)
    said = []
    for row, line in enumerate(lines):
        if line.lstrip().startswith(COMMENT):
            if row - 1 not in comments or lines[row - 1].lstrip().startswith(COMMENT):
                raise SourceError(f"{where}: {line.strip()!r} follows no comment.")
            if language != DEFAULT:
                said[-1] = lines[row - 1][: comments[row - 1]] + "# " + line.split(COMMENT, 1)[1].strip()
            continue
        followed = row + 1 < len(lines) and lines[row + 1].lstrip().startswith(COMMENT)
        if row in comments and not followed and has_words(line[comments[row] :]):
            raise SourceError(f"{where}: below {line.strip()!r} a line {COMMENT} is missing.")
        said.append(re.sub(r'^language = "\w+"', f'language = "{language}"', line))
    return "\n".join(said)


def _comments(source: str) -> dict[int, int]:
    """For each line that has a comment, counted from 0, the column where it begins."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0] - 1: token.start[1] for token in tokens if token.type == tokenize.COMMENT}


def has_words(comment: str) -> bool:
    """Whether a comment says something that another language says otherwise: two words beside each other."""
    plain = re.sub(r"`[^`]*`|noqa:.*|type:.*|fmt:.*", "", comment)
    return bool(re.search(r"[A-Za-z]{2,},? [A-Za-z]{2,}", plain))


def time_taken(place: str, knows: str, say: words.Words) -> str:
    """A time in a sentence's part, and for the whole notebook the machine as well.

    Args:
        place: ``took`` for the whole notebook.
        knows: a pattern of the records of runs that took so long, or what a line of ``BENCH`` has measured.
    """
    seconds, machine = _run(knows) if knows.endswith(".json") else _measured(knows)
    rounded = (say.plain("lesson.seconds", count=max(10, 10 * round(seconds / 10)))) if seconds < 95 else (
        say.plain("lesson.minutes", count=round(seconds / 60))
    )  # fmt: skip
    if place != TOOK:
        return rounded
    device = say.plain("lesson.no_gpu") if machine["device"] == "cpu" else machine["device"]
    return say.plain(
        "lesson.took", time=rounded, processor=machine["processor"], threads=machine["threads"], device=device
    )


def _run(records_of: str) -> tuple[float, dict[str, Any]]:
    """Mean seconds of some runs, and their machine."""
    found = [records.load(path) for path in sorted(ROOT.glob(records_of))]
    if not found:
        raise SourceError(f"took: {records_of} names no record.")
    return statistics.mean(sum(record["seconds"].values()) for record in found), found[0]["environment"]


def _measured(what: str) -> tuple[float, dict[str, Any]]:
    """Median seconds of a line of the benchmarks, and their machine."""
    for topic in json.loads(BENCH.read_text(encoding="utf-8")).values():
        for line in topic["lines"]:
            if line["measured"] == what:
                return statistics.median(line["ours"]), topic["environment"]
    raise SourceError(f"took: no line of {BENCH.relative_to(ROOT)} has measured {what!r}.")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SourceError as error:
        sys.exit(f"lab: {error}")
