"""The sections on several data sets in one profile, and what they say of images that are not the original ones."""

import base64
import copy
import json
import re

import numpy as np
import pytest
from bs4 import BeautifulSoup

from lib import words
from lib.files import ROOT
from lib.report import page as report_page
from lib.report import plots, sections, values
from lib.report.chapters import appendix, conclusions, findings
from lib.report.page import Report
from lib.runs.parameters import RunParameters, SimCLRParameters
from lib.runs.records import load

MNIST = ROOT / "figures/records/improved"
CLAIMS = values.load_yaml(ROOT / "notebooks/claims.yaml")
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def colour_record(seed):
    """An MNIST record turned into the record of a CIFAR-10 run on the JPEG copy, with all that such a run keeps."""
    record = copy.deepcopy(load(MNIST / f"mnist-seed{seed}"))
    del record["sha256"]  # what its run wrote is changed below
    record["name"] = f"cifar10-seed{seed}"
    record["parameters"] |= {"profile": "explore", "run": "cifar10"}  # by hand: of improved it would have more epochs
    record["dataset"] |= {"name": "cifar10", "source": "JPEG copy", "genuine": False, "classes": CLASSES}
    record["dataset"] |= {"train": 50000, "test": 10000, "shape": [3, 32, 32], "description": "JPEG copies"}
    results = record["results"]
    results["classifiers"] = results["classifiers"][1:]
    results["classifiers"][0] |= {"labels": 20000, "test_accuracy": 0.7012 + seed / 100}
    for epoch in record["history"]["pretraining"]:
        epoch["knn_accuracy"] = 0.5 + epoch["epoch"] / 100
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 3, 32, 32), dtype=np.uint8)
    for name, count in (("views", 30), ("mistakes", 12), ("neighbours", 16)):
        content = base64.b64encode(pixels[:count].tobytes()).decode()
        record["pictures"][name] = {"shape": [count, 3, 32, 32], "base64": content}
    results["neighbours"] = [{"label": label, "neighbours": list(range(7))} for label in (3, 5)]
    results["maps"] = {name: pixels[:, 0, 0, :2].tolist() for name in ("pixels", "SimCLR features")}
    results |= {"map_labels": [i % 10 for i in range(30)], "map_method": "t-SNE", "flops": {"pretraining": 5.512e13}}
    return record


@pytest.fixture
def both(tmp_path):
    """A profile's records: MNIST, its comparison, and CIFAR-10 as a JPEG copy."""
    for seed in range(3):
        for record in (load(MNIST / f"mnist-seed{seed}"), colour_record(seed)):
            (tmp_path / record["name"]).mkdir()
            (tmp_path / record["name"] / "record.json").write_text(json.dumps(record))
    (tmp_path / "comparison-seed0").mkdir()
    (tmp_path / "comparison-seed0/record.json").write_bytes((MNIST / "comparison-seed0/record.json").read_bytes())
    return values.load_all(tmp_path)


@pytest.fixture
def shown(monkeypatch):
    """What a report shows, parsed."""
    pieces = []
    monkeypatch.setattr(report_page, "display", lambda piece: pieces.append(BeautifulSoup(piece.data, "html.parser")))
    return pieces


def text(pieces):
    return " ".join(" ".join(piece.get_text(" ") for piece in pieces).split())


def test_runs_are_grouped_by_data_set_grey_first(both):
    groups = sections.by_images(both)
    assert [(group.name, group.title, list(group.runs)) for group in groups] == [
        ("mnist", "MNIST", ["mnist"]),
        ("cifar10", "CIFAR-10", ["cifar10"]),
    ]
    assert [len(group.main) for group in groups] == [3, 3]
    assert [(group.standing, group.comparable) for group in groups] == [("genuine", True), ("copy", True)]


