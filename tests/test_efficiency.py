"""Ways to come from labels to a classifier: which labels are drawn, what learns and what must not."""

import pytest
import torch

from lib.augment import Views
from lib.evaluation import efficiency
from lib.evaluation.efficiency import Trial, draw_labels, enough
from lib.evaluation.protocols import HEADS, WAYS
from lib.models import SimCLR
from lib.training import train_classifier
from lib.training.settings import Settings

QUICK = Settings(2, 32, learning_rate=0.003)


@pytest.fixture(scope="module")
def trial(digits):
    torch.manual_seed(0)
    encoders = {"pretrained": SimCLR("small_cnn").encoder, "untrained": SimCLR("small_cnn").encoder}
    pool = digits.train_images[:600], digits.train_labels[:600]
    test = digits.test_images[:300], digits.test_labels[:300]
    views = Views("original_mnist")
    return Trial(encoders, pool, test, views.plain, Views("slight_mnist"), QUICK, QUICK, least_steps=60)


def test_labels_are_drawn_by_class(digits):
    labels = digits.train_labels
    few = draw_labels(labels, 10, seed=3)
    assert sorted(labels[few].tolist()) == list(range(10)), "ten labels of ten classes are one of each"
    many = draw_labels(labels, 200, seed=3)
    assert len(many.unique()) == 200
    assert labels[many].bincount().tolist() == pytest.approx([20] * 10, abs=4)
    assert not torch.equal(many, draw_labels(labels, 200, seed=4))
    assert torch.equal(draw_labels(labels, len(labels), 0), torch.arange(len(labels)))
    for count in (9, len(labels) + 1, len(labels) - 1):
        with pytest.raises(ValueError, match=f"{count} labels were asked for"):
            draw_labels(labels, count, 0)


def test_few_labels_get_as_many_steps_as_they_need():
    assert enough(Settings(10, 64), 10, 400) == Settings(400, 10)
    assert enough(Settings(10, 64), 300, 400) == Settings(80, 64), "five steps an epoch"
    assert enough(Settings(10, 64), 12000, 400) == Settings(10, 64)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_learns_from_labels_and_leaves_the_encoders_alone(trial, way):
    before = {name: [p.clone() for p in e.parameters()] for name, e in trial.encoders.items()}
    accuracy = trial.accuracy(way, 300, seed=0)
    assert 0.4 < accuracy <= 1, "far above guessing"
    assert accuracy == trial.accuracy(way, 300, seed=0)
    for name, encoder in trial.encoders.items():
        assert all(torch.equal(p, q) for p, q in zip(encoder.parameters(), before[name], strict=True))


def test_the_start_of_each_way_is_the_one_it_says(trial, monkeypatch):
    """With a pretrained encoder that is blind, just the ways that hang on it know nothing."""
    blind = SimCLR("small_cnn").encoder
    with torch.no_grad():
        for p in blind.parameters():
            p.zero_()
    monkeypatch.setitem(trial.encoders, "pretrained", blind)
    monkeypatch.setattr(trial, "known", {})
    found = {way: trial.accuracy(way, 300, 0) for way in WAYS}
    frozen = {way for way, (start, learner) in WAYS.items() if start == "pretrained" and learner != "whole"}
    assert all((found[way] < 0.2) == (way in frozen) for way in WAYS if way != "fine-tuned"), found
    assert found["fine-tuned"] < 0.2, "of all zeros nothing is learnt: every gradient is 0"


def test_just_the_ways_that_train_the_whole_network_change_its_weights(trial, monkeypatch):
    changed = weights_that_change(monkeypatch)
    for way, (start, learner) in WAYS.items():
        changed.clear()
        trial.accuracy(way, 30, 0)
        assert changed == {"hidden": [False], "whole": [True]}.get(learner, []), (way, start)
    for name in HEADS:
        changed.clear()
        trial.head(name, SimCLR("small_cnn").projection_head, 30, 0)
        assert changed == [False], name


def weights_that_change(monkeypatch):
    """A list to which every training of a classifier adds whether its encoder's weights are others than before."""
    changed = []

    def watched(classifier, *arguments, **named):
        before = [p.clone() for p in classifier.encoder.parameters()]
        train_classifier(classifier, *arguments, **named)
        changed.append(any(not torch.equal(p, q) for p, q in zip(before, classifier.encoder.parameters(), strict=True)))

    monkeypatch.setattr(efficiency, "train_classifier", watched)
    return changed


def test_heads_and_what_training_mode_does_to_a_frozen_encoder(digits):
    """The known sin: no gradient, yet BatchNorm's buffers move."""
    torch.manual_seed(0)
    model = SimCLR("resnet18", (16, 8), digits.image_shape, batch_norm=True).eval()
    images = (digits.train_images[:60], digits.train_labels[:60])
    plain = Views("original_mnist").plain
    trial = Trial({"pretrained": model.encoder}, images, images, plain, plain, Settings(1, 30), QUICK, least_steps=1)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    changed = {name: trial.head(name, model.projection_head, 60, 0)["buffers_changed"] for name in HEADS}
    assert changed.pop("encoder in training mode") == sum(1 for _ in model.encoder.buffers())
    assert set(changed.values()) == {0}
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items()), "only copies are trained"
