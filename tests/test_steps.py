"""What the notebooks share: each step checks, fills the record and leaves the rest alone."""

import json

import numpy as np
import pytest
import torch

from lib import words
from lib.evaluation import linear, representation
from lib.models import Classifier, SimCLR, freeze_encoder
from lib.report import plots
from lib.runs import lab, plain, trained
from lib.runs.profiles import cell
from lib.runs.records import RecordError
from lib.training import History

SHORT = {"epochs": 1, "classifier_epochs": 1, "batch_size": 64, "classifier_batch_size": 64, "precision": "float32"}


@pytest.fixture
def begin(tmp_path):
    def begun(notebook="mnist", **given):
        return lab.begin(notebook, cell(notebook) | SHORT | {"runs": str(tmp_path)} | given)

    return begun


def network(data):
    torch.manual_seed(0)
    return SimCLR(image_shape=data.images.image_shape)


def builder(model, data):
    return lambda: freeze_encoder(Classifier(model.encoder, data.images.image_shape, len(data.images.classes)))


def test_begin_says_what_is_changed(begin, capsys):
    run = begin(recipe="quick", temperature=0.3)
    first, *rest, last = capsys.readouterr().out.splitlines()
    assert first.startswith("Recipe quick of mnist.ipynb, with temperature=0.3, ")
    assert "encoder=small_cnn" in " ".join(rest)
    assert "temperature" not in " ".join(rest)
    assert str(run.folder) in last


def test_the_chunks_of_a_run(begin, capsys):
    run = begin(labelled_chunks=[[5], [6, 5]])
    data = lab.load_data(run)
    images, size = data.images, len(data.images.train_images) // 10
    assert torch.equal(data.unlabelled(), images.train_images[: 4 * size])
    assert torch.equal(data.unlabelled(7), images.train_images[:7])
    pictures, labels = data.labelled(1)
    assert torch.equal(labels[:size], images.train_labels[5 * size : 6 * size]), "in the order asked for"
    assert torch.equal(pictures[size:], images.train_images[4 * size : 5 * size])
    assert run.dataset == images.describe()
    assert "Not the full original data set" in capsys.readouterr().out


def test_a_classifier_on_many_chunks_has_a_file_name_of_usual_length(begin):
    run = begin(chunk_count=100, labelled_chunks=[[*range(5, 65)], [5, 6]])
    data = lab.load_data(run)
    lab.train_classifiers(run, data, builder(network(data), data))
    assert {path.name for path in run.folder.glob("*.ckpt")} == {"classifier-place-1.ckpt", "classifier-5-6.ckpt"}


@pytest.mark.parametrize("name", ["batch_size", "classifier_batch_size"])
def test_a_batch_larger_than_its_images_is_refused_before_anything_is_trained(begin, name):
    with pytest.raises(ValueError, match="a batch of 50000 is larger than the data"):
        lab.load_data(begin(**{name: 50000}))


def test_no_probe_is_none(begin):
    run = begin(probe_images=0)
    data = lab.load_data(run)
    assert lab.knn_probe(run, data, network(data)) is None
    assert set(lab.knn_probe(begin(probe_images=50), data, network(data))()) > {"knn_accuracy"}


def test_classifiers_are_trained_tested_and_kept(begin):
    run = begin(labelled_chunks=[[3, 4], [5]])
    data = lab.load_data(run)
    model = network(data)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    classifiers = lab.train_classifiers(run, data, builder(model, data))
    kept = [{k: v for k, v in entry.items() if k != "history"} for entry in run.results["classifiers"]]
    size = data.chunk_size
    assert kept == [
        {"labels": 2 * size, "chunks": [3, 4], "also_unlabelled": 2 * size},
        {"labels": size, "chunks": [5], "also_unlabelled": 0},
    ]
    assert list(run.history) == ["classifier on chunks 3, 4", "classifier on chunks 5"]
    assert {"classifier-3-4.ckpt", "classifier-5.ckpt"} == {path.name for path in run.folder.glob("*.ckpt")}
    predictions = lab.test_once(run, data, classifiers)
    accuracy = (predictions[0].argmax(1) == data.images.test_labels).float().mean().item()
    assert run.results["test_accuracy"] == run.results["classifiers"][0]["test_accuracy"] == accuracy
    assert run.results["classifiers"][0]["plain_view_accuracy"] == accuracy, "the recipe's test views are plain"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("layers", [[], ["relu2"]])
