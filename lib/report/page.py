"""What a report is made of: numbered headings, figures and tables, text from ``words``, numbers with a source.

A notebook calls these one after the other; ``lib.report.export`` makes the page of what they showed.
"""

import html
import re
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from IPython.display import HTML, Markdown, display
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from lib import words
from lib.report import drawing, style, svg, values
from lib.report.values import Value
from lib.words import literal, slug

NONE = "–"


def _landing(markdown: str) -> str:
    """Links within the page, which texts make of names from records, as ``slug`` has them."""
    return re.sub(r"\]\(#(.*?)\)", lambda found: f"](#{slug(html.unescape(found[1]))})", str(markdown))


class Report:
    """Shows the pieces of a report in one language, and remembers where its numbers come from.

    ``{{ name }}`` in a text takes what its call gives as ``name``: a number from ``number``,
    ``percent``, ``count`` or ``value``, each a link to its row in ``sources_table``.
    """

    def __init__(self, language: str):
        self.words = words.load(language)
        self.figure_words = style.drawable(self.words)
        self.figures = self.tables = 0
        self.levels, self.lettered = [0, 0, 0], False
        self.rows: dict[tuple[tuple[str, str], ...], list[values.Source]] = {}

    # Numbers

    def _sourced(self, shown: str, given: Sequence[Value], kind: str = "sourced") -> Markup:
        sources = list(values.derive(lambda *_: None, *given).sources)
        place = tuple((source.file, source.key) for source in sources)
        self.rows.setdefault(place, sources)
        row = list(self.rows).index(place) + 1
        return Markup('<a class="{}" href="#source-{}">{}</a>').format(kind, row, literal(shown))

    def number(self, given: Value | Sequence[Value], scale: float = 1, digits: int = 2, unit: str = "") -> Markup:
        """One number, or the mean ± deviation of one for each seed; see ``values.mean`` for the digits."""
        given = [given] if isinstance(given, Value) else given
        return self._sourced(values.mean([v.content for v in given], scale, digits, unit), given)

    def percent(self, given: Value | Sequence[Value], digits: int = 2) -> Markup:
        """Shares in [0, 1] in percent."""
        return self.number(given, 100, digits, "%")

    def count(self, given: Value) -> Markup:
        """A whole number, with thousands separators."""
        return self.number(given, digits=0)

    def value(self, given: Value, prefix: str = "") -> Markup:
        """A setting or a name as it stands in its record, or the word for it under ``prefix``."""
        content = given.content
        if isinstance(content, list):
            comma = Markup(self.words.texts["label.comma"])
            return comma.join(self.value(item, prefix) for item in given) if content else Markup(NONE)
        if content is None or content == "":
            return Markup(NONE)
        if isinstance(content, bool):
            return self.words("label.with" if content else "label.without")
        if isinstance(content, int):
            return self.count(given)
        shown = self.words.or_as_is(prefix, content)
        return self._sourced(shown, [given], "sourced name") if re.search(r"\d", shown) else literal(shown)

    def time(self, given: Value) -> Markup:
        """A moment, to the minute, in the time zone it was recorded in."""
        return self._sourced(str(given.content).replace("T", " ")[:16], [given])

    # Pieces

    def section(
        self, key: str, level: int = 2, anchor: str = "", appendix: bool = False, screen: bool = False, **given: Any
    ) -> None:
        """A numbered heading with the text ``<key>.heading``.

        ``anchor`` is for a key that comes twice; with ``appendix``, chapters are lettered from here on; ``screen``
        leaves it out of the PDF, with all that follows up to the next heading of its level.
        """
        if appendix and not self.lettered:
            self.lettered, self.levels = True, [0, 0, 0]
        self.levels[level - 2] += 1
        self.levels[level - 1 :] = [0] * len(self.levels[level - 1 :])
        chapter, *below = self.levels[: level - 1]
        number = ".".join(map(str, [chr(64 + chapter) if self.lettered else chapter, *below]))
        heading = self.words(f"{key}.heading", **given)
        anchor = slug(anchor or key.replace(".", "-"))
        kind = ' class="screen"' if screen else ""
        display(HTML(f'<h{level} id="{anchor}"{kind}><span class="section">{number}</span> {heading}</h{level}>'))

    def text(self, key: str, **given: Any) -> None:
        """The markdown under a key. ``[](#figure-name)`` in it becomes a link that says “Figure” and its number."""
        display(Markdown(_landing(self.words(key, **given))))

    def points(self, points: Sequence[str]) -> None:
        """A list of points, each a text already."""
        display(Markdown(_landing("\n".join(f"- {' '.join(point.split())}" for point in points))))

    def figure(self, figure: Figure, key: str, anchor: str = "", **given: Any) -> None:
        """Show a figure as SVG (sharp at any size) with the caption ``<key>.caption``; see ``svg.draw``."""
        drawn, anchor = svg.draw(figure), anchor or key.split(".")[-1]
        display(HTML(self._figure(drawn, key, anchor, "plot", given)))

    def diagrams(self, record: Value, *kinds: str, **given: Any) -> None:
        """Diagrams of a run (``lib.report.drawing``) side by side, each text ``diagrams.<kind>.text`` before them.

        Of a network that cannot be built from the record, it is said why it is not drawn.
        """
        content = record.content
        run, named = content["parameters"]["run"], literal(style.title(content["dataset"]))
        texts, pieces = [], []
        for kind in kinds:
            anchor = f"{kind}-{run}"
            words_given = {"name": named, "run": words.given_name(run), "anchor": anchor} | given
            try:
                drawn = drawing.drawn(kind, content, self.words)
            except words.WordsError:
                raise
            except ValueError as error:  # a record of a network that this kit does not know
                texts.append(self.words("diagrams.none", run=words_given["run"], error=words.given_name(error)))
                continue
            texts.append(self.words(f"diagrams.{kind}.text", **words_given))
            figure = self._figure(drawn, f"diagrams.{kind}", anchor, "diagram", words_given)
            pieces.append((bool(drawn.narrow), figure))  # what a phone has another form of is as wide as the page
        display(Markdown(_landing(self.words.join(dict.fromkeys(texts)))))
        for wide, row in groupby(pieces, itemgetter(0)):
            figures = "".join(figure for _, figure in row)
            display(HTML(figures if wide else f'<div class="side-by-side">{figures}</div>'))

    def _figure(self, drawn: svg.Drawn, key: str, anchor: str, kind: str, given: dict) -> str:
        self.figures += 1
        caption = self.words(f"{key}.caption", **given)
        label = self.words("label.figure", number=self.figures)
        anchor = f"figure-{slug(anchor)}"
        picture = (
            f'<img src="{drawn.uri}" width="{drawn.width}" height="{drawn.height}"'
            f' alt="{escape(drawn.alt or caption.striptags())}">'
        )
        if drawn.narrow:
            narrow = f'width="{drawn.narrow.width}" height="{drawn.narrow.height}"'
            below = svg.PHONE if kind == "plot" else drawn.width - 40
            source = f'<source media="(max-width: {below}px)" srcset="{drawn.narrow.uri}" {narrow}>'
            picture = f"<picture>{source}{picture}</picture>"
        elif drawn.width > 96 * style.NARROW:
            kind = f"{kind} wide"  # a phone scrolls along it
        return (
            f'<figure id="{anchor}" class="{kind}">'
            f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{anchor}-caption">{picture}</div>'
            f'<figcaption id="{anchor}-caption"><strong class="label">{label}</strong> {caption}</figcaption></figure>'
        )

    def table(
        self,
        rows: Sequence[dict[str, Any]],
        key: str,
        anchor: str = "",
        below: Sequence[Any] = (),
        screen: Sequence[str] = (),
        **given: Any,
    ) -> None:
        """Show rows, dicts from a column's heading to its cell; columns of numbers are set right.

        ``below``: a line for each row, such as the command that makes it again, in a list to be unfolded under the
        table. It and the columns of these headings, ``screen``, are left out of the PDF.
        """
        self.tables += 1
        anchor = f"table-{slug(anchor or key.split('.')[-1])}"
        label = self.words("label.table", number=self.tables)
        caption = f'<strong class="label">{label}</strong> {self.words(f"{key}.caption", **given)}'
        kinds = [
            " ".join(
                ["number"] * all(_starts_with_digit(row[column]) for row in rows) + ["screen"] * (column in screen)
            )
            for column in rows[0]
        ]
        head = "".join(_cell("th", name, kind, ' scope="col"') for name, kind in zip(rows[0], kinds, strict=True))
        body = ""
        for row in rows:
            first, *others = row.values()
            body += "<tr>" + _cell("th", first, kinds[0], ' scope="row"')
            body += "".join(_cell("td", cell, kind) for cell, kind in zip(others, kinds[1:], strict=True)) + "</tr>"
        # the caption stays while the table scrolls, so it is no <caption>
        display(
            HTML(
                f'<figure id="{anchor}" class="table"><figcaption id="{anchor}-caption">{caption}</figcaption>'
                f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{anchor}-caption">'
                f'<table aria-labelledby="{anchor}-caption"><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table></div>{self._below(rows, below)}</figure>"
            )
        )

    def _below(self, rows: Sequence[dict[str, Any]], lines: Sequence[Any]) -> str:
        """The lines of a table's rows, each after the row's first two cells, folded."""
        items = "".join(
            f"<dt>{Markup(' · ').join([*row.values()][:2])}</dt><dd>{escape(line)}</dd>"
            for row, line in zip(rows, lines, strict=False)
            if line
        )
        summary = f"<summary>{self.words('label.commands')}</summary>"
        return f'<details class="commands">{summary}<dl>{items}</dl></details>' if items else ""

    def cover(self, heading: str, subtitle: str, fields: dict[str, str], notes: Sequence[tuple[str, str]]) -> None:
        """The first page: title, the student's data, notes on the images, each with ``warn`` or nothing."""
        rows = "".join(
            f'<tr><th scope="row">{self.words(f"cover.{name}")}</th><td>{escape(text) or NONE}</td></tr>'
            for name, text in fields.items()
        )
        if self.figure_words is not self.words:
            notes = [*notes, (f"{self.figure_words('label.no_font')} {self.words('label.no_font')}", "warn")]
        below = "".join(f'<p class="data {escape(kind)}">{escape(note)}</p>' for note, kind in notes)
        head = f"<h1>{escape(heading)}</h1><p>{escape(subtitle)}</p>"
        language = f'lang="{self.words.html}" data-language="{self.words.language}"'
        display(HTML(f'<header class="cover" {language}>{head}<table>{rows}</table>{below}</header>'))

    def sources_table(self) -> None:
        """Every number shown so far: the record it is from, the place in it, and what stands there."""
        names = (self.words(f"sources.{name}") for name in ("row", "file", "key", "stored"))
        heads = "".join(_cell("th", name, "", ' scope="col"') for name in names)
        body = ""
        for i, sources in enumerate(self.rows.values(), 1):
            files = ", ".join(dict.fromkeys(str(escape(source.file)) for source in sources))
            keys = ", ".join(dict.fromkeys(f"<code>{escape(source.key)}</code>" for source in sources))
            stored = ", ".join(str(escape(source.stored)) for source in sources)
            body += f'<tr id="source-{i}"><th scope="row">{i}</th><td>{files}</td><td>{keys}</td><td>{stored}</td></tr>'
        display(
            HTML(
                '<div class="scroll sources" tabindex="0" role="region" aria-labelledby="appendix-sources">'
                f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
            )
        )


def _starts_with_digit(cell: Any) -> bool:
    text = Markup(cell).striptags()
    return text.lstrip("−")[:1].isdigit() or text in (NONE, "")


def _cell(tag: str, content: Any, kind: str, more: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f"<{tag}{more}{kind}>{escape(content)}</{tag}>"
