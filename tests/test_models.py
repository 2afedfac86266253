"""Shapes, parameter counts, and that frozen means frozen."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models import resnet

from lib import models
from lib.augment import Views
from lib.models import Classifier, SimCLR, freeze_encoder
from lib.train import Settings, train_classifier


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_shapes_and_counts_of_the_labs_mnist_network():
    model = SimCLR("small_cnn", (64, 32))
    h, z = model(torch.randn(5, 1, 28, 28))
    assert (h.shape, z.shape) == ((5, 128), (5, 32))
    convolutions = 32 * (9 + 1) + 64 * (32 * 9 + 1)
    assert count(model.encoder) == convolutions + 128 * (3136 + 1)
    assert count(model.projection_head) == 64 * (128 + 1) + 32 * (64 + 1)


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("resnet34", 512), ("resnet50", 2048)])
def test_resnets_are_torchvisions_with_the_labs_changes(name, width):
    model = SimCLR(name, (256, 128))
    theirs = getattr(resnet, name)(weights=None)
    stem = 64 * 3 * (7 * 7 - 3 * 3)
    assert count(model.encoder) == count(theirs) - stem - count(theirs.fc)
    assert model.encoder.conv1.stride == (1, 1)
    h, z = model(torch.randn(2, 3, 32, 32))
    assert (h.shape, z.shape) == ((2, width), (2, 128))
    maps = torch.nn.Sequential(model.encoder.conv1, model.encoder.layer1)(torch.randn(1, 3, 32, 32))
    assert maps.shape[-2:] == (32, 32), "the first stage keeps the full resolution"


def test_a_resnet_takes_other_sizes_and_channels():
    h, _ = SimCLR("resnet18", (4,), image_shape=(1, 28, 28))(torch.randn(2, 1, 28, 28))
    assert h.shape == (2, 512)


def test_pooling_before_relu_is_the_labs_order_in_value_and_gradient():
    encoder = SimCLR("small_cnn").encoder
    order = ["conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "flatten", "linear"]
    lab = copy.deepcopy(nn.Sequential(*(getattr(encoder, name) for name in order)))
    images = torch.rand(8, 1, 28, 28)
    torch.testing.assert_close(encoder(images), lab(images))
    for network in (encoder, lab):
        network(images).square().sum().backward()
    for ours, theirs in zip(encoder.parameters(), lab.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-4)


@pytest.fixture
def with_batch_norm(monkeypatch):
    """An encoder whose buffers would give a thaw away."""

    def build(channels):
        return nn.Sequential(
            nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    monkeypatch.setitem(models.ENCODERS, "with_batch_norm", models.EncoderSpec(build, 4, (1, 28, 28)))
    return SimCLR("with_batch_norm", (4,))


@pytest.mark.parametrize("views", ["original_mnist", "plain"])
def test_a_frozen_encoder_is_unchanged_by_a_whole_training_of_the_head(with_batch_norm, digits, views):
    with_batch_norm(torch.randn(8, 1, 28, 28))  # statistics that are not the initial ones
    before = copy.deepcopy(with_batch_norm.encoder.state_dict())
    classifier = freeze_encoder(Classifier(with_batch_norm.encoder, (1, 28, 28)))
    head = copy.deepcopy(classifier.head.state_dict())
    chosen = Views("original_mnist").plain if views == "plain" else Views(views)
    train_classifier(classifier, digits.train_images[:200], digits.train_labels[:200], chosen, Settings(3, 50))
    for name, value in with_batch_norm.encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert any(not torch.equal(v, head[k]) for k, v in classifier.head.state_dict().items())
    assert all(p.grad is None for p in with_batch_norm.encoder.parameters())


def test_an_encoder_that_is_not_frozen_learns(with_batch_norm, digits):
    before = copy.deepcopy(with_batch_norm.encoder.state_dict())
    classifier = Classifier(with_batch_norm.encoder, (1, 28, 28))
    plain = Views("original_mnist").plain
    train_classifier(classifier, digits.train_images[:200], digits.train_labels[:200], plain, Settings(1, 50))
    assert all(not torch.equal(v, before[k]) for k, v in with_batch_norm.encoder.state_dict().items())


@pytest.mark.parametrize("make", [lambda m: m, lambda m: Classifier(m.encoder, (1, 28, 28))])
def test_train_does_not_thaw(with_batch_norm, make):
    model = freeze_encoder(make(with_batch_norm))
    assert not any(p.requires_grad for p in model.encoder.parameters())
    for mode in (True, False, True):
        model.train(mode)
        assert not any(module.training for module in model.encoder.modules())
    assert model.training


def test_features_from_several_layers():
    encoder = SimCLR("small_cnn").encoder
    images = torch.randn(3, 1, 28, 28)
    features = Classifier(encoder, (1, 28, 28), layers=("relu1", "linear")).features(images)
    assert features.shape == (3, 32 * 14 * 14 + 128)
    torch.testing.assert_close(features[:, -128:], encoder(images))


def test_refusals():
    with pytest.raises(ValueError, match="small_cnn"):
        SimCLR("resnet1000")
    with pytest.raises(ValueError, match="28 × 28 pixels, not 32 × 32"):
        SimCLR("small_cnn", image_shape=(3, 32, 32))
    with pytest.raises(ValueError, match="relu2"):
        Classifier(SimCLR("small_cnn").encoder, (1, 28, 28), layers=("relu9",))
    with pytest.raises(TypeError, match="not Linear"):
        freeze_encoder(nn.Linear(2, 2))
