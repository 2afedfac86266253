"""The diagrams' drawing sheet: boxes, arrows, tensors and small pictures, as one stand-alone SVG.

Sizes are in units of the viewBox, which is as wide as a phone is in CSS pixels, so that 13 units of
text stay legible there. What a colour means stands in diagrams/style.css; each meaning also has a
pattern, an outline or an icon of its own, for print in grey.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH = 440
STYLE = (Path(__file__).parent / "diagrams" / "style.css").read_text(encoding="utf-8")
PATTERNS = """<defs>
<pattern id="hatch" width="9" height="9" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M0 0V9"/></pattern>
<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse"><circle class="dots" cx="2" cy="2" r="1.3"/></pattern>
</defs>"""  # noqa: E501
#: Kinds with a pattern, and how wide from the left (0: all over).
FILLED = {"frozen": ("hatch", 0), "labelled": ("dots", 11)}
MARKUP = re.compile(r"\*\*(?P<b>.+?)\*\*|\*(?P<i>.+?)\*|_\[(?P<sub>.+?)\]|(?P<plain>[^*_]+|.)")
#: Small pictures in a square of side 40 around (0, 0).
PICTURES = {
    "digit": "M-9 -12H9L-2 13M-5 1H8",
    "boat": "M-15 6H15L9 14H-10ZM-1 6V-14L-12 2H-1M3 -9L12 2H3Z",
}


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
    """A sheet to draw on, from top to bottom; ``svg()`` is the finished file."""

    def __init__(self, name: str, texts: dict[str, str], height: float):
        self.name, self.texts, self.height = name, texts, height
        self.parts: list[str] = []

    def svg(self) -> str:
        title, description = (escape(self.texts[key]) for key in ("title", "description"))
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {number(self.height)}" width="{WIDTH}" '
            f'height="{number(self.height)}" role="img" lang="{self.texts["language"]}" '
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

    def box(self, x, y, w, h, lines="", kind="plain", size=14, top=None, indent=0, anchor="middle") -> Box:
        """A box of a kind (a class of style.css) around its lines, which begin at ``top`` or are centred."""
        box = Box(x, y, w, h)
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

    def text(self, x, y, lines, anchor="middle", size=14, kind="") -> None:
        """Lines of text, the first one's middle at height ``y``. **bold**, *italic*, x_[subscript]."""
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

    def volume(self, cx, cy, shape: tuple[int, ...], kind="unlabelled") -> None:
        """A tensor of an image's layer: (C, H, W) a block, (D,) a bar; larger is larger, not to scale."""
        if len(shape) == 1:
            length = 5 * math.log2(shape[0])
            self.parts.append(f'<g class="{kind}"><rect class="shape" x="{number(cx - length / 2)}" ')
            self.parts[-1] += f'y="{number(cy - 4)}" width="{number(length)}" height="8"/></g>'
            return
        side, depth = 5 + 0.75 * shape[1], 2 + 1.6 * math.log2(shape[0])
        x, y, d = cx - (side + depth) / 2, cy - (side - depth / 2) / 2, depth
        front = f"M{number(x)} {number(y)}h{number(side)}v{number(side)}h{number(-side)}Z"
        top = f"M{number(x)} {number(y)}l{number(d)} {number(-d / 2)}h{number(side)}l{number(-d)} {number(d / 2)}Z"
        edge = f"M{number(x + side)} {number(y)}l{number(d)} {number(-d / 2)}v{number(side)}"
        edge += f"l{number(-d)} {number(d / 2)}Z"
        faces = "".join(f'<path class="shape" d="{face}"/>' for face in (front, top, edge))
        self.parts.append(f'<g class="{kind}">{faces}</g>')

    def picture(self, cx, cy, name, side=40, scale=1.0, turn=0, mirror=False) -> None:
        """A small framed picture, as it is or as a view of it: turned, mirrored, larger or smaller."""
        self.parts.append(f'<g class="plain"><rect class="shape" x="{number(cx - side / 2)}" ')
        self.parts[-1] += f'y="{number(cy - side / 2)}" width="{side}" height="{side}"/></g>'
        scale *= side / 40
        flip = f"{-scale if mirror else scale:g} {scale:g}"
        transform = f"translate({number(cx)} {number(cy)}) rotate({turn}) scale({flip})"
        self.parts.append(f'<path class="icon" transform="{transform}" d="{PICTURES[name]}"/>')

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
