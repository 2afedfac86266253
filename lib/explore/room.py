"""What holds the widgets of a room."""

from collections.abc import Sequence

import ipywidgets

from lib.words import Words


class Room(ipywidgets.VBox):
    """Widgets one below the other. Where no kernel runs, as in a saved page, a sentence stands in their place."""

    def __init__(self, parts: Sequence[ipywidgets.Widget], say: Words):
        super().__init__(parts)
        self._sentence = str(say("explore.needs_kernel"))

    def __repr__(self) -> str:
        return self._sentence  # ipywidgets cuts it after 110 characters
