"""NT-Xent against two independent implementations, float64, and the mistakes known from public code."""

import math

import pytest
import torch
from lightly.loss import NTXentLoss as LightlyLoss
from pytorch_metric_learning.losses import NTXentLoss as MetricLearningLoss

from lib import loss as loss_module
from lib.loss import nt_xent_loss

SHAPES = [(1, 4), (2, 3), (5, 16), (64, 32), (129, 128)]
TEMPERATURES = [0.05, 0.2, 0.5, 1.0]


def value_and_gradient(loss, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    z = z.clone().requires_grad_()
    value = loss(z)
    value.backward()
    return value.detach(), z.grad


def by_lightly(temperature):
    loss = LightlyLoss(temperature=temperature)
    return lambda z: loss(*z.chunk(2))


def by_metric_learning(temperature):
    loss = MetricLearningLoss(temperature=temperature)
    return lambda z: loss(z, torch.arange(len(z) // 2).repeat(2))


@pytest.mark.parametrize("peer", [by_lightly, by_metric_learning])
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(("pairs", "width"), SHAPES[1:])
def test_value_and_gradient_of_independent_implementations(peer, pairs, width, temperature, generator):
    z = torch.randn(2 * pairs, width, generator=generator)
    value, gradient = value_and_gradient(lambda z: nt_xent_loss(z, temperature), z)
    expected, expected_gradient = value_and_gradient(peer(temperature), z)
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-3, atol=1e-5)


def written_out(z: torch.Tensor, temperature: float) -> torch.Tensor:
    """Equation 1 of the paper, a pair at a time."""
    rows, losses = len(z), []
    z = z / z.norm(dim=1, keepdim=True)
    for i in range(rows):
        j = (i + rows // 2) % rows
        others = torch.stack([z[i] @ z[k] / temperature for k in range(rows) if k != i])
        losses.append(others.logsumexp(0) - z[i] @ z[j] / temperature)
    return torch.stack(losses).mean()


@pytest.mark.parametrize("temperature", [0.01, *TEMPERATURES])
@pytest.mark.parametrize(("pairs", "width"), SHAPES[:4])
def test_equation_in_float64(pairs, width, temperature, generator):
    z = torch.randn(2 * pairs, width, generator=generator, dtype=torch.float64)
    expected, expected_gradient = value_and_gradient(lambda z: written_out(z, temperature), z)
    value, gradient = value_and_gradient(lambda z: nt_xent_loss(z, temperature), z)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, expected_gradient)
    value, gradient = value_and_gradient(lambda z: nt_xent_loss(z, temperature), z.float())
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gradient.double(), expected_gradient, rtol=5e-3, atol=1e-4)


def test_finite_at_a_low_temperature_with_nearly_equal_rows():
    z = torch.randn(1, 8).repeat(64, 1) + 1e-4 * torch.randn(64, 8)
    value, gradient = value_and_gradient(lambda z: nt_xent_loss(z, 0.01), z)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_negative_similarities_have_gradients():
    """Clamping cosines at 0 would leave opposite pairs where they are."""
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.1], [0.1, -1.0]])
    _, gradient = value_and_gradient(lambda z: nt_xent_loss(z, 0.5), z)
    assert (gradient.abs().sum(1) > 1e-3).all()


def test_features_that_know_nothing_score_the_logarithm_of_the_candidates():
    assert nt_xent_loss(torch.ones(256, 16), 0.5).item() == pytest.approx(math.log(255), rel=1e-5)


def test_one_pair_has_one_candidate_and_no_loss():
    assert nt_xent_loss(torch.randn(2, 4)).item() == pytest.approx(0, abs=1e-6)


def test_half_precision_is_computed_in_float32(generator):
    z = torch.randn(64, 16, generator=generator)
    for dtype in (torch.float16, torch.bfloat16):
        loss = nt_xent_loss(z.to(dtype), 0.01)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(nt_xent_loss(z.to(dtype).float(), 0.01).item(), rel=1e-5)


def test_no_tensor_of_rows_by_rows_by_width(generator):
    z = torch.randn(512, 64, generator=generator, requires_grad=True)
    with torch.profiler.profile(profile_memory=True) as profile:
        nt_xent_loss(z).backward()
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert largest <= 2 * 512 * 512 * 4


@pytest.fixture
def chunked(monkeypatch):
    """Call it to have the loss computed in blocks of seven rows, whatever the size."""

    def switch():
        monkeypatch.setattr(loss_module, "CHUNKED_FROM", 2)
        monkeypatch.setattr(loss_module, "CHUNK", 7)

    return switch


@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize("pairs", [1, 3, 7, 50, 129])
def test_in_blocks_value_and_gradient_are_those_of_the_plain_form(pairs, temperature, generator, chunked):
    z = torch.randn(2 * pairs, 16, generator=generator)
    expected, expected_gradient = value_and_gradient(lambda z: nt_xent_loss(z, temperature), z)
    chunked()
    value, gradient = value_and_gradient(lambda z: nt_xent_loss(z, temperature), z)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-5)


def test_in_blocks_the_gradient_is_that_of_finite_differences(generator, chunked):
    chunked()
    z = torch.randn(18, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: 3 * nt_xent_loss(z, 0.2), z)


def test_in_blocks_half_precision_and_autocast_are_computed_in_float32(generator, chunked):
    chunked()
    z = torch.randn(64, 16, generator=generator).bfloat16()
    expected, expected_gradient = value_and_gradient(nt_xent_loss, z.float())
    with torch.autocast("cpu", torch.bfloat16):
        value, gradient = value_and_gradient(nt_xent_loss, z)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, expected_gradient.bfloat16())


def test_many_rows_make_no_tensor_of_rows_by_rows(generator):
    rows = loss_module.CHUNKED_FROM
    z = torch.randn(rows, 4, generator=generator, requires_grad=True)
    with torch.profiler.profile(profile_memory=True) as profile:
        nt_xent_loss(z).backward()
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert largest <= 3 * rows * loss_module.CHUNK * 4 < rows * rows * 4


@pytest.mark.parametrize("z", [torch.ones(3, 4), torch.ones(0, 4), torch.ones(4), torch.ones(2, 2, 2)])
def test_refuses_what_are_no_pairs(z):
    with pytest.raises(ValueError, match="projections must"):
        nt_xent_loss(z)


@pytest.mark.parametrize("temperature", [0, -0.5, float("nan")])
def test_refuses_a_temperature_that_is_not_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        nt_xent_loss(torch.ones(4, 4), temperature)
