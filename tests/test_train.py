"""Learning, checkpoints, resume, interruption, divergence."""

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lib import progress
from lib.augment import Views
from lib.evaluation.neighbours import knn_probe
from lib.methods import simclr
from lib.models import Classifier, SimCLR, freeze_encoder
from lib.training import loop, pretraining
from lib.training import settings as settings_module
from lib.training.checkpoint import save_beside
from lib.training.classifier import compute_features, train_classifier
from lib.training.device import compile_for
from lib.training.loop import TrainingDiverged
from lib.training.pretraining import pretrain
from lib.training.settings import Settings

VIEWS, COLOUR = Views("original_mnist"), Views("simclr_cifar10")
SHORT = Settings(3, 64, "adamw", 1e-3, 1e-4, "one_cycle", seed=5)


def fresh() -> SimCLR:
    torch.manual_seed(5)
    return SimCLR("small_cnn")


def equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


@pytest.fixture
def images(digits):
    return digits.train_images[:160]  # the last batch is half full


class CutOff(Exception):
    pass


def cut_after(epochs: int, monkeypatch) -> None:
    """Let saving a checkpoint be the last thing that happens after so many epochs."""
    save = loop.TrainingState.save

    def save_and_fail(self, path, history):
        save(self, path, history)
        if len(history) == epochs:
            raise CutOff

    monkeypatch.setattr(loop.TrainingState, "save", save_and_fail)


def test_pretraining_learns(digits):
    model = fresh()
    history = pretrain(model, digits.train_images[:512], VIEWS, Settings(4, 64))
    assert [e["epoch"] for e in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] < history[0]["loss"] - 0.1
    assert history.seconds > 0
    assert not model.training


PRECISIONS = pytest.mark.parametrize("precision", ["float32", "bfloat16"])  # the latter is right on every CPU


@PRECISIONS
@pytest.mark.parametrize("schedule", settings_module.SCHEDULES)
@pytest.mark.parametrize("optimizer", settings_module.OPTIMIZERS)
def test_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    optimizer, schedule, precision, images, tmp_path, monkeypatch
):
    settings = Settings(3, 64, optimizer, 1e-3, 1e-4, schedule, 5, precision)
    whole = fresh()
    expected = pretrain(whole, images, VIEWS, settings)
    with monkeypatch.context() as patch:
        cut_after(2, patch)
        with pytest.raises(CutOff):
            pretrain(fresh(), images, VIEWS, settings, checkpoint=tmp_path / "c")
    resumed = fresh()
    history = pretrain(resumed, images, VIEWS, settings, checkpoint=tmp_path / "c")
    assert equal(resumed, whole)
    assert [e["loss"] for e in history] == [e["loss"] for e in expected]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_muon_turns_the_update_of_a_convolution_into_an_orthogonal_one_and_leaves_the_rest_to_adamw(memory_format):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(4, 16, 3, bias=False), torch.nn.BatchNorm2d(16), torch.nn.Conv2d(16, 8, 3)
    )
    model, images = model.to(memory_format=memory_format), torch.randn(8, 4, 9, 9)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    muon = settings_module.OPTIMIZERS["muon"](model.parameters(), lr=0.01, weight_decay=0.0)
    model(images).square().mean().backward()
    muon.step()
    for name, p in model.named_parameters():
        step = (p.detach() - before[name]) / 0.01
        if p.ndim == 4:
            singular = torch.linalg.svdvals(step.flatten(1))
            usual = 0.2 * max(step.flatten(1).shape) ** 0.5  # AdamW's updates have a root mean square of about 0.2
            assert (singular / usual).sub(1).abs().max() < 0.2, name
        else:
            assert step.abs().sub(1 + 0.9).abs().max() < 1e-2, f"{name}: Adam's first step, with Nesterov's momentum"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_muon_multiplies_in_bfloat16_only_where_the_machine_is_fast_at_it(precision, monkeypatch):
    from timm.optim import muon as timms

    plain, kinds = timms.zeropower_via_newtonschulz, []

    def watched(*given, dtype=None, **named):
        kinds.append(dtype)
        return plain(*given, dtype=dtype, **named)

    monkeypatch.setattr(timms, "zeropower_via_newtonschulz", watched)
    monkeypatch.setattr(settings_module, "choose_precision", lambda wanted, device: precision)
    weight = torch.nn.Parameter(torch.randn(4, 6))
    muon = settings_module.OPTIMIZERS["muon"]([weight], lr=0.01, weight_decay=0.0)
    weight.grad = torch.randn(4, 6)
    muon.step()
    assert kinds == [getattr(torch, precision)]


