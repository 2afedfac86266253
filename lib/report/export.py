"""An executed report notebook to one self-contained HTML file, checked before it is written.

It loads nothing from elsewhere, each number in it is a link to the record it comes from, and each
link inside it lands; else there is no report.
"""

import html
import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup, Tag
from bs4.element import PreformattedString
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from lib import words
from lib.files import ROOT, write_whole
from lib.report import bibliography
from lib.report.provenance import provenance
from lib.words import NUMBER

NOTEBOOKS = ROOT / "notebooks"
# What a link may lead to, and what the page may show: nothing that runs, nothing that is elsewhere.
LINK, SHOWN = re.compile(r"#|https:|mailto:|data:image/", re.I), re.compile("data:image/", re.I)
LINKS = ("href", "xlink:href", "action", "formaction", "cite", "ping", "longdesc")
LOADED = ("src", "srcset", "poster", "data", "background", "manifest")
ACTIVE = (
    "script, iframe, frame, object, embed, applet, portal, form, base, link:not([rel=icon]), "
    "meta[http-equiv]:not([http-equiv=Content-Security-Policy])"
)
# Where a number needs no record: formulas, literature, the kit's own counting, the student's data, code.
STRUCTURE = "math, cite, nav, .section, .label, .given, .reference, .cover table, .sources, .code, pre, script, style"


class ReportError(RuntimeError):
    """A report that must not be handed in."""


class _Renderer(IPythonRenderer):
    """Formulas as MathML, which browsers set themselves: no script, no font from elsewhere."""

    def block_math(self, body: str) -> str:
        # a long formula scrolls on a narrow screen, by keyboard too
        return self._mathml(body.strip(), "block", 'tabindex="0"')

    def inline_math(self, body: str) -> str:
        return self._mathml(body.strip(), "inline")

    def _mathml(self, tex: str, display: str, more: str = "") -> str:
        """With the TeX it was written in beside it, which the PDF and Word take."""
        return convert(tex, display=display).replace("<math ", f'<math {more} alttext="{html.escape(tex)}" ', 1)


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
        """HTML with the contents, the language and the numbers of references filled in."""
        body, resources = super().from_notebook_node(nb, resources, **options)
        soup = BeautifulSoup(body, "html.parser")
        cover = soup.find("header", class_="cover")
        say = words.load(cover["data-language"] if cover else "en")
        soup.html["lang"] = say.html
        for block in soup.find_all("pre"):
            block["tabindex"] = "0"
        soup.find("a", class_="skip").string = say("label.skip")
        if cover:
            names = [cover.h1.get_text(), *(c.get_text() for c in cover.select("tr:first-child td"))]
            soup.title.string = " · ".join(name for name in names if name != "–")  # the PDF's running head
            # the cover and the abstract come before the contents, on screen and on paper
            _first_page(soup, cover)
        _contents(soup, say)
        _unbroken(soup)
        _references(soup)
        bibliography.fill(soup, say)
        return str(soup), resources


def _first_page(soup: BeautifulSoup, cover: Tag) -> None:
    """Cover and abstract before the contents, the headline figure inside the abstract."""
    contents, headline = soup.find(id="contents"), soup.find(id="figure-headline")
    abstract = soup.find(class_="abstract")
    contents.insert_before(cover.extract())
    if abstract and headline:
        abstract.append(headline.extract())
    if abstract:
        contents.insert_before(abstract.extract())


def _contents(soup: BeautifulSoup, say: words.Words) -> None:
    """Fill ``<nav id="contents">`` from the headings, the third level inside the second."""
    chapters: list[tuple[str, list[str]]] = []
    for heading in soup.main.find_all(["h2", "h3"]):
        for anchor in heading.find_all("a", class_="anchor-link"):
            anchor.decompose()
        name = " ".join(heading.get_text().split())
        link = f'<a href="#{html.escape(heading["id"])}">{html.escape(name)}</a>'
        if heading.name == "h2" or not chapters:
            chapters.append((link, []))
        else:
            chapters[-1][1].append(f"<li>{link}</li>")
    items = ""
    for link, below in chapters:
        items += f"<li>{link}<ol>{''.join(below)}</ol></li>" if below else f"<li>{link}</li>"
    title = f'<h2 id="contents-title">{say("label.contents")}</h2>'
    soup.find(id="contents").append(BeautifulSoup(f"{title}<ol>{items}</ol>", "html.parser"))


