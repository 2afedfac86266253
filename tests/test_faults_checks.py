"""What would fail after the training is paid for is refused before it, in one paragraph."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.data import Dataset, Source
from lib.evaluation import neighbours
from lib.evaluation.representation import flat_map
from lib.models import SimCLR
from lib.report.parameters import ReportParameters
from lib.runs import checks, profiles
from lib.runs.parameters import (
    NOTEBOOKS,
    ComparisonParameters,
    EvidenceParameters,
    MethodsParameters,
    ParameterError,
    SimCLRParameters,
    read,
)
from lib.runs.profiles import defaults


def images(train=200, test=20, shape=(1, 28, 28), classes=10):
    random = torch.Generator().manual_seed(0)
    train_images, test_images = (
        torch.randint(256, (count, *shape), generator=random, dtype=torch.uint8) for count in (train, test)
    )
    names = tuple(map(str, range(classes)))
    labels = torch.arange(train) % classes, torch.arange(test) % classes
    return Dataset("made", Source("local", "made"), names, train_images, labels[0], test_images, labels[1])


SMALL = {"batch_size": 16, "classifier_batch_size": 16}


def simclr(notebook="mnist", **changes):
    return SimCLRParameters.checked(defaults(notebook) | SMALL | changes)


def refused(check, *given):
    with pytest.raises(ParameterError) as error:
        check(*given)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 900
    return text


def test_what_fits_passes_and_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    checks.check_simclr(simclr(), images())
    checks.check_simclr(simclr("cifar10"), images(shape=(3, 32, 32)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["views", "classifier_views", "test_views"])
def test_views_of_another_number_of_channels(name):
    text = refused(checks.check_simclr, simclr(**{name: "slight_cifar10"}), images())
    assert re.search(rf"{name} = 'slight_cifar10' cannot be taken of images of 1 × 28 × 28 .*3 channels, not 1", text)


@pytest.mark.parametrize(("rows", "batch"), [(20, 19), (21, 4), (20, 1)])
def test_a_last_batch_of_one_under_batch_norm(rows, batch):
    p = simclr(classifier_batch_norm=True, classifier_batch_size=batch, labelled_chunks=[[5]])
    text = refused(checks.check_simclr, p, images(rows * 10))
    assert f"classifier_batch_norm needs two images in every batch, and of {rows} in batches of {batch}" in text
    better = int(re.search(r"such as (\d+)", text)[1])
    p = simclr(classifier_batch_norm=True, classifier_batch_size=better, labelled_chunks=[[5]])
    checks.check_simclr(p, images(rows * 10))
    checks.check_simclr(simclr(classifier_batch_size=batch, labelled_chunks=[[5]]), images(rows * 10))


@pytest.mark.parametrize("method", ["vicreg", "barlow_twins"])
def test_a_last_batch_of_one_where_images_need_a_variance(method):
    given = {"method": method, "options": {}, "batch_size": 16, "beside": []}
    p = MethodsParameters.checked(defaults("methods") | given | {"unlabelled_chunks": [1], "labelled_chunks": [2]})
    text = refused(checks.check_methods, p, images(330))
    assert f"{method} needs two images in every batch, and of 33 in batches of 16" in text
    checks.check_methods(p, images(340))


def test_a_layer_that_the_encoder_has_not_is_refused_before_the_pretraining():
    text = refused(checks.check_simclr, simclr(feature_layers=["relu7"]), images())
    assert "feature_layers = ['relu7'] is not right: the encoder has no layer ['relu7']; there are: conv1" in text


def test_crops_larger_than_the_images():
    given = {"small_crops": [[1, 16], [2, 4000]], "encoder": "fast_resnet", "views": "simclr_cifar10"}
    text = refused(checks.check_simclr, simclr("cifar10", **given), images(shape=(3, 32, 32)))
    assert "small_crops = [[2, 4000]] are larger than the images: sides of at most 32" in text


def test_grey_images_have_too_few_directions_to_whiten():
    given = {"encoder": "fast_resnet", "whiten_stem": True, "views": "original_mnist", "small_crops": []}
    given |= {"classifier_views": "plain", "test_views": "plain", "feature_sides": []}
    text = refused(checks.check_simclr, simclr("cifar10", **given), images())
    assert "24 pairs of filters" in text
    assert "has 16 values only" in text
    checks.check_simclr(simclr("cifar10", **given | {"views": "simclr_cifar10"}), images(shape=(3, 32, 32)))


def test_the_mnist_notebook_does_not_whiten():
    given = {"recipe": "quick", "encoder": "fast_resnet", "feature_layers": ["stage1"], "whiten_stem": True}
    given |= {"profile": "explore", "run": "mnist", "runs": "", "seed": 0}
    with pytest.raises(ParameterError, match="mnist.ipynb does not whiten"):
        read("mnist", given)
    assert not read("mnist", given | {"whiten_stem": False}).whiten_stem


def test_a_linear_evaluation_needs_a_label_to_fit_and_one_to_choose_by():
    given = {"batch_size": 2, "classifier_batch_size": 1, "labelled_chunks": [[5]]}
    given |= {"unlabelled_chunks": [1, 2], "probe_images": 0, "illustrated": False}
    assert "needs two labelled images at least" in refused(checks.check_simclr, simclr(**given), images(10))
    checks.check_simclr(simclr(**given), images(20))


def test_too_few_labels_for_the_probe():
    given = {"batch_size": 2, "classifier_batch_size": 2, "labelled_chunks": [[5]]}
    assert "needs 10 labelled images" in refused(checks.check_simclr, simclr(**given), images(50))
    checks.check_simclr(simclr(**given, probe_images=0, illustrated=False), images(50))


def test_too_few_images_for_neighbours_and_map():
    given = {"batch_size": 2, "classifier_batch_size": 2, "probe_images": 0, "unlabelled_chunks": [1]}
    assert "7 nearest neighbours" in refused(checks.check_simclr, simclr(**given), images(60))
    assert "A map takes 2 test images" in refused(checks.check_simclr, simclr(**given), images(80, test=1))
    checks.check_simclr(simclr(**given, illustrated=False), images(60, test=1))


def test_the_least_numbers_are_what_the_later_phases_need():
    """Told from the phases themselves: one fewer fails in them."""
    points = torch.rand(checks.NEIGHBOURS, 4).numpy()
    neighbours.nearest(points, points[:1], checks.NEIGHBOURS)
    with pytest.raises(ValueError, match="n_neighbors"):
        neighbours.nearest(points[1:], points[:1], checks.NEIGHBOURS)
    flat_map(points[: checks.MAPPED])
    with pytest.raises(ValueError, match="perplexity"):
        flat_map(points[: checks.MAPPED - 1])


def test_everything_is_said_at_once():
    given = {"test_views": "slight_cifar10", "classifier_views": "gentle_cifar10", "classifier_batch_norm": True}
    text = refused(checks.check_simclr, simclr(**given, classifier_batch_size=19, labelled_chunks=[[5]]), images())
    assert all(name in text for name in ("test_views", "classifier_views", "classifier_batch_norm"))


@pytest.mark.parametrize("count", [201, 10**9])
def test_more_chunks_than_images(count):
    with pytest.raises(ValueError, match=f"chunk_count = {count:,} chunks cannot be made of the 200 training images"):
        checks.check_simclr(simclr(chunk_count=count), images())


# The notebooks that build on a run


def evidence(**changes):
    p = EvidenceParameters.checked(defaults("evidence") | {"label_counts": [10, 20]} | changes)
    return p


ASKED = {"chunk_count": 10, "labelled_chunks": [[5], [5, 6]], "unlabelled_chunks": [1, 2, 3, 4]}


def test_evidence_that_fits_passes():
    checks.check_evidence(evidence(), images(1000), ASKED, SimCLR())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"views": "slight_cifar10"}, "views = 'slight_cifar10' cannot be taken"),
        ({"label_counts": [5, 10]}, "label_counts holds 5: 5 labels were asked for; 10, one for each class"),
        ({"label_counts": [195]}, "label_counts holds 195"),
        ({"head_labels": 3}, "head_labels holds 3"),
        ({"map_images": 5}, "map_images = 5: among the first 5 images .* 11 or more is right"),
    ],
)
def test_evidence_that_would_fail_late(changes, said):
    assert re.search(said, refused(checks.check_evidence, evidence(**changes), images(1000), ASKED, SimCLR()))


def test_what_is_not_asked_for_needs_nothing():
    p = evidence(methods=[], heads=[], label_counts=[1], head_labels=1, map_images=0)
    checks.check_evidence(p, images(1000), ASKED, SimCLR())


def test_a_map_of_images_no_two_of_which_are_alike():
    lonely = images(100, classes=10)  # ten in a chunk, one of each class
    given = evidence(methods=[], heads=[], map_images=10)
    assert "with these images 0 is right" in refused(checks.check_evidence, given, lonely, ASKED, SimCLR())


def test_labels_of_one_class():
    lonely = images(1000, classes=1)
    assert "one class only" in refused(checks.check_evidence, evidence(map_images=0), lonely, ASKED, SimCLR())


def test_an_encoder_with_batch_norm_and_a_last_batch_of_one():
    """On 8 × 8 pixels its last maps are single values, of which one image has no variance."""
    tiny, model = images(1000, shape=(3, 8, 8)), SimCLR("fast_resnet", (8,), (3, 8, 8))
    given = {"views": "plain", "methods": ["fine-tuned"], "heads": [], "map_images": 0, "label_counts": [21]}
    text = refused(checks.check_evidence, evidence(**given, whole_batch_size=20), tiny, ASKED, model)
    assert "last batch is a single image" in text
    checks.check_evidence(evidence(**given, whole_batch_size=19), tiny, ASKED, model)
    checks.check_evidence(evidence(**given, whole_batch_size=20), images(1000), ASKED, SimCLR())


def comparison(**changes):
    return ComparisonParameters.checked(defaults("comparison") | changes)


@pytest.mark.parametrize(
    ("changes", "train", "said"),
    [
        ({"components": 50}, 100, "components = 50: of 40 images of 784 values there are 40 at most"),
        ({"clusters": 60, "components": 20}, 100, "clusters = 60: 40 images make 40 clusters at most"),
    ],
)
def test_comparisons(changes, train, said):
    assert said in refused(checks.check_comparison, comparison(**changes), images(train), ASKED)
    checks.check_comparison(comparison(), images(1000), ASKED)


# Parameters by themselves


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"small_crops": [[1, 3]]}, "fewer than 4 pixels"),
        ({"small_crops": [[5, 16], [5, 24]]}, r"small_crops ends at epochs \[5, 5\]"),
        ({"small_crops": [[5, 16], [3, 24]]}, r"ends at epochs \[5, 3\]"),
        ({"probe_images": 9}, "probe_images is 9: 10 or more are right, or 0"),
        ({"labelled_chunks": [[5], [5]]}, "same list twice"),
    ],
)
def test_parameters_that_cannot_be_right_whatever_the_data(changes, said):
    with pytest.raises(ParameterError, match=said):
        simclr("cifar10", **changes)


PLACES = ["..", ".", "...", "../x", "a/b", "a\\b", "C:", "", ".hidden", "x.", "a\n", "x" * 101, "-rf", "a b", "a\0"]


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("parameter", ["profile", "run"])
def test_a_name_that_would_lie_elsewhere_is_refused(parameter, name):
    with pytest.raises(ParameterError, match=f"^{parameter} = "):
        simclr(**{parameter: name})


@pytest.mark.parametrize("name", ["..", "../profiles/quick", "x/../quick"])
def test_neither_a_profile_nor_a_report_leads_out_of_runs(name):
    with pytest.raises(profiles.ProfileError, match="There is no profile"):
        profiles.load(name)
    given = dict.fromkeys(ReportParameters.model_fields, "") | {"language": "en", "profile": name}
    with pytest.raises(ParameterError, match="^profile = "):
        ReportParameters.checked(given)


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "a b", "x\n"])
def test_a_run_in_a_profile_that_would_lie_elsewhere_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"runs": {name: {"notebook": "mnist"}}}))
    with pytest.raises(profiles.ProfileError, match="a run cannot be named"):
        profiles.load("own")


fuzz = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.recursive(st.integers(-3, 99) | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=6),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@fuzz
@given(data=st.data())
def test_any_value_of_any_parameter_is_taken_or_refused_in_a_sentence(data):
    notebook = data.draw(st.sampled_from(sorted(NOTEBOOKS)))
    values = dict(defaults(notebook))
    for name in data.draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=3)):
        values[name] = data.draw(VALUES)
    try:
        taken = NOTEBOOKS[notebook].checked(values)
    except ParameterError as error:
        said = str(error)
    else:
        said = ""
        assert taken.model_dump() == values
    assert not said or said.endswith(".")


@fuzz
@given(name=st.text(max_size=12) | st.text("./\\:ab-", max_size=6))
def test_no_name_leads_out_of_the_runs_folder(name):
    try:
        p = comparison(run=name, profile=name)
    except ParameterError:
        return
    base = Path("/base/runs")
    path = base / p.profile / f"{p.run}-seed0"
    assert path.resolve().parents[1] == base
    assert len(path.parts) == len(base.parts) + 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    train=st.integers(1, 60), test=st.integers(0, 5), classes=st.integers(1, 4), chunks=st.integers(2, 12),
    batch=st.integers(2, 9), head_batch=st.integers(1, 9), norm=st.booleans(), probe=st.sampled_from([0, 10, 50]),
)  # fmt: skip
def test_small_data_is_refused_or_every_phase_can_be_done(train, test, classes, chunks, batch, head_batch, norm, probe):
    """What passes the checks is then done: the probe, a head's last batch, neighbours, a map."""
    given = {"chunk_count": chunks, "unlabelled_chunks": [1], "labelled_chunks": [[2]], "probe_images": probe}
    given |= {"batch_size": batch, "classifier_batch_size": head_batch, "classifier_batch_norm": norm}
    p, made = simclr(**given), images(train, test, classes=classes)
    try:
        checks.check_simclr(p, made)
    except ValueError:
        return
    labelled, model = train // chunks, SimCLR(projection=(8,))
    if probe:
        rows = slice(labelled, 2 * labelled)
        neighbours.knn_probe(
            model, made.train_images[rows][:probe], made.train_labels[rows][:probe], p.pretraining_views
        )
    last = labelled % head_batch or head_batch
    if norm:
        torch.nn.BatchNorm1d(4)(torch.rand(last, 4))
    neighbours.nearest(torch.rand(labelled, 4).numpy(), torch.rand(1, 4).numpy(), checks.NEIGHBOURS)
    flat_map(torch.rand(test, 4).numpy())
