"""Whitened random patches: what they answer to, what they cost, and that they need no label."""

import pytest
import torch

from lib.augment import Views
from lib.data.samples import SAMPLES
from lib.evaluation.linear import linear_evaluation, plain_features
from lib.evaluation.patches import Patches
from lib.training.flops import forward_flops


@pytest.fixture(scope="module")
def photographs():
    return SAMPLES["cifar10"]()


@pytest.fixture(scope="module")
def plain():
    return Views("simclr_cifar10").plain


@pytest.fixture(scope="module")
def patches(photographs, plain):
    return Patches(plain(photographs.train_images[:300]), 64)


def test_answers_are_those_of_a_patch_by_patch_comparison(photographs, plain, patches):
    """Whitened, a patch answers most to itself, and each answer stands in its cell."""
    images = plain(photographs.train_images[:300])
    cut = torch.nn.functional.unfold(images, 6, stride=3).mT.flatten(0, 1)
    drawn = cut[torch.randperm(len(cut), generator=torch.Generator().manual_seed(0))[:64]]
    answers = drawn @ patches.filters.flatten(1).T + patches.bias
    own = answers.diagonal()
    assert (own > 0).all()
    assert (answers.argmax(1) == torch.arange(64)).float().mean() > 0.8
    every = cut @ patches.filters.flatten(1).T + patches.bias
    assert every.mean(0) == pytest.approx(torch.zeros(64), abs=1e-3)
    torch.testing.assert_close(every.std(0), torch.ones(64), rtol=1e-3, atol=1e-4)


def test_features_are_sums_over_a_grid_of_what_passes_the_threshold(photographs, plain, patches):
    images = plain(photographs.train_images[:60])  # more than one split, the last one smaller
    found = patches(images)
    assert found.shape == (60, 2 * 64 * 4)
    assert (found >= 0).all()
    maps = torch.nn.functional.conv2d(images[:1], patches.filters, patches.bias)[0]
    positive = (maps[5] - 1).clamp(min=0)
    negative = (-maps[5] - 1).clamp(min=0)
    assert found[0, 5 * 4] == pytest.approx(positive[:14, :14].mean().item(), rel=1e-4)
    assert found[0, (64 + 5) * 4 + 3] == pytest.approx(negative[13:, 13:].mean().item(), rel=1e-4)
    halved = Patches(plain(photographs.train_images[:300]), 64, precision="bfloat16")(images)
    assert (halved - found).abs().mean() < 0.02 * found.mean()


def test_a_higher_threshold_lets_less_pass(photographs, plain, patches):
    images = plain(photographs.train_images[:60])
    less = Patches(plain(photographs.train_images[:300]), 64, threshold=2.0)(images)
    maps = torch.nn.functional.conv2d(images[:1], patches.filters, patches.bias)[0, 5]
    # in units of the threshold, which is twice as high
    assert less[0, 5 * 4] == pytest.approx((maps[:14, :14] / 2 - 1).clamp(min=0).mean().item(), rel=1e-4, abs=1e-7)
    assert less.mean() < 0.2 * patches(images).mean()


def test_images_that_are_all_alike_give_finite_features(plain):
    alike = torch.zeros(40, 3, 32, 32)
    assert Patches(alike, 8)(alike).isfinite().all()


def test_their_cost_is_that_of_one_convolution(patches):
    assert forward_flops(patches, (3, 32, 32)) == 2 * 27 * 27 * 3 * 6 * 6 * 64


def test_they_see_more_than_pixels_do(photographs, plain, patches):
    train, labels = photographs.train_images[:1000], photographs.train_labels[:1000].numpy()
    test, answers = photographs.test_images, photographs.test_labels.numpy()
    ours = [plain_features(patches, images, plain) for images in (train, test)]
    pixels = [images.flatten(1).float().numpy() for images in (train, test)]
    seen, raw = (linear_evaluation(known, labels, asked, answers)["accuracy"] for known, asked in (ours, pixels))
    assert seen > raw + 0.05
