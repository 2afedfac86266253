"""The methods' comparison: its plan within a budget, its record, and what the report makes of the records."""

import copy
import json
import re
from types import SimpleNamespace

import pytest
import torch
from matplotlib.lines import Line2D

from lib import data, methods, words
from lib.evaluation.representation import effective_rank, spectrum
from lib.files import ROOT
from lib.models import SimCLR
from lib.report import plots, svg
from lib.report.chapters import conclusions, measured
from lib.report.page import Report
from lib.report.values import Source, Value
from lib.runs import fair, parameters, profiles, recipes, records
from lib.runs.lines import lines_of
from lib.runs.parameters import MethodsParameters, ParameterError
from lib.runs.trained import starting_point
from lib.training import flops
from lib.training.settings import Settings

BASE = json.loads((ROOT / "figures/records/evidence/mnist-seed0/record.json").read_text(encoding="utf-8"))
DATASETS = ("mnist", "cifar10")


def asked(recipe: str = "mnist-simclr", **changes) -> MethodsParameters:
    given = recipes.load("methods", recipe) | {"recipe": recipe, "profile": "t", "run": "r", "runs": "", "seed": 0}
    return MethodsParameters.checked(given | changes)


def evaluation(name: str, linear: float) -> dict:
    shares = [0.5, 0.3, 0.2]
    return {"name": name, "linear_accuracy": linear, "knn_accuracy": linear - 0.02, "penalty": 0.1,
            "held_out_accuracy": linear, "features": 3, "effective_rank": 2.8, "spectrum": shares}  # fmt: skip


def record(method: str, seed: int = 0, linear: float = 0.9, beside: dict | None = None, **changes) -> dict:
    """A record of methods.ipynb on MNIST with known figures."""
    made = copy.deepcopy(BASE)
    p = asked(f"mnist-{method}", seed=seed, run=f"mnist-{method}", profile="methods", **changes)
    made |= {"name": f"mnist-{method}-seed{seed}", "profile": "methods", "parameters": p.model_dump(), "pictures": {}}
    made["history"] = {
        "pretraining": [{"epoch": 1, "loss": 3.0, "seconds": 6.0}, {"epoch": 2, "loss": 2.0, "seconds": 6.0}]
    }
    made["seconds"] = {"data": 1.0, "pretraining": 12.0}
    rows = [evaluation(name, value) for name, value in (beside or {}).items()]
    made["results"] = {
        "labels": 6000, "scored_on": "test", "nothing": 5.0, "epochs": 2, "kept": {}, "lines": lines_of(method),
        "flops": {"budget": 12.05e12, "pretraining": 11e12, "matmul_rate": 6e10}, "test_accuracy": linear,
        "step_bytes": {"autoencoder": 160_000_000}.get(method, 120_000_000),
        "evaluations": [*rows, evaluation(method, linear)],
    }  # fmt: skip
    made.pop("sha256", None)
    made["sha256"] = records.digest(json.loads(json.dumps(made)))
    return made


def several() -> list[dict]:
    beside = {"pixels": 0.85, "untrained": 0.91}
    made = [record("simclr", seed, 0.94 + seed / 1000, beside) for seed in range(3)]
    made += [record("byol", seed, 0.95, {"untrained": 0.91}) for seed in range(3)]
    return [*made, record("autoencoder", linear=0.92), record("simclr", linear=0.8, batch_size=32, illustrated=False)]


def valued(made: list[dict]) -> list[Value]:
    return [Value(r, (Source(f"{i}/record.json", "", None),)) for i, r in enumerate(made)]


@pytest.mark.parametrize("recipe", recipes.names("methods"))
def test_every_recipe_is_whole_and_of_a_known_method(recipe):
    p = asked(recipe)
    assert set(p.method_options) == set(methods.options_of(p.method))
    model = SimCLR(p.encoder, tuple(p.projection), batch_norm=p.projection_batch_norm)
    method = methods.build(p.method, model, **p.method_options)
    assert isinstance(method, methods.METHODS[p.method])


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_methods_differ_in_nothing_but_what_was_tried(dataset):
    """The same images, encoder, views, batch and budget for all: or the comparison would not be fair."""
    free = {"method", "options", "learning_rate", "beside", "recipe"}
    found = [asked(f"{dataset}-{method}").model_dump() for method in methods.METHODS]
    assert all({k: v for k, v in p.items() if k not in free} == {k: v for k, v in found[0].items() if k not in free}
               for p in found)  # fmt: skip


