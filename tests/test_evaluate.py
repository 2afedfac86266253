"""Scores of a classifier, and a run's network found again."""

import pytest
import torch

from lib import evaluate, records
from lib.augment import Views
from lib.models import Classifier, SimCLR


def test_scores_by_hand():
    probability = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.1, 0.2, 0.7]])
    scores = evaluate.scores(probability, torch.tensor([0, 1, 0, 2]))
    assert scores["accuracy"] == 0.75
    assert scores["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert scores["class_accuracy"] == [0.5, 1.0, 1.0]


def test_a_class_that_does_not_occur_is_no_division_by_zero():
    assert evaluate.scores(torch.eye(3)[:2], torch.tensor([0, 1]))["class_accuracy"] == [1.0, 1.0, 0.0]


def test_most_confident_mistakes_come_first():
    probability = torch.tensor([[0.6, 0.4], [0.1, 0.9], [0.95, 0.05], [0.3, 0.7]])
    wrong = evaluate.confident_mistakes(probability, torch.tensor([1, 0, 0, 1]), count=5)
    assert [(m["index"], m["label"], m["predicted"]) for m in wrong] == [(1, 0, 1), (0, 1, 0)]
    assert wrong[0]["probability"] == pytest.approx(0.9)


def test_a_comparison_on_other_data_is_refused(digits):
    one = digits.describe()
    evaluate.check_same_data(one, one | {"path": "elsewhere"})
    with pytest.raises(records.RecordError, match="run it again on the data that is here now"):
        evaluate.check_same_data(one, one | {"train": 60_000, "genuine": True})


def test_probabilities_average_over_random_views(digits):
    classifier = Classifier(SimCLR("small_cnn").encoder, (1, 28, 28))
    images, views = digits.test_images[:50], Views("slight_mnist")
    one, many = (evaluate.probabilities(classifier, images, views, n) for n in (1, 8))
    torch.testing.assert_close(many.sum(1), torch.ones(50))
    assert not torch.allclose(one, many)
    assert torch.equal(many, evaluate.probabilities(classifier, images, views, 8)), "same seed, same views"
    plain = evaluate.probabilities(classifier, images, views.plain)
    expected = classifier(views.plain(images)).softmax(1)
    torch.testing.assert_close(plain, expected.detach())
