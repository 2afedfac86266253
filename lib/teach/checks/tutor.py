"""How a check speaks: what was expected, what came, and which mistake gives exactly this."""

import textwrap
import traceback
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

LANGUAGES = ("en", "zh")
TOLERANCE = 1e-4  # relative; float32 against float64 is a thousand times closer
WIDTH, MARGIN = 90, 16  # columns of a message and of its labels; JupyterLab would break words


class CheckFailed(AssertionError):
    """What a check has to say. IPython shows the message alone: the way through the kit's code would teach nothing."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


@cache
def messages(language: str) -> dict[str, Any]:
    """The messages of a language.

    Raises:
        ValueError: a language there are none in.
    """
    if language not in LANGUAGES:
        raise ValueError(f"the checks speak {', '.join(LANGUAGES)}; {language!r} was given.")
    return yaml.safe_load(Path(__file__).with_name(f"{language}.yaml").read_text(encoding="utf-8"))


def relative_error(got: Tensor, want: Tensor) -> float:
    """Largest |x - y| / (|x| + |y|), as in CS231n; entries that are tiny beside the largest count as equal to it."""
    got, want = got.detach().double(), want.detach().double()
    scale = (got.abs() + want.abs()).clamp(min=max(1e-3 * want.abs().max().item(), 1e-12))
    return ((got - want).abs() / scale).max().item()


class Tutor:
    """The visible checks in one language: each prints one line, or raises ``CheckFailed``."""

    def __init__(self, language: str = "en"):
        self.language, self.words = language, messages(language)

    def say(self, key: str, **values: Any) -> str:
        """The message of a key such as ``cosine.dot``."""
        found: Any = self.words
        for part in key.split("."):
            found = found[part]
        return found.format(**values)

    def _of(self, step: str) -> str:
        return self.say(f"steps.{step}") + (": " if self.language == "en" else "：")

    def right(self, step: str, key: str = "", **values: Any) -> None:
        """Say that a step is right."""
        print(f"✓ {self._of(step)}{self.say(key or 'right', **values)}")

    def failure(self, step: str, cause: str, expected: str = "", yours: str = "", **values: Any) -> CheckFailed:
        """The error to raise: what was expected, what came, the likely cause (a key)."""
        told = {"expected": expected, "yours": yours, "cause": self.say(cause, **values)}
        lines = [f"✗ {self._of(step)}{self.say('wrong')}"]
        for label, text in told.items():
            if text:
                head = f"  {self.say(f'labels.{label}')}"
                lines += _hanging(head + " " * (MARGIN - _columns(head)), text)
        return CheckFailed("\n".join(lines))

    def call(self, step: str, function: Callable, *arguments: Any) -> Any:
        """What the student's function returns; its errors are told with the line that raised them."""
        try:
            return function(*arguments)
        except NotImplementedError:
            raise self.failure(step, "common.empty") from None
        except CheckFailed:
            raise
        except Exception as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__)[1:] if "site-packages" not in f.filename]
            raised = frames[-1].line if frames else ""
            if hasattr(error, "told"):  # when graded: raised in the student's process, which says where
                raised = next((text for *_, text in error.told.get("where", [])[-1:]), "")
            line = f" ({raised})" if raised else ""
            yours = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}{line}"
            raise self.failure(step, "common.raised", yours=yours) from error

    def tensor(self, step: str, got: Any, shape: Sequence[int], hints: Mapping[tuple, str] | None = None) -> Tensor:
        """``got`` if it is a finite tensor of this shape; ``hints``: what another shape is a sign of."""
        expected = self.say("common.a_tensor", shape=tuple(shape))
        if got is None:
            raise self.failure(step, "common.none", expected, "None")
        if not isinstance(got, Tensor):
            raise self.failure(step, "common.no_tensor", expected, type(got).__name__)
        if tuple(got.shape) != tuple(shape):
            hint = (hints or {}).get(tuple(got.shape), "common.shape")
            raise self.failure(step, hint, expected, self.say("common.a_tensor", shape=tuple(got.shape)))
        if not got.isfinite().all():
            raise self.failure(step, "common.not_finite", self.say("common.finite"), shown(got))
        return got

    def equal(self, step: str, got: Tensor, want: Tensor, known: Mapping[str, Tensor]) -> float:
        """The relative error of a result that is right; else the mistake, by its number, that gives this result."""
        error = relative_error(got, want)
        if error <= TOLERANCE:
            return error
        expected = shown(want)
        for key, wrong in known.items():
            if relative_error(got, wrong) <= TOLERANCE:
                raise self.failure(step, key, expected, shown(got))
        raise self.failure(step, "common.unknown", expected, shown(got), error=f"{error:.1e}")


def shown(values: Tensor) -> str:
    """A number, or the first few of a tensor."""
    few = values.detach().flatten()[:4].tolist()
    more = ", …" if values.numel() > 4 else ""
    return ", ".join(f"{value:.4f}" for value in few) + more


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _hanging(head: str, text: str) -> list[str]:
    """Lines of at most ``WIDTH`` columns; Chinese has no blanks to break at, and takes two columns a character."""
    wide = _columns(text) > 1.5 * len(text)
    room = (WIDTH - MARGIN) // (2 if wide else 1)
    lines = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    return [head + lines[0], *(" " * MARGIN + line for line in lines[1:])]
