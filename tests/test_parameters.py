"""Unknown parameters and values out of range are errors, before anything runs."""

from datetime import date

import pytest

from lib.augment import VIEWS, GaussianBlur, HorizontalFlip, ResizedCrop, Rotation, Views
from lib.models import SimCLR
from lib.report.parameters import ReportParameters
from lib.runs import profiles, recipes
from lib.runs.parameters import NOTEBOOKS, ParameterError, SimCLRParameters, read
from lib.runs.profiles import cell, defaults
from lib.training.flops import pretraining_flops


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_as_it_stands_has_every_parameter(notebook):
    values = defaults(notebook)
    assert set(values) == set(NOTEBOOKS[notebook].model_fields) - {"language"}
    assert NOTEBOOKS[notebook].checked(values).model_dump() == values


def test_the_reports_cell_holds_its_parameters():
    values = cell("report")
    assert ReportParameters.checked(values).model_dump() == values


def test_mnist_as_it_stands_is_the_profile_original():
    """So that a student's edit of the cell is seen here before a report calls it the original lab's."""
    run = profiles.find("original", "mnist")
    exact = {"precision": "float32", "profile": "original"}  # as the lab computed; the notebook takes the fastest here
    assert defaults("mnist") | exact == run.resolved
    assert run.changes == {"precision": "float32"}


def test_cifar10s_defaults_are_small_enough_for_a_laptop():
    asked = SimCLRParameters.checked(defaults("cifar10"))
    model = SimCLR(asked.encoder, tuple(asked.projection))
    work = pretraining_flops(model, (3, 32, 32), 40_000, asked.pretraining, asked.small_crops)
    assert work < 10e12, "about three minutes at 50 GFLOP/s"


def test_the_original_is_the_labs():
    """The figures of the lab's own text."""
    operations, mean, std = VIEWS["original_mnist"]
    assert operations == (
        HorizontalFlip(p=0.5),
        ResizedCrop(scale=(0.8, 1.0), ratio=(3 / 4, 4 / 3), p=0.5),
        GaussianBlur(kernel_size=5, sigma=(0.1, 2.0), p=0.3),
        Rotation(degrees=15),
    )
    assert (mean, std) == ((0.1307,), (0.3081,))
    asked = defaults("mnist")
    assert (asked["chunk_count"], asked["unlabelled_chunks"], asked["labelled_chunks"]) == (
        10,
        [1, 2, 3, 4],
        [[5], [5, 6]],
    )
    assert (asked["epochs"], asked["batch_size"], asked["classifier_epochs"], asked["projection"]) == (
        10,
        128,
        30,
        [64, 32],
    )


def test_the_originals_cifar_runs_are_the_labs():
    asked = [run.resolved for run in profiles.load("original") if run.notebook == "cifar10"]
    assert [(a["encoder"], a["batch_size"], a["epochs"], a["classifier_epochs"]) for a in asked] == [
        ("resnet18", 128, 10, 30),
        ("resnet18", 512, 10, 50),
        ("resnet34", 512, 10, 50),
        ("resnet50", 128, 10, 30),
    ]
    for parameters in asked:
        assert (parameters["chunk_count"], parameters["unlabelled_chunks"]) == (5, [1, 2, 3, 4])
        assert (parameters["labelled_chunks"], parameters["weights"]) == ([[1, 2]], "none")


def test_cover_data_may_be_numbers_and_dates():
    cover = ReportParameters.checked(cell("report") | {"number": 20210001, "date": date(2026, 11, 24)})
    assert (cover.number, cover.date) == ("20210001", "2026-11-24")


