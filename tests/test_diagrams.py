"""The diagrams: as the script draws them, the same in every language, readable, and with nothing out of its box."""

import re
import sys
from xml.etree import ElementTree

import pytest
import yaml
from playwright.sync_api import sync_playwright

from figures.browser import find_browser
from lib.files import ROOT
from lib.loss import nt_xent_loss
from lib.runs.records import load

sys.path.insert(0, str(ROOT / "figures"))
import diagrams
import facts

FOLDER = ROOT / "figures" / "diagrams"
FILES = [(name, language) for name in diagrams.DIAGRAMS for language in diagrams.LANGUAGES]
each_file = pytest.mark.parametrize(("name", "language"), FILES)
SVG = "{http://www.w3.org/2000/svg}"


@each_file
def test_the_committed_file_is_what_the_script_draws(name, language):
    assert (FOLDER / f"{name}.{language}.svg").read_text(encoding="utf-8") == diagrams.draw(name, language)


def test_no_file_is_left_over():
    assert {p.name for p in FOLDER.glob("*.svg")} == {f"{name}.{language}.svg" for name, language in FILES}


def test_every_language_has_the_same_words_with_the_same_blanks():
    english, *others = (yaml.safe_load((FOLDER / f"{code}.yaml").read_text("utf-8")) for code in diagrams.LANGUAGES)
    for other in others:
        assert {part: words.keys() for part, words in other.items()} == {p: w.keys() for p, w in english.items()}
        for part, words in english.items():
            for key, text in words.items():
                blanks, others_blanks = (sorted(re.findall(r"{.*?}", t)) for t in (text, other[part][key]))
                assert blanks == others_blanks, f"{part}: {key}"


@each_file
def test_stands_alone_and_says_what_it_shows(name, language):
    text = diagrams.draw(name, language)
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("lang") == language
    spoken = [root.find(f".//*[@id='{key}']").text for key in root.get("aria-labelledby").split()]
    assert all(len(part) > 5 for part in spoken)
    assert not root.findall(f".//{SVG}script")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "@import" not in text
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert float(root.get("width")) <= 480, "wider, and its text is too small on a phone"
    assert min(map(float, re.findall(r"(\d+)px", text))) >= 12


def test_numbers_are_the_codes():
    """Known shapes of the lab's networks, found in the drawing; so a change of the code that moves them is seen."""
    words = "".join(ElementTree.fromstring(diagrams.draw("network-cifar10", "en")).itertext())
    for shape in ("(64, 32, 32)", "(128, 16, 16)", "(256, 8, 8)", "(512, 4, 4)", "h (512)", "(256)", "z (128)"):
        assert shape in words
    words = "".join(ElementTree.fromstring(diagrams.draw("mnist-data", "en")).itertext())
    for count in ("60,000", "24,000", "12,000 labels", "6,000 labels"):
        assert count in words


def test_data_sets_are_split_as_the_pictures_say():
    published = load(ROOT / "figures" / "records" / "original" / "mnist-seed0")["dataset"]
    assert facts.SIZES["mnist"] == (published["train"], published["test"])
    for run in ("mnist", "cifar10-resnet18"):
        p = facts.parameters(run)
        held = set(facts.HELD_OUT[p["dataset"]])
        assert held <= set(range(1, p["chunk_count"] + 1))
        assert held.isdisjoint(p["unlabelled_chunks"])
        assert all(held.isdisjoint(chunks) for chunks in p["labelled_chunks"])


def test_the_row_spelled_out_is_the_loss():
    """Each row's softmax cross-entropy, averaged, is lib.loss's value for the same projections."""
    z, tau = diagrams.toy_projections(), facts.parameters("mnist")["temperature"]
    losses = [-diagrams.row_shares(z, row, tau)[(row + len(z) // 2) % len(z)].log().item() for row in range(len(z))]
    assert sum(losses) / len(z) == pytest.approx(nt_xent_loss(z, tau).item(), rel=1e-5)
    share = re.search(
        r"−log (\d\.\d\d) = (\d\.\d\d)", "".join(ElementTree.fromstring(diagrams.draw("nt-xent", "en")).itertext())
    )
    assert float(share[2]) == pytest.approx(losses[1], abs=0.005)


# Every text lies in its own box, inside the picture, and clear of other boxes' edges, of other texts and of lines.
MISPLACED = """() => {
  const found = [], inner = (r, d) => ({left: r.left + d, right: r.right - d, top: r.top + d, bottom: r.bottom - d});
  const within = (a, b) => a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  const rect = e => e.getBoundingClientRect(), svg = document.documentElement;
  const texts = [...svg.querySelectorAll('text')], boxes = [...svg.querySelectorAll('g.box > rect.shape')];
  for (const text of texts) {
    const t = inner(rect(text), 1.5), say = why => found.push(`${text.textContent}: ${why}`);
    if (!within(rect(text), rect(svg))) say('out of the picture');
    const own = text.parentElement.querySelector(':scope > rect.shape');
    if (own && !within(rect(text), inner(rect(own), 1))) say('out of its box');
    for (const b of boxes) if (!apart(t, rect(b)) && !within(t, rect(b))) say('across the edge of a box');
    for (const o of texts) if (o !== text && !apart(t, inner(rect(o), 1.5))) say(`on ${o.textContent}`);
    for (const line of svg.querySelectorAll('path.flow, path.back, path.icon')) {
      const m = line.getCTM();
      for (let at = 0, all = line.getTotalLength(); at <= all; at += 2) {
        const p = line.getPointAtLength(at).matrixTransform(m);
        if (p.x > t.left && p.x < t.right && p.y > t.top && p.y < t.bottom) { say('on a line'); break; }
      }
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def tab():
    if not find_browser():
        pytest.skip("no browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@each_file
def test_no_text_leaves_its_box_or_lies_on_anything(tab, name, language):
    tab.goto((FOLDER / f"{name}.{language}.svg").as_uri())
    assert tab.evaluate(MISPLACED) == []


# Of each text: its colour, and the colour under it: the solid box it is in, else the paper.
COLOURS = """[...document.querySelectorAll('text')].map(text => {
  const under = text.closest('.solid')?.querySelector('.shape') ?? document.querySelector('.paper');
  return [getComputedStyle(text).fill, getComputedStyle(under).fill];
})"""


@each_file
@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 24, 27)")])
def test_text_stands_out_in_light_and_dark(tab, name, language, scheme, paper):
    """By a contrast of 4.5, WCAG's AA, on the report's paper of either scheme."""
    tab.emulate_media(color_scheme=scheme)
    tab.goto((FOLDER / f"{name}.{language}.svg").as_uri())
    pairs = {tuple(pair) for pair in tab.evaluate(COLOURS)}
    assert paper in {under for _, under in pairs}
    for pair in pairs:
        assert contrast(*(tuple(map(int, re.findall(r"\d+", colour))) for colour in pair)) > 4.5, pair


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """WCAG's contrast ratio of two sRGB colours."""

    def luminance(colour):
        linear = [(c / 255) / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
