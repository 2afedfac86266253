"""docs/evidence.md and its pictures: the report's evidence as Markdown, from the published records.

python figures/evidence.py writes them; figures/make.py calls it.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from lib.files import ROOT
from lib.report import bibliography, values
from lib.report.chapters import evidence, verdicts
from lib.report.page import Report

RECORDS = ROOT / "figures/records/evidence"
PAGE = ROOT / "docs/evidence.md"
RERUN = (
    "The last column of each table makes its row again. A row about labels or heads builds on the run that its command "
    "names as `simclr_run`; make that one first."
)


class Page(Report):
    """A report that becomes Markdown; pictures go to ``pictures`` by their anchor, nothing is displayed."""

    def __init__(self) -> None:
        super().__init__("en")
        self.lines: list[str] = []
        self.pictures: dict[str, Figure] = {}
        self.labels: dict[str, str] = {}

    def section(self, key: str, level: int = 2, anchor: str = "", appendix: bool = False, **given: Any) -> None:
        self.lines.append(f"{'#' * level} {_plain(self.words(f'{key}.heading', **given))}")

    def text(self, key: str, **given: Any) -> None:
        self.lines.append(_plain(self.words(key, **given)))

    def points(self, points: Sequence[str]) -> None:
        self.lines.append("\n".join(f"- {_plain(point)}" for point in points))

    def figure(self, figure: Figure, key: str, anchor: str = "", **given: Any) -> None:
        self.figures += 1
        self.labels[f"figure-{anchor}"] = f"Figure {self.figures}"
        self.pictures[anchor] = figure
        caption = _plain(self.words(f"{key}.caption", **given))
        seen = (getattr(figure, "alt", "") or caption).replace("`", "").replace("[", "(").replace("]", ")")
        self.lines.append(f"![{seen}](../figures/{anchor}.svg)\n\n**Figure {self.figures}.** {caption}")

    def table(
        self, rows: Sequence[dict[str, Any]], key: str, anchor: str = "", below: Sequence[Any] = (), **given: Any
    ) -> None:
        self.tables += 1
        rows = [row | {self.words("table.rerun"): line} for row, line in zip(rows, below, strict=True)]
        self.labels[f"table-{anchor or key}"] = f"Table {self.tables}"
        lines = [list(map(_plain, rows[0])), ["---"] * len(rows[0]), *(list(map(_plain, row.values())) for row in rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        self.lines.append(f"**Table {self.tables}.** {_plain(self.words(f'{key}.caption', **given))}\n\n{table}")

    def markdown(self) -> str:
        def written(link: re.Match) -> str:
            place = link[1]
            return bibliography.inline(place[4:]) if place.startswith("ref-") else self.labels[place]

        return re.sub(r"\[\]\(#([\w-]+)\)", written, "\n\n".join(self.lines)) + "\n"


def _plain(text: Any) -> str:
    """What a cell or a text says, commands as code."""
    text = re.sub(r"<code\b[^>]*>(.*?)</code>", lambda code: f"`{Markup(code[1]).striptags()}`", str(text))
    return "\n\n".join(Markup(paragraph).striptags() for paragraph in text.split("\n\n"))


def page() -> Page:
    """The evidence in the published records."""
    made = Page()
    gathered = evidence.gather(values.load_all(RECORDS))
    verdicts.whole(made, gathered, values.load_yaml(ROOT / "notebooks/claims.yaml"), verdicts.lab_runs(RECORDS))
    made.lines.insert(2, RERUN)
    return made


def write() -> None:
    made = page()
    PAGE.write_text(made.markdown(), encoding="utf-8")
    for anchor, figure in made.pictures.items():
        figure.savefig(Path(__file__).parent / f"{anchor}.svg", metadata={"Date": None})


if __name__ == "__main__":
    write()
