"""FLOPs against what the layers' sizes say."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lib.loss import nt_xent_loss
from lib.models import Classifier, SimCLR
from lib.training import flops
from lib.training.settings import Settings, crop_side

SHAPE = (1, 28, 28)


def test_forward_of_the_labs_network_by_hand():
    convolutions = 28 * 28 * 9 * 32 + 14 * 14 * 32 * 9 * 64
    linear = 3136 * 128 + 128 * 64 + 64 * 32
    assert flops.forward_flops(SimCLR("small_cnn"), SHAPE) == 2 * (convolutions + linear)


def test_pretraining_is_what_a_real_step_does_times_the_steps():
    model = SimCLR("small_cnn")
    with FlopCounterMode(display=False) as counter:
        nt_xent_loss(model(torch.rand(32, *SHAPE))[1]).backward()
    step = counter.get_total_flops()
    assert flops.pretraining_flops(model, SHAPE, 160, Settings(3, 16)) == 3 * 10 * step
    assert all(p.device.type == "cpu" and p.grad is not None for p in model.parameters()), "the model is left alone"


def test_a_smaller_last_batch_and_smaller_crops_count_for_less():
    model = SimCLR("resnet18", (8,))
    whole = flops.pretraining_flops(model, (3, 32, 32), 64, Settings(4, 32))
    small = flops.pretraining_flops(model, (3, 32, 32), 64, Settings(4, 32), [(3, 16)])
    assert small / whole == pytest.approx((3 / 4 + 1) / 4, rel=0.05)
    assert whole < flops.pretraining_flops(model, (3, 32, 32), 72, Settings(4, 32)) < 1.2 * whole


def test_the_labs_resnet18_is_as_much_as_the_issue_says():
    """About 2,700 TFLOP for ten epochs of 40,000 images."""
    work = flops.pretraining_flops(SimCLR("resnet18", (256, 128)), (3, 32, 32), 40_000, Settings(10, 128))
    assert work == pytest.approx(2.7e15, rel=0.03)


def test_a_head_on_plain_views_needs_the_encoder_once():
    classifier = Classifier(SimCLR("small_cnn").encoder, SHAPE)
    once, anew = (flops.classifier_flops(classifier, SHAPE, 100, 30, once) for once in (True, False))
    encoder = flops.forward_flops(SimCLR("small_cnn"), SHAPE) - 2 * (128 * 64 + 64 * 32)
    assert anew - once == 100 * 29 * encoder
    forward, weights, inputs = 128 * 64 + 64 * 10, 128 * 64 + 64 * 10, 64 * 10  # no gradient for frozen features
    assert once == 100 * (encoder + 30 * 2 * (forward + weights + inputs))


def test_a_training_from_scratch_needs_no_gradient_of_the_images_nor_of_a_fixed_stem():
    model = SimCLR("fast_resnet").encoder
    stem = 2 * 16 * 16 * 48 * 3 * 4 * 4
    whole = 3 * flops.forward_flops(model, (3, 32, 32))
    assert flops.training_flops(model, (3, 32, 32)) == whole - stem, "the images get none"
    model.stem.weight.requires_grad_(False)
    first = 2 * 8 * 8 * 64 * 48 * 3 * 3
    assert flops.training_flops(model, (3, 32, 32)) == whole - 2 * stem - first, "nor do the maps of a fixed stem"


def test_crop_sides_by_epoch():
    assert [crop_side(epoch, [(2, 16), (3, 24)]) for epoch in range(1, 6)] == [16, 16, 24, None, None]


def test_the_machines_rate_is_a_rate():
    assert 1e8 < flops.matmul_rate(256, 3) < 1e15