@pytest.mark.parametrize(("language", "caveat"), [("en", "JPEG-compressed copies"), ("zh", "JPEG 压缩")])
def test_a_jpeg_copy_is_named_wherever_its_figures_stand(both, shown, language, caveat):
    mnist, cifar = sections.by_images(both)
    writer = Report(language)
    sections.cover(writer, [mnist, cifar], both, dict.fromkeys(("student", "course", "date"), ""))
    notes = shown[0].select(".data")
    assert [("warn" in note["class"], caveat in note.get_text()) for note in notes] == [(False, False), (True, True)]
    for show in (
        lambda: sections.data(writer, cifar),
        lambda: findings.pretraining(writer, cifar),
        lambda: findings.accuracies(writer, cifar, CLAIMS),
        lambda: conclusions.conclusions(writer, [cifar], [], CLAIMS),
    ):
        shown.clear()
        show()
        assert caveat in text(shown)
    for figure in (
        plots.views(cifar.first.content, writer.words),
        plots.pretraining([cifar.first.content], writer.words),
    ):
        assert "JPEG" in figure._supxlabel.get_text()
        assert figure._supxlabel.get_color() != "0.35"
    shown.clear()
    findings.accuracies(writer, mnist, CLAIMS)
    assert "JPEG" not in text(shown)


@pytest.mark.parametrize(("language", "missing"), [("en", "not in this record"), ("zh", "没有线性评估")])
def test_the_linear_evaluation_stands_beside_the_others_where_the_records_have_it(both, shown, language, missing):
    cifar, writer = sections.by_images(both)[1], Report(language)
    for record in cifar.main:
        del record.content["results"]["classifiers"][0]["linear_evaluation"]
        record.content["parameters"]["feature_sides"] = [32, 48]
    findings.evaluations(writer, cifar)
    assert missing in text(shown)
    for seed, record in enumerate(cifar.main):
        record.content["results"]["classifiers"][0] |= {
            "linear_evaluation": {"accuracy": 0.70 + seed / 100, "features": 3072},
            "untrained_linear_evaluation": {"accuracy": 0.50, "features": 3072},
            "knn_accuracy": 0.60,
        }
    shown.clear()
    findings.evaluations(writer, cifar)
    said = text(shown)
    assert missing not in said
    sizes = {"en": "32 and 48 pixels", "zh": "边长 32 和 48 像素"}[language]
    for figure in (
        sizes,
        "3,072",
        "20,000",
        "71.0 ± 1.0%",
        "50.00 ± 0.00%",
        "21.0 ± 1.0",
        "60.00 ± 0.00%",
        "71.1 ± 1.0%",
    ):
        assert figure in said, figure
    drawn = plots.headline([r.content for r in cifar.main], CLAIMS.content, writer.words)
    linear, head = drawn.axes[0].patches[:2]
    assert (linear.get_width(), head.get_width()) == (pytest.approx(71), pytest.approx(71.12))
    for weights, there in (("none", False), ("imagenet", True)):
        for record in cifar.main:
            record.content["parameters"]["weights"] = weights
        shown.clear()
        findings.evaluations(writer, cifar)
        assert ({"en": "as it was before SimCLR", "zh": "进行 SimCLR 预训练之前"}[language] in text(shown)) == there
    enlarged = {"en": ("a width of 48 pixels", "larger in training"), "zh": ("边长 48 像素", "显得比")}[language]
    for sides, there in (([48], True), ([32], False), ([], False)):
        for record in cifar.main:
            record.content["parameters"]["feature_sides"] = sides
        shown.clear()
        findings.evaluations(writer, cifar)
        assert [part in text(shown) for part in enlarged] == [there, there], sides


def test_published_figures_stand_beside_a_copy_but_not_beside_a_sample(both, shown):
    mnist, cifar = sections.by_images(both)
    writer = Report("en")
    findings.accuracies(writer, cifar, CLAIMS)
    rows = [" ".join(row.get_text(" ").split()) for row in shown[0].tbody.find_all("tr")]
    assert rows[0].startswith("cifar10 20,000 3 71.1 ± 1.0%")
    assert rows[1:] == [
        "original lab (ResNet-18, batch size 128 ) 20,000 – 47% 984.69 s 238.02 s",
        "original lab (ResNet-18, batch size 512 ) 20,000 – 49.97% – –",
        "original lab (ResNet-34) 20,000 – 51% – –",
    ]
    for seed in mnist.main:
        seed.content["dataset"] |= {"genuine": False, "source": "embedded sample"}
    shown.clear()
    findings.accuracies(writer, mnist, CLAIMS)
    conclusions.conclusions(writer, [mnist], [], CLAIMS)
    assert "original lab" not in text(shown).lower()
    assert "must not be set beside published ones" in text(shown)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_figure_and_table_of_a_data_set_is_there(both, shown, language):
    cifar = sections.by_images(both)[1]
    writer = Report(language)
    sections.data(writer, cifar)
    sections.settings(writer, cifar)
    findings.pretraining(writer, cifar)
    findings.classification(writer, cifar, CLAIMS)
    findings.errors(writer, cifar)
    findings.features(writer, cifar)
    there = {figure["id"] for piece in shown for figure in piece.select("figure[id]")}
    kinds = (
        "views",
        "pretraining",
        "head_training",
        "class_accuracy",
        "confusion",
        "mistakes",
        "neighbours",
        "feature_map",
    )
    assert {f"figure-{kind}-cifar10" for kind in kinds} <= there
    assert {"table-settings-cifar10", "table-accuracies-cifar10"} <= there
    assert "55.1 TFLOP" in text(shown)
    assert "59.0" in text(shown)  # the probe after the last epoch
    if language == "zh":
        assert "飞机" in text(shown) or "猫" in text(shown)


