"""Scores of a classifier, and a run's network found again."""

import tracemalloc

import numpy as np
import pytest
import torch
import torchvision

from lib import data
from lib.augment import Views
from lib.evaluation import classification, neighbours, representation
from lib.models import Classifier, SimCLR, whiten
from lib.runs import records, trained


def test_scores_by_hand():
    probability = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.1, 0.2, 0.7]])
    scores = classification.scores(probability, torch.tensor([0, 1, 0, 2]))
    assert scores["accuracy"] == 0.75
    assert scores["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert scores["class_accuracy"] == [0.5, 1.0, 1.0]


def test_a_class_that_does_not_occur_is_no_division_by_zero():
    assert classification.scores(torch.eye(3)[:2], torch.tensor([0, 1]))["class_accuracy"] == [1.0, 1.0, 0.0]


def test_most_confident_mistakes_come_first():
    probability = torch.tensor([[0.6, 0.4], [0.1, 0.9], [0.95, 0.05], [0.3, 0.7]])
    wrong = classification.confident_mistakes(probability, torch.tensor([1, 0, 0, 1]), count=5)
    assert [(m["index"], m["label"], m["predicted"]) for m in wrong] == [(1, 0, 1), (0, 1, 0)]
    assert wrong[0]["probability"] == pytest.approx(0.9)


def test_a_comparison_on_other_data_is_refused(digits):
    one = digits.describe()
    trained.check_same_data(one, one | {"path": "elsewhere"})
    with pytest.raises(records.RecordError, match="run it again on the data that is here now"):
        trained.check_same_data(one, one | {"train": 60_000, "genuine": True})


def test_probabilities_average_over_random_views(digits):
    classifier = Classifier(SimCLR("small_cnn").encoder, (1, 28, 28))
    images, views = digits.test_images[:50], Views("slight_mnist")
    one, many = (classification.probabilities(classifier, images, views, n) for n in (1, 8))
    torch.testing.assert_close(many.sum(1), torch.ones(50))
    assert not torch.allclose(one, many)
    assert torch.equal(many, classification.probabilities(classifier, images, views, 8)), "same seed, same views"
    plain = classification.probabilities(classifier, images, views.plain)
    expected = classifier(views.plain(images)).softmax(1)
    torch.testing.assert_close(plain, expected.detach())


def test_neighbours_by_hand():
    bank = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 5.0], [0.1, 4.0], [-1.0, 0.0]])
    labels = np.array([0, 0, 1, 1, 2])
    queries = np.array([[9.0, 0.3], [0.1, 0.2]])
    assert neighbours.nearest(bank, queries, 2).tolist() == [[0, 1], [3, 2]], "by angle, not by distance"
    assert neighbours.knn_accuracy(bank, labels, queries, np.array([0, 1]), k=2) == 1
    assert neighbours.knn_accuracy(bank, labels, queries, np.array([0, 2]), k=2) == 0.5
    assert 0 <= neighbours.knn_accuracy(bank, labels, queries, np.array([0, 1]), k=20) <= 1, "a bank smaller than k"


def test_the_vote_of_many_neighbours_takes_little_memory():
    rows = np.random.default_rng(0).normal(size=(4000, 4)).astype(np.float32)
    labels = np.arange(4000) % 10
    neighbours.knn_accuracy(rows[:50], labels[:50], rows[:50], labels[:50])  # scikit-learn is loaded
    tracemalloc.start()
    neighbours.knn_accuracy(rows, labels, rows, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4000 * 4000 * 4, "all distances would take more"


def test_the_probe_sees_what_the_encoder_knows_and_changes_nothing(digits):
    torch.manual_seed(0)
    model, views = SimCLR("resnet18", (8,), (1, 28, 28)), Views("original_mnist")
    images, labels = digits.train_images[:300], digits.train_labels[:300]
    state, random = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    probe = neighbours.knn_probe(model, images, labels, views)
    seen = probe()
    assert 0.3 < seen["knn_accuracy"] < 1, "untrained features of digits are far better than guessing"
    assert 0 < seen["alignment"] < 4
    assert -4 < seen["uniformity"] < 0
    assert probe() == seen
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    shuffled = labels[torch.randperm(300, generator=torch.Generator().manual_seed(0))]
    assert neighbours.knn_probe(model, images, shuffled, views)()["knn_accuracy"] < 0.3
    with pytest.raises(ValueError, match="at least 10"):
        neighbours.knn_probe(model, images[:9], labels[:9], views)


def test_a_flat_map_keeps_near_things_near():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(centre, 0.1, (30, 8)) for centre in (0, 5, 10)])
    flat = representation.flat_map(points)
    assert flat.shape == (90, 2)
    assert (flat == representation.flat_map(points)).all(), "the same seed, the same map"
    groups = np.repeat([0, 1, 2], 30)
    assert neighbours.knn_accuracy(flat - flat.mean(0), groups, flat - flat.mean(0), groups, 10) == 1


@pytest.mark.parametrize("whiten_stem", [False, True])
def test_the_starting_point_is_where_pretraining_began(whiten_stem):
    """What a notebook builds before it pretrains, from the record of the run alone."""
    colour = data.samples.SAMPLES["cifar10"]()
    p = {"encoder": "fast_resnet", "projection": [16], "weights": "none", "whiten_stem": whiten_stem, "chunk_count": 5,
         "unlabelled_chunks": [1, 2], "projection_batch_norm": True, "views": "simclr_cifar10", "seed": 3}  # fmt: skip
    torch.manual_seed(3)
    model = SimCLR("fast_resnet", (16,), colour.image_shape, "none", True)
    if whiten_stem:
        rows = data.join(data.chunks(colour, *[len(colour.train_images) // 5] * 5), [1, 2])[:4000]
        whiten(model.encoder, Views("simclr_cifar10").plain(colour.train_images[rows]))
    start = trained.starting_point({"parameters": p}, colour)
    found = start.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in model.state_dict().items())
    read_back = trained.untrained({"parameters": p, "dataset": {"shape": colour.image_shape}})
    assert [learns.requires_grad for learns in read_back.parameters()] == [
        learns.requires_grad for learns in start.parameters()
    ], "fine-tuned and from scratch, the same weights learn"


def test_a_start_without_what_was_learnt_elsewhere(tmp_path):
    colour, file = data.samples.SAMPLES["cifar10"](), tmp_path / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), file)
    p = {"encoder": "resnet18", "projection": [16], "weights": str(file), "seed": 3}  # as in older records
    given, random = (trained.starting_point({"parameters": p}, colour, w).encoder for w in (None, "none"))
    elsewhere = torch.load(file)["layer1.0.conv1.weight"]
    assert torch.equal(given.layer1[0].conv1.weight, elsewhere)
    assert not torch.equal(random.layer1[0].conv1.weight, elsewhere)
    torch.manual_seed(3)
    assert torch.equal(random.layer1[0].conv1.weight, SimCLR("resnet18", (16,)).encoder.layer1[0].conv1.weight)
