"""Alignment, uniformity and similarities on points that can be worked out by hand."""

import math

import pytest
import torch

from lib.evaluation.representation import alignment, similarities, uniformity

CORNERS = torch.tensor([[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, -5.0]])  # lengths must not matter


def test_alignment_is_the_mean_squared_distance_of_pairs():
    assert alignment(CORNERS, 7 * CORNERS) == pytest.approx(0, abs=1e-6)
    assert alignment(CORNERS, -CORNERS) == pytest.approx(4)
    assert alignment(CORNERS, CORNERS.roll(1, 0)) == pytest.approx(2), "a right angle each"


def test_uniformity_is_the_log_of_the_mean_potential_of_all_pairs():
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0, abs=1e-6), "all in one place"
    # of the six pairs four are at squared distance 2, two at 4
    assert uniformity(CORNERS) == pytest.approx(math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6), rel=1e-5)


def test_similarities_tell_the_kinds_of_pairs_apart():
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    found = similarities(first, first, torch.tensor([0, 0, 1]), bins=4)
    assert {kind: spread["mean"] for kind, spread in found.items()} == {
        "positive": 1,
        "same_class": 1,
        "other_class": -1,
    }
    assert found["positive"]["shares"] == [0, 0, 0, 1]
    assert found["other_class"]["shares"] == [1, 0, 0, 0]
    assert all(sum(spread["shares"]) == pytest.approx(1) for spread in found.values())
