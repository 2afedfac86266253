"""The student's own words in the report, shown as theirs; their file is read by ``own_file``.

Nobody's words can run anything or break the page: HTML in them is shown as text, pictures as their description, and
a link leads to a place in the page, to the web or to a mailbox, or is no link.
"""

import re
from pathlib import Path
from typing import Any

from IPython.display import HTML
from markupsafe import Markup, escape
from nbconvert.filters.markdown_mistune import MarkdownWithMath

from lib.report import page
from lib.report.chapters.own_file import hint, place, read
from lib.report.export import LINK, _Renderer
from lib.report.page import Report


class _Theirs(_Renderer):
    """Markdown without HTML, pictures and headings of its own."""

    def __init__(self) -> None:
        super().__init__(escape=True, anchor_link_text="")

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        return f"<p><strong>{text}</strong></p>\n"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return f"[{text}]"

    def link(self, text: str, url: str, title: str | None = None) -> str:
        if LINK.match(url) and not url.lower().startswith("data:"):
            return f'<a href="{escape(url)}">{text}</a>'
        return f"{text} ({escape(url)})"

    def _formula(self, body: str, show: Any) -> str:
        try:
            shown = show(body)
        except Exception:  # whatever latex2mathml makes of half a formula
            shown = ""
        risky = re.search(r"(href|style|class|id|on\w+)\s*=", shown)
        return shown if shown and not risky else f"<code>{escape(body)}</code>"

    def block_math(self, body: str) -> str:
        return self._formula(body, super().block_math)

    def inline_math(self, body: str) -> str:
        return self._formula(body, super().inline_math)


class OwnWords:
    """What a student wrote, field by field; ``path`` empty: nothing."""

    def __init__(self, report: Report, path: str):
        self.report, self.shown = report, set()
        self.file = "/".join(Path(path or f"my-report/observations.{report.words.language}.md").parts[-2:])
        self.cover, self.fields = read(path)

    def filled_in(self, fields: dict[str, str]) -> dict[str, str]:
        """The cover's data; what the file says stands where nothing else was given."""
        return {name: given or self.cover.get(name, "") for name, given in fields.items()}

    def show(self, section: str, dataset: str = "") -> None:
        """The words for a section, or a line that says they are missing."""
        name, say = place(section, dataset), self.report.words
        self.shown.add(name)
        if said := self.fields.get(name):
            self._box(say("own.label"), said)
        else:
            label = Markup("<strong>{}</strong> ").format(say("own.label"))
            missing = say("own.empty", ask=hint(name, say), field=name, file=self.file)
            page.display(HTML(f'<div class="own empty given"><p>{label}{missing}</p></div>'))

    def show_others(self) -> None:
        """Words in fields that no section asked for: of another report, of one's own, or misspelt."""
        for name in [name for name, said in self.fields.items() if said and name not in self.shown]:
            self._box(self.report.words("own.other", field=name), self.fields[name])

    @staticmethod
    def _box(label: str, said: str) -> None:
        theirs = MarkdownWithMath(renderer=_Theirs()).render(said)
        page.display(HTML(f'<div class="own given"><p class="own-label"><strong>{label}</strong></p>{theirs}</div>'))