def test_the_budget_of_mnist_is_that_of_the_originals_run():
    lab = parameters.SimCLRParameters.checked(profiles.defaults("mnist") | {"recipe": "original"})
    model = SimCLR(lab.encoder, tuple(lab.projection))
    work = flops.pretraining_flops(model, (1, 28, 28), 24_000, lab.pretraining)
    assert asked().budget == pytest.approx(work / 1e12, abs=0.005)
    assert asked("cifar10-simclr").budget == 20


def test_the_profile_has_every_method_with_three_seeds_on_both_data_sets():
    runs = profiles.load("methods")
    for dataset in DATASETS:
        for method in methods.METHODS:
            assert {run.seed for run in runs if run.recipe == f"{dataset}-{method}" and "small" not in run.name} == {
                0,
                1,
                2,
            }


def given(images: int = 2000, shape=(3, 32, 32)):
    return SimpleNamespace(images=SimpleNamespace(image_shape=shape), unlabelled_rows=range(images))


@pytest.mark.parametrize("method", methods.METHODS)
def test_as_many_epochs_as_the_budget_pays_for(method, monkeypatch):
    monkeypatch.setattr(flops, "matmul_rate", lambda **_: 1e10)
    p = asked(f"cifar10-{method}", budget=0.8, projection=[16, 8])
    model, run = SimCLR(p.encoder, (16, 8), batch_norm=True), SimpleNamespace(asked=p, results={})
    settings, small = fair.within_budget(run, given(), model)
    spent = flops.pretraining_flops(model, (3, 32, 32), 2000, settings, small, method, p.method_options)
    assert run.results["flops"]["pretraining"] == spent <= 0.8e12
    more = Settings(settings.epochs + 1, settings.batch_size)
    sides = fair.sides(p.crops, settings.epochs + 1)
    assert flops.pretraining_flops(model, (3, 32, 32), 2000, more, sides, method, p.method_options) > 0.8e12


def test_a_second_network_or_a_decoder_costs_epochs():
    model = SimCLR("fast_resnet", (16, 8), batch_norm=True)
    cost = {m: flops.epoch_flops(model, (3, 32, 32), 512, 256, m, methods.options_of(m))(None) for m in methods.METHODS}
    assert cost["moco"] > 1.2 * cost["simclr"]
    assert cost["byol"] > 1.2 * cost["simclr"]
    assert cost["autoencoder"] > 1.1 * cost["simclr"]
    assert cost["vicreg"] == pytest.approx(cost["simclr"], rel=0.05)


def test_a_budget_for_less_than_an_epoch_is_refused_with_what_would_do():
    run = SimpleNamespace(asked=asked("cifar10-byol", budget=0.001), results={})
    with pytest.raises(ParameterError, match=r"does not pay for one epoch of byol: 0\.\d+ or more is right"):
        fair.within_budget(run, given(), SimCLR("fast_resnet", (16, 8), batch_norm=True))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": {"momentum": 0.9}}, "simclr has no option ['momentum']; there are: temperature"),
        ({"scored_chunks": [5]}, "scored_chunks [5] are trained on as well"),
        ({"crops": [[0.5, 16]]}, "small_cnn takes one only"),
        ({"method": "simsiam"}, "method = 'simsiam' is not right"),
        ({"budget": 0}, "budget = 0 is not right"),
        ({"beside": ["wishes"]}, "beside.0 = 'wishes' is not right"),
    ],
)
def test_what_cannot_be_is_refused(changes, said):
    with pytest.raises(ParameterError, match=re.escape(said)):
        asked(**changes)


