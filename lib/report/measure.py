"""How wide a text of a picture is, and where its lines break.

Which font the reader has is not known. DejaVu Sans, which matplotlib brings, is wider than the fonts that systems
use for their pages, so what fits in it fits everywhere; a Chinese character is as wide as it is high in all fonts.
"""

import re
from functools import cache

from matplotlib import font_manager

#: **bold**, *italic*, x_[subscript].
MARKUP = re.compile(r"\*\*(?P<b>.+?)\*\*|\*(?P<i>.+?)\*|_\[(?P<sub>.+?)\]|(?P<plain>[^*_]+|.)")
BOLD = 1.13  # a bold letter for a plain one
_CHINESE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
# A line may break at a space and around a Chinese character, but not after an opening mark or before a closing one.
_LATIN, _OPEN, _CLOSE = r"[^ *\u2e80-\u9fff\uff00-\uffef]", r"[（《“]*", r"[，。、；：？）》”]*"
_PIECES = re.compile(
    rf"{_OPEN}\*\*.+?\*\*{_LATIN}*{_CLOSE}|{_OPEN}{_LATIN}*\*.+?\*{_LATIN}*{_CLOSE}|"
    rf"{_OPEN}[\u2e80-\u9fff]{_CLOSE}|{_OPEN}{_LATIN}+{_CLOSE}| +|."
)


@cache
def _font():
    return font_manager.get_font(font_manager.findfont("DejaVu Sans"))


@cache
def _plain(text: str) -> float:
    """Width of a text of size 1."""
    chinese = len(_CHINESE.findall(text))
    font = _font()
    font.set_size(100, 72)
    return chinese + sum(font.load_char(ord(c)).linearHoriAdvance / 65536 for c in _CHINESE.sub("", text)) / 100


def width(line: str, size: float) -> float:
    """Width of a line with its markup, in the units of its size."""
    parts = ((match.lastgroup, match[match.lastgroup]) for match in MARKUP.finditer(line))
    return size * sum(_plain(text) * (BOLD if style == "b" else 0.86 if style == "sub" else 1) for style, text in parts)


def wrapped(text: str, room: float, size: float) -> str:
    """The text with its own line breaks, and more where a line is wider than ``room``.

    A single word wider than that is broken where the room ends.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        now = ""
        for piece in _fitting(_PIECES.findall(line), room, size):
            if now and width(f"{now}{piece}".rstrip(), size) > room:
                lines.append(now.rstrip())
                now = piece.lstrip()
            else:
                now += piece
        lines.append(now.rstrip())
    return "\n".join(lines)


def _fitting(pieces: list[str], room: float, size: float) -> list[str]:
    """Pieces none of which is wider than the room; a marked text is taken word by word, a word letter by letter."""
    fitting: list[str] = []
    for piece in pieces:
        if width(piece, size) <= room:
            fitting.append(piece)
            continue
        mark = next((mark for mark in ("**", "*") if piece.count(mark) == 2), "")
        for word in re.findall(r"\S+| +", piece.replace(mark, "") if mark else piece):
            parts = _slices(word, room, size * (BOLD if mark else 1))
            fitting += [word] if word.isspace() else [f"{mark}{part}{mark}" for part in parts]
    return fitting


def _slices(word: str, room: float, size: float) -> list[str]:
    """A word cut into parts that fit."""
    parts = [""]
    for letter in word:
        if parts[-1] and width(parts[-1] + letter, size) > room:
            parts.append("")
        parts[-1] += letter
    return parts