# A ResNet-18 in bfloat16 takes minutes on a processor without instructions for it.
@pytest.mark.parametrize(("encoder", "precision"), [("resnet18", "float32"), ("fast_resnet", "bfloat16")])
def test_a_batch_norm_network_with_probe_and_small_crops_resumes_to_the_same_weights(
    encoder, precision, tmp_path, monkeypatch
):
    images = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    settings, crops = Settings(3, 16, "adamw", 1e-3, 0.0, "one_cycle", 5, precision), [(2, 16)]

    def run(checkpoint=None, probed=True):
        torch.manual_seed(5)
        model, sides = SimCLR(encoder, (8,)), []
        model.encoder.register_forward_hook(lambda module, given, out: sides.append(given[0].shape[-1]))
        look = knn_probe(model, images, torch.arange(40) % 2, COLOUR) if probed else None
        history = pretrain(model, images, COLOUR, settings, 0.5, checkpoint, probe=look, small_crops=crops)
        return model, history, sides

    whole, expected, _ = run()
    steps = [buffer for name, buffer in whole.named_buffers() if name.endswith("num_batches_tracked")]
    assert steps[0] == steps[-1] == 9, "the probe does not count as training"
    with monkeypatch.context() as patch:
        cut_after(1, patch)
        with pytest.raises(CutOff):
            run(tmp_path / "c")
    resumed, history, _ = run(tmp_path / "c")
    assert equal(resumed, whole), "weights and BatchNorm's statistics"
    assert [(e["loss"], e["knn_accuracy"]) for e in history] == [(e["loss"], e["knn_accuracy"]) for e in expected]
    assert all(e["probe_seconds"] > 0 for e in history)
    unseen, _, sides = run(probed=False)
    assert equal(unseen, whole), "looking changes nothing"
    assert sides == [16] * 6 + [32] * 3


@pytest.mark.parametrize(("device", "triton", "expected"), [("cuda", True, 1), ("cuda", False, 0), ("cpu", True, 0)])
def test_a_network_is_compiled_where_it_pays(device, triton, expected, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if triton else None)
    model, compiled = fresh(), []
    model.compile = lambda: compiled.append(1)
    assert compile_for(torch.device(device), model) == bool(expected)
    assert len(compiled) == expected


