"""The lessons in JupyterLab as a student has them: a training watched, sliders moved, a digit drawn, a map brushed.

One JupyterLab and one browser for all of them; together under five minutes on a quiet machine.
"""

import re
import time

import nbformat
import pytest
from nbconvert import HTMLExporter

from lib import words
from tests.browser import Opened
from tests.pictures import without_picture


@pytest.fixture
def lesson(jupyterlab):
    """Opens a notebook in a tab; its kernel ends with the test."""
    tab = jupyterlab.browser.new_page()
    tab.set_default_timeout(120_000)
    yield lambda name: Opened(tab, jupyterlab, name)
    tab.close()
    jupyterlab.stop_kernels()


def saved(opened, jupyterlab):
    """The notebook as it was saved, without an error and with every figure."""
    opened.save()
    notebook = nbformat.read(jupyterlab.folder / opened.name, as_version=4)
    assert not [
        cell.source for cell in notebook.cells if any(o.output_type == "error" for o in cell.get("outputs", ()))
    ]
    assert without_picture(notebook) == []
    return notebook


# A training


@pytest.mark.slow
def test_the_curves_of_mnist_grow_while_it_trains_and_every_figure_is_there(lesson, jupyterlab):
    opened = lesson("mnist.ipynb")
    opened.note_pictures()
    opened.run_all()
    opened.wait_for_all()
    grown = [seen for seen in opened.noted() if seen["line"].startswith("pretraining")]
    epochs = [tuple(map(int, re.match(r"pretraining (\d+)/(\d+)", seen["line"]).groups())) for seen in grown]
    assert len({seen["picture"] for seen in grown}) >= 2, "one figure, drawn again while its cell was at work"
    assert epochs[0][0] < epochs[-1][0] == epochs[-1][1], epochs
    assert epochs == sorted(epochs)
    assert any("kNN" in seen["line"] and "left" in seen["line"] for seen in grown[:-1])
    notebook = saved(opened, jupyterlab)
    put_out = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    figures = [output for output in put_out if "image/png" in output.get("data", {})]
    drawn = [output for output in put_out if "data:image/svg+xml" in output.get("data", {}).get("text/html", "")]
    sizes = opened.tab.locator(".jp-OutputArea-output img").evaluate_all(
        "all => all.map(image => [image.naturalWidth, image.clientWidth])"
    )
    assert len(sizes) == len(figures) + len(drawn)
    assert (len(figures) >= 5, len(drawn)) == (True, 2), "the network and its classifier are diagrams"
    assert all(drawn > 300 and 300 < width <= 1100 for drawn, width in sizes), sizes
    assert all(len(output.metadata["image/png"]["alt"]) > 20 for output in figures), "JupyterLab keeps it to itself"


# Things to touch


@pytest.fixture(params=["en", "zh"])
def opened(lesson, request):
    """explore.ipynb after Run All."""
    found = lesson("explore.ipynb" if request.param == "en" else "explore.zh.ipynb")
    found.say = words.load(request.param)
    found.run_all()
    found.tab.wait_for_selector(".jp-OutputArea-output img", state="attached")
    found.first_picture = time.perf_counter() - found.start
    found.wait_for_all()
    return found


@pytest.mark.slow
def test_touched_in_a_browser(opened, jupyterlab, tmp_path):
    """Sliders, pad and map answer; what is saved shows every figure, and its map works without a kernel."""
    tab, say = opened.tab, opened.say
    waits = [slide(opened, room, name) for room, name in TOUCHED.items()]
    assert "3" in draw_three(opened)
    brush(tab)
    print(f"first picture {opened.first_picture:.1f} s, answers {[f'{1000 * wait:.0f} ms' for wait in waits]}")
    labels = tab.locator(".widget-label").all_inner_texts()
    assert all(say(key) in labels for key in TOUCHED.values())
    (kernel,) = jupyterlab.kernels()
    assert kernel.memory_info().rss < 1.5e9
    notebook, page = saved(opened, jupyterlab), tmp_path / "saved.html"
    for cell in notebook.cells:  # where there is no kernel, a sentence and not the name of a class
        for output in cell.get("outputs", ()):
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                assert output.data["text/plain"] == str(say("explore.needs_kernel"))
    page.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
    alone = jupyterlab.browser.new_context(offline=True, viewport={"width": 1280, "height": 1000}).new_page()
    alone.goto(page.as_uri(), wait_until="domcontentloaded")
    assert alone.locator(".jp-OutputArea-output img").count() >= 5
    brush(alone)
    alone.context.close()


#: A slider of each room that has some, by the class of what it changes.
TOUCHED = {
    "explore-views": "explore.operation.crop",
    "explore-loss": "explore.temperature",
    "explore-failures": "explore.change.rotate",
}


def slide(opened, room, key):
    """Move a slider by the keyboard; the seconds until what it belongs to has changed."""
    shown = opened.tab.locator(f".{room}").first
    shown.scroll_into_view_if_needed()
    box = opened.tab.locator(".widget-slider", has=opened.tab.get_by_text(opened.say(key), exact=True))
    box.locator(".noUi-handle").last.focus()
    before = shown.inner_html()
    start = time.perf_counter()
    opened.tab.keyboard.press("ArrowRight")
    opened.changed(f".{room}", before)
    return time.perf_counter() - start


def draw_three(opened):
    """Draw a 3 with the mouse; the heading of SimCLR's answer."""
    tab = opened.tab
    pad = tab.locator("canvas.explore-pad")
    pad.scroll_into_view_if_needed()
    tab.wait_for_timeout(1000)  # pictures above it may still find their place
    before, box = tab.locator(".explore-digit").first.inner_html(), pad.bounding_box()
    path = [(90, 70), (140, 45), (185, 70), (180, 110), (130, 135), (185, 160), (190, 205), (140, 235), (85, 210)]
    x, y = path[0]
    tab.mouse.move(box["x"] + x, box["y"] + y)
    tab.mouse.down()
    for x, y in path[1:]:
        tab.mouse.move(box["x"] + x, box["y"] + y, steps=4)
    tab.mouse.up()
    told = opened.changed(".explore-digit", before)
    assert all(opened.say(f"explore.reader.{name}") in told for name in ("simclr", "random", "pixels"))
    return re.search(r"SimCLR\S? ?[“\"](.)", re.sub("<[^>]*>", "", told))[1]


def brush(tab):
    """Mark a part of the map, and see other images below it."""
    frame = tab.frame_locator("iframe.explore-map")
    canvas = frame.locator("canvas")
    canvas.scroll_into_view_if_needed()
    tab.wait_for_timeout(1000)
    tab.locator("iframe.explore-map").scroll_into_view_if_needed()
    before, box = below(canvas), canvas.bounding_box()
    tab.mouse.move(box["x"] + 60, box["y"] + 60)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 260, box["y"] + 240, steps=5)
    tab.mouse.up()
    for _ in range(100):
        if below(canvas) != before:
            return
        tab.wait_for_timeout(100)
    raise AssertionError("no other images after the map was brushed")


def below(canvas):
    """What is drawn below the map, where the brushed images are."""
    part = "Math.round(canvas.height * 0.7), Math.round(canvas.width * 0.55), Math.round(canvas.height * 0.3)"
    return canvas.evaluate(
        f"canvas => canvas.getContext('2d').getImageData(0, {part}).data.reduce((sum, v, i) => (31 * sum + v) | 0, 0)"
    )