def test_what_stands_beside_learns_nothing_or_from_the_labels(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(fair.PATCHES, "count", 8)
    p = asked(runs=str(tmp_path), beside=["pixels", "untrained", "patches"])
    run, rows = records.Run(p), torch.arange(200)
    parts = [(digits.train_images[part], digits.train_labels[part]) for part in (slice(200), slice(200, 300))]
    run.results["scored_on"] = "test"
    fair.evaluate_beside(run, fair.Shared(digits, rows, *parts))
    found = {row["name"]: row for row in run.results["evaluations"]}
    assert list(found) == p.beside
    assert [row["features"] for row in found.values()] == [784, 128, 64]
    assert all(row["linear_accuracy"] > 0.5 for row in found.values())
    assert "test_accuracy" not in run.results, "that is the method's"
    assert run.results["patches"] == {"count": 8, "threshold": 0.5, "floor": 0.3}


def test_the_untrained_encoder_is_tried_with_and_without_the_statistics_of_images(tmp_path, monkeypatch):
    p, found = asked("cifar10-simclr", runs=str(tmp_path), beside=["untrained"]), {}
    images = data.load("cifar10")
    part = (images.train_images[:100], images.train_labels[:100])
    monkeypatch.setattr(fair, "evaluate", lambda run, given, name, *encoders: found.update({name: encoders}))
    fair.evaluate_beside(records.Run(p), fair.Shared(images, torch.arange(200), part, part))
    means = [[m.running_mean.abs().max() for m in one.modules() if isinstance(m, torch.nn.BatchNorm2d)]
             for one in found["untrained"]]  # fmt: skip
    assert [[mean > 0 for mean in some] for some in means] == [[False] * 6, [True] * 6]


def test_what_training_from_scratch_took_stays_in_the_record(tmp_path):
    run = records.Run(asked(runs=str(tmp_path)))
    run.results["flops"] = {"from scratch": 7}
    images = data.load("mnist")
    given = fair.Shared(images, torch.arange(1000), *[(images.train_images[:9], images.train_labels[:9])] * 2)
    fair.within_budget(run, given, starting_point(run.content, given.images))
    assert run.results["flops"]["from scratch"] == 7
    assert run.results["flops"]["pretraining"] > 0


def test_crops_are_shares_of_the_epochs():
    assert fair.sides([[0.67, 16], [1, 24]], 8) == [[5, 16], [8, 24]]
    assert fair.sides([[0.67, 16], [1, 24]], 1) == [[1, 16]]
    assert fair.sides([], 8) == []


def test_memory_of_a_step_grows_with_batch_and_with_what_a_method_keeps():
    model, shape = SimCLR("small_cnn", (16, 8), batch_norm=True), (1, 28, 28)

    def held(method: str, batch: int = 16) -> int:
        return flops.step_bytes(model, shape, batch, method, methods.options_of(method))

    weights = sum(p.nbytes for p in model.parameters())
    assert held("simclr", 32) - held("simclr") == pytest.approx(held("simclr") - 4 * weights, rel=0.05)
    assert held("byol") > held("simclr") + weights
    assert held("moco") > held("byol")  # the queue


def test_a_collapsed_spectrum_has_rank_one():
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(500, 10, generator=generator).numpy()
    line = torch.randn(500, 1, generator=generator).numpy() @ torch.ones(1, 10).numpy()
    assert effective_rank(spectrum(line)) == pytest.approx(1, abs=1e-3)
    assert effective_rank(spectrum(spread)) > 9.5
    assert sum(spectrum(spread)) == pytest.approx(1)


def test_lines_of_code_are_without_words():
    assert lines_of("barlow_twins") < lines_of("vicreg") < lines_of("moco")
    assert all(5 < lines_of(name) <= 60 for name in methods.METHODS)


def test_runs_are_gathered_by_data_set_method_and_batch():
    (found,) = measured.gather(valued(several()))
    assert list(found.runs) == ["simclr", "byol", "autoencoder"]
    assert [len(runs) for runs in found.runs.values()] == [3, 3, 1]
    assert list(found.small) == ["simclr"]
    assert len(found.linear("untrained")) == 3, "one for each seed, though two methods have it"
    assert measured.gather(valued([BASE])) == []
    held_out = record("simclr")
    held_out["results"]["scored_on"] = "held out"
    assert measured.gather(valued([held_out])) == [], "what was chosen by is no result"


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_chapter_has_table_figures_and_verdicts(language, monkeypatch):
    shown = []
    monkeypatch.setattr("lib.report.page.display", lambda piece: shown.append(str(piece.data)))
    report = Report(language)
    measured.whole(report, measured.gather(valued(several())))
    page = "\n".join(shown)
    assert "94.10 ± 0.10%" in page
    assert "80.00%" in page, "small batches"
    assert page.count('class="plot"') == 2
    say = report.words
    assert str(say("table.small")) in page
    shown.clear()
    measured.whole(report, measured.gather(valued([record("simclr"), record("byol")])))
    assert str(say("table.small")) not in "\n".join(shown), "a column of dashes"
    assert str(say("measured.verdict_of.fails")) in page or str(say("measured.verdict_of.in_part")) in page
    assert str(say("measured.verdict_of.not_run")) in page, "no run started from ImageNet"


@pytest.mark.parametrize("tried", [None, "mnist", "cifar10"])
def test_the_chapter_says_for_each_data_set_whether_trials_chose_the_settings(tried, monkeypatch, tmp_path):
    place = tmp_path / "methods.json"
    if tried:
        place.write_text(json.dumps({"trials": [{"dataset": tried}]}), encoding="utf-8")
    monkeypatch.setattr(measured, "TRIALS", place)
    shown = []
    monkeypatch.setattr("lib.report.page.display", lambda piece: shown.append(str(piece.data)))
    measured.whole(Report("en"), measured.gather(valued([record("simclr")])))
    page = "\n".join(shown)
    assert ("For MNIST, learning rate and one option of each method were chosen" in page) is (tried == "mnist")
    assert "whitened patches; which values" not in page, "their trials are not there"
    assert ("For MNIST, learning rate and options of each method are usual values" in page) is (tried != "mnist")


@pytest.mark.parametrize(
    ("patches", "said"), [(0.93, "need no training at all, it reaches"), (0.97, "better than any")]
)
def test_the_first_sentence_names_the_best_method_and_what_no_training_reaches(patches, said, monkeypatch):
    shown = []
    monkeypatch.setattr("lib.report.page.display", lambda piece: shown.append(str(piece.data)))
    beside = {"untrained": 0.91, "patches": patches}
    measured.whole(Report("en"), measured.gather(valued([record("simclr", 0, 0.94, beside), record("byol", 0, 0.95)])))
    (summary,) = (piece for piece in shown if "does best" in piece)
    assert re.search(r"BYOL.* does best.*95\.00%", summary)
    assert "91.00%" in summary
    assert said in summary


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.02, 0.021, 0.019), "holds"),
        ((-0.02, -0.021, -0.019), "fails"),
        ((0.02, -0.01, 0.005), "open"),
        ((0.02,), "open"),
    ],
)
def test_what_seeds_do_not_settle_gets_no_verdict(gains, verdict):
    runs = [record("simclr", seed, 0.95 + gain) for seed, gain in enumerate(gains)]
    runs += [record("byol", seed, 0.95) for seed in range(len(gains))]
    (found,) = measured.gather(valued(runs))
    report = Report("en")
    _, contrastive, _ = measured.verdicts(report, found)
    assert str(report.words(f"measured.verdict_of.{verdict}")) in str(contrastive)