def test_several_runs_on_one_data_set_have_a_column_and_a_row_each(both, shown):
    for record in both:
        if record.content["name"] == "cifar10-seed2":
            record.content["parameters"] |= {"run": "cifar10-wide", "epochs": 77}
    cifar = sections.by_images(both)[1]
    assert [len(seeds) for seeds in cifar.runs.values()] == [2, 1]
    sections.settings(Report("en"), cifar)
    heads = [head.get_text() for head in shown[-1].thead.find_all("th")]
    assert heads[1:] == [
        f"{run}: {part}" for run in ("cifar10", "cifar10-wide") for part in ("pretraining", "classifier")
    ]
    (epochs,) = [row for row in shown[-1].tbody.find_all("tr") if row.th.get_text() == "epochs"]
    assert [cell.get_text() for cell in epochs.find_all("td")] == ["9", "40", "77", "40"]


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_appendix_says_what_networks_were_trained_in_where_the_record_does(both, shown, language):
    both[0].content["environment"]["precision"] = "bfloat16"
    appendix._environments(Report(language), both)
    told = ["bfloat16" in piece.get_text() for piece in shown]
    assert told.count(True) == 1
    assert told.count(False) >= 1, "the others are from before there was a choice"


def test_the_table_of_settings_leaves_no_parameter_out():
    elsewhere = set(RunParameters.model_fields) | {"dataset", "chunk_count", "unlabelled_chunks"}
    elsewhere |= {"labelled_chunks", "illustrated"}
    listed = {name for key in sections.SETTINGS for name in (key, f"classifier_{key}")}
    assert set(SimCLRParameters.model_fields) - elsewhere <= listed
    assert all(f"settings.{key}" in words.load("en") for key in sections.SETTINGS)


def test_a_run_is_compared_with_the_original_labs_own_recipe_or_its_best(both):
    cifar = sections.by_images(both)[1]
    reported = findings.recipes(CLAIMS, cifar)
    labels = cifar.first["results"]["classifiers"][0]["labels"]

    def compared(**asked):
        cifar.first.content["parameters"] |= asked
        recipe = findings.likest(reported, labels, cifar.first["parameters"])
        return recipe["encoder"].content, recipe["test_accuracy"].content

    assert compared(encoder="fast_resnet") == ("resnet34", 0.51)
    assert compared(encoder="resnet18", batch_size=128, classifier_epochs=30) == ("resnet18", 0.47)
    assert compared(encoder="resnet18", batch_size=512, classifier_epochs=50) == ("resnet18", 0.4997)
    assert findings.likest(reported, cifar.first["parameters"]["seed"], cifar.first["parameters"]) is None


def test_every_phase_of_the_published_records_has_a_name_in_chinese():
    report, phases = Report("zh"), {}
    for record in values.load_all(ROOT / "figures/records"):
        for phase in record["seconds"].content:
            phases.setdefault(phase, record)
    assert {"evaluation, untrained", "labels, fine-tuned", "head, lab's head on z"} <= phases.keys()
    named = {phase: str(appendix._phase(report, record, phase)) for phase, record in phases.items()}
    assert not [phase for phase, name in named.items() if not re.search(r"[\u4e00-\u9fff]", name)]
    assert named["evaluation, moco"] == "评估：MoCo"
