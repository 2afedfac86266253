"""Every benchmark runs with tiny sizes and gives finite figures; the docs are what the records give. No times."""

import importlib
import json
import math
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench import docs, few_labels, improved, kernel_head, label_efficiency, patches, precision, run
from bench.measure import Line, from_record, quartiles, table
from lib.augment import Views
from lib.data.samples import SAMPLES
from lib.evaluation.linear import PENALTIES, linear_evaluation, plain_features
from lib.evaluation.patches import Patches
from lib.files import ROOT
from lib.models import Features
from lib.runs import profiles
from lib.runs.lab import test_once as once
from lib.runs.shipped import load_trained
from lib.training import train_classifier
from lib.training.checkpoint import digest

NO_WINDOWS = pytest.mark.skipif(os.name == "nt", reason="lab bench needs Python's module resource")
TOPICS = [
    "views",
    "epoch",
    "cifar",
    "muon",
    "classifier",
    *(pytest.param(t, marks=NO_WINDOWS) for t in ("loss", "explore")),
]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_benchmark_gives_finite_figures(topic, monkeypatch):
    monkeypatch.setenv("LAB_OFFLINE", "1")
    run.silence()
    lines = importlib.import_module(f"bench.{topic}").measure(1, True)
    assert lines
    assert all(math.isfinite(value) and value > 0 for line in lines for value in line.values)
    assert [from_record(line.record()) for line in lines] == lines
    assert len(table(lines).splitlines()) == len(lines) + 2


def test_a_line_knows_what_is_better():
    assert Line("", "", "s", [1.0], 2, [3.0]).values == [3]
    assert Line("", "", "images/s", [3.0], 2, [1.0]).met
    assert not Line("", "", "MB", [3.0], 2).met
    assert quartiles([1.0, 2.0, 3.0]) == (1.5, 2, 2.5)


def test_paired_seeds_are_compared_seed_by_seed():
    def trained(accuracy):
        return {"accuracies": [accuracy, 0.9], "labels": [6000, 12000]}

    pairs = {"10": (0.95, 0.94), "2": (0.9, 0.92)}
    seeds = {s: {"float32": trained(a), "bfloat16": trained(b)} for s, (a, b) in pairs.items()}
    seeds["3"] = {"float32": trained(0.1)}  # its other half is still to come
    first, second = precision.table({"runs": {"quick/mnist": seeds}}).splitlines()[2:]
    assert first == (
        "| `quick/mnist`, 6,000 | 2, 10 | 90.00 % 95.00 % | 92.00 % 94.00 % | +2.00 -1.00 | +0.50 ± 2.12 points |"
    )
    assert second.endswith("| +0.00 +0.00 | +0.00 ± 0.00 points |")


def test_a_paired_run_is_the_profiles_but_for_its_precision():
    (asked,) = [r for r in profiles.load("improved") if (r.name, r.seed) == ("mnist", 2)]
    changed = {"precision": "bfloat16", "illustrated": False}
    assert precision.parameters("improved/mnist", 2, "bfloat16") == asked.parameters | changed
    assert precision.parameters("quick/cifar10", 4, "float32")["seed"] == 4, "seeds that the profile has not"
    with pytest.raises(ValueError, match="no run 'mnistt'"):
        precision.parameters("quick/mnistt", 0, "float32")


