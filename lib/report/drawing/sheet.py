"""The diagrams' drawing sheet: boxes, arrows, tensors and pictures, from top to bottom, as one stand-alone SVG.

Sizes are in units of the viewBox, which is as wide as a phone is in CSS pixels, so that 13 units of
text stay legible there; a sheet for paper and a wide screen is as wide as a line of text. What a
colour means stands in style.css; each meaning also has a pattern, an outline or an icon of its own,
for print in grey.
"""

import base64
import io
import math
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np

from lib.report.measure import MARKUP, wrapped
from lib.report.svg import Drawn

WIDTH, WIDE = 440, 800
STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
PATTERNS = """<defs>
<pattern id="hatch" width="9" height="9" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M0 0V9"/></pattern>
<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse"><circle class="dots" cx="2" cy="2" r="1.3"/></pattern>
</defs>"""  # noqa: E501
#: Kinds with a pattern, and how wide from the left (0: all over).
FILLED = {"frozen": ("hatch", 0), "labelled": ("dots", 11)}


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


class Box(NamedTuple):
    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    @property
    def cx(self) -> float:
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        return self.y + self.h / 2


class Sheet:
    """A sheet to draw on, as high as what is drawn; ``svg()`` is the finished file.

    ``name`` begins the ids in it; ``texts`` are its words, ``title``, ``description`` and ``language`` among them.
    """

    def __init__(self, name: str, texts: dict[str, str], width: int = WIDTH):
        self.name, self.texts, self.width, self.height = name, texts, width, 0.0
        self.parts: list[str] = []

    def svg(self) -> str:
        title, description = (escape(self.texts[key]) for key in ("title", "description"))
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {number(self.height)}" '
            f'width="{self.width}" height="{number(self.height)}" role="img" lang="{self.texts["language"]}" '
            f'aria-labelledby="{self.name}-title {self.name}-desc">'
        )
        return "\n".join(
            [
                head,
                f'<title id="{self.name}-title">{title}</title>',
                f'<desc id="{self.name}-desc">{description}</desc>',
                f"<style>\n{STYLE}</style>",
                PATTERNS,
                '<rect class="paper" width="100%" height="100%"/>',
                *self.parts,
                "</svg>\n",
            ]
        )

    def drawn(self) -> Drawn:
        """The file with its size and, for those who do not see it, its description."""
        return Drawn(self.svg(), self.width, round(self.height), self.texts["description"])

    def box(self, x, y, w, h=None, lines="", kind="plain", size=14, top=None, indent=0, anchor="middle") -> Box:
        """A box of a kind (a class of style.css) around its lines, which begin at ``top`` or are centred.

        Lines too wide for it are broken; ``h`` None is as high as they need.
        """
        room = w - (2 if w < 60 else 10) - (2 if anchor == "middle" else 1) * abs(indent)
        lines = wrapped(lines, room, size) if lines else ""
        if h is None:
            h = 14 + 1.3 * size * (lines.count("\n") + 1)
        box = Box(x, y, w, h)
        self.height = max(self.height, box.bottom + 8)
        place = f'x="{number(x)}" y="{number(y)}" width="{number(w)}" height="{number(h)}"'
        corner = "" if "cell" in kind else ' rx="3"'
        self.parts.append(f'<g class="box {kind}"><rect class="shape"{corner} {place}/>')
        if kind in FILLED:
            pattern, width = FILLED[kind]
            place = f'x="{number(x)}" y="{number(y)}" width="{number(width or w)}" height="{number(h)}"'
            self.parts.append(f'<rect{corner} {place} fill="url(#{pattern})"/>')
        if lines:
            middle = y + top if top is not None else box.cy - 0.65 * size * lines.count("\n")
            left = {"middle": box.cx, "start": x + 8}[anchor] + indent
            self.text(left, middle, lines, anchor, size)
        self.parts.append("</g>")
        return box

    def around(self, since: int, x, y, w, h, kind) -> Box:
        """A box of a kind behind everything that was drawn since there were ``since`` parts."""
        drawn, self.parts = self.parts[since:], self.parts[:since]
        box = self.box(x, y, w, h, kind=kind)
        self.parts += drawn
        return box

    def text(self, x, y, lines, anchor="middle", size=14, kind="", room=0.0) -> float:
        """Lines of text, the first one's middle at height ``y``; returns the lower edge of the last.

        **bold**, *italic*, x_[subscript]. Lines wider than ``room``, if it is given, are broken.
        """
        lines = wrapped(lines, room, size) if room else lines
        for row, line in enumerate(lines.rstrip("\n").split("\n")):
            spans, raised = [], 0
            for match in MARKUP.finditer(line):
                style = match.lastgroup
                drop = 4 if style == "sub" else 0
                attributes = f' dy="{drop - raised}"' if drop != raised else ""
                raised = drop
                if style != "plain":
                    attributes += f' class="{"sub i" if drop and match[style].isalpha() else style}"'
                content = escape(match[style])
                spans.append(f"<tspan{attributes}>{content}</tspan>" if attributes else content)
            baseline = number(y + 1.3 * size * row + 0.36 * size)
            look = f' style="font-size:{size}px"' if size != 14 else ""
            look += f' class="{kind}"' if kind else ""
            self.parts.append(
                f'<text x="{number(x)}" y="{baseline}" text-anchor="{anchor}"{look}>{"".join(spans)}</text>'
            )
        bottom = y + 1.3 * size * lines.rstrip("\n").count("\n") + 0.65 * size
        self.height = max(self.height, bottom + 8)
        return bottom

    def arrow(self, *points: tuple[float, float], kind="flow", head=True) -> None:
        """A line through the points; the head is drawn, not a marker, which not every program shows."""
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0)
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        last = (x1 - 6 * dx, y1 - 6 * dy) if head else (x1, y1)
        line = "L".join(f"{number(x)} {number(y)}" for x, y in (*points[:-1], last))
        self.parts.append(f'<path class="{kind}" d="M{line}"/>')
        if head:
            corners = [
                (x1, y1),
                (x1 - 8 * dx - 4 * dy, y1 - 8 * dy + 4 * dx),
                (x1 - 8 * dx + 4 * dy, y1 - 8 * dy - 4 * dx),
            ]
            path = "L".join(f"{number(x)} {number(y)}" for x, y in corners)
            self.parts.append(f'<path class="head" d="M{path}Z"/>')

    def volume(self, cx, cy, shape: tuple[int, ...], whole: int, kind="unlabelled") -> None:
        """What comes out of a layer: (C, H, W) a block, (D,) a bar; larger is larger, not to scale.

        ``whole`` is the height of the images, whose block is 29 units high.
        """
        if len(shape) == 1:
            length = min(5 * math.log2(shape[0]), 56)
            self.parts.append(f'<g class="{kind}"><rect class="shape" x="{number(cx - length / 2)}" ')
            self.parts[-1] += f'y="{number(cy - 4)}" width="{number(length)}" height="8"/></g>'
            return
        side, depth = 5 + 24 * min(1, shape[1] / whole), 2 + 1.6 * math.log2(shape[0])
        x, y, d = cx - (side + depth) / 2, cy - (side - depth / 2) / 2, depth
        front = f"M{number(x)} {number(y)}h{number(side)}v{number(side)}h{number(-side)}Z"
        top = f"M{number(x)} {number(y)}l{number(d)} {number(-d / 2)}h{number(side)}l{number(-d)} {number(d / 2)}Z"
        edge = f"M{number(x + side)} {number(y)}l{number(d)} {number(-d / 2)}v{number(side)}"
        edge += f"l{number(-d)} {number(d / 2)}Z"
        faces = "".join(f'<path class="shape" d="{face}"/>' for face in (front, top, edge))
        self.parts.append(f'<g class="{kind}">{faces}</g>')

    def picture(self, x, y, pixels: np.ndarray, side=48) -> Box:
        """A uint8 image (C, H, W) as it is, framed; every pixel stays a square."""
        from PIL import Image

        png = io.BytesIO()
        Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(png, "PNG", optimize=True)
        content = base64.b64encode(png.getvalue()).decode()
        place = f'x="{number(x)}" y="{number(y)}" width="{side}" height="{side}"'
        self.parts.append(f'<image {place} href="data:image/png;base64,{content}" style="image-rendering:pixelated"/>')
        self.parts.append(f'<g class="frame"><rect class="shape" {place}/></g>')
        self.height = max(self.height, y + side + 8)
        return Box(x, y, side, side)

    def snowflake(self, cx, cy) -> None:
        """Frozen."""
        arm = "M0 0V-10M-3.5 -9L0 -6L3.5 -9"
        for turn in range(0, 360, 60):
            transform = f"translate({number(cx)} {number(cy)}) rotate({turn})"
            self.parts.append(f'<path class="icon" transform="{transform}" d="{arm}"/>')

    def tag(self, cx, cy) -> None:
        """With labels: a luggage tag."""
        outline = "M-9 0L-4 -5H9V5H-4ZM-3.5 0h.1"
        self.parts.append(f'<path class="icon" transform="translate({number(cx)} {number(cy)})" d="{outline}"/>')