def test_improved_has_the_images_and_labels_of_original():
    for notebook, original, same in (("mnist", "original", {"encoder"}), ("cifar10", "resnet18", set())):
        ours, labs = (recipes.load(notebook, name) for name in ("improved", original))
        for name in {"dataset", "chunk_count", "unlabelled_chunks", "labelled_chunks"} | same:
            assert ours[name] == labs[name]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("temprature", 0.2, "no parameter 'temprature'; there are: .*temperature"),
        ("temperature", 0, "temperature = 0 is not right: input should be greater than 0"),
        ("temperature", "hot", "temperature = 'hot' is not right: input should be a valid number"),
        ("epochs", 0, "epochs = 0 is not right"),
        ("epochs", 2.5, "epochs = 2.5 is not right: input should be a valid integer"),
        ("batch_size", 1, "greater than or equal to 2"),
        ("labelled_chunks", [[]], "labelled_chunks.0"),
        ("labelled_chunks", "[[5]]", "should be a valid list"),
        ("encoder", "resnet9", "encoder = 'resnet9' is not right: input should be .*'small_cnn'"),
        ("schedule", "weekly", "'one_cycle'"),
        ("classifier_dropout", 1.0, "less than 1"),
        ("run", "../../etc", "letters, digits, .* are right"),
        ("run", "con", "run = 'con' is not right: letters.*no name of a device of Windows .CON"),
        ("small_crops", [[3, 16]], "needs an encoder that takes any size; small_cnn takes one only"),
        ("feature_sides", [48], "feature_sides needs an encoder that takes any size; small_cnn takes one only"),
        ("feature_sides", [4], "feature_sides.0 = 4 is not right: input should be greater than or equal to 8"),
        ("small_crops", [[3]], "small_crops.0 = .* at least 2 items"),
        ("probe_images", -1, "greater than or equal to 0"),
        ("whiten_stem", True, "whiten_stem is for fast_resnet, fast_resnet_2x; small_cnn has no stem"),
    ],
)
def test_refusals_say_what_would_be_right(name, value, message):
    with pytest.raises(ParameterError, match=message):
        SimCLRParameters.checked(defaults("mnist") | {name: value})


def test_every_mistake_is_named_at_once():
    with pytest.raises(ParameterError, match=r"epochs.*speed"):
        SimCLRParameters.checked(defaults("mnist") | {"epochs": -1, "speed": 3})


def test_unknown_names_are_found_in_papermills_cell_only():
    namespace = cell("report") | {"my_own_variable": 1, "tempo": 2, "In": ["x = 1", "# Parameters\ntempo = 2\n"]}
    with pytest.raises(ParameterError, match="no parameter 'tempo'"):
        ReportParameters.from_notebook(namespace)
    del namespace["In"][1]
    assert ReportParameters.from_notebook(namespace).profile == "explore"


def test_what_is_misspelt_in_the_parameters_cell_is_told():
    written = 'recipe = "quick"\ntemprature = 0.05\nrun = "mnist"'
    namespace = cell("mnist") | {"temprature": 0.05, "other": 1, "In": ["%time x", "other = 1", written]}
    with pytest.raises(ParameterError, match="no parameter 'temprature'"):
        read("mnist", namespace)
    namespace["In"].append(written.replace("temprature", "temperature"))
    assert read("mnist", namespace).recipe == namespace["recipe"]


def test_views_of_pretraining():
    asked = SimCLRParameters.checked(defaults("mnist") | {"left_out": ["HorizontalFlip"], "augmented_views": 1})
    assert [type(o) for o in asked.pretraining_views.operations] == [ResizedCrop, GaussianBlur, Rotation]
    assert asked.pretraining_views.one_sided
    assert repr(SimCLRParameters.checked(defaults("mnist")).pretraining_views) == repr(Views("original_mnist"))
    with pytest.raises(ParameterError, match="Greyscale cannot be left out; these views have"):
        SimCLRParameters.checked(defaults("mnist") | {"left_out": ["Greyscale"]})


def test_views_of_the_classifier():
    asked = SimCLRParameters.checked(defaults("mnist") | {"left_out": ["HorizontalFlip"], "augmented_views": 1})
    plain = repr(asked.pretraining_views.plain)
    assert repr(asked.plain_views) == repr(asked.labelled_views) == repr(asked.tested_views) == plain
    asked = SimCLRParameters.checked(profiles.find("improved", "mnist").resolved)
    assert (repr(asked.labelled_views), repr(asked.tested_views)) == (
        repr(Views("gentle_mnist")),
        repr(Views("slight_mnist")),
    )
    own = {"hidden": [256], "dropout": 0.3, "batch_norm": False}
    assert asked.head == own | {"layers": ["relu2"], "grid": 0, "sides": []}
