"""What the notebooks print: lines and tables in the language in use (``lib.words.current``)."""

import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib import words
from lib.words import Words

if TYPE_CHECKING:
    import pandas as pd


def speak(language: str) -> Words:
    """Print, draw, and in a notebook fail and warn, in a language from here on; its words.

    Raises:
        WordsError: no such language.
    """
    spoken = words.use(language)
    if shell := sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None:
        shell.set_custom_exc((Exception,), _show_error)
        warnings.formatwarning = _warning
    return spoken


def _show_error(shell: Any, kind: type, error: Exception, trace: Any, tb_offset: int | None = None) -> None:
    """An exception as always, its message in the language in use."""
    message = str(error)
    if (said := words.current().error(message)) != message:
        error.args = (said,)
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


_plain_warning = warnings.formatwarning


def _warning(message: Any, *where: Any, **more: Any) -> str:
    return _plain_warning(words.current().error(str(message)), *where, **more)


def tell(key: str, /, **values: Any) -> None:
    """Print a line; its text stands in ``notebooks/text/`` under its key.

    Raises:
        WordsError: no text has this key, or the text asks for a value that was not given.
    """
    print(words.current().plain(key, **values))


def tell_data(dataset: Mapping[str, Any]) -> None:
    """Print what the images of a run are (``Dataset.describe``), and a warning should they not be the real ones."""
    say = words.current()
    values = {key: f"{dataset[key]:,}" for key in ("train", "test")}
    name, source = say.or_as_is("dataset", dataset["name"]), say.or_as_is("data_source", dataset["source"])
    tell("cover.data", name=name, source=source, **values)
    if not dataset["genuine"]:
        tell("cover.copy" if dataset["source"] == "JPEG copy" else "cover.sample")


def table(rows: Sequence[Mapping[str, Any]], digits: int = 3) -> "pd.DataFrame":
    """Rows of a record as a table with the columns and the names of the language in use."""
    import pandas as pd  # where it is used: it takes half a second

    translated = [{word("table", key): word(key, value) for key, value in row.items()} for row in rows]
    return pd.DataFrame(translated).round(digits)


def word(kind: str, value: Any) -> Any:
    """What a record calls something, in the language in use: ``50 components`` of the kind ``input``.

    A number is left as it is, and so is a name that has no word.
    """
    say = words.current()
    if isinstance(value, bool):
        return say("label.with" if value else "label.without")
    if not isinstance(value, str):
        return "" if value is None else value
    count, _, rest = value.partition(" ")
    return say.plain(f"{kind}.{rest}", count=count) if count.isdigit() else say.or_as_is(kind, value)
