"""The rooms of explore.ipynb: what they compute, and what a student sees who touches them."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from lib.augment import ColourJitter, ResizedCrop, Views, Warp
from lib.data import DataError
from lib.explore import digit, failures, loss, maps, open_encoder, views
from lib.explore.pad import Pad
from lib.loss import nt_xent_loss
from lib.runs import records, shipped


@pytest.fixture(scope="module")
def subject():
    """MNIST's encoder on the embedded digits, which stand in for its test images."""
    return open_encoder("mnist", "en")


def test_the_introduction_names_encoder_and_images_and_says_loudly_that_they_are_a_sample(capsys):
    open_encoder("mnist", "en")
    said = capsys.readouterr().out
    record, _ = shipped.load_trained("mnist")
    assert f"{record['results']['test_accuracy']:.1%}" in said
    assert "NOT ON THIS MACHINE" in said
    open_encoder("mnist", "zh")
    assert "这台电脑上没有 MNIST" in capsys.readouterr().out


def test_an_encoder_of_other_images_is_refused(monkeypatch, digits):
    monkeypatch.setattr("lib.data.load", lambda *_, **__: digits)
    with pytest.raises(DataError, match=r"takes images of \[3, 32, 32\].*are \[1, 28, 28\]"):
        open_encoder("cifar10")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("room", [views, loss, digit, failures], ids=lambda room: room.__name__.split(".")[-1])
def test_every_figure_says_what_it_shows(subject, room, language):
    spoken = replace(subject, language=language)
    alt = room.figure(spoken).alt
    assert re.search(r"\d", alt)
    assert not re.search(r"&#?\w+;|\{\{|nan", alt), alt
    assert len(alt) > 40


# 1 · views


def test_strengths_make_the_operations_they_are_called_by():
    assert views.operations({}) == []
    assert views.operations({"crop": 0.4, "grey": 0}) == [ResizedCrop((0.6, 1.0))]
    assert views.operations({"rotation": 30, "elastic": 5}) == [Warp(30, 0, (1, 1), 0, 5)]
    assert views.operations({"colour": 0.5}) == [ColourJitter(0.4, 0.4, 0.4, 0.1, p=1.0)]


@pytest.mark.parametrize("name", ["strong_mnist", "original_mnist", "simclr_cifar10"])
def test_the_sliders_start_at_the_recipe(name):
    start = views.recipe(Views(name))
    kinds = {type(o).__name__ for o in views.operations(start)}
    wanted = {type(o).__name__.replace("Rotation", "Warp") for o in Views(name).operations}
    assert kinds == wanted
    assert all(0 <= value <= views.STRENGTHS[key].most for key, value in start.items())


def test_no_operation_leaves_pairs_alike_and_strong_ones_tear_them_apart(subject):
    images = subject.tested[:64]
    made, cosine, own, other = views.pairs(subject, {}, images, 0)
    assert torch.equal(made[:64], images)
    assert torch.equal(made[64:], images)
    assert cosine.min() > 0.999
    assert other < 0.3 < own
    torn = views.pairs(subject, {"rotation": 180, "shift": 0.4}, images, 0)[2]
    usual = views.pairs(subject, views.recipe(subject.views), images, 0)[2]
    assert torn < usual - 0.2


# 2 · the loss


def test_a_row_of_the_batch_is_the_loss_that_is_trained_with(subject):
    batch = loss.batch(subject)
    z = subject.projections(subject.views(subject.tested[:1])).shape[1]
    assert z == subject.record["parameters"]["projection"][-1]
    rows = [loss.row(batch, anchor, 0.2) for anchor in range(len(batch.views))]
    mean = np.mean([row.loss for row in rows])
    assert mean == pytest.approx(nt_xent_loss(batch.z, 0.2).item(), abs=1e-4)
    size = len(batch.views) // 2
    projections = subject.projections(subject.views.pair(subject.tested[:size], torch.Generator().manual_seed(0)))
    assert mean == pytest.approx(nt_xent_loss(projections, 0.2).item(), abs=1e-4)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_the_gradient_is_the_softmax_less_the_partner(subject, temperature):
    batch = loss.batch(subject)
    row = loss.row(batch, 3, temperature)
    own = row.others == batch.partner(3)
    torch.testing.assert_close(row.gradient, (row.softmax - own.float()) / temperature)
    assert row.gradient[own] < 0
    assert 3 not in row.others
    assert row.cosine.diff().max() <= 0


def test_the_source_beside_it_is_the_loss_itself():
    shown = loss.source().data
    assert 6 <= len(shown.splitlines()) - 2 <= 12
    for needed in ("F.normalize", "/ temperature", "fill_diagonal_(-torch.inf)", "F.cross_entropy(logits, positives)"):
        assert needed in shown


# 3 · the map


def test_the_map_holds_all_it_needs(subject):
    page = maps.page(subject).data
    assert not re.search(r"(?:src|href)=.?https?:", page), "nothing is fetched from elsewhere"
    table = maps.table(subject)
    assert len(table) == len(subject.tested)
    assert (table.near.map(len) == maps.NEAR).all()
    assert (table.near.map(lambda near: near[0]) == table.number).all(), "an image is nearest to itself"
    alike = np.mean(
        [np.mean(table.label[near[1:]] == label) for near, label in zip(table.near, table.label, strict=True)]
    )
    assert alike > 0.8, "neighbours are mostly of one class"


# 4 · your own digit