@pytest.mark.parametrize("rank", [1.7, 12.0])
def test_a_collapse_is_named(rank, monkeypatch):
    shown = []
    monkeypatch.setattr("lib.report.page.display", lambda piece: shown.append(str(piece.data)))
    spread, byol = record("simclr"), record("byol")
    for made, its in ((spread, 20.0), (byol, rank)):
        made["results"]["evaluations"][-1]["effective_rank"] = its
    measured.whole(Report("en"), measured.gather(valued([spread, byol])))
    named = [piece for piece in shown if "nearly collapsed" in piece]
    assert [("BYOL" in piece, "1.7" in piece) for piece in named] == ([(True, True)] if rank < 3 else [])


@pytest.mark.parametrize(("accuracy", "named"), [(0.915, True), (0.905, True), (0.925, False)])
def test_a_method_that_gains_next_to_nothing_is_named(accuracy, named, monkeypatch):
    shown = []
    monkeypatch.setattr("lib.report.page.display", lambda piece: shown.append(str(piece.data)))
    runs = [record("simclr", 0, 0.95, {"untrained": 0.91}), record("byol", 0, accuracy)]
    measured.whole(Report("en"), measured.gather(valued(runs)))
    said = [piece for piece in shown if "Hardly better than untrained" in piece]
    assert [("BYOL" in piece, "91.00%" in piece) for piece in said] == ([(True, True)] if named else [])


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_conclusions_have_a_point_for_each_data_set_with_methods(language, monkeypatch):
    shown = []
    monkeypatch.setattr("lib.report.page.display", lambda piece: shown.append(str(piece.data)))
    found = measured.gather(valued(several()))
    conclusions.conclusions(Report(language), [], [], Value({}, ()), methods=found)
    (points,) = shown
    assert points.startswith("- ")
    assert re.search(r"BYOL.*95\.00", points)


