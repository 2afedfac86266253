"""The methods: their losses against lightly's, what they keep, and that each of them learns."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import BarlowTwinsLoss, NegativeCosineSimilarity, NTXentLoss, VICRegLoss

from lib import data, methods
from lib.augment import Views
from lib.models import SimCLR
from lib.training import Settings, distributed, pretrain

N, D = 24, 16
NAMES = list(methods.METHODS)
# BYOL's loss alone rewards a constant; the autoencoder's compares pixels, not embeddings.
JUDGES_EMBEDDINGS = [name for name in NAMES if name not in ("byol", "autoencoder")]


def network() -> SimCLR:
    torch.manual_seed(0)
    return SimCLR("small_cnn", (32, D), batch_norm=True)


def embeddings(seed: int = 0) -> torch.Tensor:
    """(2N, D), rows i and i + N alike but not the same."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(N, D, generator=generator)
    return torch.cat([first, first + 0.3 * torch.randn(N, D, generator=generator)])


def both(method: methods.Method, z: torch.Tensor, reference, *fixed: torch.Tensor) -> None:
    """The same value and gradient from a method's loss and from a function of the two views' embeddings."""
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    a, b = method.loss(ours, *fixed), reference(*theirs.chunk(2))
    a.backward(), b.backward()
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_simclr_is_lightlys() -> None:
    both(methods.build("simclr", network(), temperature=0.2), embeddings(), NTXentLoss(0.2))


def test_vicreg_is_lightlys() -> None:
    # embeddings whose deviations fall short of 1, or the variance term would be 0
    both(methods.build("vicreg", network()), 0.4 * embeddings(), VICRegLoss())


def test_barlow_twins_is_lightlys() -> None:
    both(methods.build("barlow_twins", network()), embeddings(), BarlowTwinsLoss())


def test_byol_is_lightlys() -> None:
    targets, similarity = embeddings(1), NegativeCosineSimilarity()
    first, second = targets.chunk(2)
    both(
        methods.build("byol", network()),
        embeddings(),
        lambda p0, p1: 2 + similarity(p0, second) + similarity(p1, first),
        targets,
    )


def test_moco_is_lightlys() -> None:
    method, keys = methods.build("moco", network(), queue=40), embeddings(1)
    first, second = keys.chunk(2)

    def reference(q0: torch.Tensor, q1: torch.Tensor) -> torch.Tensor:
        bank = NTXentLoss(method.temperature, memory_bank_size=(40, D))
        bank.memory_bank.bank = queue.clone()
        # one loss at a time: each of lightly's puts its keys into the bank
        one = bank(q0, second.clone())
        bank.memory_bank.bank = queue.clone()
        return (one + bank(q1, first.clone())) / 2

    queue = method.queue.clone()
    both(method.eval(), embeddings(), reference, keys)


@pytest.mark.parametrize("name", JUDGES_EMBEDDINGS)
def test_collapse_is_worse_than_spread(name: str) -> None:
    method = methods.build(name, network()).eval()
    spread, noise = embeddings(), torch.randn(2 * N, D, generator=torch.Generator().manual_seed(3))
    collapsed = torch.ones(2 * N, D) + 1e-3 * noise
    fixed = (lambda z: (z,)) if name == "moco" else (lambda z: ())
    if name == "moco":  # a queue filled by the same network
        spread_queue = F.normalize(torch.randn(4096, D, generator=torch.Generator().manual_seed(4)), dim=1)
        method.queue = spread_queue
    good = method.loss(spread, *fixed(spread))
    if name == "moco":
        method.queue = F.normalize(torch.ones(4096, D) + 1e-3, dim=1)
    assert method.loss(collapsed, *fixed(collapsed)) > 1.2 * good


@pytest.mark.parametrize("name", ["moco", "byol"])
def test_the_target_follows_weights_slowly_and_buffers_at_once(name: str) -> None:
    method = methods.build(name, network(), momentum=0.9).train()
    method.advance()  # the first time it is the network
    before = copy.deepcopy(method.target.module.state_dict())
    views = torch.randn(2 * N, 1, 28, 28)
    with torch.no_grad():
        for parameter in method.model.parameters():
            parameter.add_(1.0)
    method(views)
    method.advance()
    for key, now in method.target.module.state_dict().items():
        if key in dict(method.model.named_parameters()):
            torch.testing.assert_close(now, before[key] + 0.1, rtol=0, atol=1e-5)
        else:
            assert torch.equal(now, method.model.state_dict()[key]), key
    assert not any(p.requires_grad for p in method.target.parameters())