def test_linear_evaluation_stands_beside_neighbours_an_untrained_encoder_and_the_head(begin, layers):
    run = begin(labelled_chunks=[[3, 4], [5]], feature_layers=layers)
    data = lab.load_data(run)
    model = network(data)
    with torch.no_grad():  # an encoder unlike the run's start: blind
        for weight in model.encoder.parameters():
            weight.zero_()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    lab.test_once(run, data, lab.train_classifiers(run, data, builder(model, data)))
    state = torch.get_rng_state()
    plain.evaluate(run, data, model)
    assert torch.equal(state, torch.get_rng_state()), "the run goes on as if nothing had been measured"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    for entry in run.results["classifiers"]:
        blind, control = entry["linear_evaluation"], entry["untrained_linear_evaluation"]
        assert blind["features"] == control["features"] == (64 * 16 if layers else 128)
        assert blind["accuracy"] < 0.3 < 0.6 < control["accuracy"], "random filters see more than none"
        assert entry["knn_accuracy"] < 0.3
    assert run.seconds["linear evaluation"] > 0
    assert "linear evaluation" in plots.evaluations([run.content], words.load("en")).alt


@pytest.mark.parametrize(("layers", "width"), [(["linear"], 128), (["relu2", "linear"], 1024 + 128)])
def test_linear_evaluation_where_the_head_reads_the_encoders_output_by_name(begin, layers, width):
    run = begin(labelled_chunks=[[5]], feature_layers=layers)
    data = lab.load_data(run)
    model = network(data)
    lab.test_once(run, data, lab.train_classifiers(run, data, builder(model, data)))
    plain.evaluate(run, data, model)
    (entry,) = run.results["classifiers"]
    assert entry["linear_evaluation"]["features"] == width
    assert entry["knn_accuracy"] > 0.5, "of h, whatever else is read"


def test_the_control_is_the_start_as_it_is_and_with_the_statistics_of_images(begin):
    run = begin("cifar10", recipe="quick")
    data = lab.load_data(run)
    controls, start = plain.untrained(run, data), trained.starting_point(run.content, data.images)
    images, spread = run.asked.plain_views(data.unlabelled(linear.STATISTICS)), []
    for encoder in controls:
        learnt = dict(encoder.named_parameters())
        assert all(torch.equal(learnt[name], value) for name, value in start.encoder.named_parameters())
        assert not encoder.training
        with torch.no_grad():
            convolution, norm, _ = encoder.stage1[0]
            spread.append(norm(convolution(encoder.relu(encoder.stem(images)))).std((0, 2, 3)))
    assert (spread[0] - 1).abs().max() > 0.2, "as it is initialised, BatchNorm does nothing"
    assert spread[1] == pytest.approx(torch.ones(64), abs=0.05)
    assert len(plain.untrained(begin(), lab.load_data(begin()))) == 1, "an encoder without BatchNorm has no statistics"


def test_the_better_control_is_chosen_without_the_test():
    weak = {"held_out_accuracy": 0.4, "accuracy": 0.9}
    strong = {"held_out_accuracy": 0.5, "accuracy": 0.1}
    assert linear.best_evaluation(iter([weak, strong])) is strong


def test_mistakes_and_none(begin):
    run = begin()
    data = lab.load_data(run)
    right = torch.eye(10)[data.images.test_labels]
    assert not lab.keep_mistakes(run, data, right)
    assert run.pictures == {}
    wrong = right.clone()
    wrong[3] = 0.1
    wrong[3, (data.images.test_labels[3] + 1) % 10] = 0.9
    assert lab.keep_mistakes(run, data, wrong)
    assert [m["index"] for m in run.results["mistakes"]] == [3]
    assert run.pictures["mistakes"]["shape"] == [1, 1, 28, 28]


