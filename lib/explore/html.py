"""Small pieces of HTML for the widgets: pictures, bars, captions. Colours are those of the figures."""

import base64
import io
from collections.abc import Iterable, Sequence

import matplotlib.colors
import numpy as np
from markupsafe import escape
from PIL import Image
from torch import Tensor

from lib.report.style import PALETTE

COLOURS = [matplotlib.colors.to_hex(colour) for colour in PALETTE]
#: Colour of a reader of ``Subject.readers``.
OF = {"simclr": COLOURS[0], "random": COLOURS[1], "pixels": COLOURS[7]}


def png(image: Tensor | np.ndarray) -> str:
    """A uint8 image (C, H, W) as a data address."""
    pixels = np.asarray(image)
    pixels = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "png", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def picture(image: Tensor | np.ndarray, alt: str, side: int = 56, frame: str = "transparent") -> str:
    """A uint8 image (C, H, W), ``side`` pixels wide, pixels sharp."""
    height = side * image.shape[1] // image.shape[2]
    return (
        f'<img src="{png(image)}" width="{side}" height="{height}" alt="{escape(alt)}" title="{escape(alt)}" '
        f'style="image-rendering:pixelated;border:2px solid {frame};margin:0;max-width:none">'
    )


def row(parts: Iterable[str], gap: int = 8, align: str = "flex-start") -> str:
    """Pieces side by side, as many in a line as there is room for."""
    return f'<div style="display:flex;flex-wrap:wrap;gap:{gap}px;align-items:{align}">{"".join(parts)}</div>'


def column(*parts: str, width: str = "auto") -> str:
    """Pieces one below the other, centred."""
    return (
        f'<div style="display:flex;flex-direction:column;align-items:center;width:{width};line-height:1.35">'
        f"{''.join(parts)}</div>"
    )


def block(content: str, colour: str, width: int = 256) -> str:
    """A part with a bar of its colour at the left."""
    return f'<div style="width:{width}px;border-left:5px solid {colour};padding-left:8px">{content}</div>'


def line(text: object, size: int = 13, weight: str = "normal", colour: str = "inherit") -> str:
    """A line of text."""
    return f'<div style="font-size:{size}px;font-weight:{weight};color:{colour};line-height:1.5">{escape(text)}</div>'


def pillar(share: float, colour: str, height: int = 60, width: int = 14) -> str:
    """A standing bar of a share in [0, 1] of its height; a share below 0 hangs from the middle."""
    filled = round(abs(share) * height)
    return (
        f'<div style="height:{height}px;display:flex;align-items:{"flex-end" if share >= 0 else "flex-start"}">'
        f'<div style="width:{width}px;height:{filled}px;background:{colour}"></div></div>'
    )


def shares(values: Sequence[float], names: Sequence[str], colour: str) -> str:
    """A lying bar for each class, with its percentage."""
    highest = max(values)
    lines = "".join(
        f'<div style="text-align:right;font-weight:{"bold" if value == highest else "normal"}">{escape(name)}</div>'
        f'<div style="background:{colour};height:9px;width:{max(1, round(90 * value))}px"></div>'
        f'<div style="text-align:right">{value:.0%}</div>'
        for name, value in zip(names, values, strict=True)
    )
    return (
        '<div style="display:grid;grid-template-columns:max-content 92px max-content;column-gap:6px;'
        f'align-items:center;font-size:11px;line-height:14px">{lines}</div>'
    )
