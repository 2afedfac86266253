"""The evidence section and its verdicts, on records in which the right answer is known."""

import copy
import json
import math
import shutil

import pytest
from bs4 import BeautifulSoup

from lib import words
from lib.evaluation.protocols import HEADS, WAYS
from lib.files import ROOT
from lib.report import page as report_page
from lib.report import plots, sections, values
from lib.report.chapters import evidence, verdicts
from lib.report.chapters.evidence import gather
from lib.report.page import Report
from lib.runs import profiles, records
from tests.commands import parsed

ORIGINAL = ROOT / "figures/records/original"
CLAIMS = values.load_yaml(ROOT / "notebooks/claims.yaml")
COUNTS = [10, 100, 6000]


def load(path):
    """A published record, to be changed: without the hash of what its run wrote."""
    record = records.load(path)
    record.pop("sha256", None)
    return record


def simclr(run, seed, accuracy, **parameters):
    """A record of the lab's recipe on MNIST with settings and an accuracy of our own."""
    record = copy.deepcopy(load(ORIGINAL / f"mnist-seed{seed}"))
    record["name"], record["profile"] = f"{run}-seed{seed}", "evidence"
    more = {"left_out": [], "augmented_views": 2, "illustrated": run == "mnist"}
    record["parameters"] |= {"profile": "evidence", "run": run, "seed": seed} | more | parameters
    record["results"]["classifiers"][0]["test_accuracy"] = accuracy
    for epoch in record["history"]["pretraining"]:
        epoch |= {"alignment": 1 / epoch["epoch"], "uniformity": -float(epoch["epoch"]) / 5}
    return record


def probed(seed):
    """A record of evidence.ipynb: each way has a known accuracy, a step of 0.01 a way and 0.1 a number of labels."""
    record = simclr("mnist-labels", seed, 0)
    record["parameters"] = {"profile": "evidence", "run": "mnist-labels", "seed": seed, "methods": list(WAYS)}
    rows = [
        {"method": way, "labels": n, "test_accuracy": 0.5 + i / 100 + k / 10 + seed / 1000}
        for i, way in enumerate(WAYS)
        for k, n in enumerate(COUNTS)
    ]
    means = {"positive": 0.9, "same_class": 0.5, "other_class": 0.1}
    spread = {kind: {"mean": mean, "shares": [0.25] * 4} for kind, mean in means.items()}
    pairs = {n: {"alignment": 0.5, "uniformity": -2.0, "similarities": spread} for n in ("random encoder", "SimCLR")}
    heads = [{"head": head, "labels": 6000, "test_accuracy": 0.9, "buffers_changed": 0} for head in HEADS]
    maps = {name: [[0.0, 1.0], [2.0, 3.0]] for name in ("pixels", "random encoder", "SimCLR features")}
    record["results"] = {"label_efficiency": rows, "heads": heads, "pairs": pairs, "test_accuracy": 0.9,
                         "maps": maps, "map_labels": [0, 1], "map_method": "t-SNE"}  # fmt: skip
    record["history"] = record["pictures"] = {}
    return record


@pytest.fixture
def write(tmp_path):
    def written(*found):
        for record in found:
            (tmp_path / record["name"]).mkdir(exist_ok=True)
            (tmp_path / record["name"] / "record.json").write_text(json.dumps(record))
        return values.load_all(tmp_path)

    return written


@pytest.fixture
def everything(write):
    """The lab's recipe with three seeds, controls with two, one of which lacks a seed, probes, a comparison."""
    found = [simclr("mnist", seed, 0.95 + seed / 1000) for seed in range(3)] + [probed(seed) for seed in range(2)]
    for seed in range(2):
        found += [
            simclr("mnist-control", seed, 0.94 + seed / 100, epochs=5),
            simclr("mnist-control-temperature-0.1", seed, 0.97, epochs=5, temperature=0.1),
            simclr("mnist-control-epochs-6", seed, 0.948, epochs=6),
            simclr("mnist-control-epochs-8", seed, 0.99, epochs=8),
        ]
    found.append(simclr("mnist-control-left_out-HorizontalFlip", 1, 0.98, epochs=5, left_out=["HorizontalFlip"]))
    comparison = copy.deepcopy(load(ORIGINAL / "comparison-seed0"))
    comparison["name"] = "mnist-comparison-seed0"
    comparison["parameters"] |= {"profile": "evidence", "run": "mnist-comparison"}
    return write(*found, comparison)