def test_transfer_that_beats_training_from_scratch_refutes_the_claim():
    imagenet = record("simclr", beside={"ImageNet": 0.97, "from scratch": 0.95})
    (found,) = measured.gather(valued([imagenet]))
    assert "Does not hold here" in measured.verdicts(Report("en"), found)[2]


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_figures_say_what_they_show(language):
    say = words.load(language)
    drawn = plots.accuracies(several()[:-1], say)
    assert "94.1%" in drawn.alt
    assert "2.8" in plots.spectrum(several()[:-1], say).alt


def test_on_a_phone_the_legend_keeps_its_dots():
    drawn = plots.accuracies(several()[:-1])

    def dots() -> list[str]:
        return [m for line in drawn.legends[0].findobj(Line2D) if (m := line.get_marker()) in ("s", "o")]

    with svg._stacked(drawn):
        assert dots() == ["s", "o"]
    assert dots() == ["s", "o"]


def test_the_recipes_have_what_won_the_trials():
    path = ROOT / "bench/results/methods.json"
    if not path.exists():
        pytest.skip("no trials are published")
    rows = json.loads(path.read_text(encoding="utf-8"))["trials"]
    for dataset, method in {(row["dataset"], row["method"]) for row in rows}:
        own = [row for row in rows if (row["dataset"], row["method"]) == (dataset, method)]
        assert len(own) == 5, "every method the same number"
        best, p = max(own, key=lambda row: row["linear_accuracy"]), asked(f"{dataset}-{method}")
        assert (p.learning_rate, p.options[best["option"]]) == (best["learning_rate"], best["value"])


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_the_patches_have_what_won_their_trials(dataset):
    rows = json.loads((ROOT / "bench/results/methods.json").read_text(encoding="utf-8"))["patches"]
    own = [row for row in rows if row["dataset"] == dataset]
    assert len(own) == 5, "as many as every method"
    best = max(own, key=lambda row: row["linear_accuracy"])
    assert {name: best[name] for name in ("threshold", "floor")}.items() <= fair.PATCHES.items()


def test_trials_of_the_patches_take_two_other_floors_with_the_best_threshold(monkeypatch, tmp_path):
    from bench import methods

    monkeypatch.setitem(fair.PATCHES, "count", 4)
    monkeypatch.setattr(methods, "THRESHOLDS", (0.5, 1e3, 2e3))
    rows = methods.patch_trials("mnist", tmp_path)
    assert [(row["threshold"], row["floor"]) for row in rows] == [
        (0.5, 0.1),
        (1e3, 0.1),
        (2e3, 0.1),
        (0.5, 0.01),
        (0.5, 0.3),
    ]
    assert rows[0]["linear_accuracy"] > 0.3 > rows[1]["linear_accuracy"], "past every answer nothing is left"
