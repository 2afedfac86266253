"""ImageNet weights for the ResNets: from torchvision's own loader and cache, or from a local file."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.hub import load_state_dict_from_url

#: torchvision's first weights of each, those that `pretrained=True` meant when the lab was written.
IMAGENET = {
    "resnet18": "ResNet18_Weights.IMAGENET1K_V1",
    "resnet34": "ResNet34_Weights.IMAGENET1K_V1",
    "resnet50": "ResNet50_Weights.IMAGENET1K_V1",
}
REPLACED = ("conv1.", "fc.")  # layers of the ImageNet network that the encoder does not share


class WeightsError(ValueError):
    """Weights that cannot be had, or are not those of the encoder."""


def load_imagenet(encoder: nn.Module, name: str, source: str = "imagenet") -> None:
    """Put ImageNet weights into an encoder made by ``cifar_resnet``; its first convolution stays as it is.

    The first convolution is 3×3 here and 7×7 there, so it cannot be taken over: it starts from
    random numbers, in front of layers that expect the old one's output.

    Args:
        encoder: filled in place.
        name: the encoder's name, a key of ``IMAGENET``.
        source: ``imagenet``, or the path of a state dict in torchvision's layout (.pth).
    Raises:
        WeightsError: no such weights, no network and no file, a damaged file, or one of another network.
    """
    state = _state(name, source)
    kept = {key: value for key, value in state.items() if not key.startswith(REPLACED)}
    wanted = {k: v.shape for k, v in encoder.state_dict().items() if not k.startswith(REPLACED)}
    # files from before torch 0.4 lack BatchNorm's counter, which evaluation does not need
    given = {k: v.shape for k, v in kept.items()}
    differ = [k for k in wanted.keys() | given.keys() if wanted.get(k) != given.get(k) and "num_batches" not in k]
    if differ:
        raise WeightsError(
            f"{source} does not hold the weights of {name}: {len(differ)} entries differ, "
            f"{min(differ)} among them. Name a state dict of torchvision's {name}."
        )
    encoder.load_state_dict(kept, strict=False)


class ImageNetFeatures(nn.Module):
    """torchvision's whole network, trained on ImageNet, up to its features: normalised images (N, C, H, W) to (N, 512)
    or, by ResNet-50, (N, 2048).

    For transfer without fine-tuning. Unlike the encoder that ``load_imagenet`` fills, it keeps its first convolution,
    so images are shown as it knows them: three channels, 224 × 224 pixels, normalised as in its own training.

    Args:
        name: a key of ``IMAGENET``.
        mean, std: by which the images were normalised, a number for each channel.
        source: as for ``load_imagenet``.
    Raises:
        WeightsError: the weights cannot be had, or are another network's.
    """

    SIDE, MEAN, STD = 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision.transforms._presets

    def __init__(self, name: str, mean: Sequence[float], std: Sequence[float], source: str = "imagenet"):
        super().__init__()
        from torchvision.models import resnet  # here: see models.py

        state = _state(name, source)
        self.network = getattr(resnet, name)(weights=None)
        try:
            self.network.load_state_dict(state)
        except RuntimeError as error:
            raise WeightsError(f"{source} does not hold the weights of torchvision's {name}: {error}") from error
        self.network.fc = nn.Identity()
        for key, values in {"mean": mean, "std": std, "their_mean": self.MEAN, "their_std": self.STD}.items():
            self.register_buffer(key, torch.tensor(values).view(1, -1, 1, 1))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self._features(some) for some in images.split(50)])  # maps of 250 images would take 3 GB

    def _features(self, images: Tensor) -> Tensor:
        images = F.interpolate(images * self.std + self.mean, (self.SIDE, self.SIDE), mode="bilinear", antialias=True)
        return self.network((images.expand(-1, 3, -1, -1) - self.their_mean) / self.their_std)


def _state(name: str, source: str) -> dict[str, Tensor]:
    if name not in IMAGENET:
        raise WeightsError(
            f"there are no ImageNet weights for {name!r}, only for {', '.join(IMAGENET)}: "
            "choose one of these, or train without (weights = 'none')."
        )
    return _fetch(name) if source == "imagenet" else _read(Path(source).expanduser())


def _fetch(name: str) -> dict[str, Tensor]:
    """From torch's cache, else downloaded into it; torch compares the sum in the file's name."""
    from torchvision.models import get_weight  # here: see models.py

    url = get_weight(IMAGENET[name]).url
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if file.exists():
        return _read(file)
    reason = "LAB_OFFLINE is set"
    if not os.environ.get("LAB_OFFLINE"):
        try:
            return load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
        except (OSError, RuntimeError) as error:
            reason = f"{url} could not be fetched: {error}"
    raise WeightsError(
        f"the ImageNet weights of {name} cannot be had: {file.name} is not in {file.parent}, and {reason}. "
        f"Put the file there, or name it with the parameter weights (-p weights /path/to/{file.name}), "
        "or train without (-p weights none)."
    )


def _read(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise WeightsError(
            f"weights = {str(file)!r} is no file that exists: name a .pth file, or 'imagenet' to fetch one, "
            "or 'none' to train without."
        )
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever pickle, zip and torch make of a damaged file
        raise WeightsError(
            f"{file} cannot be read as weights ({str(error).splitlines()[0]}). Delete it and fetch it again."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{file} holds no state dict (names to tensors) but something else.")
    return state
