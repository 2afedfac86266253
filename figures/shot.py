"""The README's picture of a finished report: python figures/shot.py writes figures/report.<language>.webp.

The report of `improved` is made from the published records, without training, and photographed by a browser.
"""

import io
import os
import tempfile
from pathlib import Path

import papermill
from browser import find_browser
from PIL import Image, ImageOps
from playwright.sync_api import sync_playwright

from lib.files import ROOT
from lib.report.export import export

# The top of each panel: a heading of the report, by its id.
PANELS = ("body", "#experiment-mnist", "#classification-mnist")
PAGE, WIDTH, GAP = (780, 1060), 1500, 24  # pixels: one panel, the picture, between panels


def report(language: str, folder: Path) -> Path:
    """The HTML report of `improved` on the published records."""
    notebook, page = folder / "report.ipynb", folder / "report.html"
    given = {"profile": "improved", "language": language, "runs": str(ROOT / "figures/records")}
    source = ROOT / "notebooks/report.ipynb"
    papermill.execute_notebook(source, notebook, given, cwd=source.parent, progress_bar=False)
    export(notebook, page)
    return page


def panels(page: Path) -> list[Image.Image]:
    """What a reader sees at each of the headings.

    Raises:
        FileNotFoundError: no browser.
    """
    if not (browser_path := find_browser()):
        raise FileNotFoundError("no Chromium, Chrome or Edge was found: install one, or name it in LAB_BROWSER")
    sandbox = [] if hasattr(os, "geteuid") and os.geteuid() else ["--no-sandbox"]  # root has none
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=sandbox)
        view = browser.new_page(viewport=dict(zip(("width", "height"), PAGE, strict=True)), color_scheme="light")
        view.goto(page.as_uri())
        shots = []
        for place in PANELS:
            view.evaluate("place => document.querySelector(place).scrollIntoView()", place)
            shots.append(Image.open(io.BytesIO(view.screenshot())).convert("RGB"))
        browser.close()
    return shots


def picture(shots: list[Image.Image]) -> Image.Image:
    """The panels side by side, each with a thin edge."""
    shots = [ImageOps.expand(shot, 2, "#c8ccd2") for shot in shots]
    wide, high = shots[0].size
    whole = Image.new("RGB", (len(shots) * (wide + GAP) - GAP, high), "white")
    for place, shot in enumerate(shots):
        whole.paste(shot, (place * (wide + GAP), 0))
    return whole.resize((WIDTH, round(high * WIDTH / whole.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    for language in ("en", "zh"):
        with tempfile.TemporaryDirectory() as folder:
            shown = picture(panels(report(language, Path(folder))))
        shown.save(Path(__file__).parent / f"report.{language}.webp", quality=80, method=6)
