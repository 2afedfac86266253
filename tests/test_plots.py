"""The figures: nothing cut off at either width, dark where the reader's system is, and said to those who do not see."""

import re
from itertools import combinations

import numpy as np
import pytest
import yaml
from matplotlib.colors import to_hex
from matplotlib.text import Annotation, Text

from lib import words
from lib.files import ROOT
from lib.report import plots, style, svg
from lib.report.named import crops_named, views_named
from lib.runs.records import load, load_all

RECORDS = ROOT / "figures/records"
DATASET = load(RECORDS / "improved/mnist-seed0")["dataset"]
CLAIMS = yaml.safe_load((ROOT / "notebooks/claims.yaml").read_text(encoding="utf-8"))


def everything(say):
    """Every figure of the published records, by name."""
    mnist, cifar = (load_all(RECORDS / "improved")[i : i + 3] for i in (4, 0))
    clusterings, labels = load(RECORDS / "improved/comparison-seed0"), load(RECORDS / "evidence/mnist-labels-seed0")
    rows = [("0.1", [0.9, 0.92], False), ("0.5", [0.8], True)]
    made = {
        "headline": plots.headline(load_all(RECORDS / "evidence"), CLAIMS, say),
        "neighbours": plots.neighbours(cifar[0], say),
        "map": plots.maps(cifar[0], say),
        "maps": plots.maps(labels, say),
        "comparison": plots.comparison(clusterings, say),
        "time": plots.clustering_time(clusterings, say),
        "labels": plots.label_efficiency([labels], say),
        "similarities": plots.similarities(labels, say),
        "growth": plots.growth([load(RECORDS / "evidence/mnist-seed0")], say),
        "controls": plots.controls([(name, rows) for name in "τBE"], labels["dataset"], say),
    }
    for name, seeds in (("mnist", mnist), ("cifar10", cifar)):
        assert {r["dataset"]["name"] for r in seeds} == {name}
        for plot in (plots.pretraining, plots.classifier, plots.class_accuracy):
            made[f"{plot.__name__}-{name}"] = plot(seeds, say)
        for plot in (plots.views, plots.mistakes):
            made[f"{plot.__name__}-{name}"] = plot(seeds[0], say)
        matrix = seeds[0]["results"]["classifiers"][0]["confusion"]
        made[f"confusion-{name}"] = plots.confusion(matrix, seeds[0]["dataset"], say)
    shades = np.linspace(-1, 1, 40 * 48).reshape(40, 3, 4, 4)
    made["filters"] = plots.filters(shades, cifar[0]["dataset"], say)
    made["centres"] = plots.centres(np.linspace(-0.1, 1.1, 10 * 784), mnist[0]["dataset"], say)
    made["pair cosines"] = plots.pair_cosines(np.eye(64)[::-1], mnist[0]["dataset"], say)
    return made


@pytest.fixture(scope="module", params=words.LANGUAGES)
def figures(request):
    return everything(style.drawable(words.load(request.param)))


def cut_off(figure):
    """Texts that stand beyond the figure's edge, and names beside a curve that lie on one another."""
    figure.draw_without_rendering()
    seen = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text()]
    for axis in (a for axes in figure.axes for a in (axes.xaxis, axes.yaxis)):  # ticks beyond an axis are not drawn
        shown = {id(tick) for tick in axis._update_ticks()}
        unseen = {id(tick.label1) for tick in axis.get_major_ticks() if id(tick) not in shown}
        seen = [text for text in seen if id(text) not in unseen]
    edge = figure.bbox.padded(2)
    found = []
    for text in seen:
        box = text.get_window_extent()
        if box.x0 < edge.x0 or box.x1 > edge.x1 or box.y0 < edge.y0 or box.y1 > edge.y1:
            found.append(text.get_text())
    beside = [t for t in seen if isinstance(t, Annotation) and t.xycoords == "axes fraction"]
    for one, other in combinations(beside, 2):
        if one.axes is other.axes and one.get_window_extent().padded(-2).overlaps(other.get_window_extent().padded(-2)):
            found.append(f"{one.get_text()} on {other.get_text()}")
    return found


def test_nothing_is_cut_off_at_the_reports_width_or_on_a_phone(figures):
    for name, figure in figures.items():
        assert cut_off(figure) == [], name
        assert figure.get_figwidth() <= 7.6, name
        if figure.narrow:
            assert cut_off(figure.narrow) == [], f"{name}, narrow"
            assert figure.narrow.get_figwidth() <= style.NARROW, name
        elif figure.stacks and figure.get_figwidth() > style.NARROW:
            with svg._stacked(figure):
                assert figure.get_figwidth() == style.NARROW
                assert cut_off(figure) == [], f"{name}, narrow"


def test_a_phone_gets_the_panels_one_below_the_other_and_the_figure_stays_as_it_was(figures):
    figure = figures["classifier-mnist"]
    before = svg.draw(figure)
    assert before.narrow.width == round(96 * style.NARROW) < before.width
    assert before.narrow.height > before.height
    assert svg.draw(figure).svg == before.svg
    images = svg.draw(figures["views-mnist"])
    assert images.narrow.width <= 96 * style.NARROW < images.width, "of images there are fewer"


def test_no_colour_of_a_text_is_left_black_and_every_ink_has_a_dark_one(figures):
    for name, figure in figures.items():
        for text in figure.findobj(Text):
            assert to_hex(text.get_color()) in style.DARK | dict.fromkeys(style.PALETTE), (name, text.get_text())
    drawn = svg.draw(figures["pretraining-mnist"]).svg
    assert "@media screen and (prefers-color-scheme: dark)" in drawn
    assert f'[style*="fill: {style.INK}"]' in drawn


