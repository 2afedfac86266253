"""The file of the student's own words: read, and made or added to before a report; see ``own_words`` for the page.

A field is a heading that ends in its name, ``# Pretraining (MNIST) {#pretraining-mnist}``, and what stands below it
up to the next such heading. What stands between ``<!--`` and ``-->`` is a hint, and is not shown. The cover's data may
stand at the file's top, between two lines ``---``, as ``student: …``. The file is never written over: a field that a
later report asks for is added at its end.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from lib.files import write_whole
from lib.words import Words, slug

HEADING = re.compile(r"^#+[^\n]*?\{#([\w.-]+)\}[ \t]*$", re.M)
HINT = re.compile(r"<!--.*?-->", re.S)
COVER = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*$", re.S | re.M)
COVER_FIELDS = ("student", "number", "programme", "course", "date", "teacher")
#: For each data set, the sections with a field of their own; then those of the whole report.
BY_IMAGES = ("pretraining", "classification", "errors")
ONCE = ("comparison", "evidence", "discussion")


class OwnWordsError(ValueError):
    """A file of the student's words that cannot be read."""


def read(path: str | Path) -> tuple[dict[str, str], dict[str, str]]:
    """The cover's data and the fields of a file, by name; both empty for no path.

    Raises:
        OwnWordsError: there is no such file, it is no UTF-8 text, its first lines are no YAML, or a name comes twice.
    """
    if not path:
        return {}, {}
    try:
        text = Path(path).read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OwnWordsError(f"your words, {path}, cannot be read: {error}. It must be a text file in UTF-8.") from None
    cover = COVER.match(text)
    parts = HEADING.split(HINT.sub("", text[cover.end() :] if cover else text))
    names = parts[1::2]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise OwnWordsError(f"{path} has the field {{#{twice[0]}}} twice: put what you wrote under one of them.")
    return _cover(path, cover[1] if cover else ""), {
        name: body.strip() for name, body in zip(names, parts[2::2], strict=True)
    }


def _cover(path: str | Path, text: str) -> dict[str, str]:
    try:
        given = yaml.load(text, Loader=yaml.BaseLoader) or {}  # as written: 01203456 is no octal number
        return {key: str(value) for key, value in dict(given).items() if key in COVER_FIELDS and value}
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise OwnWordsError(
            f"the first lines of {path}, between the two ---, cannot be read ({error}): write “student: Li Hua”, "
            "a line each, with the value in quotes if it holds a colon."
        ) from None


def place(section: str, dataset: str = "") -> str:
    """A field's name: the section's, and the data set's where it has a field for each."""
    return f"{section}-{slug(dataset)}" if dataset else section


def fields(datasets: Iterable[str], evidence: bool) -> list[str]:
    """The names of the fields of a report on these data sets, in its order."""
    parts = [place(section, name) for name in datasets for section in BY_IMAGES]
    return parts + [section for section in ONCE if evidence or section != "evidence"]


def prepare(path: Path, wanted: Sequence[str], say: Words) -> None:
    """See to it that a file has these fields: it is made if it is not there, and lacking ones are added at its end.

    Raises:
        OwnWordsError: as ``read``.
    """
    there = read(path)[1] if path.exists() else {}
    lacking = [name for name in wanted if name not in there]
    if path.exists() and not lacking:
        return
    cover = "".join(f'{name}: ""\n' for name in COVER_FIELDS)
    text = path.read_text(encoding="utf-8-sig") if path.exists() else f"---\n{cover}---\n\n<!-- {say('own.file')} -->\n"
    for name in lacking:
        text += f"\n# {title(name, say)} {{#{name}}}\n\n<!-- {hint(name, say)} -->\n"
    write_whole(path, text.encode())


def _section(name: str) -> tuple[str, str]:
    """``pretraining-mnist`` as the section and the data set."""
    section = next((s for s in BY_IMAGES if name.startswith(f"{s}-")), name)
    return section, name.removeprefix(section).lstrip("-")


def title(name: str, say: Words) -> str:
    """A field's heading."""
    from lib.report.style import title as usual  # brings matplotlib, which a report that is current does without

    section, dataset = _section(name)
    images = f" ({usual({'name': dataset})})" if dataset else ""
    return f"{say(f'own.{section}.title')}{images}"


def hint(name: str, say: Words) -> str:
    """What a field asks."""
    return str(say(f"own.{_section(name)[0]}.ask"))
