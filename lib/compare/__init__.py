"""Several runs side by side, from one cell of a notebook: ``compare("mnist", temperature=[0.05, 0.5, 1])``."""

from lib.compare.work import Comparison, compare

__all__ = ["Comparison", "compare"]
