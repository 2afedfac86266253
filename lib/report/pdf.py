"""HTML to PDF by a browser of the Chromium family that is already on the machine."""

import io
import logging
import os
import re
import shutil
import sys
import unicodedata
from pathlib import Path
from urllib.parse import unquote

from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject

from lib.files import written_whole

COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
HINT = (
    "no Chromium, Chrome or Edge was found, so there is no PDF; the HTML report is whole. "
    "Install one (Debian, Ubuntu: apt-get install chromium; macOS: brew install --cask chromium) "
    "or name it in the environment's LAB_BROWSER, and run the same command again."
)
# Chromium fills in the class names; the font size must be given, its default is 0.
FOOTER = (
    '<div style="width:100%;font:8px sans-serif;text-align:center;color:#444">'
    '<span class="pageNumber"></span> / <span class="totalPages"></span></div>'
)
# Entries of a PDF's table from drawings to characters that begin at a radical: <drawing> [<last drawing>] <character>
RADICALS = re.compile(r"^<(\w+)> (?:<(\w+)> )?<(2[EF][0-9A-F]{2})>$", re.M)
# Radicals that Unicode does not count as another form of the character.
SIMPLIFIED = dict(
    zip("⻅⻆⻉⻋⻓⻔⻘⻙⻚⻛⻜⻢⻣⻤⻥⻦⻧⻨⻩⻬⻮⻰", "见角贝车长门青韦页风飞马骨鬼鱼鸟卤麦黄齐齿龙", strict=True)
)
# Given the page of each id, writes it where report.css shows it.
NUMBER_CONTENTS = """pages => {
  for (const link of document.querySelectorAll("#contents a"))
    link.dataset.page = pages[decodeURIComponent(link.hash.slice(1))] ?? "";
}"""
HEADER = '<div style="width:100%;font:8px sans-serif;padding:0 20mm;color:#444"><span class="title"></span></div>'


def find_browser() -> str | None:
    """Path of a browser, the environment's ``LAB_BROWSER`` first; None if there is none."""
    if named := os.environ.get("LAB_BROWSER"):
        return shutil.which(named)
    found = [path for path in map(shutil.which, COMMANDS) if path]
    return next(iter(found + [path for path in APPLICATIONS if Path(path).exists()]), None)


def print_pdf(source: str | Path, target: str | Path) -> None:
    """Print an HTML file to A4 with page numbers and bookmarks; written beside its place and renamed.

    Browsers cannot ask on which page a heading stands, so it is printed twice: the contents' page
    numbers are read from the first PDF. They have a column of their own, so they move nothing.

    Raises:
        FileNotFoundError: no browser; the message says what to install.
    """
    from playwright.sync_api import sync_playwright

    browser_path = find_browser()
    if not browser_path:
        raise FileNotFoundError(HINT)
    # root has no sandbox (containers, CI); the page printed is our own file
    sandbox = [] if hasattr(os, "geteuid") and os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=[*sandbox, "--disable-background-networking"]
        )
        page = browser.new_page()
        page.goto(Path(source).absolute().as_uri())
        options = dict(
            format="A4", print_background=True, prefer_css_page_size=True, outline=True, tagged=True,
            display_header_footer=True, header_template=HEADER, footer_template=FOOTER,
        )  # fmt: skip
        page.evaluate(NUMBER_CONTENTS, contents_pages(page.pdf(**options)))
        with written_whole(target) as part:
            mend_characters(page.pdf(**options)).write(part)
        browser.close()


# Chromium counts fewer objects than its PDF holds; pypdf says so each time, and reads them all.
logging.getLogger("pypdf").setLevel(logging.ERROR)


def contents_pages(printed: bytes) -> dict[str, int]:
    """The page, counted from 1, of every place in a PDF that a link leads to, by the place's id."""
    reader = PdfReader(io.BytesIO(printed))
    places = reader.named_destinations.items()
    return {unquote(name.removeprefix("/")): reader.get_destination_page_number(place) + 1 for name, place in places}


def mend_characters(printed: bytes) -> PdfWriter:
    """A PDF whose text can be searched and copied in Chinese.

    A font draws 方 and the radical ⽅ alike, and Chromium says of the drawing that it is the radical.
    """
    writer = PdfWriter(clone_from=io.BytesIO(printed))
    for number in range(1, len(writer._objects) + 1):
        found = writer.get_object(number)
        if isinstance(found, DictionaryObject) and "/ToUnicode" in found:
            stream = found["/ToUnicode"].get_object()
            stream.set_data(RADICALS.sub(_mended, stream.get_data().decode()).encode())
    return writer


def _mended(entry: re.Match) -> str:
    """``<8F> <2F45>`` to ``<8F> <65B9>``; a run of drawings gets a list of characters."""
    first, last, start = entry.groups()
    count = int(last, 16) - int(first, 16) + 1 if last else 1
    radicals = [chr(int(start, 16) + i) for i in range(count)]
    plain = [f"<{ord(SIMPLIFIED.get(r) or unicodedata.normalize('NFKC', r)):04X}>" for r in radicals]
    return f"<{first}> <{last}> [{' '.join(plain)}]" if last else f"<{first}> {plain[0]}"


if __name__ == "__main__":
    try:
        print_pdf(*sys.argv[1:3])
    except FileNotFoundError as error:
        sys.exit(str(error))