def test_a_compiled_network_learns_the_same_and_keeps_its_names(images, monkeypatch):
    plain = fresh()
    pretrain(plain, images, VIEWS, SHORT)
    monkeypatch.setattr(pretraining, "compile_for", lambda device, model: model.compile(backend="aot_eager"))
    compiled = fresh()
    pretrain(compiled, images, VIEWS, SHORT)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    for ours, theirs in zip(compiled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_time_left_comes_from_the_pace_of_the_steps(monkeypatch):
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr(loop.time, "perf_counter", lambda: float(next(clock)))
    seen = []
    monkeypatch.setattr(progress, "WATCHERS", [lambda training: seen.append(training.left)])
    training = progress.Training("pretraining", 2, [])
    pace = loop.Pace(training, steps=20)
    for _ in range(20):
        pace.step()
    assert seen == [2.0 * (40 - taken) for taken in range(13, 21)], "two seconds a step, from the thirteenth on"
    training.history.append({"loss": 4.0, "seconds": 44.0, "probe_seconds": 1.0})
    pace.epoch()
    assert seen[-1] == 45.0, "another epoch, and its probe"
    for _ in range(13):
        pace.step()
    assert seen[-1] == 2.0 * (20 - 13) + 1.0


def test_watchers_see_a_training_from_its_start_to_its_end(digits, monkeypatch):
    seen = []
    monkeypatch.setattr(
        progress, "WATCHERS", [lambda t: seen.append((t.name, len(t.history), t.epochs, t.images, t.ended))]
    )
    history = pretrain(fresh(), digits.train_images[:64], VIEWS, SHORT, name="a/b-seed0 pretraining")
    assert [(name, images) for name, _, _, images, _ in seen] == [("a/b-seed0 pretraining", 64)] * len(seen)
    whole = len(history)
    assert [(done, ended) for _, done, _, _, ended in seen] == [
        *((epoch, False) for epoch in range(whole + 1)), (whole, True),
    ]  # fmt: skip


def test_a_display_that_fails_takes_no_training_with_it(digits, monkeypatch):
    def broken(training):
        raise RuntimeError("no figure today")

    monkeypatch.setattr(progress, "WATCHERS", [broken])
    with pytest.warns(UserWarning, match="no figure today"):
        history = pretrain(fresh(), digits.train_images[:64], VIEWS, SHORT)
    assert len(history) == SHORT.epochs
    assert progress.WATCHERS == []


@PRECISIONS
def test_classifier_with_dropout_resumes_to_the_same_weights(precision, digits, tmp_path, monkeypatch):
    encoder, settings = fresh().encoder, replace(SHORT, precision=precision)

    def run(checkpoint=None):
        torch.manual_seed(1)
        classifier = freeze_encoder(Classifier(encoder, (1, 28, 28), hidden=(32,), dropout=0.5))
        train_classifier(classifier, digits.train_images[:160], digits.train_labels[:160], VIEWS, settings, checkpoint)
        return classifier

    whole = run()
    with monkeypatch.context() as patch:
        cut_after(1, patch)
        with pytest.raises(CutOff):
            run(tmp_path / "c")
    assert equal(run(tmp_path / "c"), whole)


def test_checkpoint_of_another_run_is_not_taken_up(images, tmp_path):
    pretrain(fresh(), images, VIEWS, SHORT, 0.5, tmp_path / "c")
    with pytest.warns(UserWarning, match="temperature"):
        history = pretrain(fresh(), images, VIEWS, SHORT, 0.2, tmp_path / "c")
    assert len(history) == 3
    with pytest.warns(UserWarning, match="data"):
        pretrain(fresh(), images.flip(0), VIEWS, SHORT, 0.2, tmp_path / "c")


def test_interrupt_leaves_a_usable_model_and_history(images, monkeypatch):
    losses = iter(range(100))

    def interrupt_later(projections, temperature):
        if next(losses) == 4:  # in the second epoch of three batches
            raise KeyboardInterrupt
        return projections.square().mean()

    monkeypatch.setattr(simclr, "nt_xent_loss", interrupt_later)
    model = fresh()
    with pytest.warns(UserWarning, match="after 1 of 3 epochs"):
        history = pretrain(model, images, VIEWS, SHORT)
    assert history.interrupted
    assert len(history) == 1
    assert model(VIEWS.plain(images))[0].isfinite().all()


def test_interrupted_in_its_first_epoch_it_starts_again_from_the_same_weights(images, monkeypatch):
    real, losses = simclr.nt_xent_loss, iter(range(100))

    def interrupt_once(projections, temperature):
        if next(losses) == 1:
            raise KeyboardInterrupt
        return real(projections, temperature)

    monkeypatch.setattr(simclr, "nt_xent_loss", interrupt_once)
    model = fresh()
    with pytest.warns(UserWarning, match="after 0 of 3 epochs"):
        pretrain(model, images, VIEWS, SHORT)
    again, whole = pretrain(model, images, VIEWS, SHORT), pretrain(fresh(), images, VIEWS, SHORT)
    assert [epoch["loss"] for epoch in again] == [epoch["loss"] for epoch in whole]


def test_divergence_names_epoch_and_step_and_keeps_the_checkpoint(images, tmp_path, monkeypatch):
    real, calls = simclr.nt_xent_loss, iter(range(100))
    monkeypatch.setattr(simclr, "nt_xent_loss", lambda z, t: real(z, t) * (float("nan") if next(calls) == 4 else 1))
    with pytest.raises(TrainingDiverged, match=r"epoch 2, step 2.*learning rate"):
        pretrain(fresh(), images, VIEWS, SHORT, checkpoint=tmp_path / "c")
    assert len(torch.load(tmp_path / "c")["history"]) == 1


@pytest.mark.parametrize("epochs", [1, 5])
def test_an_absurd_learning_rate_is_stopped_before_a_checkpoint_holds_it(images, tmp_path, epochs):
    with pytest.raises(TrainingDiverged, match="learning rate"):
        pretrain(fresh(), images, VIEWS, Settings(epochs, 160, "sgd", 1e39), checkpoint=tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("epochs", range(1, 12))
def test_one_cycle_takes_any_number_of_steps(images, epochs):
    state = loop._start(fresh(), images, Settings(epochs, 160, schedule="one_cycle"), {})
    for _ in range(epochs):
        state.optimizer.step()
        state.schedule.step()


def test_a_checkpoint_of_a_training_that_began_elsewhere_is_not_taken_up(tmp_path):
    def begun(weights="none", fixed=False):
        torch.manual_seed(0)
        model = SimCLR("fast_resnet", (8,))
        model.weights = weights  # as if the network had been filled with them
        model.encoder.stem.weight.requires_grad_(not fixed)
        return model

    pictures = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pretrain(begun(), pictures, COLOUR, Settings(1, 20), checkpoint=tmp_path / "c")
    for other in (begun("imagenet"), begun(fixed=True)):
        with pytest.warns(UserWarning, match="another run"):
            pretrain(other, pictures, COLOUR, Settings(1, 20), checkpoint=tmp_path / "c")


def test_a_classifiers_checkpoint_is_not_taken_up_on_another_encoder(digits, tmp_path):
    images, labels = digits.train_images[:160], digits.train_labels[:160]
    encoders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        encoders.append(SimCLR("small_cnn").encoder)
    before = [p.clone() for p in encoders[1].parameters()]
    first, second = (freeze_encoder(Classifier(encoder, (1, 28, 28))) for encoder in encoders)
    train_classifier(first, images, labels, VIEWS.plain, SHORT, tmp_path / "c")
    with pytest.warns(UserWarning, match="encoder differ"):
        train_classifier(second, images, labels, VIEWS.plain, SHORT, tmp_path / "c")
    assert all(torch.equal(a, b) for a, b in zip(before, encoders[1].parameters(), strict=True))


@pytest.mark.parametrize("layers", [(), ("relu2",)])
def test_an_encoder_frozen_as_far_as_a_classifier_reads_it_is_not_pretrained(images, layers):
    model = fresh()
    freeze_encoder(Classifier(model.encoder, (1, 28, 28), layers=layers))
    with pytest.raises(ValueError, match="build the model anew"):
        pretrain(model, images, VIEWS, SHORT)


def test_one_cycle_ends_with_the_last_batch(images):
    state = loop._start(fresh(), images, SHORT, {})
    steps = 3 * 3
    rates = []
    for _ in range(steps):
        rates.append(state.optimizer.param_groups[0]["lr"])
        state.optimizer.step()
        state.schedule.step()
    assert max(rates) == pytest.approx(1e-3, rel=0.1)
    assert rates[-1] < 1e-6, "the last batch is trained at the lowest rate"


def test_plain_features_are_computed_once(digits, monkeypatch):
    classifier = freeze_encoder(Classifier(fresh().encoder, (1, 28, 28)))
    calls = []
    classifier.encoder.register_forward_hook(lambda *_: calls.append(1))
    train_classifier(classifier, digits.train_images[:160], digits.train_labels[:160], VIEWS.plain, Settings(5, 40))
    assert len(calls) == 1


def test_same_seed_same_weights_other_seed_others(images):
    runs = [fresh() for _ in range(3)]
    for model, seed in zip(runs, (1, 1, 2), strict=True):
        pretrain(model, images, VIEWS, Settings(1, 64, seed=seed))
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2])