@pytest.fixture
def shown(monkeypatch):
    """What a report shows, parsed."""
    pieces = []
    monkeypatch.setattr(report_page, "display", lambda piece: pieces.append(BeautifulSoup(piece.data, "html.parser")))
    return pieces


def table(shown, anchor):
    (found,) = [piece.find(id=anchor) for piece in shown if piece.find(id=anchor)]
    heads = [cell.get_text() for cell in found.select("thead th")]
    rows = [[cell.get_text() for cell in row.select("td, th")] for row in found.select("tbody tr")]
    commands = {name.get_text(): name.find_next("dd").get_text() for name in found.select("details.commands dt")}
    return [dict(zip(heads, row, strict=True)) | {"command": commands.get(" · ".join(row[:2]))} for row in rows]


def test_runs_of_a_sweep_have_no_sections_of_their_own(everything):
    (images,) = sections.by_images(everything)
    assert list(images.runs) == ["mnist"]


def test_the_base_is_the_run_the_others_differ_from_in_one_setting(everything):
    (found,) = gather(everything)
    assert found.base == "mnist-control"
    assert found.controls() == {
        "left_out": ["mnist-control", "mnist-control-left_out-HorizontalFlip"],
        "temperature": ["mnist-control-temperature-0.1", "mnist-control"],
        "epochs": ["mnist-control", "mnist-control-epochs-6", "mnist-control-epochs-8", "mnist"],
    }


def test_what_a_run_is_computed_in_is_no_choice_of_the_labs(write):
    """Records from before there was a choice, which were of float32, stand beside later ones."""
    (found,) = gather(write(
        simclr("mnist", 0, 0.95),
        simclr("mnist-control-epochs-2", 0, 0.9, epochs=2, precision="auto"),
        simclr("mnist-control-epochs-10", 0, 0.95, precision="bfloat16"),
    ))  # fmt: skip
    assert found.changes("mnist", "mnist-control-epochs-2") == ["epochs"]
    assert found.changes("mnist-control-epochs-2", "mnist") == ["epochs"]
    assert found.changes("mnist", "mnist-control-epochs-10") == []


def test_differences_are_those_of_equal_seeds(everything):
    (found,) = gather(everything)
    apart = found.difference("mnist-control-temperature-0.1", "mnist-control")
    assert [v.content for v in apart] == pytest.approx([0.03, 0.02])
    alone = found.difference("mnist-control-left_out-HorizontalFlip", "mnist-control")
    assert [v.content for v in alone] == pytest.approx([0.03])
    assert {s.file for s in alone[0].sources} == {
        "mnist-control-left_out-HorizontalFlip-seed1/record.json", "mnist-control-seed1/record.json"
    }  # fmt: skip


def test_a_profile_without_such_runs_has_no_evidence():
    assert gather(values.load_all(ROOT / "figures/records/improved")) == []


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_every_part_is_shown_in_both_languages(everything, shown, language):
    made = Report(language)
    (found,) = gather(everything)
    evidence.label_efficiency(made, found)
    evidence.controls(made, found)
    evidence.heads(made, found)
    evidence.representation(made, found)
    verdicts.verdicts(made, [found], CLAIMS)
    ids = {tag["id"] for piece in shown for tag in piece.find_all("figure")}
    figures = {f"figure-evidence-{part}-mnist" for part in ("labels", "controls", "map", "similarities", "growth")}
    assert ids >= figures | {f"table-evidence-{part}-mnist" for part in ("labels", "controls", "heads")} | {
        "table-claims"
    }


def test_label_efficiency_in_numbers(everything, shown):
    (found,) = gather(everything)
    evidence.label_efficiency(Report("en"), found)
    rows = table(shown, "table-evidence-labels-mnist")
    assert [row["method"] for row in rows] == [words.load("en")(f"way.{way}") for way in WAYS]
    assert rows[3]["100"] == "63.0 ± 0.1%", "0.5 + 3 ways + 1 number of labels, two seeds 0.001 apart"
    text = " ".join(piece.get_text() for piece in shown)
    compared = "“SimCLR, linear head” minus “trained from scratch” is −4.0 ± 0.0"
    assert f"With 10 labels, {compared}" in text


