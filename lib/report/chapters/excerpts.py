"""Excerpts of the kit's own code in the report, each taken from ``lib/`` when the report is made, and explained.

A piece of an excerpt is named by its symbol, never by its lines. Docstrings, checks of the arguments and imports are
left out: what is shown is what computes. The explanation, ``excerpts.<key>.steps`` in the text files, is a line a
step, and quotes the code it is about between backticks. A step whose quotes no longer stand in the code is not shown,
and the report says that the code was changed; in the kit itself a test fails.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from IPython.display import HTML, Markdown
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lib import methods, models
from lib.augment import views
from lib.files import ROOT
from lib.loss import nt_xent_loss
from lib.report import page
from lib.report.page import Report
from lib.report.sections import Images
from lib.training import classifier, pretraining
from lib.words import Words, literal, slug

LONGEST = 15  # lines of an excerpt
QUOTE = re.compile(r"`([^`]+)`")


class Piece(NamedTuple):
    """A function or class of ``lib/``; of it, where ``inner`` is given, the function of that name defined inside, or
    the statements of these kinds alone."""

    symbol: Any
    inner: str = ""
    only: tuple[type[ast.stmt], ...] = ()

    @property
    def name(self) -> str:
        """Where it stands, as ``lib/loss.py: nt_xent_loss``."""
        file = inspect.getsourcefile(self.symbol)
        return f"{relative(file)}: {'.'.join(filter(None, (self.symbol.__qualname__, self.inner)))}"

    @property
    def code(self) -> str:
        """Its lines, less docstring, checks and imports."""
        source = textwrap.dedent(inspect.getsource(self.symbol))
        (function,) = ast.parse(source).body
        if self.inner:
            function = next(node for node in ast.walk(function) if getattr(node, "name", "") == self.inner)
        if self.only:
            kept = [node for node in function.body if isinstance(node, self.only)]
            return "\n".join(textwrap.dedent(_lines(source, node)) for node in kept)
        left_out = {line for node in function.body if _beside_the_point(node) for line in _span(node)}
        numbered = enumerate(source.splitlines(), 1)
        kept = [line for i, line in numbered if i in _span(function) and i not in left_out]
        return textwrap.dedent("\n".join(line for line in kept if line.strip()))


class Entry(NamedTuple):
    """The operations under one name in ``lib.augment.views.VIEWS``."""

    key: str

    @property
    def name(self) -> str:
        return f"{relative(views.__file__)}: VIEWS"

    @property
    def code(self) -> str:
        """The entry as the module has it."""
        source = inspect.getsource(views)
        (table,) = [node.value for node in ast.parse(source).body if _assigns(node, "VIEWS")]
        key, value = next(pair for pair in zip(table.keys, table.values, strict=True) if pair[0].value == self.key)
        return textwrap.dedent("\n".join(source.splitlines()[key.lineno - 1 : value.end_lineno]))


def _assigns(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name


def _span(node: ast.stmt) -> range:
    return range(node.lineno, node.end_lineno + 1)


def _lines(source: str, node: ast.stmt) -> str:
    return "\n".join(source.splitlines()[node.lineno - 1 : node.end_lineno])


def _beside_the_point(node: ast.stmt) -> bool:
    """A docstring, an import, or a check that only refuses."""
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    check = isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise)
    return docstring or check or isinstance(node, ast.Import | ast.ImportFrom)


def relative(path: str) -> str:
    """A file of the kit as one would type its name."""
    return Path(path).resolve().relative_to(ROOT).as_posix()


def encoder(name: str) -> tuple[Piece, ...]:
    """The function that builds the encoder of this name."""
    build: Callable[..., Any] = models.ENCODERS[name].build
    return (Piece(build.func if isinstance(build, partial) else build),)


#: The steps that every run has in common, under the key of their words.
STEPS: dict[str, tuple[Piece | Entry, ...]] = {
    "augmentation": (Piece(views.Views.__call__, only=(ast.For,)), Piece(views.Views.pair, only=(ast.Return,))),
    "step": (
        Piece(pretraining.pretrain, inner="batch_loss"),
        Piece(methods.Method.forward),
        Piece(methods.SimCLR.loss),
    ),
    "projection": (Piece(models.mlp), Piece(models.SimCLR.forward)),
    "loss": (Piece(nt_xent_loss),),
    "freezing": (Piece(models.freeze_encoder), Piece(models._WithEncoder.train)),
    "classifier": (
        Piece(models.Classifier.features),
        Piece(models.Classifier.forward),
        Piece(classifier.train_classifier, inner="batch_loss"),
    ),
}


def code_of(pieces: Sequence[Piece | Entry]) -> str:
    """The pieces one under the other, an empty line between them; of code longer than an excerpt its beginning."""
    lines = "\n\n".join(piece.code for piece in pieces).splitlines()
    return "\n".join(lines if len(lines) <= LONGEST else [*lines[: LONGEST - 1], "..."])


def fits(step: str, code: str) -> bool:
    """Whether all that a step quotes stands in the code, however it is broken into lines."""
    squeezed = re.sub(r"\s+", "", code)
    return all(re.sub(r"\s+", "", quote) in squeezed for quote in QUOTE.findall(step))


def explanation(say: Words, key: str) -> list[str]:
    """The steps of an explanation, a Markdown text each; none for code that nobody has explained."""
    key = f"excerpts.{key}"
    text = say.texts.get(f"{key}.steps", say.texts.get(key, ""))
    return [step.strip() for step in text.splitlines() if step.strip()]


def show(report: Report, keys: Sequence[str], pieces: Sequence[Piece | Entry], anchor: str = "") -> None:
    """An excerpt, highlighted, and its explanation below: the steps under all these keys."""
    code, label = code_of(pieces), slug(f"listing-{anchor or keys[-1]}")
    names = Markup(" · ").join(Markup('<code class="code">{}</code>').format(piece.name) for piece in pieces)
    coloured = highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    page.display(
        HTML(
            f'<figure class="listing" id="{label}"><figcaption id="{label}-caption">{names}</figcaption>'
            f'<pre class="python" tabindex="0" role="region" aria-labelledby="{label}-caption">'
            f"<code>{coloured}</code></pre></figure>"
        )
    )
    steps = [step for key in keys for step in explanation(report.words, key)]
    told = [f"1. {QUOTE.sub(_as_code, step)}" for step in steps if fits(step, code)]
    page.display(Markdown("\n".join(told)))
    if len(told) < len(steps):
        report.text("excerpts.changed")


def _as_code(quote: re.Match) -> str:
    return Markup('<code class="code">{}</code>').format(literal(quote[1].rstrip("(")))


def every(report: Report, groups: Sequence[Images]) -> None:
    """The code of what was reported: the network, the views, a step of its training, the loss, and the classifier."""
    report.text("excerpts.text")
    encoders = {run[0]["parameters"]["encoder"].content: run[0] for group in groups for run in group.runs.values()}
    shown = set()
    for name, record in encoders.items():
        if name not in models.ENCODERS or (builder := encoder(name)[0].symbol.__name__) in shown:
            continue
        shown.add(builder)
        named = report.value(record["parameters"]["encoder"], "encoder")
        report.section("excerpts.encoder", 4, f"code-{builder}", name=named)
        show(report, [builder], encoder(name), builder)
    _section(report, "projection")
    report.section("excerpts.augmentation", 4, "code-augmentation")
    for name in dict.fromkeys(group.first["parameters"]["views"].content for group in groups):
        if name in views.VIEWS:
            operations = dict.fromkeys(type(operation).__name__ for operation in views.VIEWS[name][0])
            known = [f"operation.{o}" for o in operations if f"excerpts.operation.{o}" in report.words]
            show(report, known, (Entry(name),), name)
    show(report, ["augmentation"], STEPS["augmentation"])
    for key in ("step", "loss", "freezing", "classifier"):
        _section(report, key)


def _section(report: Report, key: str) -> None:
    report.section(f"excerpts.{key}", 4, f"code-{key}")
    show(report, [key], STEPS[key])
