"""Literature: ``[](#ref-chen2020)`` in a text becomes ``[1]``, and leads to its entry, which leads back.

The entries are in ``notebooks/text/references.bib``; pandoc's citeproc writes them out, in the page's language.
Numbers go by the order in which a page cites.
"""

import json
import re
from collections.abc import Sequence
from functools import cache

import pypandoc
from bs4 import BeautifulSoup, Tag
from IPython.display import HTML

from lib.files import ROOT
from lib.report import page as report_page
from lib.report.page import Report
from lib.words import Words

TEXTS = ROOT / "notebooks" / "text"
ENTRIES, STYLE = TEXTS / "references.bib", TEXTS / "references.csl"


class CitationError(RuntimeError):
    """A text cites what the bibliography does not have."""


@cache
def entries() -> dict[str, dict]:
    """Every entry by its key, as CSL has it."""
    found = pypandoc.convert_file(str(ENTRIES), "csljson", format="bibtex")
    return {entry["id"]: entry for entry in json.loads(found)}


@cache
def written(keys: tuple[str, ...], language: str) -> dict[str, str]:
    """The HTML of these entries, by key; ``language`` is an HTML lang."""
    cited = " ".join(f"[@{key}]" for key in keys)
    options = ["--citeproc", f"--bibliography={ENTRIES}", f"--csl={STYLE}", f"--metadata=lang:{language}"]
    options += ["--metadata=link-bibliography:true", "--wrap=none", "--quiet"]
    page = BeautifulSoup(pypandoc.convert_text(cited, "html", "markdown", extra_args=options), "html.parser")
    return {entry["id"].removeprefix("ref-"): entry.decode_contents().strip() for entry in page.select(".csl-entry")}


def inline(key: str) -> str:
    """An entry where there is no list: a Markdown link that names authors and year."""
    entry = entries()[key]
    names = [author["family"] for author in entry["author"]]
    shown = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
    address = entry.get("URL") or f"https://doi.org/{entry['DOI']}"
    return f"[{shown} {entry['issued']['date-parts'][0][0]}]({address})"


def show(report: Report) -> None:
    """The place of the list, which ``fill`` writes when the page is whole."""
    report.section("references")
    report_page.display(HTML('<ol class="references"></ol>'))


def fill(page: BeautifulSoup, say: Words) -> None:
    """Number a page's citations and write the list where ``<ol class="references">`` stands.

    Raises:
        CitationError: a citation without an entry, or citations without a list.
    """
    citations = page.find_all("a", href=re.compile("^#ref-"))
    keys = tuple(dict.fromkeys(link["href"].removeprefix("#ref-") for link in citations))
    if missing := [key for key in keys if key not in entries()]:
        raise CitationError(f"a text cites {', '.join(missing)}, which {ENTRIES.name} does not have.")
    place = page.find("ol", class_="references")
    if not keys:
        return
    if place is None:
        raise CitationError(
            "the report cites literature but shows no list of it: a cell with bibliography.show(report) does."
        )
    back: dict[str, list[str]] = {key: [] for key in keys}
    for link in citations:
        _number(link, keys, back)
    for key, shown in written(keys, say.html).items():
        place.append(BeautifulSoup(_entry(key, shown, back[key], say("references.back")), "html.parser"))


def _number(link: Tag, keys: Sequence[str], back: dict[str, list[str]]) -> None:
    key = link["href"].removeprefix("#ref-")
    link.string = f"[{keys.index(key) + 1}]"
    link["class"] = "citation reference"
    link["id"] = f"cite-{key}-{len(back[key]) + 1}"
    back[key].append(link["id"])


def _entry(key: str, shown: str, places: Sequence[str], back: str) -> str:
    arrows = "".join(f' <a class="back reference" href="#{place}" aria-label="{back}">↩</a>' for place in places)
    return f'<li id="ref-{key}"><cite>{shown}</cite>{arrows}</li>'
