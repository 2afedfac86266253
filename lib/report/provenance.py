"""What the PDF has no room for, in a file beside it: the appendix of the page as text, and each number's source.

A reader of the PDF, whose numbers are no links, finds a number here with the record it comes from.
"""

from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag

from lib.words import Words


def provenance(soup: BeautifulSoup, say: Words) -> str:
    """The appendix of a page in Markdown; the table of sources with each number as the report shows it."""
    shown: dict[str, dict[str, None]] = {}
    for link in soup.select("a.sourced"):
        shown.setdefault(link["href"].removeprefix("#"), {})[link.get_text()] = None
    lines: list[str] = []
    appendix = soup.find(id="appendix")
    for tag in [appendix, *appendix.find_next_siblings()]:
        if tag.name in ("h2", "h3"):
            lines += ["", f"{'#' * int(tag.name[1])} {_text(tag)}", ""]
        elif tag.name == "p":
            lines += [_text(tag), ""]
        elif block := tag if tag.name == "pre" else tag.find("pre"):
            lines += ["```", block.get_text().strip(), "```", ""]
        elif table := tag.find("table"):
            lines += [*_rows(table, shown, say), ""]
    return "\n".join(lines).strip() + "\n"


def _rows(table: Tag, shown: dict[str, dict[str, None]], say: Words) -> Iterator[str]:
    """A table's rows; after the number of a row of sources, what the report shows of it."""
    for row in table.find_all("tr"):
        cells = [_text(cell).replace("|", r"\|") for cell in row.find_all(["th", "td"])]
        if row.get("id") in shown or (not row.find_parent("tbody") and table.find(id="source-1")):
            cells.insert(1, ", ".join(shown[row["id"]]) if row.get("id") else say("sources.shown"))
        yield f"| {' | '.join(cells)} |"
        if row.find_parent("thead"):
            yield f"|{' --- |' * len(cells)}"


def _text(tag: Tag) -> str:
    return " ".join(tag.get_text().split())
