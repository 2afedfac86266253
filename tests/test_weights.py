"""ImageNet weights without a network: from a file, from torch's cache, and what is said when there are none."""

import pytest
import torch
from torchvision.models import get_weight, resnet

from lib import weights
from lib.models import SimCLR
from lib.weights import WeightsError


@pytest.fixture(scope="module")
def theirs():
    """What torchvision's file of ImageNet weights holds, with other numbers in it."""
    torch.manual_seed(1)
    return resnet.resnet18(weights=None).state_dict()


@pytest.fixture
def file(theirs, tmp_path):
    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save(theirs, path)
    return path


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def test_a_local_file_fills_everything_but_the_new_first_convolution(file, theirs):
    torch.manual_seed(2)
    without = SimCLR("resnet18").encoder.state_dict()
    torch.manual_seed(2)
    encoder = SimCLR("resnet18", weights=str(file)).encoder.state_dict()
    assert torch.equal(encoder["conv1.weight"], without["conv1.weight"])
    rest = [key for key in encoder if key != "conv1.weight"]
    assert len(rest) == len(theirs) - 3  # conv1, and fc's weight and bias
    assert all(torch.equal(encoder[key], theirs[key]) for key in rest)


def test_torchs_cache_is_used_without_a_network(file, hub, theirs):
    file.rename(hub / file.name)
    encoder = SimCLR("resnet18", weights="imagenet").encoder
    assert torch.equal(encoder.layer1[0].conv1.weight, theirs["layer1.0.conv1.weight"])


def test_the_names_are_those_of_torchvisions_urls():
    for name, entry in weights.IMAGENET.items():
        assert get_weight(entry).url.rsplit("/", 1)[1].startswith(f"{name}-")


@pytest.mark.parametrize("offline", ["1", ""])
def test_without_file_and_network_the_error_says_what_would_do(offline, hub, monkeypatch):
    monkeypatch.setenv("LAB_OFFLINE", offline)

    def no_network(url, **options):
        raise OSError("Name or service not known")

    monkeypatch.setattr(weights, "load_state_dict_from_url", no_network)
    with pytest.raises(WeightsError) as caught:
        SimCLR("resnet34", weights="imagenet")
    message = str(caught.value)
    for part in ("resnet34-b627a593.pth", str(hub), "-p weights /path/to/", "-p weights none"):
        assert part in message
    assert ("LAB_OFFLINE is set" if offline else "Name or service not known") in message
    assert "\n" not in message


def test_files_that_will_not_do(file, tmp_path):
    with pytest.raises(WeightsError, match="no file that exists"):
        SimCLR("resnet18", weights=str(tmp_path / "nowhere.pth"))
    with pytest.raises(WeightsError, match="does not hold the weights of resnet50"):
        SimCLR("resnet50", weights=str(file))
    with pytest.raises(WeightsError, match="only for resnet18"):
        SimCLR("small_cnn", weights="imagenet")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        SimCLR("resnet18", weights=str(file))
    torch.save([1, 2], file)
    with pytest.raises(WeightsError, match="holds no state dict"):
        SimCLR("resnet18", weights=str(file))


def test_a_file_from_before_batch_norm_had_a_counter_is_taken(file, theirs):
    torch.save({k: v for k, v in theirs.items() if "num_batches" not in k}, file)
    encoder = SimCLR("resnet18", weights=str(file)).encoder
    assert torch.equal(encoder.bn1.weight, theirs["bn1.weight"])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_whole_network_sees_images_as_it_knows_them(file, theirs, channels):
    mean, std = (0.5,) * channels, (0.2,) * channels
    transfer = weights.ImageNetFeatures("resnet18", mean, std, str(file))
    images = torch.rand(2, channels, 32, 32)
    network = resnet.resnet18(weights=None)
    network.load_state_dict(theirs)
    network.fc = torch.nn.Identity()
    shown = get_weight("ResNet18_Weights.IMAGENET1K_V1").transforms(crop_size=224, resize_size=224)
    with torch.no_grad():
        expected = network.eval()(shown(images.expand(-1, 3, -1, -1)))
        found = transfer((images - 0.5) / 0.2)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert not transfer.training


def test_weights_of_another_whole_network_are_refused(file):
    with pytest.raises(WeightsError, match="does not hold the weights of torchvision's resnet34"):
        weights.ImageNetFeatures("resnet34", (0.5,), (0.2,), str(file))
