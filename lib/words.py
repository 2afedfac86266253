"""The kit's words: one file for each language in ``notebooks/text/``, looked up by key.

A key names its place in the file: ``words("cover.student")``. Texts are Jinja templates, and
``{{ name }}`` takes what the caller gives under that name. They hold no figures of their own:
every number of the report comes from a record (``lib.report.values``).

A process speaks one language, ``current``. A notebook chooses it with ``use``, and what is printed and drawn follows.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from typing import Any

import jinja2
import yaml
from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from markupsafe import Markup, escape

from lib.files import ROOT

TEXTS = ROOT / "notebooks" / "text"
LANGUAGES = tuple(sorted(path.stem for path in TEXTS.glob("*.yaml")))
# What a caller leaves out, or a text misspells, is an error and not an empty place.
_TEMPLATES = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)


# A number by itself. Digits that belong to a name (CIFAR-10, resnet18, NT-Xent) are none.
NUMBER = re.compile(r"(?<![A-Za-z_\d])(?<![A-Za-z]-)\d[\d.,]*")
# ASCII punctuation but for what means something at the end of a word only, as in "- " and "1. ".
_MEANS_SOMETHING = re.compile(r"[!-$&-+:-@\[-`{-~]|[-.](?=\s|$)")


def slug(name: str) -> str:
    """A name as the id of a place in the page: what HTML, Markdown or a link may read otherwise goes by its number."""
    return re.sub(r"[^\w.-]|[^\x00-\x7f]", lambda found: f"-{ord(found[0]):x}", name)


def literal(text: Any) -> Markup:
    """What comes from a record, to be shown as it is: neither HTML nor Markdown sees more than text in it.

    Characters that may mean something are written by their number, which both read, and lines are one line.
    ``Markup`` is left alone.
    """
    if hasattr(text, "__html__"):
        return Markup(text)
    text = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", str(text).encode("utf-8", "replace").decode())
    return Markup(_MEANS_SOMETHING.sub(_by_number, text))


def given_name(name: Any) -> Markup:
    """A name that somebody chose, of a run or a folder of images: a number in it, as in ``pets 2``, is no figure."""
    shown = literal(name)
    return Markup('<span class="given">{}</span>').format(shown) if NUMBER.search(str(name)) else shown


def _by_number(found: re.Match) -> str:
    return escape(found[0]) if found[0] in "&<>" else f"&#{ord(found[0])};"


class WordsError(ValueError):
    """A language, a text or a value for a text that is not there."""


class Words:
    """The texts of one language."""

    def __init__(self, language: str, texts: dict[str, Any]):
        self.language = language
        self.locale = Locale.parse(texts["language"]["locale"])
        self.html = texts["language"]["html"]  # the page's lang attribute: browsers choose the font by it
        self.chinese = texts["language"]["script"] == "chinese"  # figures need a font for it
        self.texts = dict(_flat(texts))

    def __contains__(self, key: str) -> bool:
        return key in self.texts

    def __call__(self, key: str, /, **values: Any) -> Markup:
        """The text under a key with its values filled in; what is not ``Markup`` is shown literally.

        Raises:
            WordsError: no text has this key, or the text asks for a value that was not given.
        """
        if key not in self.texts:
            raise WordsError(f"there is no text {key!r} in {TEXTS / self.language}.yaml: write one there.")
        values = {name: v if isinstance(v, int | float | None) else literal(v) for name, v in values.items()}
        try:
            return Markup(_TEMPLATES.from_string(self.texts[key]).render(**values).strip())
        except jinja2.UndefinedError as error:
            raise WordsError(f"the text {key!r} ({self.language}) was not given all it asks for: {error}.") from None

    def plain(self, key: str, /, **values: Any) -> str:
        """The text under a key for a place that is not HTML, such as a figure."""
        return str(self(key, **{name: Markup(str(value)) for name, value in values.items()}))

    def or_as_is(self, prefix: str, name: Any) -> str:
        """The word for a name that comes from a record, as ``pretraining``; the name itself if there is none."""
        key = f"{prefix}.{name}"
        return self.texts[key].strip() if key in self.texts else str(name)

    def join(self, sentences: Sequence[str]) -> Markup:
        """Sentences one after the other; Chinese ones need no space between."""
        return Markup("" if self.chinese else " ").join(sentence for sentence in sentences if sentence)

    def list(self, parts: Sequence[Any]) -> Markup:
        """``a, b and c``, as the language writes it."""
        marks = [f"\x00{i}\x00" for i in range(len(parts))]  # Babel joins plain text only
        joined = format_list(marks, locale=self.locale) if parts else ""
        if self.chinese and len(parts) > 1:  # a space between a Latin letter or a digit and a Chinese character
            before, after = (literal(part).striptags() for part in parts[-2:])
            joined = joined.replace("和", f"{' ' * before[-1:].isascii()}和{' ' * after[:1].isascii()}")
        for mark, part in zip(marks, parts, strict=True):
            joined = joined.replace(mark, literal(part))
        return Markup(joined)

    def series(self, parts: Sequence[Any]) -> Markup:
        """Parts of a sentence that hold commas or an "and" of their own, one after the other."""
        return Markup("；" if self.chinese else "; ").join(literal(part) for part in parts)

    def date(self, text: str) -> str:
        """An ISO date written out; anything else as it was given."""
        try:
            return format_date(date.fromisoformat(text), "long", self.locale)
        except ValueError:
            return text

    def error(self, message: str) -> str:
        """What an exception of the kit says, in this language; as it is where that is English or not the kit's.

        Exceptions are English. Their translations stand in ``notebooks/text/errors/`` under what the code says, with
        ``{}`` for each value; a value may be a sentence that has a translation itself.
        """
        ends = [found.end() for found in re.finditer(r"\.(?= )", message)] + [len(message)]
        matches = [
            (len(english), -end, found, text)
            for end in ends
            for pattern, english, text in _errors(self.language)
            if (found := pattern.fullmatch(message[:end]))
        ]
        if not matches:
            return message
        # what says most is what was said; of the same, the first sentence alone
        _, end, found, text = max(matches, key=lambda match: match[:2])
        said, rest = text.format(*map(self.error, found.groups())), message[-end:].strip()
        said = f"{said}。" if found[0].endswith(".") and said[-1] not in "。." else said
        return f"{said}{'' if self.chinese else ' '}{self.error(rest)}" if rest else said


def _flat(texts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in texts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


@cache
def _errors(language: str) -> list[tuple[re.Pattern, str, str]]:
    """For each error of the kit a pattern, its English and its text in a language; none where it has no file."""
    path = TEXTS / "errors" / f"{language}.yaml"
    texts = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    found = []
    for english, text in texts.items():
        pattern = "(.+?)".join(map(re.escape, english.split("{}"))) + ("" if english[-1] in ".}" else r"\.?")
        found.append((re.compile(pattern, re.DOTALL | re.IGNORECASE), english, text))
    return found


@cache
def load(language: str) -> Words:
    """The words of a language.

    Raises:
        WordsError: there is no such language; the message lists those there are.
    """
    if language not in LANGUAGES:
        raise WordsError(f"There is no language {language!r}; there are: {', '.join(LANGUAGES)}.")
    return Words(language, yaml.safe_load((TEXTS / f"{language}.yaml").read_text(encoding="utf-8")))


_spoken = "en"


def use(language: str) -> Words:
    """Print and draw in a language from here on; its words. Raises as ``load`` does."""
    global _spoken
    chosen = load(language)
    _spoken = language
    return chosen


def current() -> Words:
    """The words of the language in use: English, unless ``use`` chose another."""
    return load(_spoken)