def test_refusals(digits):
    with pytest.raises(ValueError, match="no optimizer named 'lion'"):
        Settings(1, optimizer="lion")
    with pytest.raises(ValueError, match="no schedule"):
        Settings(1, schedule="weekly")
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        Settings(0)
    with pytest.raises(ValueError, match="larger than the data, 10 images"):
        pretrain(fresh(), digits.train_images[:10], VIEWS, SHORT)
    with pytest.raises(ValueError, match="uint8"):
        pretrain(fresh(), digits.train_images.float(), VIEWS, SHORT)
    classifier = Classifier(fresh().encoder, (1, 28, 28), classes=5)
    with pytest.raises(ValueError, match="labels in 0 to 4"):
        train_classifier(classifier, digits.train_images, digits.train_labels, VIEWS, SHORT)


def test_saving_leaves_no_half_file(tmp_path, monkeypatch):
    save_beside(tmp_path / "x", {"a": 1})

    def fail(path, content):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        save_beside(tmp_path / "x", {"a": 2})
    assert torch.load(tmp_path / "x") == {"a": 1}
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("mode", [False, True])
def test_computing_features_leaves_every_module_in_the_mode_it_was_in(images, mode):
    encoder = SimCLR("resnet18", (8,), (1, 28, 28)).train(mode).encoder
    encoder.layer1.train(not mode)
    state = {k: v.clone() for k, v in encoder.state_dict().items()}
    compute_features(encoder, images[:20], VIEWS.plain)
    assert {module.training for module in encoder.layer1.modules()} == {not mode}
    assert {module.training for module in encoder.layer2.modules()} == {encoder.training} == {mode}
    assert all(torch.equal(v, state[k]) for k, v in encoder.state_dict().items())
