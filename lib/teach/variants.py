"""What each student runs: drawn from the student number, so that no two hand in the same figures."""

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any

from lib.augment import VIEWS

LABELLED = range(5, 11)  # chunks 1 to 4 are those of pretraining
TEMPERATURES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
OPERATIONS = tuple(type(operation).__name__ for operation in VIEWS["original_mnist"][0])


@dataclass(frozen=True)
class Variant:
    """One student's run of the MNIST lab.

    ``seed``: of network, views and batches. ``chunk``: the one whose labels are used. ``temperature``: τ.
    ``left_out``: the operation that the views lack.
    """

    seed: int
    chunk: int
    temperature: float
    left_out: str

    def parameters(self) -> dict[str, Any]:
        """What ``notebooks/mnist.ipynb`` must be given to be this student's run, beside a recipe."""
        return {
            "seed": self.seed,
            "labelled_chunks": [[self.chunk]],
            "temperature": self.temperature,
            "left_out": [self.left_out],
        }


def normalised(number: str | int) -> str:
    """A student number as it is compared: no blanks or hyphens, one case, full-width digits as plain ones."""
    return "".join(c for c in unicodedata.normalize("NFKC", str(number)).casefold() if c.isalnum())


def draw(number: str | int) -> Variant:
    """The variant of a student number, the same on every machine and in every year.

    Raises:
        ValueError: the number holds no letter or digit.
    """
    if not normalised(number):
        raise ValueError(f"a student number is needed, such as '20260001'; {number!r} was given.")
    drawn = int.from_bytes(hashlib.sha256(normalised(number).encode()).digest(), "big")
    drawn, seed = divmod(drawn, 2**31)
    drawn, chunk = divmod(drawn, len(LABELLED))
    drawn, temperature = divmod(drawn, len(TEMPERATURES))
    return Variant(seed, LABELLED[chunk], TEMPERATURES[temperature], OPERATIONS[drawn % len(OPERATIONS)])