def test_neighbours_are_those_of_the_unlabelled_images(begin):
    run = begin(unlabelled_chunks=[2, 3])
    data = lab.load_data(run)
    known = np.eye(20)
    lab.keep_neighbours(run, data, known, known[[4, 0]] + known[[7, 1]] / 2, count=2)
    first = data.unlabelled_rows[[4, 7]]
    assert run.results["neighbours"][0] == {
        "label": int(data.images.test_labels[0]), "neighbours": data.images.train_labels[first].tolist()
    }  # fmt: skip
    assert len(run.results["neighbours"]) == 2
    assert run.pictures["neighbours"]["shape"] == [6, 1, 28, 28]


def finished(begin, **given):
    """A run of the lab whose network has learnt nothing."""
    run = begin(labelled_chunks=[[5], [6]], **given)
    data = lab.load_data(run)
    model = network(data)
    run.training("pretraining", History([{"epoch": 1, "loss": 1.0, "seconds": 2.0}]))
    lab.test_once(run, data, lab.train_classifiers(run, data, builder(model, data)))
    lab.finish(run, model)
    return run, data, model


def test_a_finished_run_leaves_its_record_its_network_and_nothing_to_resume(begin):
    run, _, _ = finished(begin)
    assert sorted(path.name for path in run.folder.iterdir()) == ["model.pt", "record.json"]
    record = json.loads((run.folder / "record.json").read_text())
    assert record["parameters"] == run.asked.model_dump()
    assert record["parameters"]["recipe"] == "original"
    assert list(record)[:6] == ["name", "profile", "dataset", "parameters", "environment", "finished"]
    assert list(record)[6:] == ["seconds", "history", "results", "pictures", "model_sha256", "sha256"]


def test_another_notebook_reopens_a_run(begin):
    made, data, model = finished(begin)
    run = begin("comparison", simclr_run="explore/mnist-seed0")
    simclr = trained.reopen(run)
    assert run.dataset == made.dataset
    assert torch.equal(simclr.unlabelled, data.unlabelled())
    assert torch.equal(simclr.labelled[1], torch.cat([data.labelled(0)[1], data.labelled(1)[1]]))
    assert torch.equal(simclr.held_out(3)[0], data.images.train_images[9 * data.chunk_size :][:3])
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in simclr.model.state_dict().items())
    took = made.seconds["pretraining"] + made.seconds["classifier on chunks 5"]
    accuracy = made.results["test_accuracy"]
    assert simclr.outcome == {"test_accuracy": accuracy, "labels": data.chunk_size, "seconds": took}
    with torch.no_grad():
        expected = model.eval().encoder(simclr.views.plain(data.unlabelled(5))).numpy()
    assert trained.features(simclr.model.encoder, data.unlabelled(5), simclr.views) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(RecordError, match="run the notebook that writes it first"):
        trained.reopen(begin("comparison", simclr_run="explore/nothing-seed0"))


def test_how_pairs_lie_to_a_network(begin):
    data = lab.load_data(begin())
    pictures, labels = data.labelled(0, 20)
    views = torch.cat([pictures.float() / 255] * 2)
    seen = representation.pairs(network(data), views, labels)
    assert seen["alignment"] == pytest.approx(0, abs=1e-6), "both views alike"
    assert seen["similarities"]["positive"]["mean"] == pytest.approx(1)
    assert seen["uniformity"] < 0


def test_maps_are_rounded_and_named(begin):
    run = begin()
    points = np.random.default_rng(0).normal(size=(40, 5))
    lab.keep_maps(run, {"pixels": points}, torch.arange(40), decimals=1)
    assert run.results["maps"]["pixels"] == representation.flat_map(points, 0).round(1).tolist()
    assert run.results["map_labels"] == list(range(40))
    assert run.results["map_method"] == "t-SNE"
    assert run.seconds["map"] > 0