def _unbroken(soup: BeautifulSoup) -> None:
    """Names such as CIFAR-10 are not broken at their hyphen in headings, as a narrow screen would."""
    for text in soup.body.find_all(string=re.compile(r"\w-\d")):
        if text.find_parent(["h1", "h2", "h3", "h4", "nav"]):
            whole = re.sub(r"[\w-]+-\d+", r'<span class="whole">\g<0></span>', html.escape(text))
            text.replace_with(BeautifulSoup(whole, "html.parser"))


def _references(soup: BeautifulSoup) -> None:
    """Give links without text, ``[](#figure-views)``, the label of what they lead to."""
    for link in soup.find_all("a", href=re.compile("^#(figure|table)-")):
        if link.get_text().strip():
            continue
        target = soup.find(id=link["href"][1:])
        if target is None:
            raise ReportError(f"the text refers to {link['href']}, which the report does not show.")
        link.string = target.find(class_="label").get_text().strip(" .。　")
        link["class"] = "reference"


def unsourced(soup: Tag) -> list[str]:
    """Numbers in a page that are from no record, each with the text around it."""
    allowed = {id(tag) for tag in soup.select(f"{STRUCTURE}, a.sourced")}
    found = []
    for text in soup.find_all(string=NUMBER):
        if isinstance(text, PreformattedString) or any(id(parent) in allowed for parent in text.parents):
            continue
        around = " ".join(text.parent.get_text().split())
        found.append(f"{NUMBER.search(text)[0]} in “{around[:100]}”")
    return found


def _refuse_active(soup: BeautifulSoup) -> None:
    """Refuse what would run, load from elsewhere, or lead to anything but a place in the page, the web or a mailbox."""
    for tag in soup.select(ACTIVE):
        raise ReportError(f"the report holds <{tag.name}>, which no report needs: {str(tag)[:100]}")
    for tag in soup.find_all(True):
        for name, value in tag.attrs.items():
            address = re.sub(r"[\x00-\x20]", "", value) if isinstance(value, str) else ""  # as browsers read it
            if name.startswith("on"):
                raise ReportError(f"the report would run {name}={value!r}.")
            loads = name in LOADED or (tag.name, name) == ("link", "href")
            if loads and not SHOWN.match(address):
                raise ReportError(f"the report would load {value} from elsewhere.")
            if name in LINKS and not LINK.match(address):
                raise ReportError(f"the report would lead to {value}: only #…, https: and mailto: are right.")
        styles = tag.get("style", "") + (tag.get_text() if tag.name == "style" else "")
        if re.search(r"@import|url\((?!\s*['\"]?(data:image/|#))", styles, re.I):
            raise ReportError(f"the report's style would load something from elsewhere: {styles[:100]}")


def check(soup: BeautifulSoup) -> None:
    """Refuse a page that loads from elsewhere or runs something, holds a number without a record, two places with
    one id, or a link that leads nowhere.

    Raises:
        ReportError: with what was found.
    """
    _refuse_active(soup)
    places = Counter(tag["id"] for tag in soup.find_all(id=True))
    if twice := [name for name, count in places.items() if count > 1]:
        raise ReportError(
            f"two places of the report have one id, {twice[0]!r}, so that a link to it would lead to the first of them "
            "only. Give one of the two another anchor."
        )
    for link in soup.find_all("a", href=re.compile("^#")):
        if link["href"][1:] not in places:
            raise ReportError(f"the link {link['href']} of “{link.get_text()}” leads nowhere.")
    if numbers := unsourced(soup.body):
        raise ReportError(
            f"numbers that are from no record: {'; '.join(numbers)}. Take them from one (lib.report.values) and "
            "give them to the text; literature goes into <cite>, formulas between $."
        )


def export(notebook: str | Path, target: str | Path) -> None:
    """An executed report notebook as one HTML file, written beside its place and renamed; next to it, as text, where
    everything comes from.

    Raises:
        ReportError: it must not be handed in; see ``check``.
    """
    node = nbformat.read(notebook, as_version=4)
    body, _ = ReportExporter().from_notebook_node(node)
    soup = BeautifulSoup(body, "html.parser")
    check(soup)
    if soup.find(id="appendix"):
        told = provenance(soup, words.load(soup.find("header", class_="cover")["data-language"]))
        write_whole(Path(target).with_suffix(".provenance.md"), told.encode())
    write_whole(target, body.encode())
