"""The curves of a training in a notebook: drawn while somebody looks on, left as one figure, and seldom enough."""

import time
from types import SimpleNamespace

import pytest
from jupyter_client.manager import start_new_kernel

from lib import progress, words
from lib.files import ROOT
from lib.progress import Training
from lib.report import live
from lib.runs.records import load

RECORD = load(ROOT / "figures/records/improved/mnist-seed0")
EPOCHS = [{**epoch, "knn_accuracy": 0.5 + epoch["epoch"] / 100} for epoch in RECORD["history"]["pretraining"]]
NAME = "explore/mnist-seed0 pretraining"


class Shell(SimpleNamespace):
    """A notebook: what its cells show, and what changes in place."""

    def display(self, shown, display_id):
        place = [shown]
        self.places.append(place)
        return SimpleNamespace(update=place.append)


@pytest.fixture
def shell(monkeypatch):
    request = {"header": {"msg_id": "1"}, "content": {"allow_stdin": True}}
    made = Shell(places=[], request=request, kernel=SimpleNamespace(get_parent=lambda: request))
    monkeypatch.setattr(live, "get_ipython", lambda: made)
    monkeypatch.setattr(live, "display", made.display)
    monkeypatch.setattr(progress, "WATCHERS", [])
    asked = SimpleNamespace(probe_images=1500)
    live.follow(
        SimpleNamespace(content=RECORD, dataset=RECORD["dataset"], asked=asked, profile="explore", name="mnist-seed0")
    )
    return made


def watch(training, epochs, apart=0.0):
    """A training as its watchers see it, an epoch every so many seconds."""
    progress.show(training)
    for epoch in epochs:
        training.history.append(epoch)
        progress.show(training)
        time.sleep(apart)
    training.ended = True
    progress.show(training)


def test_a_line_and_a_figure_change_in_place(shell, monkeypatch):
    monkeypatch.setattr(live.Picture, "APART", 0.0)
    monkeypatch.setattr(live.Picture, "SHARE", 1e9)
    watch(Training(NAME, len(EPOCHS), []), EPOCHS)
    line, figure = shell.places
    assert [f"{text}".split(" · ")[0] for text in line][::4] == [
        "pretraining 0/9",
        "pretraining 4/9",
        "pretraining 8/9",
    ]
    assert "white-space:nowrap" in line[0]._repr_mimebundle_()["text/html"]
    drawn = [len(drawing.axes[0].lines[0].get_xdata()) for drawing in figure]
    assert drawn == [*range(1, 10)], "an epoch more each time; the last one once, finished"
    assert {drawing.axes[1].get_xlim() for drawing in figure} == {(0.5, 9.5)}, "the curve grows into its axes"


def test_it_is_not_drawn_more_than_once_a_second(shell):
    watch(Training(NAME, 200, []), [EPOCHS[0]] * 100, apart=0.001)
    assert len(shell.places[1]) <= 3, "the first, the last, and what a slow machine takes for a second"


def test_the_next_cell_has_a_line_and_a_figure_of_its_own(shell):
    watch(Training(NAME, 1, []), EPOCHS[:1])
    shell.request["header"]["msg_id"] = "2"
    heads = [{"loss": 1.0, "accuracy": 0.5, "seconds": 0.1}] * 2
    for chunks, images in (("5", 6000), ("5, 6", 12000)):
        watch(Training(f"explore/mnist-seed0 classifier on chunks {chunks}", 2, [], images), heads)
    assert len(shell.places) == 4
    assert f"{shell.places[2][-1]}".startswith("classifier, 12,000 labels 2/2 · loss 1.00")
    names = {text.get_text() for text in shell.places[3][-1].axes[1].texts}
    assert names >= {"6,000 labels", "12,000 labels"}


def test_a_training_of_no_run_has_a_line_alone(shell):
    watch(Training("from scratch, 100 labels", 1, []), EPOCHS[:1])
    assert len(shell.places) == 1


def test_the_line_is_in_the_language_in_use(shell):
    words.use("zh")
    try:
        watch(Training(NAME, 2, [], left=40), EPOCHS[:1])
    finally:
        words.use("en")
    assert f"{shell.places[0][1]}" == f"预训练 1/2 · 损失 {EPOCHS[0]['loss']:.2f} · kNN 51.0% · 还需 40 s"
    assert f"{shell.places[0][-1]}".endswith("已中断")


def test_unwatched_it_is_printed_and_drawn_once(shell, capsys):
    shell.request["content"]["allow_stdin"] = False
    watch(Training(NAME, len(EPOCHS), []), EPOCHS)
    assert [len(place) for place in shell.places] == [1], "the finished figure"
    assert capsys.readouterr().out.startswith("pretraining 9/9 · loss")


CODE = """
import torch
from lib.report import live
from lib.runs import lab, recipes
from lib.training import pretrain
from lib.models import SimCLR
recipe, profile, run, runs, seed, epochs, language = "quick", "explore", "live", {runs!r}, 0, 4, "en"
record = lab.begin("mnist", globals())
live.follow(record)
data = lab.load_data(record)
p = record.asked
model = SimCLR(p.encoder, p.projection, data.images.image_shape)
"""
TRAIN = """
pretrain(model, data.unlabelled(), p.pretraining_views, p.pretraining, probe=lab.knn_probe(record, data, model),
         **record.resumable("pretraining"))
"""


@pytest.mark.slow
def test_in_a_kernel_the_cell_keeps_one_line_and_one_picture(tmp_path):
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=120)
    seen = []
    try:
        client.execute_interactive(CODE.format(runs=str(tmp_path)), timeout=120, output_hook=lambda message: None)
        client.execute_interactive(TRAIN, timeout=120, allow_stdin=True, output_hook=seen.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    kinds = [message["msg_type"] for message in seen if message["msg_type"] != "status"]
    assert [kind for kind in kinds if kind in ("stream", "error")] == []
    assert kinds.count("display_data") == 2
    pictures = [m for m in seen if "image/png" in m["content"].get("data", {})]
    assert 1 <= len(pictures) <= 6
    lines = [m["content"]["data"]["text/plain"] for m in seen if "text/html" in m["content"].get("data", {})]
    assert lines[0] == "pretraining 0/4"
    assert lines[-1].startswith("pretraining 4/4 · loss")
