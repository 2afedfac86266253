"""Three ways from a report's page to paper: ``python -m bench.paper PAGE.html`` writes bench/results/paper.json.

A browser of the Chromium family through playwright, WeasyPrint (``pip install weasyprint``; not among the kit's
packages), and Typst fed by pandoc, which the kit uses. ``python -m bench.paper`` alone writes docs/report.md's table.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from figures.browser import find_browser
from lib.files import ROOT, fill
from lib.report.pdf import print_pdf

RECORD, PAGE = ROOT / "bench/results/paper.json", ROOT / "docs/report.md"


def browser(source: Path, target: Path) -> None:
    """By a browser, with tags and bookmarks; its contents have no page numbers."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        page = opened.new_page()
        page.goto(source.absolute().as_uri())
        page.pdf(path=target, format="A4", outline=True, tagged=True, print_background=True)
        opened.close()


def weasyprint(source: Path, target: Path) -> None:
    """By WeasyPrint, which knows no MathML."""
    from weasyprint import HTML

    HTML(source).write_pdf(target, pdf_tags=True)


# How, by which packages, and what else must be on the machine.
WAYS: dict[str, tuple[Callable[[Path, Path], None], tuple[str, ...], str]] = {
    "browser": (browser, ("playwright",), "Chromium, Chrome or Edge"),
    "WeasyPrint": (weasyprint, ("weasyprint", "fonttools", "pydyf", "tinycss2", "pyphen"), "Pango, by hand on Windows"),
    "Typst": (print_pdf, ("typst", "pypandoc_binary"), "nothing"),
}


def installed(packages: tuple[str, ...]) -> float:
    """Megabytes that packages take on the disk."""
    files = [file.locate() for name in packages for file in metadata.files(name) or ()]
    return sum(os.path.getsize(file) for file in files if os.path.exists(file)) / 1e6


def measure(source: Path) -> dict[str, Any]:
    """Pages, seconds and megabytes of each way; what went wrong where one fails."""
    found = {}
    for name, (way, packages, needs) in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            target, began = Path(folder) / "report.pdf", time.perf_counter()
            try:
                way(source, target)
            except Exception as error:
                found[name] = {"failed": f"{type(error).__name__}: {error}".strip(" :")[:100], "needs": needs}
            else:
                seconds, pages = time.perf_counter() - began, len(PdfReader(target).pages)
                found[name] = {"pages": pages, "seconds": round(seconds, 1), "needs": needs,
                               "megabytes": round(target.stat().st_size / 1e6, 1)}  # fmt: skip
            found[name]["installed"] = round(installed(packages))
    return {"page": source.name, "load": round(os.getloadavg()[0], 1), "ways": found}


def table(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    lines = [
        "| way | pages | seconds | PDF | packages | what else it needs |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, row in record["ways"].items():
        done = [f"{row['pages']}", f"{row['seconds']} s", f"{row['megabytes']} MB"] if "pages" in row else ["–"] * 3
        needs = row["needs"] + (f"; failed: {row['failed']}" if "failed" in row else "")
        lines.append(f"| {name} | {' | '.join(done)} | {row['installed']} MB | {needs} |")
    return "\n".join([*lines, "", f"Load of the machine (two cores) at the time: {record['load']}.", ""])


if __name__ == "__main__":
    if sys.argv[1:]:
        RECORD.write_text(json.dumps(measure(Path(sys.argv[1])), indent=1) + "\n", encoding="utf-8")
    fill(PAGE, "paper", table(json.loads(RECORD.read_text(encoding="utf-8"))))
