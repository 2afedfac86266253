"""How much code a method is: counted, not guessed."""

import ast
import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from lib.methods import METHODS, Method
from lib.models import SimCLR


def lines_of(name: str) -> int:
    """Lines of code of a method and of all of the kit's own that it calls, without comments and docstrings."""
    return sum(len(_code_lines(part)) for part in _called(METHODS[name], {Method, SimCLR}))


def _called(part: Any, known: set[Any]) -> Iterator[Any]:
    """A class or function of the kit, and those it names, and those they name; none of ``known``, which grows."""
    if part in known:
        return
    known.add(part)
    yield part
    space = vars(inspect.getmodule(part))
    names = {node.id for node in ast.walk(ast.parse(inspect.getsource(part))) if isinstance(node, ast.Name)}
    for name in sorted(names):
        other = space.get(name)
        if isinstance(other, type | FunctionType) and other.__module__.startswith("lib."):
            yield from _called(other, known)


def _code_lines(part: Any) -> set[int]:
    """The lines, within its own text, on which a class or function computes something."""
    tree = ast.parse(inspect.getsource(part))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.expr | ast.arg)]
    told = {id(n.value): n for n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    silent = {id(n) for n in told.values()} | told.keys()
    return {line for node in nodes if id(node) not in silent for line in (node.lineno, _last(node))}


def _last(node: Any) -> int:
    """The last line of an expression; of what has a body of its own its first, for the body speaks for itself."""
    return node.lineno if hasattr(node, "body") and isinstance(node, ast.stmt) else node.end_lineno