def test_ways_in_records_of_their_own_are_compared_by_seed(write, shown):
    """As where a profile gives each way a run: seeds that only one of them has are left out of the difference."""
    linear, scratch, more = probed(0), probed(0), probed(1)
    for record, way, run in ((linear, "linear", "one"), (scratch, "from scratch", "two"), (more, "linear", "one")):
        rows = record["results"]["label_efficiency"]
        record["results"]["label_efficiency"] = [row for row in rows if row["method"] == way]
        record["parameters"] |= {"run": run, "methods": [way]}
        record["name"] = f"{run}-seed{record['parameters']['seed']}"
    (found,) = gather(write(simclr("mnist", 0, 0.95), linear, scratch, more))
    evidence.label_efficiency(Report("en"), found)
    text = " ".join(piece.get_text() for piece in shown)
    assert "“SimCLR, linear head” minus “trained from scratch” is −4.0 percentage points" in text


def test_a_rows_command_is_that_run(everything, shown):
    """What is printed is what papermill would be given, and the notebook takes it."""
    (found,) = gather(everything)
    made = Report("en")
    evidence.label_efficiency(made, found)
    evidence.controls(made, found)
    rows = {row["value"]: row for row in table(shown, "table-evidence-controls-mnist")}
    asked = {"recipe": "control", "profile": "evidence", "run": "mnist-control-temperature-0.1", "temperature": 0.1}
    assert parsed(rows["0.1"]["command"]) == ("mnist", asked)
    assert parsed(rows["flip"]["command"])[1]["seed"] == 1, "the seed that there is"
    assert rows["0.1"]["gain (points)"] == "2.50 ± 0.71"
    fine = table(shown, "table-evidence-labels-mnist")[3]["command"]
    part = {"recipe": "mnist-part", "run": "again", "simclr_run": "evidence/mnist-seed0", "methods": ["fine-tuned"]}
    assert parsed(fine) == ("evidence", part), "a part is no whole: it has a folder of its own"


def test_a_record_of_no_known_run_has_no_command(write):
    (record,) = write(simclr("mine", 0, 0.9))
    assert evidence.command(record) == report_page.NONE
    (record,) = write(simclr("mine", 0, 0.9, profile="nowhere"))
    assert evidence.command(record) == report_page.NONE


def test_verdicts(everything, shown):
    (found,) = gather(everything)
    verdicts.verdicts(Report("en"), [found], CLAIMS)
    statements = [claim["id"] for name in ("mnist", "cifar10") for claim in CLAIMS.content[name]["statements"]]
    rows = dict(zip(statements, table(shown, "table-claims"), strict=True))
    verdict = {key: row["verdict"] for key, row in rows.items()}
    assert verdict["accuracy"] == "reproduced"
    assert rows["accuracy"]["found"] == "95.10 ± 0.10%"
    assert verdict["time"] == verdict["head_time"] == "on this machine", "a time is not judged"
    assert rows["time"]["claim"] == "MNIST: pretraining takes 179.4 s."
    assert rows["accuracy"]["reported"] == "95%"
    assert verdict["six_epochs"] == "reproduced", "0.25 points apart"
    assert verdict["eight_epochs"] == "not reproduced", "3.95 points apart"
    assert verdict["clustering"] == "reproduced"
    assert verdict["more_accurate"] == verdict["slower"] == "one seed, not judged"
    assert verdict["resnet18"] == "not run here, needs about 16 GPU minutes", "the lab's own time"
    assert verdict["large_batch"].startswith("not run here")
    assert rows["resnet50"]["command"].startswith("papermill notebooks/cifar10.ipynb")
    assert [row["command"] for row in rows.values() if row["found"] != "–" and not row["command"]] == []


@pytest.mark.parametrize(
    ("test", "found", "reported", "limit", "holds"),
    [
        ("near", [0.93, 0.95], 0.95, 0.015, True),
        ("near", [0.93, 0.93], 0.95, 0.015, False),
        ("near", [0.97], 0.95, 0.015, False),
        ("reaches", [0.49, 0.50], 0.51, 0.015, True),
        ("reaches", [0.60], 0.51, 0.015, True),
        ("reaches", [0.49], 0.51, 0.015, False),
        ("at_most", [0.69, 0.70], 0.7, 0.7, True),
        ("at_most", [0.70, 0.71], 0.7, 0.7, False),
        ("above", [0.010, 0.012], 0, 0, True),
        ("above", [0.004, 0.012], 0, 0, False),
        ("above", [0.004, 0.012, 0.008], 0, 0, True),
        ("above", [-0.010, -0.012], 0, 0, False),
        ("more_than", [0.03], 0, 0.02, True),
        ("more_than", [0.01, 0.02], 0, 0.02, False),
        ("about", [-0.02, 0.02], 0, 0.01, True),
        ("about", [-0.02], 0, 0.01, False),
    ],
)
def test_when_a_claim_holds(test, found, reported, limit, holds):
    assert verdicts.TESTS[test](found, reported, limit) is holds