def drawn_three(side=Pad.SIDE, shift=0, width=22):
    """A 3 as a hand draws it: two arcs of white ink."""
    image = Image.new("L", (side, side))
    pen = ImageDraw.Draw(image)
    for top in (side * 0.18, side * 0.46):
        box = (side * 0.3 + shift, top, side * 0.3 + shift + side * 0.32, top + side * 0.3)
        pen.arc(box, 200, 90 if top < side * 0.3 else 160, fill=255, width=width)
    return image


def test_a_digit_is_prepared_as_mnist_was(digits):
    for shift in (-60, 0, 60):
        image = digit.prepare(np.asarray(drawn_three(shift=shift)))
        assert image.shape == (1, 28, 28)
        rows, columns = image[0].numpy().nonzero()
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20), "the longer side fills the box"
        weight = image[0].double() / image.sum()
        at = [(weight.sum(1 - axis) * torch.arange(28)).sum().item() for axis in (0, 1)]
        assert at == pytest.approx([14, 14], abs=0.6)
    again = torch.stack(
        [digit.prepare(np.kron(one[0].numpy(), np.ones((4, 4), np.uint8))) for one in digits.test_images[:50]]
    )
    same = torch.cosine_similarity(again.flatten(1).float(), digits.test_images[:50].flatten(1).float())
    assert same.min() > 0.99, "MNIST's own digits stay as they are"


def test_paper_and_ink_may_be_either_way_round():
    white = drawn_three()
    black = Image.eval(white, lambda value: 230 - value * 200 // 255)
    one, other = (digit.prepare(digit.ink_of(image)) for image in (white, black))
    assert (one.float() - other.float()).abs().mean() < 5


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no picture", "no picture that can be read"), (None, "hardly any contrast")],
)
def test_pictures_that_show_nothing_are_refused(subject, content, said):
    if content is None:
        file = io.BytesIO()
        Image.new("L", (50, 50), 200).save(file, "png")
        content = file.getvalue()
    with pytest.raises(digit.PictureError, match=said):
        digit.read(content, subject)
    with pytest.raises(digit.PictureError, match="nothing on the picture"):
        digit.prepare(np.zeros((9, 9), np.uint8))


def test_a_drawn_three_is_recognised_and_a_test_image_finds_its_class(subject):
    image = digit.prepare(np.asarray(drawn_three()))
    (verdict,) = subject.readers["simclr"].ask(image[None])
    assert subject.classes[verdict.winner] == "3"
    assert sum(verdict.shares) == pytest.approx(1)
    assert "“3”" in digit.answer(subject, image)
    for name, least in {"simclr": 0.9, "random": 0.75, "pixels": 0.8}.items():
        assert subject.readers[name].accuracy(subject.tested[:300], subject.tested_labels[:300]) > least, name


# 5 · where it fails


def test_changes_do_what_they_say(subject):
    images = subject.tested[:4]
    assert torch.equal(failures.change(images, {}), images)
    assert torch.equal(failures.change(images, {"mirror": 1}), images.flip(-1))
    assert torch.equal(failures.change(images, {"right": 3})[..., 3:], images[..., :-3])
    assert torch.equal(failures.change(images, {"down": -2})[:, :, :-2], images[:, :, 2:])
    upside_down = failures.change(images, {"rotate": 180})
    assert (upside_down.float() - images.flip(-1, -2).float()).abs().mean() < 1
    assert failures.change(images, {"noise": 0.5}).float().std() > images.float().std()


def test_an_image_upside_down_is_lost_and_its_features_are_others(subject):
    images, labels = subject.tested[:100], subject.tested_labels[:100]
    reader = subject.readers["simclr"]
    turned = failures.change(images, {"rotate": 90})
    assert reader.accuracy(turned, labels) < reader.accuracy(images, labels) - 0.3
    assert (reader(images) * reader(turned)).sum(1).mean() < 0.8


@pytest.mark.parametrize("room", [views, loss, digit, failures], ids=lambda room: room.__name__.split(".")[-1])
def test_every_slider_and_the_pad_are_answered(subject, room):
    """An error in an answer comes through here; how fast they are is ``bench/explore.py``'s to say."""
    shown = room.widget(subject)
    if room is digit:
        ink = np.asarray(drawn_three()).tobytes()
        (pad,) = (w for w in walk(shown) if isinstance(w, Pad))
        answers = [lambda: setattr(pad, "ink", ink), lambda: setattr(pad, "ink", ink[::-1])]
    else:
        sliders = [w for w in walk(shown) if hasattr(w, "step") and hasattr(w, "max")][:3]
        answers = [lambda s=s: setattr(s, "value", s.value + s.step if s.value < s.max else s.min) for s in sliders]
    for answer in answers:
        answer()


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


# Trained encoders that ship


@pytest.mark.parametrize("name", shipped.names())
def test_a_shipped_encoder_is_what_its_record_says(name):
    record, model = shipped.load_trained(name)
    assert record["dataset"]["name"] == name
    assert record["parameters"]["recipe"] == "improved"
    assert record["dataset"]["source"] in ("local", "downloaded", "JPEG copy")
    assert not model.training
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    entry = shipped._list(shipped.FOLDER)[name]
    assert abs(entry["knn_float16"] - entry["knn_float32"]) <= 0.0005, "half precision costs nothing"


def test_both_ship_and_weigh_less_than_5_mb():
    assert shipped.names() == ("cifar10", "mnist")
    assert sum(path.stat().st_size for path in shipped.FOLDER.iterdir()) < 5_000_000


def test_a_damaged_or_unknown_encoder_is_refused(tmp_path):
    for path in shipped.FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "mnist.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(records.RecordError, match="not the file that ships"):
        shipped.load_trained("mnist", tmp_path)
    with pytest.raises(records.RecordError, match=r"no trained encoder 'nothing'.*cifar10, mnist"):
        shipped.load_trained("nothing")
