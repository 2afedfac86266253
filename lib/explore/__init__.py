"""Things to touch: what `explore.ipynb` shows. A room of it is a module, with a figure that stays and a widget."""

from lib.explore import digit, failures, loss, maps, views
from lib.explore.subject import Subject, open_encoder

__all__ = ["Subject", "digit", "failures", "loss", "maps", "open_encoder", "views"]