@pytest.mark.parametrize("colour", style.PALETTE)
def test_letters_in_a_colour_stand_out_on_white(colour):
    light = np.array([int(style.legible(colour)[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(light <= 0.04, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    assert 1.05 / (0.05 + linear @ (0.2126, 0.7152, 0.0722)) > 4.5


def test_what_a_figure_shows_is_said_in_plain_words(figures):
    for name, figure in figures.items():
        assert re.search(r"\d", figure.alt), name
        assert not re.search(r"&#?\w+;|\{\{|nan", figure.alt), f"{name}: {figure.alt}"


def test_the_loss_said_is_the_records():
    runs = [load(RECORDS / f"improved/cifar10-seed{seed}") for seed in range(3)]
    losses = [[e["loss"] for e in r["history"]["pretraining"]] for r in runs]
    first, last = (np.mean([curve[at] for curve in losses]) for at in (0, -1))
    alt = plots.pretraining(runs, words.load("en")).alt
    assert alt.startswith(
        f"The loss falls from {first:.2f} to {last:.2f} over {len(losses[0])} epochs; the dashed line"
    )
    rising = {**runs[0], "history": {"pretraining": runs[0]["history"]["pretraining"][::-1]}}
    assert "does not fall" in plots.pretraining([rising], words.load("en")).alt


def test_accuracy_of_classes_is_shown_where_it_differs_and_says_where_the_axis_begins():
    runs = [load(RECORDS / "improved/mnist-seed0")]
    (axis,) = plots.class_accuracy(runs, words.load("en")).axes
    low = min(min(e["class_accuracy"]) for e in runs[0]["results"]["classifiers"])
    assert 90 < axis.get_ylim()[0] < 100 * low
    assert axis.get_ylabel().endswith(f"axis from {axis.get_ylim()[0]:.0f}%")


def test_a_mistake_is_one_line():
    record = load(RECORDS / "improved/mnist-seed0")
    first = record["results"]["mistakes"][0]
    (axis,) = plots.mistakes(record, words.load("en")).axes
    assert axis.texts[0].get_text() == f"{first['label']} → {first['predicted']} ({first['probability']:.0%})"


def test_the_headline_has_every_run_beside_its_baselines():
    records = load_all(RECORDS / "evidence")
    figure = plots.headline(records, CLAIMS, words.load("en"))
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["MNIST", "CIFAR-10"]
    names = " ".join(label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels())
    for name in ("evaluation, 6,000", "head, 6,000", "original lab, 6,000", "from scratch, 6,000", "best clustering"):
        assert name in names
    of = [r for r in records if r["parameters"]["run"] == "mnist"]
    first = [r["results"]["classifiers"][0] for r in of]
    linear, head = np.mean([[c["linear_evaluation"]["accuracy"], c["test_accuracy"]] for c in first], 0)
    assert [p.get_width() for p in figure.axes[0].patches[:2]] == pytest.approx([100 * linear, 100 * head])
    assert plots.headline([load(RECORDS / "improved/comparison-seed0")], CLAIMS) is None
    sample = load(RECORDS / "quick/mnist-seed0")
    sample["dataset"] |= {"genuine": False, "source": "embedded sample"}
    assert "original lab" not in plots.headline([sample], CLAIMS, words.load("en")).alt


def test_views_and_sizes_are_named_by_what_is_done():
    say = words.load("en")
    named = "flip (50%), crop to 80–100% of the area (50%), blur (30%), rotation up to 15°"
    assert views_named("original_mnist", say) == named
    assert "flip" not in views_named("original_mnist", say, ["HorizontalFlip"])
    assert views_named("strong_mnist", words.load("zh")).startswith("旋转不超过 25°，平移不超过 10%")
    assert crops_named([[6, 16], [16, 24]], 19, say) == "16 px to epoch 6, 24 px to epoch 16, then whole size"
    assert crops_named([[2, 16], [3, 24]], 3, say) == "16 px to epoch 2, 24 px to epoch 3", "no epoch is left"
    assert crops_named([], 3, say) == ""


def test_filters_are_grey_at_zero_and_reach_to_white_or_black():
    weights = np.zeros((2, 1, 2, 2))
    weights[0, 0, 0, 0], weights[1, 0, 1, 1] = 0.5, -0.01
    first, second = (image.get_array() for image in plots.filters(weights, DATASET).axes[0].images)
    assert first.tolist() == [[255, 127], [127, 127]]
    assert second.tolist() == [[127, 127], [127, 0]]


def test_centres_are_images_of_the_data_sets_shape_and_may_lie_a_little_outside_the_range():
    pixels = np.zeros((3, 784))
    pixels[1, 29], pixels[2, 0] = 1.2, -0.1
    shown = [image.get_array() for image in plots.centres(pixels, DATASET).axes[0].images]
    assert shown[1][1, 1] == 255
    assert [image.sum() for image in shown] == [0, 255, 0]


def test_the_cosines_of_pairs_have_partners_on_the_diagonal():
    first, second = np.eye(20), np.roll(np.eye(20), 1, axis=1)  # the second view of image i is as the first of i + 1
    z = np.concatenate([first, second])
    drawn = plots.pair_cosines(z @ z.T, DATASET, style.ENGLISH, images=5)
    shown = drawn.axes[0].images[0].get_array()
    assert shown.shape == (5, 5)
    assert [tuple(place) for place in np.argwhere(shown)] == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert "on the diagonal: 0.00; of all others: 0.20" in drawn.alt
