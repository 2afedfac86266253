"""Labels that spread over a graph of neighbours."""

import numpy as np
import pytest

from bench.graph import balanced, neighbour_graph, poisson_learning, threshold_dynamics


@pytest.fixture(scope="module")
def moons():
    """Two half circles that interlock: no straight line parts them, a walk from neighbour to neighbour does."""
    from sklearn.datasets import make_moons

    points, classes = make_moons(600, noise=0.05, random_state=0)
    return points.astype(np.float32), classes, neighbour_graph(points, 8)


def test_the_graph_joins_neighbours_both_ways(moons):
    points, _, graph = moons
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0
    assert graph.data.min() == pytest.approx(np.exp(-4))
    assert graph.data.max() <= 1
    assert np.diff(graph.indptr).min() >= 8
    row, near = 5, graph[5].indices[graph[5].data.argmax()]
    assert np.linalg.norm(points[row] - points[near]) == pytest.approx(
        np.sort(np.linalg.norm(points - points[row], axis=1))[1], rel=0.5
    )


def test_one_label_of_each_class_is_enough_where_classes_hang_together(moons):
    points, classes, graph = moons
    for seed in range(5):
        draw = np.random.default_rng(seed)
        rows = np.array([draw.choice(np.flatnonzero(classes == c)) for c in (0, 1)])
        scores = poisson_learning(graph, rows, classes[rows], 2)
        assert (balanced(scores, np.array([0.5, 0.5])).argmax(1) == classes).mean() > 0.97
        nearest = np.linalg.norm(points[:, None] - points[rows], axis=2).argmin(1)
        assert (nearest == classes).mean() < 0.95, "which the nearest labelled point is says less"


def test_it_solves_poissons_equation(moons):
    *_, graph = moons
    rows, labels = np.array([3, 40, 7]), np.array([0, 1, 1])
    scores = poisson_learning(graph, rows, labels, 2)
    laplacian = np.diag(np.asarray(graph.sum(1)).ravel()) - graph.toarray()
    sources = np.zeros((600, 2))
    sources[rows] = np.eye(2)[labels] - [1 / 3, 2 / 3]
    assert laplacian @ scores == pytest.approx(sources, abs=2e-3)


def test_shares_are_met_and_an_order_kept():
    scores = np.random.default_rng(0).random((1000, 3)) * [1, 0.5, 0.1]
    shares = np.array([0.2, 0.3, 0.5])
    found = balanced(scores, shares)
    assert np.bincount(found.argmax(1)) / 1000 == pytest.approx(shares, abs=0.02)
    assert (np.argsort(found, 0) == np.argsort(scores, 0)).all()


def test_a_part_without_labels_gets_no_score():
    points = np.concatenate([np.random.default_rng(0).normal(size=(30, 2)) + middle for middle in (0, 100)])
    graph = neighbour_graph(points, 5)
    scores = poisson_learning(graph, np.array([0, 1]), np.array([0, 1]), 2)
    assert np.isfinite(scores).all()
    assert np.ptp(scores[30:], axis=0).max() < 1e-6 < np.ptp(scores[:30], axis=0).min()


def test_a_border_moves_to_where_few_edges_are():
    from sklearn.datasets import make_blobs

    points, classes = make_blobs(600, centers=[[0, 0], [5, 0]], random_state=0)
    graph, rows = neighbour_graph(points, 8), np.array([np.flatnonzero(classes == c)[0] for c in (0, 1)])
    apart = np.where(classes == 0, points[:, 1] > 0.3, points[:, 1] < -0.3)  # a part of either goes to the other
    given = np.where(apart, 1 - classes, classes)
    assert (given == classes).mean() < 0.7
    found = [threshold_dynamics(graph, given, rows, classes[rows], np.array([0.5, 0.5]), steps) for steps in (1, 80)]
    nearby, far = ((each == classes).mean() for each in found)
    assert far > 0.99
    assert nearby < far, "an image that looks no further than its neighbours stays with them"


def test_known_labels_hold_out_against_their_neighbours(moons):
    _, classes, graph = moons
    rows = np.flatnonzero(classes == 0)[:3]
    wrong = 1 - classes[rows]
    shares = np.bincount(classes) / len(classes)
    found = threshold_dynamics(graph, classes, rows, wrong, shares, steps=3, rounds=1)
    assert (found[rows] == wrong).all()
