"""Clusterings and their scores, on cases whose answer is known."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from lib.evaluation import clustering


def test_scores_of_a_perfect_clustering_under_other_names():
    labels = np.repeat([0, 1, 2], 10)
    scores = clustering.cluster_scores(labels, (labels + 1) % 3)
    assert scores == pytest.approx({"majority": 1, "one_to_one": 1, "nmi": 1, "ari": 1})


def test_majority_lets_two_clusters_share_a_class_one_to_one_does_not():
    labels = np.repeat([0, 1], [6, 2])
    clusters = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    scores = clustering.cluster_scores(labels, clusters)
    assert scores["majority"] == 1.0
    assert scores["one_to_one"] == (3 + 2) / 8


def test_chance_is_no_agreement():
    random = np.random.default_rng(0)
    scores = clustering.cluster_scores(random.integers(0, 5, 5000), random.integers(0, 5, 5000))
    assert abs(scores["ari"]) < 0.01
    assert scores["nmi"] < 0.01


@pytest.mark.parametrize("name", ["k-means", "mixture"])
@pytest.mark.parametrize("components", [0, 3])
def test_separated_blobs_are_found(name, components):
    points, labels = make_blobs(400, 8, centers=4, cluster_std=0.5, random_state=1)
    method = clustering.method(name, 4, seed=0, restarts=3, components=components)
    scores = clustering.evaluate(method, points[:300], points[300:], labels[300:])
    assert scores["one_to_one"] == 1.0
    assert scores["seconds"] > 0
    assert scores["converged"]


def test_constant_pixels_do_not_break_the_mixture():
    points = np.random.default_rng(0).random((100, 6))
    points[:, :3] = 0
    scores = clustering.evaluate(clustering.method("mixture", 2, 0, 1), points, points, np.zeros(100, int))
    assert scores["majority"] == 1.0


def test_projection_keeps_the_widest_directions():
    random = np.random.default_rng(0)
    points = random.normal(size=(200, 5)) * [10, 5, 0.1, 0.1, 0.1]
    flat = clustering.project(points, points)
    assert flat.shape == (200, 2)
    assert flat.std(0) == pytest.approx(points[:, :2].std(0), rel=0.05)


def test_unknown_method():
    with pytest.raises(ValueError, match="k-means, mixture"):
        clustering.method("dbscan", 2, 0, 1)
