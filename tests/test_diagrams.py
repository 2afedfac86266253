"""The diagrams: of the run reported, the same in every language, readable, and with nothing out of its box."""

import re
from xml.etree import ElementTree

import pytest
import torch
import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright

from figures.browser import find_browser
from lib import words
from lib.files import ROOT
from lib.loss import nt_xent_loss
from lib.models import SimCLR
from lib.report import drawing, page, values
from lib.report.drawing.facts import Facts
from lib.report.drawing.loss import row_shares, toy_projections
from lib.report.measure import width, wrapped
from lib.runs.records import load

FOLDER = ROOT / "lib/report/drawing"
RECORDS = ROOT / "figures/records"


@pytest.mark.parametrize("kind", ["network", "classifier"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_notebook_shows_a_diagram_as_an_image_with_a_description(kind, language, monkeypatch):
    monkeypatch.setattr(words, "current", lambda: words.load(language))
    shown = drawing.picture(kind, load(RECORDS / "quick/cifar10-seed0")).data
    image = BeautifulSoup(shown, "html.parser").img
    assert image["src"].startswith("data:image/svg+xml,")
    assert image["alt"] == drawing.draw(kind, load(RECORDS / "quick/cifar10-seed0"), words.load(language)).drawn().alt


SVG = "{http://www.w3.org/2000/svg}"


def resnet(name, weights):
    """The record of a ResNet that no published record has; no diagram runs it."""
    record = load(RECORDS / "quick/cifar10-seed0")
    record["parameters"] |= {"encoder": name, "weights": weights, "feature_layers": [], "projection": [512, 256],
                             "batch_size": 512, "whiten_stem": False, "small_crops": [], "run": name}  # fmt: skip
    return record


def folder():
    """A folder of somebody's images, with chunks, names and layers as awkward as they may be."""
    record = load(RECORDS / "quick/cifar10-seed0")
    record["dataset"] |= {"name": "pets of my *grandmother* & all {her} neighbours <2>", "train": 1234, "test": 99,
                          "shape": [3, 96, 128], "classes": ["cat", "dog"]}  # fmt: skip
    record["parameters"] |= {"chunk_count": 30, "unlabelled_chunks": [1, 2, 5, 6, 7, 30], "small_crops": [],
                             "labelled_chunks": [[8], [1, 3], [4, 9, 10]], "augmented_views": 1, "run": "r" * 90,
                             "left_out": ["ResizedCrop"], "feature_layers": ["stage1.0", "stage2"],
                             "classifier_hidden": []}  # fmt: skip
    record["pictures"] = {}
    return record


CASES = {
    "original": lambda: load(RECORDS / "original/mnist-seed0"),
    "improved-mnist": lambda: load(RECORDS / "improved/mnist-seed0"),
    "improved-cifar10": lambda: load(RECORDS / "improved/cifar10-seed0"),
    "resnet18": lambda: resnet("resnet18", "imagenet"),
    "resnet34": lambda: resnet("resnet34", "none"),
    "resnet50": lambda: resnet("resnet50", "weights.pth"),
    "folder": folder,
}
KINDS = [*drawing.DRAWINGS, *(f"{kind}, flat" for kind in drawing.FLAT)]
each_case = pytest.mark.parametrize(
    ("case", "kind", "language"), [(c, k, lang) for c in CASES for k in KINDS for lang in words.LANGUAGES]
)


def draw(kind, case, language="en"):
    kind, _, flat = kind.partition(", ")
    return drawing.draw(kind, CASES[case](), words.load(language), flat=bool(flat)).svg()


def said(svg):
    return " ".join("".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text"))


def test_every_language_has_the_same_words_with_the_same_blanks():
    english, *others = (yaml.safe_load((FOLDER / f"{code}.yaml").read_text("utf-8")) for code in words.LANGUAGES)
    for other in others:
        assert {part: texts.keys() for part, texts in other.items()} == {p: t.keys() for p, t in english.items()}
        for part, texts in english.items():
            for key, text in texts.items():
                blanks, theirs = (sorted(re.findall(r"[{<].*?[}>]", str(t))) for t in (text, other[part][key]))
                assert key == "optimizers" or set(blanks) == set(theirs), f"{part}: {key}"


@each_case
def test_stands_alone_and_says_what_it_shows(case, kind, language):
    text = draw(kind, case, language)
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    spoken = [root.find(f".//*[@id='{key}']").text for key in root.get("aria-labelledby").split()]
    assert all(len(part) > 5 for part in spoken)
    assert not root.findall(f".//{SVG}script")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    most = 800 if kind.endswith("flat") else 480
    assert float(root.get("width")) <= most, "wider, and its text is too small on paper or on a phone"
    assert min(map(float, re.findall(r"font(?:-size)?: ?(\d+)px", text))) >= 12
    assert not re.search(r"[{}]|<[a-z_]+>", re.sub(r"{her\W*}?", "", said(text))), "a blank is not filled in"


def test_numbers_are_those_of_the_run():
    """Known shapes and settings, found in the drawing; so a change of the code that moves them is seen."""
    shapes = said(draw("network", "resnet18"))
    for shape in ("(64, 32, 32)", "(128, 16, 16)", "(256, 8, 8)", "(512, 4, 4)", "h (512)", "(512)", "z (256)"):
        assert shape in shapes
    for kind in ("network", "network, flat"):
        improved = said(draw(kind, "improved-cifar10"))
        assert "fast ResNet" in improved
        assert "(48, 16, 16)" in improved
        assert "ResNet-18" not in improved
    head = said(draw("classifier", "improved-cifar10"))
    sizes = "in 32 × 32, 48 × 48, 64 × 64 pixels"
    for shown in (sizes, "stage1 (64, 4, 4)", "stage2", "(128, 4, 4)", "averaged to", "9,216"):
        assert shown in head
    for count in ("60,000", "24,000", "12,000", "6,000"):
        assert count in said(draw("data", "original"))
    step = said(draw("training-step", "improved-cifar10"))
    assert "Muon" in step
    assert "crop, flip, colour jitter, greyscale" in step
    assert "flip" not in said(draw("training-step", "improved-mnist"))


@pytest.mark.parametrize("case", CASES)
def test_the_network_is_the_one_that_ran(case):
    """Shapes and weights of a real network with numbers in it."""
    facts = Facts(CASES[case]())
    asked = facts.asked
    model = SimCLR(asked["encoder"], tuple(asked["projection"]), facts.shape, batch_norm=asked["projection_batch_norm"])
    with torch.no_grad():
        features, projections = model.eval()(torch.zeros(1, *facts.shape))
    assert facts.shapes["encoder"] == features.shape[1:]
    assert facts.shapes["projection_head"] == projections.shape[1:]
    assert facts.weights == sum(weight.numel() for weight in model.encoder.parameters())


def test_networks_are_drawn_once_each():
    def seeds(record):
        return [values.Value(record, (values.Source("r", "", None),))]

    larger = CASES["resnet18"]()
    larger["parameters"]["batch_size"] = 128
    found = drawing.networks([seeds(CASES["resnet18"]()), seeds(larger), seeds(CASES["resnet34"]())])
    assert [v.content["parameters"]["encoder"] for v in found] == ["resnet18", "resnet34"]


def test_a_diagram_that_is_not_there_is_refused():
    with pytest.raises(words.WordsError, match="no diagram 'netwerk'; there are: data, network"):
        drawing.draw("netwerk", CASES["original"](), words.load("en"))


def test_a_network_the_kit_does_not_know_is_said_not_to_be_drawn(monkeypatch):
    """A record of a student's own encoder, read where that encoder is not: the report is made all the same."""
    shown, record = [], CASES["original"]()
    record["parameters"]["encoder"] = "mine"
    monkeypatch.setattr(page, "display", lambda piece: shown.append(piece.data))
    given = values.Value(record, (values.Source("r", "", None),))
    page.Report("en").diagrams(given, "data", "network", "training-step")
    text, drawn = shown
    assert text.count("cannot be drawn: ") == 1
    assert drawn.count("<figure") == 1


@pytest.mark.parametrize(
    "text",
    [
        "a few words too long for it",
        "**all of it bold and long**, and more",
        "全部是汉字的一行（也有括号）和*斜体*字",
        "w" * 60,
    ],
)
def test_lines_are_broken_where_they_do_not_fit(text):
    lines = wrapped(text, 90, 13)
    assert "\n" in lines
    assert all(width(line, 13) <= 90 for line in lines.split("\n"))
    assert re.sub(r"[\s*]", "", lines) == re.sub(r"[\s*]", "", text)


@pytest.mark.parametrize(("case", "tau"), [("improved-cifar10", 0.1), ("original", 0.5)])
def test_the_row_spelled_out_is_the_loss(case, tau):
    """Each row's softmax cross-entropy, averaged, is lib.loss's value for the same projections."""
    z = toy_projections()
    losses = [-row_shares(z, row, tau)[(row + len(z) // 2) % len(z)].log().item() for row in range(len(z))]
    assert sum(losses) / len(z) == pytest.approx(nt_xent_loss(z, tau).item(), rel=1e-5)
    for kind in ("nt-xent", "nt-xent, flat"):
        share = re.search(r"−log (\d\.\d\d) = (\d\.\d\d)", said(draw(kind, case)))
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


@each_case
def test_no_text_leaves_its_box_or_lies_on_anything(tab, tmp_path, case, kind, language):
    (tmp_path / "d.svg").write_text(draw(kind, case, language), encoding="utf-8")
    tab.goto((tmp_path / "d.svg").as_uri())
    assert tab.evaluate(MISPLACED) == []


# Of each text: its colour, and the colour under it: the solid box it is in, else the paper.
COLOURS = """[...document.querySelectorAll('text')].map(text => {
  const under = text.closest('.solid')?.querySelector('.shape') ?? document.querySelector('.paper');
  return [getComputedStyle(text).fill, getComputedStyle(under).fill];
})"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 24, 27)")])
def test_text_stands_out_in_light_and_dark(tab, tmp_path, kind, scheme, paper):
    """By a contrast of 4.5, WCAG's AA, on the report's paper of either scheme."""
    (tmp_path / "d.svg").write_text(draw(kind, "improved-cifar10"), encoding="utf-8")
    tab.emulate_media(color_scheme=scheme)
    tab.goto((tmp_path / "d.svg").as_uri())
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
