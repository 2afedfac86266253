"""The real report in both languages, in a browser: what a reader gets. On paper: test_paper.py."""

import re
from itertools import pairwise

import matplotlib
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from matplotlib import font_manager
from playwright.sync_api import sync_playwright

from figures.browser import find_browser
from lib import words
from lib.files import ROOT
from lib.report import plots, style, values
from lib.runs.records import load

PUBLISHED = ROOT / "figures/records"
CHAPTERS = {
    "en": ["Background and motivation", "Current methods", "Experiment", "Results", "Conclusions"],
    "zh": ["问题背景与动机", "现有方法", "实验过程", "实验结果", "结论"],
}
needs_browser = pytest.mark.skipif(not find_browser(), reason="no Chromium, Chrome or Edge on this machine")
needs_font = pytest.mark.skipif(not style.chinese_font(look=True), reason="no font with Chinese characters here")
both = pytest.mark.parametrize("language", ["en", "zh"])


def parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@both
def test_chapters_figures_tables_and_numbers(reports, language):
    page, say = parsed(reports(language)), words.load(language)
    assert page.html["lang"] == say.html
    assert reports(language).stat().st_size < 4_500_000  # each plot twice, for a screen and for a phone
    chapters = [h.get_text().split(maxsplit=1)[1] for h in page.main.find_all("h2")]
    assert chapters[:5] == CHAPTERS[language]
    for kind in ("figure", "table"):
        labels = [tag.get_text() for tag in page.body.select(f"[id^={kind}-] .label")]
        assert len(labels) >= 4
        assert labels == [say(f"label.{kind}", number=i) for i in range(1, len(labels) + 1)]
    assert len(page.select("a.reference")) >= 8
    levels = [int(h.name[1]) for h in page.find_all(re.compile("^h[1-6]$"))]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels)), "a level is left out"
    assert not page.find("pre", class_="stream"), "the notebook printed or warned"
    for figure in page.select("figure:has(img)"):
        assert len(figure.img["alt"]) > 15
        assert figure.img["alt"] not in figure.figcaption.get_text(), "it says what is seen, not the caption again"


@both
def test_every_accuracy_is_the_records_and_one_click_away(reports, language):
    page = parsed(reports(language))
    records = [load(path) for path in sorted(PUBLISHED.glob("improved/mnist-*/record.json"))]
    for i in range(2):
        accuracies = [r["results"]["classifiers"][i]["test_accuracy"] for r in records]
        links = page.main.find_all("a", class_="sourced", string=values.percent(accuracies))
        assert len(links) >= 2  # the table and the conclusions
        row = page.find(id=links[0]["href"][1:]).get_text(" ")
        assert f".results.classifiers[{i}].test_accuracy" in row
        assert all(str(accuracy) in row for accuracy in accuracies)
        assert all(f"mnist-seed{seed}/record.json" in row for seed in range(3))


def test_both_languages_show_the_same_numbers_and_pictures(reports):
    pages = [parsed(reports(language)) for language in ("en", "zh")]
    for what in (".sources td", "figure[id]", "[id^=table-]", "main :is(h2, h3, h4)"):
        counts = {len(page.select(what)) for page in pages}
        assert len(counts) == 1, what
    numbers = [sorted(a.get_text() for a in page.select("main a.sourced:not(.name)")) for page in pages]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) > 100


def prose(page):
    """Words of a page that are neither from a record nor a name: the text of the report itself."""
    for tag in page.select("math, code, cite, pre, .code, a.sourced, .sources, .cover td"):
        tag.decompose()
    return page.body.get_text(" ")


def test_no_language_in_the_other_ones_report(reports):
    english, chinese = (prose(parsed(reports(language))) for language in ("en", "zh"))
    assert not re.search(r"[\u3000-\u9fff\uff00-\uffef]", english)
    assert not re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{3,}", chinese)
    assert "ENGLISH" not in chinese


def drawn():
    """Every figure of the published records in Chinese, and English, with its texts."""
    mnist = [load(path) for path in sorted(PUBLISHED.glob("improved/mnist-*/record.json"))]
    comparison = load(PUBLISHED / "improved/comparison-seed0")
    for language in ("zh", "en"):
        say = words.load(language)
        for plot in (plots.pretraining, plots.classifier, plots.class_accuracy):
            yield language, plot(mnist, say)
        for plot in (plots.views, plots.mistakes):
            yield language, plot(mnist[0], say)
        for plot in (plots.maps, plots.comparison, plots.clustering_time):
            yield language, plot(comparison, say)
        confusion = mnist[0]["results"]["classifiers"][0]["confusion"]
        yield language, plots.confusion(confusion, mnist[0]["dataset"], say)


