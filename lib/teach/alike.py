"""Hand-ins that are nearly the same: their solutions compared without names, comments and spaces.

A hint, not a verdict: a short solution leaves little choice, so what many wrote or all were given does not count.
"""

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

from lib.teach.master import parsed

LENGTH = 6  # tokens in a row that are compared at a time
LEAST = 25  # such rows of one's own that a hand-in must have to be compared
LIMIT = 0.8  # shared part of them from which on a pair is told
COMMON = 0.2  # part of the class, and at least three, from which on a row is everybody's


class Pair(NamedTuple):
    """Two hand-ins, the part in [0, 1] of their rows of tokens that they share, and whether their comments do too."""

    one: str
    other: str
    shared: float
    literal: bool


def pairs(solutions: Mapping[str, str], handed_out: str = "") -> list[Pair]:
    """Pairs that share most of what is their own, the most alike first.

    Args:
        solutions: the source of all solution cells of each hand-in.
        handed_out: what everybody was given.
    """
    rows = {who: fingerprint(source) - fingerprint(handed_out) for who, source in solutions.items()}
    count = Counter(row for own in rows.values() for row in own)
    everybodys = {row for row, times in count.items() if times > max(3, COMMON * len(rows))}
    found = []
    for one, other in combinations(sorted(rows), 2):
        mine, theirs = rows[one] - everybodys, rows[other] - everybodys
        if min(len(mine), len(theirs)) < LEAST:
            continue
        if (shared := len(mine & theirs) / min(len(mine), len(theirs))) >= LIMIT:
            literal = bool(_comments(solutions[one]) & _comments(solutions[other]) - _comments(handed_out))
            found.append(Pair(one, other, shared, literal))
    return sorted(found, key=lambda pair: -pair.shared)


def fingerprint(source: str) -> set[tuple[str, ...]]:
    """Rows of tokens of a program whose names are numbered in the order they come, without docstrings and comments."""
    try:
        tree = _Anonymous().visit(parsed(source))
        words = [token.string for token in tokenize.generate_tokens(io.StringIO(ast.unparse(tree)).readline)]
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        return set()
    words = [word for word in words if word.strip()]
    return {tuple(words[i : i + LENGTH]) for i in range(len(words) - LENGTH + 1)}


class _Anonymous(ast.NodeTransformer):
    """Numbers the names that a function sets; those of libraries stay."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
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
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return set()
    return {token.string for token in tokens if token.type == tokenize.COMMENT and len(token.string) > 12}