def test_a_trial_of_the_improved_recipe_never_sees_a_test_image(monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_OFFLINE", "1")
    short = {"epochs": 1, "small_crops": [[1, 16]], "batch_size": 32, "classifier_epochs": 1, "test_view_count": 1}
    short |= {"classifier_batch_size": 32, "projection": [16]}
    monkeypatch.setitem(improved.TRIALS, "tiny", short)
    seen = []

    def looked_at(run, given, heads):
        seen.append(given)
        return once(run, given, heads)

    monkeypatch.setattr(improved.lab, "test_once", looked_at)
    record = improved.trial(improved.asked("tiny", tmp_path))
    (given,) = seen
    whole = SAMPLES["cifar10"]()
    size = len(whole.train_images) // 5
    assert torch.equal(given.images.test_images, whole.train_images[4 * size : 5 * size])
    used = torch.cat([given.unlabelled_rows, *given.labelled_rows])
    assert used.max() < 4 * size, "what is scored on was not trained on"
    found = improved.row(record)
    assert found["changes"] == short
    assert 0.1 < found["untrained"] < 1
    assert 0.1 < found["linear"]["accuracy"] < 1
    assert improved.trial(improved.asked("tiny", tmp_path)) == record, "made once"
    assert len(seen) == 1
    text = improved.table([found])
    assert f"| {found['untrained']:.2%} |" in text
    assert "`test_view_count: 1`" in text


def test_the_docs_are_what_the_records_give():
    for name, content in docs.pages().items():
        assert (ROOT / name).read_text(encoding="utf-8") == content, "run python -m bench.docs"


def test_the_docs_few_labels_are_those_of_the_record():
    record = run.load("few_labels")["test images"]
    assert few_labels.table(record) in (ROOT / "docs/mnist.md").read_text(encoding="utf-8")
    assert record["settings"] == few_labels.SETTINGS
    counts = {(row["method"], row["labels"], row["draw"]) for row in record["rows"]}
    assert len(counts) == len(record["rows"]) == len(few_labels.KINDS) * 3 * 20, "no draw is left out"


def test_an_inductive_network_has_never_seen_what_it_is_asked(monkeypatch):
    images = SAMPLES["mnist"]()
    record, model = load_trained("mnist")
    x, y, trained_on = images.train_images, images.train_labels, []

    def looked_at(classifier, images, labels, *given, **settings):
        trained_on.append((images, labels))
        return train_classifier(classifier, images, labels, *given, **settings)

    monkeypatch.setattr(few_labels, "train_classifier", looked_at)
    task = few_labels.Task(record, model, torch.cat([x[:300], x[300:500], x[500:1000]]), y[:300], y[300:500])
    weights = digest(*model.encoder.state_dict().values())
    rows = few_labels.measured(task, 10, 0)
    assert digest(*model.encoder.state_dict().values()) == weights, "every draw starts from the network that ships"
    assert sorted(row["method"] for row in rows) == sorted(few_labels.KINDS)
    assert all(0.1 < row["accuracy"] <= 1 for row in rows)
    asked = {image.numpy().tobytes() for image in x[300:500]}
    kinds = [few_labels.KINDS[row["method"]] for row in rows if row["method"].startswith("network")]
    for kind, (seen, labels) in zip(kinds, trained_on, strict=True):
        found = {image.numpy().tobytes() for image in seen}
        assert found >= asked if kind == "transductive" else not found & asked
        assert (labels[-10:] == labels[-20:-10]).all(), "those whose label is known come again"


def test_a_system_without_the_module_resource_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    with pytest.raises(SystemExit, match="run it on Linux or macOS"):
        run.main(["--quick", "--only", "views"])


@pytest.mark.skipif(os.name == "nt", reason="its Python is a shell script")
def test_a_paired_run_that_fails_says_why(monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ValueError: no room' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(RuntimeError, match="quick/mnist, seed 0, float32 failed: ValueError: no room"):
        precision.measure("quick/mnist", 0, "float32")


def test_the_kernel_head_reads_an_image_and_its_mirror_image_alike():
    record, model = load_trained("cifar10")
    reader, plain = Features(model.encoder, ["stage1", "stage2"], 4, [32, 48]), Views(record["parameters"]["views"])
    images = SAMPLES["cifar10"]().train_images[:6]
    found, mirrored = (kernel_head.seen(reader, some, plain) for some in (images, images.flip(3)))
    assert found.shape == (6, 2 * (64 + 128) * 4 * 2)
    assert np.allclose(found, mirrored, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.1


def test_the_control_of_the_kernel_head_has_a_whitened_first_layer():
    forms, _ = kernel_head.readers("cifar10", kernel_head.UNTRAINED, SAMPLES["cifar10"]())
    assert len(forms) == 2
    for form in forms:
        filters = form.encoder.stem.weight
        assert torch.equal(filters[:24], -filters[24:]), "whitening filters stand there with both signs"
        assert torch.equal(filters, forms[0].encoder.stem.weight)


def test_the_kernel_head_separates_what_no_line_can():
    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (600, 2)).astype(np.float32)
    labels = 3 + 4 * (points[:, 0] * points[:, 1] > 0)
    answers = kernel_head.classified(points[:400], labels[:400], points[400:])
    assert set(answers) == {3, 7}
    assert (answers == labels[400:]).mean() > 0.9


def test_the_docs_kernel_head_is_that_of_the_record():
    record = run.load("kernel_head")["test images"]
    assert kernel_head.table(record["rows"]) in (ROOT / "docs/cifar10.md").read_text(encoding="utf-8")
    assert record["settings"] == kernel_head.SETTINGS
    assert record["dataset"]["test"] == 10_000, "not the sample"


def some_patches(counts):
    """Groups of a few patches, all of them together, the images they look at, and how these are normalised."""
    images, plain = SAMPLES["cifar10"](), Views("simclr_cifar10")
    whole = Patches(plain.plain(images.train_images[:200]), max(counts))
    return list(patches.groups(whole, counts)), whole, images, plain


def test_patches_come_in_groups_that_lack_none_and_end_at_every_count(monkeypatch):
    monkeypatch.setattr(patches, "GROUP", 16)
    found, whole, images, plain = some_patches([8, 24, 40])
    assert [count for count, _ in found] == [8, 16, 24, 32, 40]
    apart = [plain_features(some, images.test_images[:5], plain).reshape(5, 2, -1, 4) for _, some in found]
    together = plain_features(whole, images.test_images[:5], plain).reshape(5, 2, -1, 4)
    assert np.allclose(np.concatenate(apart, 2), together, atol=1e-6)


def test_from_products_of_images_comes_the_same_linear_evaluation(monkeypatch):
    monkeypatch.setattr(patches, "GROUP", 24)
    found, whole, images, plain = some_patches([48])
    labels, true = images.train_labels[:300], images.test_labels[:200].numpy()
    x, asked = images.train_images[:300], images.test_images[:200]
    products = patches.Products(300, 200)
    for _, some in found:
        products.add(plain_features(some, x, plain), plain_features(some, asked, plain))
    ours = patches.classified(
        torch.from_numpy(products.known), torch.from_numpy(products.asked), labels, PENALTIES, seed=0
    )
    theirs = linear_evaluation(
        plain_features(whole, x, plain), labels.numpy(), plain_features(whole, asked, plain), true
    )
    assert ours["penalty"] == theirs["penalty"]
    assert ours["held_out_accuracy"] == pytest.approx(theirs["held_out_accuracy"])
    assert (ours["classes"].numpy() == true).mean() == pytest.approx(theirs["accuracy"])
    assert products.features == theirs["features"] == 48 * 8


def test_the_kernel_of_patches_is_one_for_an_image_with_itself_and_falls_with_the_difference():
    generator = np.random.default_rng(0)
    known = generator.standard_normal((20, 6)).astype(np.float32)
    products = patches.Products(20, 20)
    products.add(known.copy(), known.copy())
    same, asked = (kernel.numpy() for kernel in products.gaussian(0.3))
    scaled = (known - known.mean(0)) / known.std(0)
    expected = np.exp(-0.3 * np.square(scaled[:, None] - scaled[None]).mean(2))
    assert np.allclose(same, expected, atol=1e-5)
    assert np.allclose(asked, expected, atol=1e-5)


def test_the_docs_patches_are_those_of_the_record():
    record = run.load("patches")["test images"]
    assert patches.table(record["rows"]) in (ROOT / "docs/cifar10.md").read_text(encoding="utf-8")
    assert record["settings"] == patches.SETTINGS
    assert record["dataset"]["test"] == 10_000, "not the sample"
    budget = load_trained("cifar10")[0]["results"]["flops"]["pretraining"]
    assert 0.99 * budget < max(row["flops"] for row in record["rows"]) <= budget


def test_the_docs_label_efficiency_is_that_of_the_record():
    record = run.load("label_efficiency")["test images"]
    assert label_efficiency.table(record["rows"]) in (ROOT / "docs/cifar10.md").read_text(encoding="utf-8")
    assert record["settings"] == json.loads(json.dumps(label_efficiency.SETTINGS))
    assert record["dataset"]["test"] == 10_000, "not the sample"


@pytest.mark.parametrize("way", label_efficiency.WAYS)
def test_every_way_from_labels_to_a_classifier_learns(way, monkeypatch):
    monkeypatch.setitem(kernel_head.SETTINGS, "sides", [32])
    monkeypatch.setattr(label_efficiency, "TRAINING", replace(label_efficiency.TRAINING, epochs=8, batch_size=25))
    monkeypatch.setattr(label_efficiency, "LEAST_STEPS", 1)
    monkeypatch.setattr(label_efficiency, "TEST_COUNT", 1)
    run.silence()
    images = SAMPLES["cifar10"]()
    task = label_efficiency.Task("cifar10", images, images.test_images[:200], images.test_labels[:200])
    before = {name: digest(*encoder.state_dict().values()) for name, encoder in task.starts.items()}
    assert task.accuracy(way, 100, 0) > 0.2
    assert task.accuracy(way, 100, 0) == task.accuracy(way, 100, 0), "the same draw, the same answer"
    assert {name: digest(*encoder.state_dict().values()) for name, encoder in task.starts.items()} == before
    assert task.starts["from scratch"].stem.weight.requires_grad is False
