"""Colour operations against torchvision's functional on the parameters that were drawn."""

import pytest
import torch
from torchvision.transforms.v2 import functional as TF

from lib.augment.colour import HUE, ColourJitter, RandomGreyscale, adjust, adjust_hue

THEIRS = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue)


@pytest.fixture
def images(generator):
    images = torch.rand(48, 3, 32, 32, generator=generator)
    images[0] = 0.5  # no hue at all
    images[1] = 0
    images[2, 1:] = 0  # pure red
    return images


@pytest.mark.parametrize("step", range(4), ids=["brightness", "contrast", "saturation", "hue"])
def test_adjustments(step, images, generator):
    low, high = (-0.5, 0.5) if step == HUE else (0, 2)
    amounts = torch.rand(len(images), generator=generator) * (high - low) + low
    expected = torch.stack([THEIRS[step](x, amount.item()) for x, amount in zip(images, amounts, strict=True)])
    steps = torch.full((len(images),), step)
    ours = adjust_hue(images, amounts) if step == HUE else adjust(images, steps, amounts)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_jitter_in_each_images_own_order(images, generator):
    drawn = ColourJitter().draw(len(images), (32, 32), generator)
    ours = ColourJitter().apply(images, **drawn)
    for i, image in enumerate(images):
        for step in drawn["order"][i].tolist() if drawn["jitter"][i] else []:
            image = THEIRS[step](image, drawn["amounts"][i, step].item())
        torch.testing.assert_close(ours[i], image, rtol=0, atol=1e-4)
    assert len(drawn["order"].unique(dim=0)) > 10
    assert 0.5 < drawn["jitter"].float().mean() < 1


def test_jitter_leaves_its_input_alone(images, generator):
    before = images.clone()
    ColourJitter().apply(images, **ColourJitter().draw(len(images), (32, 32), generator))
    assert torch.equal(images, before)


def test_greyscale(images, generator):
    drawn = RandomGreyscale(0.5).draw(len(images), (32, 32), generator)
    ours = RandomGreyscale(0.5).apply(images, **drawn)
    expected = [TF.rgb_to_grayscale(x, 3) if grey else x for x, grey in zip(images, drawn["grey"], strict=True)]
    torch.testing.assert_close(ours, torch.stack(expected), rtol=0, atol=1e-6)
