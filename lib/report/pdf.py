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
from lib.report.paper import READ, Paper

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
        made = typst.compile(Path(folder) / "report.typ", format="pdf", pdf_standards=["ua-1"])
    write_whole(target, made)


def as_typst(paper: Paper) -> str:
    """A page in Typst's language."""
    tree = json.loads(pypandoc.convert_text(paper.body, "json", READ))
    tree["meta"] = {}
    tree["blocks"] = _called(tree["blocks"])
    named = fonts(paper.title + paper.body)
    words = [f"--variable={key}:{value}" for key, values in named.items() for value in values]
    words += [f"--variable=lang:{paper.language}", f"--variable=title:{_string(paper.title)}"]
    words += [f"--variable=author:{_string(paper.author)}"]
    words += [f"--template={TEMPLATE}", "--shift-heading-level-by=-1", "--wrap=preserve"]
    return pypandoc.convert_text(json.dumps(tree), "typst", "json", extra_args=words)


def _string(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _called(tree: Any) -> Any:
    """Pandoc's tree with blocks as calls of the template's functions, and pictures with their alternative text."""
    if isinstance(tree, list):
        return [piece for item in tree for piece in _pieces(item)]
    if isinstance(tree, dict):
        return {key: _called(value) for key, value in tree.items()}
    return tree


def _pieces(item: Any) -> list[Any]:
    kind, content = (item.get("t"), item.get("c")) if isinstance(item, dict) else (None, None)
    if kind == "Div" and (called := dict(content[0][2])).get("call"):
        found = [_raw("Block", f"#{called['call']}({called['given']})[")]
        for i, argument in enumerate(content[1]):
            plain = argument["t"] == "Div" and "call" not in dict(argument["c"][0][2])
            found += [_raw("Block", "][")] * (i > 0) + _called(argument["c"][1] if plain else [argument])
        return [*found, _raw("Block", "]")]
    if kind == "Image":
        attributes = dict(content[0][2])
        alt = json.dumps(attributes["says"], ensure_ascii=False)
        return [_raw("Inline", f'#image("{content[2][0]}", width: {attributes["width"]}, alt: {alt})')]
    if kind == "AlignDefault":
        return [{"t": "AlignLeft"}]
    if kind == "Math":  # read out as TeX
        alt = json.dumps(content[1].strip(), ensure_ascii=False)
        return [_raw("Inline", f"#[#set math.equation(alt: {alt});"), item, _raw("Inline", "]")]
    return [_called(item)]


def _raw(kind: str, text: str) -> dict[str, Any]:
    return {"t": f"Raw{kind}", "c": ["typst", text]}


if __name__ == "__main__":
    try:
        print_pdf(*sys.argv[1:3])
    except NoFont as error:
        sys.exit(str(error))
