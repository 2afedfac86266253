"""Records to a report: numbered figures and tables in the notebook, then one self-contained HTML file."""

import base64
import html
import io
import statistics
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from bs4 import BeautifulSoup
from IPython.display import HTML, Markdown, display
from jinja2 import pass_context
from latex2mathml.converter import convert
from matplotlib.figure import Figure
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from lib.plots import title
from lib.records import RecordError, load_all

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def text(markdown: str) -> None:
    """Show markdown whose numbers come from records."""
    display(Markdown(markdown))


class Numbered:
    """Shows figures and tables with captions, each kind numbered from 1."""

    def __init__(self):
        self.figures = self.tables = 0

    def figure(self, figure: Figure, caption: str) -> None:
        """Show a figure as SVG (sharp at any size); the caption is its alternative text too."""
        self.figures += 1
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None})
        content = base64.b64encode(svg.getvalue().encode()).decode()
        width, height = (round(inches * 96) for inches in figure.get_size_inches())
        image = f'<img src="data:image/svg+xml;base64,{content}" width="{width}" height="{height}"'
        image += f' alt="{html.escape(caption)}">'
        label = f"<strong>Figure {self.figures}.</strong> {html.escape(caption)}"
        display(HTML(f'<figure id="figure-{self.figures}">{image}<figcaption>{label}</figcaption></figure>'))

    def table(self, frame: pd.DataFrame, caption: str) -> None:
        """Show a table whose cells are text already; columns that start with a digit are set right."""
        self.tables += 1
        numeric = [all(str(v)[:1].isdigit() or v in ("–", "") for v in frame[column]) for column in frame]

        def row(cells: Sequence[Any], tag: str) -> str:
            classes = [' class="number"' if n else "" for n in numeric]
            return (
                "<tr>"
                + "".join(f"<{tag}{c}>{html.escape(str(v))}</{tag}>" for v, c in zip(cells, classes, strict=True))
                + "</tr>"
            )

        body = "".join(row(cells, "td") for cells in frame.itertuples(index=False))
        label = f"<caption><strong>Table {self.tables}.</strong> {html.escape(caption)}</caption>"
        table = f"<table>{label}<thead>{row(frame.columns, 'th')}</thead><tbody>{body}</tbody></table>"
        display(HTML(f'<div class="scroll" id="table-{self.tables}" tabindex="0">{table}</div>'))


def mean(values: Sequence[float], scale: float = 1.0, digits: int = 2, unit: str = "") -> str:
    """``mean ± sample deviation`` of several seeds, or the one value there is."""
    scaled = [value * scale for value in values]
    spread = f" ± {statistics.stdev(scaled):,.{digits}f}" if len(scaled) > 1 else ""
    return f"{statistics.mean(scaled):,.{digits}f}{spread}{unit}".replace("-", "−")


def percent(values: Sequence[float]) -> str:
    """Shares in [0, 1] as ``mean ± deviation%``."""
    return mean(values, 100, 2, "%")


def by_run(records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Records of the same run in one list, a record for each seed.

    Raises:
        RecordError: they were not made on the same data.
    """
    ordered = sorted(records, key=lambda r: (r["parameters"]["run"], r["parameters"]["seed"]))
    runs = {run: list(seeds) for run, seeds in groupby(ordered, key=lambda r: r["parameters"]["run"])}
    for run, seeds in runs.items():
        if len(descriptions := {r["dataset"]["description"] for r in seeds}) > 1:
            raise RecordError(
                f"the seeds of {run} were run on different data ({'; '.join(descriptions)}): run them anew."
            )
    return runs


def cover(heading: str, subtitle: str, fields: dict[str, str], datasets: Sequence[dict[str, Any]]) -> None:
    """The first page: title, the student's data, and which images all of it was made from."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(k)}</th><td>{html.escape(v) or "–"}</td></tr>' for k, v in fields.items()
    )
    notes = []
    for dataset in {d["name"] + d["description"]: d for d in datasets}.values():
        warn = "" if dataset["genuine"] else " warn"
        instead = (
            ""
            if dataset["genuine"]
            else " Not the full original data set: its figures cannot be compared with published ones."
        )
        source = f"Data: {title(dataset)} – {dataset['description']} ({dataset['source']}).{instead}"
        notes.append(f'<p class="source{warn}">{html.escape(source)}</p>')
    head = f"<h1>{html.escape(heading)}</h1><p>{html.escape(subtitle)}</p>"
    display(HTML(f'<header class="cover">{head}<table>{rows}</table>{"".join(notes)}</header>'))


