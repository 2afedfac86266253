"""What is computed in half precision, what stays float32, and who decides."""

import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lib.augment import Views
from lib.methods import simclr
from lib.models import Classifier, SimCLR, freeze_encoder
from lib.runs import records
from lib.runs.parameters import ComparisonParameters, SimCLRParameters
from lib.runs.profiles import defaults
from lib.training import device, distributed
from lib.training.classifier import compute_features, train_classifier
from lib.training.device import autocast, choose_precision, cpu_computes_bfloat16
from lib.training.pretraining import pretrain
from lib.training.settings import Settings

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
VIEWS = Views("simclr_cifar10")
SHORT = Settings(1, 16, seed=5, precision="bfloat16")
# Processors without the instructions compute the same, and say that they are slow.
pytestmark = pytest.mark.filterwarnings("ignore:this processor has no arithmetic for bfloat16")


@pytest.fixture
def images(generator):
    return torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.fixture
def processor(monkeypatch):
    """Lets a test choose what torch says of the processor, and what a matrix product in each precision takes."""
    cpu_computes_bfloat16.cache_clear()

    def choose(says, float32=1.0, bfloat16=1.0):
        seconds = {torch.float32: float32, torch.bfloat16: bfloat16}
        cpu = SimpleNamespace() if says is None else SimpleNamespace(get_capabilities=lambda: says)
        monkeypatch.setattr(device, "torch", SimpleNamespace(**{**vars(torch), "cpu": cpu}))
        monkeypatch.setattr(device, "_product_seconds", seconds.get)

    yield choose
    cpu_computes_bfloat16.cache_clear()


def fresh() -> SimCLR:
    torch.manual_seed(5)
    return SimCLR("fast_resnet", (16, 8), batch_norm=True)


@pytest.mark.parametrize(
    ("says", "seconds", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, (1, 2), True),
        ({"avx512_bf16": False, "amx_bf16": True}, (1, 2), True),
        ({"avx512_bf16": False, "amx_bf16": False}, (2, 1), False),
        ({"bf16": True}, (2, 1), True),  # ARM: the instructions may be there and torch not use them
        ({"bf16": True}, (1, 2), False),
        (None, (2, 1), True),  # torch before it told
        (None, (1, 1), False),
    ],
)
def test_the_processor_is_asked_or_else_timed(says, seconds, expected, processor):
    processor(says, *seconds)
    assert cpu_computes_bfloat16() == expected
    assert choose_precision("auto", CPU) == ("bfloat16" if expected else "float32")


def test_what_is_said_of_this_processor_is_what_the_system_says():
    info = Path("/proc/cpuinfo")
    if not info.exists() or "flags" not in (text := info.read_text()):
        pytest.skip("no list of x86 instructions here")
    assert cpu_computes_bfloat16() == ("avx512_bf16" in text or "amx_bf16" in text)


def test_timing_a_product_tells_slow_from_fast():
    small, large = (device._product_seconds(torch.float32, size, 3) for size in (16, 512))
    assert 0 < small < large < 1


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16")])
def test_auto_on_a_cuda_device(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", CUDA) == expected
    assert choose_precision("float32", CUDA) == "float32"


def test_what_is_asked_for_by_name_is_taken(processor):
    processor({"avx512_bf16": True})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [choose_precision(wanted, CPU) for wanted in ("float32", "bfloat16")] == ["float32", "bfloat16"]
        assert choose_precision("auto", torch.device("mps")) == "float32"


@pytest.mark.filterwarnings("default")
def test_bfloat16_without_instructions_for_it_is_slow_and_says_so(processor):
    processor({"avx512_bf16": False})
    with pytest.warns(UserWarning, match="float32 would be faster"):
        assert choose_precision("bfloat16", CPU) == "bfloat16"


def test_refusals():
    with pytest.raises(ValueError, match="no precision named 'half'; there are: auto, float32, bfloat16"):
        Settings(1, precision="half")
    with pytest.raises(ValueError, match="float16 is for CUDA devices"):
        choose_precision("float16", CPU)


def test_float32_leaves_no_trace():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with autocast("float32", CPU):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def watch(model: nn.Module, kind: type) -> list[tuple[torch.dtype, torch.dtype]]:
    """The types of what goes into and comes out of layers of a kind, call by call."""
    seen = []
    for layer in model.modules():
        if isinstance(layer, kind):
            layer.register_forward_hook(lambda layer, given, out: seen.append((given[0].dtype, out.dtype)))
    return seen


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_network_is_computed_in_it_and_nothing_else(precision, images, monkeypatch):
    half, model, losses, drawn = getattr(torch, precision), fresh(), [], []
    convolutions, linears, norms = (watch(model, kind) for kind in (nn.Conv2d, nn.Linear, nn.BatchNorm2d))
    real, pair = simclr.nt_xent_loss, Views.pair
    monkeypatch.setattr(simclr, "nt_xent_loss", lambda z, t: losses.append((z.dtype, real(z, t))) or losses[-1][1])
    monkeypatch.setattr(Views, "pair", lambda *given: drawn.append(pair(*given)) or drawn[-1])
    pretrain(model, images, VIEWS, replace(SHORT, precision=precision), small_crops=[(1, 16)])
    assert {out for _, out in convolutions + linears} == {half}
    assert {given for given, _ in norms} == {half}
    assert {z for z, _ in losses} == {half}
    assert {loss.dtype for _, loss in losses} == {torch.float32}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {b.dtype for b in model.buffers()} == {torch.float32, torch.int64}
    order = torch.randperm(40, generator=(g := torch.Generator().manual_seed(5)))
    expected = pair(VIEWS.resized(16), images[order[:16]], g)  # of another size: by matrix products
    assert drawn[0].dtype == torch.float32
    assert torch.equal(drawn[0], expected), "views are drawn outside autocast"


def test_the_loss_is_that_of_the_float32_similarities(generator):
    z = torch.randn(64, 8, generator=generator).bfloat16()
    with autocast("bfloat16", CPU):
        inside = simclr.nt_xent_loss(z, 0.05)
    assert torch.equal(inside, simclr.nt_xent_loss(z.float(), 0.05))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_batch_norms_statistics_are_float32_of_what_came_in(layout, generator):
    x = (3 + 2 * torch.randn(64, 8, 16, 16, generator=generator)).bfloat16().to(memory_format=layout)
    ours, exact = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
    with autocast("bfloat16", CPU):
        ours(x)
    exact(x.float())
    for name in ("running_mean", "running_var"):  # in bfloat16 they would be off by 1e-3
        torch.testing.assert_close(getattr(ours, name), getattr(exact, name), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("half", [torch.float32, torch.bfloat16])
def test_batch_norm_over_processes_too(half, generator, monkeypatch):
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda tensor: None)  # of one process
    x = (3 + 2 * torch.randn(64, 8, 16, 16, generator=generator)).to(half)
    ours, exact = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
    out, expected = distributed._batch_norm(ours, x), exact(x.float())
    assert out.dtype == half
    torch.testing.assert_close(out, expected.to(half), rtol=1e-2, atol=1e-2)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(ours, name), getattr(exact, name), rtol=1e-5, atol=1e-6)


