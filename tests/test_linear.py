"""Linear evaluation: held against scikit-learn's ridge; the test set has no say in it; the encoder is left alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lib.augment import Views
from lib.evaluation import linear
from lib.evaluation.linear import PENALTIES, Ridge, linear_evaluation, plain_features
from lib.models import Classifier, Features, SimCLR

SHIFT = 5.0  # features far from 0, as those after ReLU are


def clouds(count: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that overlap, with features of unlike size; the first is a constant."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    middles = np.random.default_rng(99).normal(size=(3, width)) * 2 / np.sqrt(width)
    features = (middles[labels] + draw.normal(size=(count, width))) * np.linspace(0.1, 10, width) + SHIFT
    features[:, 0] = SHIFT
    return features.astype(np.float32), labels + 4  # labels need not begin at 0


@pytest.mark.parametrize("width", [20, 500], ids=["more rows", "more features"])
def test_it_is_scikit_learns_ridge_on_standardised_features(width, monkeypatch):
    from sklearn.linear_model import Ridge as Theirs
    from sklearn.preprocessing import StandardScaler

    monkeypatch.setattr(linear, "BLOCK", 64)  # several blocks, the last of them smaller
    (train, labels), (test, _) = clouds(300, width), clouds(150, width, 1)
    targets = np.eye(3, dtype=np.float32)[labels - 4]
    scaler = StandardScaler().fit(train)
    ours = Ridge(torch.from_numpy(train), torch.from_numpy(targets))
    ours.add(torch.arange(100, 300))
    ours.add(torch.arange(100))
    for penalty in (1.0, 0.01):
        theirs = Theirs(penalty * 300, solver="cholesky").fit(scaler.transform(train), targets)
        expected = theirs.predict(scaler.transform(test))
        found = ours.outputs(torch.from_numpy(test), ours.weights(penalty)).numpy()
        np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("width", [20, 500])
def test_rows_not_added_have_no_say(width):
    train, labels = clouds(300, width)
    targets = torch.eye(3)[labels - 4]
    other = targets.clone()
    other[200:] = targets[200:].roll(1, 1)
    first, second = (Ridge(torch.from_numpy(train), t) for t in (targets, other))
    for ridge in (first, second):
        ridge.add(torch.arange(200))
    assert torch.equal(first.weights(0.1), second.weights(0.1))
    for ridge in (first, second):
        ridge.add(torch.arange(200, 300))
    assert not torch.allclose(first.weights(0.1), second.weights(0.1))


@pytest.mark.parametrize("width", [20, 1000])
def test_it_finds_the_classes_and_the_test_labels_choose_nothing(width):
    (train, labels), (test, test_labels) = clouds(600, width), clouds(300, width, 1)
    before = train.copy(), test.copy()
    found = linear_evaluation(train, labels, test, test_labels)
    assert 0.6 < found["accuracy"] < 1
    assert found["features"] == width
    assert found["penalty"] in PENALTIES
    assert abs(found["held_out_accuracy"] - found["accuracy"]) < 0.15
    assert found == linear_evaluation(train, labels, test, test_labels), "the same draw, the same figures"
    shuffled = linear_evaluation(train, labels, test, np.roll(test_labels, 1))
    assert shuffled["accuracy"] < 0.5
    assert {**shuffled, "accuracy": 0} == {**found, "accuracy": 0}
    for part, was in zip((train, test), before, strict=True):
        np.testing.assert_array_equal(part, was)


def test_a_penalty_that_is_too_small_for_all_rows_gives_way_to_a_larger_one(monkeypatch):
    rng, weights, asked = np.random.default_rng(0), linear.Ridge.weights, []

    def failing(ridge, penalty):
        """As cholesky_ex may once all rows are in."""
        if len(ridge.rows) == 100:
            asked.append(penalty)
            return None if len(asked) < 3 else weights(ridge, penalty)
        return weights(ridge, penalty)

    monkeypatch.setattr(linear.Ridge, "weights", failing)
    common, own = rng.standard_normal((2, 120))
    rows, labels = np.stack([common + own / 10, common], 1).astype(np.float32), (own > 0).astype(int)
    found = linear.linear_evaluation(rows[:100], labels[:100], rows[100:], labels[100:])
    place = PENALTIES.index(asked[0])
    assert place > 2, "what tells the classes apart is a small difference, which a large penalty hides"
    assert asked == list(PENALTIES[place - 2 : place + 1])[::-1]
    assert found["penalty"] == asked[-1]


def test_the_penalty_is_the_one_that_serves_held_out_labels_best():
    """With hardly more rows than noisy features a small penalty learns the noise by heart."""
    (train, labels), (test, test_labels) = clouds(240, 200), clouds(2000, 200, 1)
    chosen = linear_evaluation(train, labels, test, test_labels)
    assert chosen["penalty"] > min(PENALTIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "PENALTIES", (min(PENALTIES),))
        assert chosen["accuracy"] > linear_evaluation(train, labels, test, test_labels)["accuracy"] + 0.03


def test_bad_input_is_explained():
    train, labels = clouds(60, 5)
    with pytest.raises(ValueError, match="need N labels"):
        linear_evaluation(train, labels[:-1], train, labels)
    with pytest.raises(ValueError, match="as many columns"):
        linear_evaluation(train, labels, train[:, :4], labels)
    with pytest.raises(ValueError, match="not finite"):
        linear_evaluation(np.full_like(train, np.nan), labels, train, labels)
    with pytest.raises(ValueError, match="two labels at least"):
        linear_evaluation(train[:1], labels[:1], train, labels)


@pytest.mark.parametrize("count", [2, 4, 7])
def test_few_labels_and_a_class_with_one_of_them_do(count):
    (train, labels), (test, test_labels) = clouds(count, 5), clouds(300, 5, 1)
    assert 0 <= linear_evaluation(train, labels, test, test_labels)["accuracy"] <= 1


@pytest.mark.parametrize("name", ["small_cnn", "fast_resnet"])
def test_the_encoder_is_left_as_it_was(name):
    model = SimCLR(name).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    views = Views("original_mnist" if name == "small_cnn" else "simclr_cifar10")
    images = torch.randint(0, 256, (40, *((1, 28, 28) if name == "small_cnn" else (3, 32, 32))), dtype=torch.uint8)
    state = torch.get_rng_state()
    features = plain_features(model.encoder, images, views)
    assert features.shape == (40, 128)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, plain_features(model.encoder, images, views))
    assert all(module.training for module in model.modules())
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_pooled_averages_each_map_over_its_grid():
    encoder = SimCLR("fast_resnet").encoder.eval()
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        first = encoder.stage1(encoder.relu(encoder.stem(images)))  # 64 × 8 × 8
        second = encoder.stage2(first)  # 128 × 4 × 4
        both = Features(encoder, ["stage1", "stage2"], 4)(images)
        finest = Features(encoder, ["stage1", "stage2"], 8)(images)
        coarsest = Features(encoder, ["stage2"], 1)(images)
        with_features = Features(encoder, ["stage2", "flatten"], 4)(images)
    blocks = first.unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean((3, 5))
    torch.testing.assert_close(both, torch.cat([blocks.flatten(1), second.flatten(1)], 1))
    torch.testing.assert_close(finest, torch.cat([first.flatten(1), second.flatten(1)], 1))
    torch.testing.assert_close(coarsest, encoder(images).detach())
    torch.testing.assert_close(with_features, torch.cat([second.flatten(1), coarsest], 1))


def test_features_of_enlarged_images_and_of_several_sizes():
    encoder, images = SimCLR("fast_resnet").encoder.eval(), torch.randn(3, 3, 32, 32)
    large, layers = F.interpolate(images, (48, 48), mode="bicubic"), ["stage1", "stage2"]
    with torch.no_grad():
        torch.testing.assert_close(Features(encoder, sides=[48])(images), encoder(large))
        assert Features(encoder, ["stage1"], sides=[48])(images).shape == (3, 64 * 12 * 12)
        one, other = (Features(encoder, layers, 4)(given) for given in (images, large))
        both = Features(encoder, layers, 4, [32, 48])(images)
    first = 64 * 16  # of each size
    by_layer = [one[:, :first], other[:, :first], one[:, first:], other[:, first:]]
    torch.testing.assert_close(both, torch.cat(by_layer, 1))
    classifier = Classifier(encoder, (3, 32, 32), layers=layers, grid=4, sides=[32, 48])
    torch.testing.assert_close(classifier.features(images).detach(), both)
