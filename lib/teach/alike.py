"""Hand-ins that are nearly the same: their code compared without names, comments and spaces, and their answers.

A hint, not a verdict: a short solution leaves little choice, so what many wrote or all were given does not count. But
where nearly everything is the same, it does, however many wrote it.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from itertools import combinations
from typing import NamedTuple

from lib.teach.align import code

LENGTH = 6  # tokens in a row that are compared at a time
LEAST = 25  # such rows of one's own that a hand-in must have to be compared
LIMIT = 0.8  # shared part of them from which on a pair is told
COMMON = 0.2  # part of the class, and at least three, from which on a row is everybody's
WHOLE, SAME = 60, 0.95  # rows of a hand-in, and part that two share of all of theirs, from which on these count too
WORDS, TEXT, PART = 5, 40, 0.6  # for an answer: words in a row (in Chinese characters), rows that it must have, limit


class Pair(NamedTuple):
    """Two hand-ins, the part in [0, 1] of their rows of tokens that they share, and whether their comments do too."""

    one: str
    other: str
    shared: float
    literal: bool
    what: str = "code"  # or the id of the question whose answers are meant


def pairs(
    solutions: Mapping[str, str],
    handed_out: str = "",
    answers: Mapping[str, Mapping[str, str]] | None = None,
    questions: str = "",
) -> list[Pair]:
    """Pairs that share most of what is their own, the most alike first; of a group so many that they connect it.

    Args:
        solutions: the source of all solution cells of each hand-in.
        handed_out: what everybody was given.
        answers: the answers in words of each hand-in, by question.
        questions: what they may quote.
    """
    given = fingerprint(handed_out)
    rows = {who: fingerprint(source) - given for who, source in solutions.items()}
    found = [
        Pair(one, other, shared, bool(_comments(solutions[one]) & _comments(solutions[other]) - _comments(handed_out)))
        for one, other, shared in _connecting(_shared(rows, LEAST, LIMIT))
    ]
    quoted = _word_rows(questions)
    for question in dict.fromkeys(name for texts in (answers or {}).values() for name in texts):
        rows = {who: _word_rows(texts.get(question, "")) - quoted for who, texts in (answers or {}).items()}
        found += [
            Pair(one, other, shared, False, question) for one, other, shared in _connecting(_shared(rows, TEXT, PART))
        ]
    return sorted(found, key=lambda pair: -pair.shared)


def _shared(rows: Mapping[str, set], least: int, limit: float) -> Iterator[tuple[str, str, float]]:
    """Pairs that share enough, by what not everybody has; or by all, where that is a lot and nearly the same."""
    count = Counter(row for own in rows.values() for row in own)
    everybodys = {row for row, times in count.items() if times > max(3, COMMON * len(rows))}
    for one, other in combinations(sorted(rows), 2):
        mine, theirs = rows[one] - everybodys, rows[other] - everybodys
        fewer = min(len(mine), len(theirs))
        part = len(mine & theirs) / fewer if fewer >= least else 0
        both, either = rows[one] & rows[other], rows[one] | rows[other]
        whole = len(both) / len(either) if len(both) >= WHOLE else 0
        if part >= limit or whole >= SAME:
            yield one, other, max(part, whole)


def _connecting(found: Iterator[tuple[str, str, float]]) -> Iterator[tuple[str, str, float]]:
    """The most alike of these pairs that connect all who are in one group: seven copies are six lines, not 21."""
    group: dict[str, str] = {}
    for one, other, shared in sorted(found, key=lambda pair: -pair[2]):
        first, second = group.setdefault(one, one), group.setdefault(other, other)
        if first != second:
            group |= {who: first for who, its in group.items() if its == second}
            yield one, other, shared


def fingerprint(source: str) -> set[tuple[str, ...]]:
    """Rows of tokens of a program whose names are numbered in the order they come, without docstrings and comments.

    Of a program that cannot be parsed, those of its parts that can: an error in one function hides no other.
    """
    source = re.sub(r"^%%.*$", "", source, flags=re.M)
    if not code(source).body:
        parts = re.split(r"^(?=\S)", source, flags=re.M)
        return set().union(*map(_rows_of, parts)) if len(parts) > 1 else set()
    return _rows_of(source)


def _rows_of(source: str) -> set[tuple[str, ...]]:
    try:
        tree = _Anonymous().visit(deepcopy(code(source)))
        words = [token.string for token in tokenize.generate_tokens(io.StringIO(ast.unparse(tree)).readline)]
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        return set()
    return _in_a_row([word for word in words if word.strip()], LENGTH)


def _word_rows(text: str) -> set[tuple[str, ...]]:
    """Rows of words of a text; of Chinese, which has no blanks between words, of characters."""
    return _in_a_row(re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", text.lower()), WORDS)


def _in_a_row(words: list[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


class _Anonymous(ast.NodeTransformer):
    """Numbers the names that a function sets; those of libraries stay, and functions not yet written go."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node.body[0], ast.Raise):
            return None
        own = [a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)]
        own += [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        number = {name: f"v{i}" for i, name in enumerate(dict.fromkeys(own))}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id in number:
                inner.id = number[inner.id]
            elif isinstance(inner, ast.arg) and inner.arg in number:
                inner.arg, inner.annotation = number[inner.arg], None
        node.returns = None
        return node


def _comments(source: str) -> set[str]:
    """Comments long enough to be somebody's own."""
    found = set()
    with suppress(tokenize.TokenError, SyntaxError):  # those before an error count
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            found |= {token.string} if token.type == tokenize.COMMENT and len(token.string) > 12 else set()
    return found
