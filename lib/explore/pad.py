"""A square to draw on with a mouse, a pen or a finger. What is drawn goes to the kernel when the stroke ends."""

from pathlib import Path

import anywidget
import traitlets


class Pad(anywidget.AnyWidget):
    """``ink`` is uint8 (SIDE, SIDE), row after row, 0 where nothing was drawn; empty before the first stroke."""

    SIDE = 280
    _esm = Path(__file__).with_name("pad.js")
    ink = traitlets.CBytes(b"").tag(sync=True)  # what comes is a memoryview
    clear_label = traitlets.Unicode("Clear").tag(sync=True)
