"""The report's page as PDF: pandoc reads it, Typst sets it. Both come with pip; no browser has a part in it."""

import json
import re
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pypandoc
import typst

from lib.files import ROOT, write_whole
from lib.report.paper import Paper, changed

TEMPLATE = ROOT / "notebooks" / "template" / "report.typ"
# Fonts by their names on Windows, macOS and Linux, Latin ones before Chinese ones; the first that are there are used.
SERIF = ("Times New Roman", "Liberation Serif", "Nimbus Roman", "Libertinus Serif")
SANS = ("Arial", "Helvetica Neue", "Liberation Sans", "Nimbus Sans", "DejaVu Sans", "Libertinus Serif")
CHINESE_SANS = ("SimHei", "Microsoft YaHei", "PingFang SC", "Heiti SC", "Hiragino Sans GB", "Noto Sans CJK SC",
                "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
                "Droid Sans Fallback")  # fmt: skip
CHINESE_SERIF = ("SimSun", "NSimSun", "Songti SC", "STSong", "Noto Serif CJK SC", "Noto Serif SC",
                 "Source Han Serif SC", "Source Han Serif CN", *CHINESE_SANS)  # fmt: skip
HINT = (
    "the report has Chinese characters, and no font on this machine has them, so there is no PDF; the HTML report is "
    "whole. Install one (Debian, Ubuntu: sudo apt install fonts-noto-cjk) and run the same command again."
)


class NoFont(RuntimeError):
    """Characters that no font of this machine can draw."""


@cache
def families() -> frozenset[str]:
    """The fonts of this machine and those that come with Typst, by family."""
    return frozenset(typst.Fonts().families())


def fonts(text: str) -> dict[str, list[str]]:
    """The fonts for a text: ``serif`` and ``sans``, Latin before Chinese.

    Raises:
        NoFont: it has Chinese characters, and this machine has no font with them.
    """

    def first(*names: str) -> list[str]:
        return [name for name in names if name in families()][:1]

    chinese = first(*CHINESE_SERIF)
    if not chinese and re.search("[\u4e00-\u9fff]", text):
        raise NoFont(HINT)
    return {"serif": first(*SERIF) + chinese, "sans": first(*SANS) + first(*CHINESE_SANS)}


def print_pdf(source: str | Path, target: str | Path) -> None:
    """The report's page as A4 with contents, bookmarks and tags for screen readers; written beside and renamed.

    Raises:
        NoFont: the report has Chinese characters, and this machine no font for them.
    """
    with tempfile.TemporaryDirectory() as folder:
        paper = Paper(Path(source), Path(folder))
        (Path(folder) / "report.typ").write_text(as_typst(paper), encoding="utf-8")
        write_whole(target, _compiled(Path(folder) / "report.typ"))


def _compiled(source: Path) -> bytes:
    """Fit for screen readers by PDF/UA-1; where Typst finds that it is not, tagged as well as can be."""
    try:
        return typst.compile(source, format="pdf", pdf_standards=["ua-1"])
    except typst.TypstError as error:
        if "PDF/UA-1" not in str(error):
            raise
        print(f"The PDF is not fit for screen readers by PDF/UA-1: {error}", file=sys.stderr)
        return typst.compile(source, format="pdf")


def as_typst(paper: Paper) -> str:
    """A page in Typst's language."""
    tree = paper.tree()
    tree["blocks"] = changed(tree["blocks"], _for_typst)
    named = fonts(paper.title + paper.main.get_text())
    given = [f"--variable={key}:{value}" for key, values in named.items() for value in values]
    given += [f"--variable={key}:{_string(getattr(paper, key))}" for key in ("language", "title", "author")]
    given += [f"--template={TEMPLATE}", "--shift-heading-level-by=-1", "--wrap=preserve"]
    return pypandoc.convert_text(json.dumps(tree), "typst", "json", extra_args=given)


def _string(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _for_typst(kind: str, content: Any) -> list[Any] | None:
    """Blocks as calls of the template's functions, pictures and formulas with what is read out in their place."""
    attributes = dict(content[0][2]) if kind in ("Div", "Image") else {}
    if "call" in attributes:
        return _call(attributes, content[1])
    if kind == "Image":
        alt = json.dumps(attributes["says"], ensure_ascii=False)
        return [_raw("Inline", f'#image("{content[2][0]}", width: {attributes["width"]}, alt: {alt})')]
    if kind == "Math":
        alt = json.dumps(content[1].strip(), ensure_ascii=False)
        return [_raw("Inline", f"#[#set math.equation(alt: {alt});"), {"t": kind, "c": content}, _raw("Inline", "]")]
    return [{"t": "AlignLeft"}] if kind == "AlignDefault" else None


def _call(attributes: dict[str, str], arguments: list[Any]) -> list[Any]:
    found = [_raw("Block", f"#{attributes['call']}({attributes['given']})[")]
    for i, argument in enumerate(arguments):
        plain = argument["t"] == "Div" and "call" not in dict(argument["c"][0][2])
        found += [_raw("Block", "][")] * (i > 0)
        found += changed(argument["c"][1] if plain else [argument], _for_typst)
    return [*found, _raw("Block", "]")]


def _raw(kind: str, text: str) -> dict[str, Any]:
    return {"t": f"Raw{kind}", "c": ["typst", text]}