def test_gathered_projections_come_back_in_float32(generator, monkeypatch):
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda tensor: None)
    z = torch.randn(8, 4, generator=generator)
    gathered = distributed.gather(z.bfloat16(), torch.arange(4), 4)
    assert gathered.dtype == torch.float32
    assert torch.equal(gathered, z.bfloat16().float())
    assert distributed.gather(z.double(), torch.arange(4), 4).dtype == torch.float64


@pytest.mark.parametrize("operations", ["plain", "random"])
def test_a_classifier_trains_in_it_if_there_is_an_encoder_to_compute(operations, images):
    views = VIEWS.plain if operations == "plain" else VIEWS
    classifier = freeze_encoder(Classifier(fresh().encoder, (3, 32, 32)))
    seen = watch(classifier.head, nn.Linear)
    train_classifier(classifier, images, torch.arange(40) % 10, views, SHORT)
    assert {out for _, out in seen} == {torch.float32 if operations == "plain" else torch.bfloat16}
    seen.clear()
    assert compute_features(classifier.encoder, images, VIEWS.plain).dtype == torch.float32
    assert classifier(VIEWS.plain(images)).dtype == torch.float32, "evaluation is in float32"


def test_a_checkpoint_of_another_precision_is_of_another_run(images, tmp_path, monkeypatch):
    checkpoint = tmp_path / "c"
    pretrain(fresh(), images, VIEWS, SHORT, checkpoint=checkpoint)
    monkeypatch.setattr(device, "cpu_computes_bfloat16", lambda: True)
    history = pretrain(fresh(), images, VIEWS, replace(SHORT, precision="auto"), checkpoint=checkpoint)
    assert history == torch.load(checkpoint)["history"], "auto is what it comes to"
    monkeypatch.setattr(device, "cpu_computes_bfloat16", lambda: False)
    with pytest.warns(UserWarning, match=r"another run \(precision differ"):
        pretrain(fresh(), images, VIEWS, replace(SHORT, precision="auto"), checkpoint=checkpoint)
    assert torch.load(checkpoint)["identity"]["precision"] == "float32"


@pytest.mark.parametrize("fast", [True, False])
def test_a_record_says_what_ran(fast, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "cpu_computes_bfloat16", lambda: fast)
    monkeypatch.setattr(records, "choose_device", lambda: CPU)
    asked = defaults("mnist") | {"runs": str(tmp_path)}
    saved = records.load(records.Run(SimCLRParameters.checked(asked)).save())
    assert saved["parameters"]["precision"] == "auto"
    assert saved["environment"]["precision"] == ("bfloat16" if fast else "float32")
    asked = defaults("comparison") | {"runs": str(tmp_path)}
    saved = records.load(records.Run(ComparisonParameters.checked(asked)).save())
    assert "precision" not in saved["environment"], "a comparison trains nothing"


def test_every_training_of_a_run_is_asked_for_the_same_precision():
    asked = SimCLRParameters.checked(defaults("mnist") | {"precision": "float32"})
    assert (asked.pretraining.precision, asked.classifier.precision) == ("float32", "float32")
