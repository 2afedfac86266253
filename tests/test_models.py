"""Shapes, parameter counts, and that frozen means frozen."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet

from lib import models
from lib.augment import Views
from lib.models import Classifier, SimCLR, freeze_encoder, whiten
from lib.training.classifier import train_classifier
from lib.training.flops import forward_flops
from lib.training.pretraining import pretrain
from lib.training.settings import Settings


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


def test_fast_resnets_shapes_counts_and_work():
    model = SimCLR("fast_resnet", (256, 128))
    encoder = model.encoder
    block = lambda c: 2 * (9 * c * c + 2 * c)  # noqa: E731
    stage = lambda a, b: 9 * a * b + 2 * b + block(b)  # noqa: E731
    assert count(encoder) == 3 * 16 * 48 + stage(48, 64) + stage(64, 128)
    h, z = model(torch.randn(2, 3, 32, 32))
    assert (h.shape, z.shape) == ((2, 128), (2, 128))
    assert forward_flops(model, (3, 32, 32)) / 2 == pytest.approx(13e6, rel=0.02), "as its docstring says"
    for side in (16, 24, 40):
        assert model(torch.randn(2, 3, side, side))[0].shape == (2, 128)
    layers = Classifier(encoder, (3, 32, 32), layers=("stage1", "stage2"))
    assert layers.features(torch.randn(2, 3, 32, 32)).shape == (2, 64 * 8 * 8 + 128 * 4 * 4)


def test_twice_the_width_is_four_times_the_work_and_twice_the_features():
    once, twice = SimCLR("fast_resnet", (16,)), SimCLR("fast_resnet_2x", (16,))
    assert twice(torch.randn(2, 3, 32, 32))[0].shape == (2, 2 * 128)
    stem = 2 * 16 * 16 * 16 * 3 * 48  # whose input has three channels in both
    work = [forward_flops(model.encoder, (3, 32, 32)) for model in (once, twice)]
    assert work[1] - 2 * stem == 4 * (work[0] - stem)
    whiten(twice.encoder, torch.randn(64, 3, 32, 32))  # 48 directions, each with both signs
    assert twice.encoder.stem.weight.isfinite().all()


def test_the_whitened_stem_answers_alike_to_every_structure():
    images = torch.randn(64, 3, 36, 36, generator=torch.Generator().manual_seed(0))
    images = F.avg_pool2d(images, 5, 1) * 5  # neighbouring pixels alike, as in photographs
    encoder = SimCLR("fast_resnet").encoder

    def covariance():
        return encoder.stem(images)[:, :24, 1:-1, 1:-1].transpose(0, 1).flatten(1).cov()

    identity = torch.eye(24)
    assert (covariance() - identity).abs().max() > 0.5, "a random stem does not"
    whiten(encoder, images, floor=1e-6)
    torch.testing.assert_close(covariance(), identity, rtol=0, atol=0.15)
    answers = encoder.stem(images)
    torch.testing.assert_close(answers[:, :24], -answers[:, 24:], rtol=0, atol=1e-4)
    assert not encoder.stem.weight.requires_grad


def test_the_whitened_stem_is_not_trained_and_comes_back_with_the_weights():
    images = torch.randint(0, 256, (32, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model, views = SimCLR("fast_resnet", (8,), batch_norm=True), Views("simclr_cifar10")
    whiten(model.encoder, views.plain(images))
    stem = model.encoder.stem.weight.clone()
    pretrain(model, images, views, Settings(1, 16, "adamw", 0.1, 0.1))
    assert torch.equal(model.encoder.stem.weight, stem)
    other = SimCLR("fast_resnet", (8,), batch_norm=True)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.encoder.stem.weight, stem)


def test_batch_norm_in_the_heads():
    model = SimCLR("small_cnn", (64, 32), batch_norm=True)
    assert [type(layer).__name__ for layer in model.projection_head][:3] == ["Linear", "BatchNorm1d", "ReLU"]
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in SimCLR("small_cnn", (64, 32)).projection_head)
    classifier = Classifier(model.encoder, (1, 28, 28), batch_norm=True).train()
    features = torch.randn(500, 128) * torch.linspace(0.1, 10, 128) + 3
    assert torch.allclose(classifier.head[0](features).std(0), torch.ones(128), atol=0.01)
    assert classifier.head[-1].out_features == 10


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