class _Renderer(IPythonRenderer):
    """Formulas as MathML, which browsers set themselves: no script, no font from elsewhere."""

    def block_math(self, body: str) -> str:
        return convert(body.strip(), display="block")

    def inline_math(self, body: str) -> str:
        return convert(body.strip())


class ReportExporter(HTMLExporter):
    """nbconvert's HTML exporter with the kit's template, MathML and a table of contents."""

    def __init__(self, **options: Any):
        template = Config({"TemplateExporter": {"extra_template_basedirs": [str(NOTEBOOKS)]}})
        super().__init__(config=template, template_name="template", **options)

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Override of nbconvert's filter, for the renderer alone."""
        return MarkdownWithMath(renderer=_Renderer(escape=False, anchor_link_text="")).render(source)

    def from_notebook_node(self, nb, resources=None, **options: Any):
        """HTML with ``<nav id="contents">`` filled from the headings."""
        body, resources = super().from_notebook_node(nb, resources, **options)
        soup = BeautifulSoup(body, "html.parser")
        contents = "<h2>Contents</h2><ol>"
        for heading in soup.main.find_all(["h2", "h3"]):
            for anchor in heading.find_all("a", class_="anchor-link"):
                anchor.decompose()
            indent = ("<ol>", "</ol>") if heading.name == "h3" else ("", "")
            name = html.escape(heading.get_text().strip())
            contents += f'{indent[0]}<li><a href="#{heading["id"]}">{name}</a></li>{indent[1]}'
        soup.find(id="contents").append(BeautifulSoup(contents + "</ol>", "html.parser"))
        cover = soup.find("header", class_="cover")
        if cover:
            names = [cover.h1.get_text(), *(c.get_text() for c in cover.select("tr:first-child td"))]
            soup.title.string = " · ".join(name for name in names if name != "–")  # the PDF's running head
            # the cover comes before the contents, on screen and on paper
            soup.find(id="contents").insert_before(cover.extract())
        return str(soup), resources


def export(notebook: str | Path, target: str | Path) -> None:
    """An executed report notebook as one HTML file, written beside its place and renamed.

    Raises:
        RuntimeError: the file would ask another host for something.
    """
    node = nbformat.read(notebook, as_version=4)
    body, _ = ReportExporter().from_notebook_node(node)
    soup = BeautifulSoup(body, "html.parser")
    outside = [t for t in soup.find_all(src=True) if not t["src"].startswith("data:")] + soup.find_all(
        "link", rel="stylesheet"
    )
    if outside:
        raise RuntimeError(f"the report would load {outside[0]} from elsewhere.")
    target = Path(target)
    part = target.with_suffix(".part")
    part.write_text(body, encoding="utf-8")
    part.replace(target)


def results_table(records: Sequence[dict[str, Any]]) -> str:
    """Accuracies and times of all runs as a markdown table, a row for each profile, run and number of labels."""
    lines = [
        "| profile | run | labels | seeds | test accuracy | pretraining | classifier |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    ordered = sorted((r for r in records if "classifiers" in r["results"]), key=lambda r: r["profile"])
    for profile, group in groupby(ordered, key=lambda r: r["profile"]):
        for run, repeats in by_run(list(group)).items():
            for i, entry in enumerate(repeats[0]["results"]["classifiers"]):
                accuracy = percent([r["results"]["classifiers"][i]["test_accuracy"] for r in repeats])
                times = (
                    mean([r["seconds"][k] for r in repeats], digits=1, unit=" s")
                    for k in ("pretraining", entry["history"])
                )
                cells = (f"`{profile}`", run, f"{entry['labels']:,}", str(len(repeats)), accuracy, *times)
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """``python -m lib.report NOTEBOOK HTML`` exports; ``--results FOLDER`` prints the table of its records."""
    if sys.argv[1:2] == ["--results"]:
        print(results_table(load_all(sys.argv[2])))
    else:
        export(*sys.argv[1:3])


if __name__ == "__main__":
    main()