def test_the_queue_never_holds_the_positive() -> None:
    method = methods.build("moco", network(), queue=3 * N).train()
    for seed in range(10, 14):
        keys = embeddings(seed)
        before = method.queue.clone()
        expected = F.normalize(keys, dim=1)
        assert not (before @ expected.T > 0.999).any()  # none of this batch's keys was among the negatives
        method.loss(embeddings(seed), keys)
        assert len(method.queue) == 3 * N
        torch.testing.assert_close(method.queue[: 2 * N], expected)  # only afterwards, the oldest have left
        torch.testing.assert_close(method.queue[2 * N :], before[:N])


@pytest.mark.parametrize("name", NAMES)
def test_resume_is_bit_equal(name: str, tmp_path) -> None:
    images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    options = {"queue": 64} if name == "moco" else {}
    arguments = dict(images=images, views=Views("original_mnist"), method=name, options=options)

    class Cut(Exception):
        pass

    def cut_off():
        raise Cut

    whole, pieces = network(), network()
    pretrain(whole, settings=Settings(2, 32), **arguments)
    file = tmp_path / "pretraining.ckpt"
    calls = iter([dict, cut_off])
    with pytest.raises(Cut):
        pretrain(pieces, settings=Settings(2, 32), checkpoint=file, probe=lambda: next(calls)(), **arguments)
    again = network()
    history = pretrain(again, settings=Settings(2, 32), checkpoint=file, **arguments)
    assert len(history) == 2
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def knowing_nothing(name: str, views: torch.Tensor) -> float:
    """The loss of a network whose output tells no image from another."""
    return {
        "simclr": math.log(2 * 128 - 1),
        "moco": math.log(1 + 512),
        "byol": 2.0,  # no better than a right angle
        "vicreg": 25.0,  # every deviation is 0, and falls 1 short in both views
        "barlow_twins": float(D),
        "autoencoder": views.var().item(),
    }[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_on_the_sample_learns(name: str) -> None:
    images = data.load("mnist").train_images[:2048]
    model, views = network(), Views("original_mnist")
    options = {"queue": 512} if name == "moco" else {}
    settings = Settings(2, 128, learning_rate=2e-3)
    history = pretrain(model, images, views, settings, method=name, options=options)
    batch = views.pair(images[:512], torch.Generator().manual_seed(0))
    assert history[-1]["loss"] < 0.9 * knowing_nothing(name, batch)
    with torch.no_grad():
        features = F.normalize(model.eval()(batch)[0], dim=1)
    first, second = features.chunk(2)
    own, other = (first * second).sum(1).mean(), (first @ second.T).mean()
    assert own > other + 0.02  # no collapse: the views of one image are more alike than those of two


def test_a_method_after_the_autoencoder_trains_the_projection_head_again() -> None:
    model = network()
    methods.build("autoencoder", model)
    assert not any(p.requires_grad for p in model.projection_head.parameters())
    methods.build("simclr", model)
    assert all(p.requires_grad for p in model.projection_head.parameters())


def test_processes_that_would_draw_alike_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(distributed, "processes", lambda: 2)
    monkeypatch.setattr(distributed, "from_first", lambda value: value)
    images = torch.zeros(8, 1, 28, 28, dtype=torch.uint8)
    with pytest.raises(ValueError, match="autoencoder draws random numbers .* 2 processes .* as one process"):
        pretrain(network(), images, Views("strong_mnist"), Settings(1, 8), method="autoencoder")


def test_simclr_keeps_nothing_beside_the_network() -> None:
    model = network()
    assert {k.removeprefix("model.") for k in methods.build("simclr", model).state_dict()} == set(model.state_dict())


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("simsiam", {}, "no method named 'simsiam'; there are: simclr, moco"),
        ("byol", {"queue": 3}, "byol has no option"),
        ("moco", {"momentum": 1.0}, "momentum must be at least 0 and below 1"),
        ("moco", {"queue": 0}, "queue must be at least 1"),
        ("moco", {"temperature": 0}, "temperature must be above 0"),
        ("autoencoder", {"hidden": 1.0}, "hidden must be at least 0"),
    ],
)
def test_what_there_is_not_is_refused(name: str, options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        methods.build(name, network(), **options)


def test_building_a_method_draws_no_random_number() -> None:
    model = network()
    before = torch.get_rng_state()
    first, second = methods.build("byol", model), methods.build("byol", model)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