def test_the_loss_that_is_left_after_an_epoch(write):
    record = simclr("mnist", 0, 0.95)
    for epoch in record["history"]["pretraining"]:
        epoch["loss"] = math.log(255) - epoch["epoch"] / 10  # batches of 128
    everything = write(record, probed(0))
    (found,) = gather(everything)
    claim = next(claim for claim in CLAIMS["mnist"]["statements"] if claim["id"].content == "loss_converges")
    ((left,), _) = verdicts.MEASURES["loss_left"](found, claim)
    assert left.content == pytest.approx(1 / 10), "a steady fall over ten epochs, from a network that knows nothing"


@pytest.fixture
def resnets(tmp_path):
    """Makes the lab's own runs in the folder ``original`` beside the report's: each a name and an accuracy."""

    def made(**accuracies):
        for seed, (run, accuracy) in enumerate(accuracies.items()):
            record = simclr(run := f"cifar10-{run}", 0, accuracy, profile="original")
            record["dataset"]["name"], record["profile"] = "cifar10", "original"
            record["parameters"] |= profiles.find("original", run).resolved | {"profile": "original", "seed": 0}
            record["results"]["classifiers"][0]["labels"] = 20000
            record["seconds"] = {"pretraining": 4000.0 + seed, record["results"]["classifiers"][0]["history"]: 50.0}
            (folder := tmp_path / "original" / record["name"]).mkdir(parents=True)
            (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
        return verdicts.lab_runs(tmp_path / "evidence")

    return made


def judged(write, shown, lab):
    """The table's row of each claim, with these runs of the lab's beside a record of CIFAR-10."""
    record, asked = simclr("cifar10", 0, 0.6, illustrated=True), probed(0)
    record["dataset"]["name"] = asked["dataset"]["name"] = "cifar10"
    verdicts.verdicts(Report("en"), gather(write(record, asked)), CLAIMS, lab)
    statements = [claim["id"] for name in ("mnist", "cifar10") for claim in CLAIMS.content[name]["statements"]]
    return dict(zip(statements, table(shown, "table-claims"), strict=True))


def test_the_labs_own_runs_answer_its_claims(write, shown, resnets, monkeypatch, tmp_path):
    monkeypatch.setattr(verdicts, "PUBLISHED", tmp_path / "none")
    lab = resnets(resnet18=0.60, batch512=0.55)
    rows = judged(write, shown, lab)
    assert (rows["resnet18"]["verdict"], rows["resnet18"]["found"]) == ("exceeded", "60%"), "well above 47%"
    assert (rows["cifar_time"]["verdict"], rows["cifar_time"]["found"]) == ("on this machine", "4,000.0 s")
    assert rows["batch512_time"]["found"] == "4,051.0 s", "both trainings"
    assert rows["large_batch"]["verdict"] == "one seed, not judged"
    assert rows["large_batch"]["found"] == "−5.00"
    assert (
        rows["resnet34"]["verdict"] == rows["larger_network"]["verdict"] == "not run here, needs about 34 GPU minutes"
    )
    assert "-p recipe resnet18" in rows["resnet18"]["command"]


def test_the_readers_own_run_goes_before_the_published_one(resnets, monkeypatch, tmp_path):
    resnets(resnet18=0.5, batch512=0.6)
    monkeypatch.setattr(verdicts, "PUBLISHED", tmp_path / "original")
    (theirs := tmp_path / "theirs" / "original").mkdir(parents=True)
    (tmp_path / "original" / "cifar10-resnet18-seed0").rename(theirs / "cifar10-resnet18-seed0")
    lab = verdicts.lab_runs(theirs.parent / "evidence")
    assert {value.sources[0].file for value in lab} == {
        "../../original/cifar10-batch512-seed0/record.json",
        "../original/cifar10-resnet18-seed0/record.json",
    }
    assert all((theirs.parent / "evidence" / value.sources[0].file).resolve().is_file() for value in lab)


def shorten(path, epochs=5):
    """Make a run's record one of fewer epochs."""
    record = json.loads(path.read_text(encoding="utf-8"))
    record["parameters"]["epochs"] = epochs
    path.write_text(json.dumps(record), encoding="utf-8")


def test_a_run_that_was_cut_short_is_shown_and_not_judged(write, shown, resnets, monkeypatch, tmp_path):
    monkeypatch.setattr(verdicts, "PUBLISHED", tmp_path / "none")
    resnets(resnet50=0.72, resnet34=0.6, batch512=0.5)
    for run in ("resnet50", "batch512"):
        shorten(tmp_path / f"original/cifar10-{run}-seed0/record.json")
    lab = verdicts.lab_runs(tmp_path / "evidence")
    rows = judged(write, shown, lab)
    assert (rows["resnet50"]["verdict"], rows["resnet50"]["found"]) == (
        "cut short after 5 of 10 epochs, not judged",
        "72%",
    )
    assert rows["larger_network"]["verdict"].startswith("cut short"), "compared with a run that is"
    assert rows["resnet34"]["verdict"] == "exceeded"


def test_a_run_of_full_length_goes_before_one_that_was_cut_short(resnets, monkeypatch, tmp_path):
    resnets(resnet18=0.5)
    monkeypatch.setattr(verdicts, "PUBLISHED", tmp_path / "original")
    theirs = tmp_path / "theirs/original/cifar10-resnet18-seed0"
    shutil.copytree(tmp_path / "original/cifar10-resnet18-seed0", theirs)
    shorten(theirs / "record.json")
    ((source,),) = [value.sources for value in verdicts.lab_runs(tmp_path / "theirs/evidence")]
    assert source.file == "../../original/cifar10-resnet18-seed0/record.json", "the published one"


@pytest.mark.parametrize("change", [{"epochs": 11}, {"weights": "imagenet"}, {"dataset": "/my/pictures"}])
def test_a_run_that_is_not_as_the_labs_answers_none_of_its_claims(change, resnets, monkeypatch, tmp_path):
    monkeypatch.setattr(verdicts, "PUBLISHED", tmp_path / "none")
    assert len(resnets(resnet18=0.5)) == 1
    (path,) = tmp_path.glob("original/*/record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"parameters": record["parameters"] | change}), encoding="utf-8")
    assert verdicts.lab_runs(tmp_path / "evidence") == []
    path.write_text(
        json.dumps(record | {"dataset": record["dataset"] | {"genuine": False, "source": "embedded sample"}})
    )
    assert verdicts.lab_runs(tmp_path / "evidence") == []


def test_every_claim_can_be_tested_or_has_a_run():
    runs = {run.name for run in profiles.load("original")}
    for name in ("mnist", "cifar10"):
        for claim in CLAIMS.content[name]["statements"]:
            assert claim["measure"] in verdicts.MEASURES
            assert claim["test"] in {"machine", *verdicts.TESTS}
            assert {claim[key] for key in ("run", "than") if key in claim} <= runs
            for step in (said := CLAIMS.content[name]) and claim.get("reported", []):
                said = said[step]
            assert "reported" not in claim or isinstance(said, float)


def test_claims_on_a_sample_are_not_judged(everything, shown):
    for record in everything:
        record.content["dataset"] |= {"genuine": False, "source": "embedded sample"}
    verdicts.verdicts(Report("en"), gather(everything), CLAIMS)
    assert not {"reproduced", "not reproduced"} & {row["verdict"] for row in table(shown, "table-claims")}


def test_figures_hold_what_the_records_do(everything):
    contents = [r.content for r in everything if "label_efficiency" in r.content["results"]]
    axis = plots.label_efficiency(contents).axes[0]
    assert len(axis.lines) == len(WAYS)
    assert axis.lines[0].get_ydata() == pytest.approx([50.05, 60.05, 70.05])
    assert len(plots.similarities(contents[0]).axes) == 2
    main = [r.content for r in everything if r.content["parameters"]["run"] == "mnist"]
    assert plots.growth(main).axes[0].lines[0].get_ydata()[1] == pytest.approx(0.5)
    bars = [("τ", [("0.1", [0.9, 0.92], False), ("0.5", [0.8], True)])]
    axis = plots.controls(bars, contents[0]["dataset"]).axes[0]
    assert [drawn[0].get_xdata()[0] for drawn in axis.containers] == pytest.approx([91, 80])