@needs_font
@pytest.mark.filterwarnings("error:Glyph")
def test_figures_are_in_the_reports_language_without_empty_boxes():
    for language, figure in drawn():
        figure.canvas.draw()  # warns of a character that no font has
        texts = [t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_fontproperties"))]
        written = [text for text in texts if re.search(r"[A-Za-z]{3}|[\u4e00-\u9fff]", text)]
        assert written
        for text in written:
            chinese = bool(re.search(r"[\u4e00-\u9fff]", text))
            assert chinese == (language == "zh") or text in ("k-means", "SimCLR"), text


def test_without_a_chinese_font_figures_are_english(monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "font.family", matplotlib.rcParams["font.family"])  # put back afterwards
    monkeypatch.setattr(style, "CHINESE", ("No Such Font",))
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: ["/nowhere/broken.ttf"])
    assert style.drawable(words.load("zh")) is words.load("en")
    assert style.drawable(words.load("en")) is words.load("en")


@needs_browser
@both
@pytest.mark.parametrize("width", [1280, 400])
def test_in_a_browser(reports, language, width):
    """Nothing is asked for, nothing sticks out, contents follow the reader, axe-core finds nothing serious."""
    opened(reports(language), width)


@needs_browser
def test_the_evidence_in_a_browser(reports):
    """Wide tables, commands under them and a page of claims more: as sound as the rest."""
    made = reports("en", "evidence")
    page = parsed(made)
    assert [h.get_text().split(maxsplit=1)[1] for h in page.main.find_all("h2")][4] == "Controls and ablations"
    assert len(page.select("#table-claims tbody tr")) > 15
    assert len(page.select("[id^=table-evidence] code.command")) > 40
    opened(made, 400)
    assert not page.select("tbody code.command"), "commands leave the tables"


def opened(path, width):
    """A report opened in light and dark."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            requests, messages = [], []
            tab.on("request", lambda request, found=requests: found.append(request.url))
            tab.on("requestfailed", lambda request, found=messages: found.append(request.url))
            tab.on("console", lambda message, found=messages: found.append(message.text))
            tab.on("pageerror", lambda error, found=messages: found.append(str(error)))
            tab.goto(path.as_uri())
            look(tab, width)
            assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
            assert messages == []
            serious = [v for v in Axe().run(tab).response["violations"] if v["impact"] in ("serious", "critical")]
            assert not serious, [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in serious]
            tab.close()
        browser.close()


def look(tab, width):
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    images = "[...document.images].every(i => i.alt && i.complete && i.naturalWidth > 0 && i.width > 0 && i.height > 0"
    assert tab.evaluate(images + " && i.getAttribute('width') && i.getAttribute('height'))")
    assert tab.evaluate(
        "[...document.querySelectorAll('nav a')]"
        ".every(a => document.getElementById(decodeURIComponent(a.hash.slice(1))))"
    )
    boxes = tab.evaluate(
        "['header.cover', 'nav', 'main'].map(s => document.querySelector(s).getBoundingClientRect().toJSON())"
    )
    assert all(box["left"] >= 0 and box["right"] <= width for box in boxes)
    cover, contents, main = boxes
    assert contents["top"] >= cover["bottom"] or contents["right"] <= cover["left"], "the contents lie on the cover"
    assert main["top"] >= cover["bottom"]
    shift = "new Promise(done => new PerformanceObserver(l => done(l.getEntries().length))"
    shift += ".observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 300))"
    assert tab.evaluate(shift) == 0
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    if tab.evaluate("CSS.supports('scroll-target-group: auto')") and width > 1100:
        current = "[...document.querySelectorAll('nav a')].filter(a => a.matches(':target-current')).map(a => a.hash)"
        for place in ("methods", "conclusions"):
            tab.evaluate(f"document.getElementById('{place}').scrollIntoView()")
            for _ in range(150):  # wait_for_function would be a script, which the page allows none of
                if tab.evaluate(f"{current}.includes('#{place}')"):
                    break
                tab.wait_for_timeout(100)
            else:
                pytest.fail(f"the contents do not follow the reader to {place}")
