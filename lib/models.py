"""Encoder f, projection head g, the SimCLR network g(f(x)), and the classifier on a frozen f.

torchvision is imported where it is used: it takes a second or two, and who reads records or draws a figure
needs the names of the encoders, not the encoders.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.weights import load_imagenet

if TYPE_CHECKING:
    from torchvision.models import ResNet


def small_cnn(channels: int = 1) -> nn.Sequential:
    """The lab's MNIST encoder: images (N, channels, 28, 28) to features h (N, 128).

    Two 3×3 convolutions, to 32 and to 64 channels, each with ReLU and 2×2 max-pooling, then a
    linear layer 3136 → 128. Pooling stands before ReLU, which gives the same values (both are
    monotone) for a quarter of the ReLU's work.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 32, 3, padding=1),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(32, 64, 3, padding=1),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            linear=nn.Linear(64 * 7 * 7, 128),
        )
    )


def cifar_resnet(name: str, channels: int = 3) -> "ResNet":
    """torchvision's ResNet of that name for small images, without weights: images (N, channels, H, W) to features
    (N, 512 or 2048).

    As in SimCLR's CIFAR-10 runs (appendix B.9) and in the lab: a 3×3 first convolution of stride 1,
    no max-pooling, no fc. The ImageNet stem would shrink 32×32 images to 8×8 before the first block.
    """
    from torchvision.models import resnet

    encoder = getattr(resnet, name)(weights=None)
    encoder.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    encoder.maxpool = nn.Identity()
    encoder.fc = nn.Identity()
    return encoder


def fast_resnet(channels: int = 3, width: int = 1) -> nn.Sequential:
    """The kit's own encoder for two CPU cores: images (N, channels, H, W), sides a multiple of 8, to features (N, 128).

    A 4×4 stem of stride 2 that leaves 48 channels of half the size (see ``whiten``), then twice a 3×3
    convolution of stride 2 that doubles the channels and a residual block (He et al. 2016,
    arXiv:1512.03385). Most of its 13 million multiply-adds on 32×32 pixels lie where the maps are
    small and the channels many, where a CPU is fastest; ResNet-18 takes 556 million. ``stage1`` and
    ``stage2`` are maps (N, 64, H/4, W/4) and (N, 128, H/8, W/8). ``width`` multiplies all channels, and
    so the features; twice as many take four times the arithmetic.
    """
    from torchvision.models.resnet import BasicBlock
    from torchvision.ops.misc import Conv2dNormActivation

    stem, first, second = 48 * width, 64 * width, 128 * width
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(channels, stem, 4, stride=2, padding=1, bias=False),
            relu=nn.ReLU(),
            stage1=nn.Sequential(Conv2dNormActivation(stem, first, 3, stride=2), BasicBlock(first, first)),
            stage2=nn.Sequential(Conv2dNormActivation(first, second, 3, stride=2), BasicBlock(second, second)),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
        )
    )


@torch.no_grad()
def whiten(encoder: nn.Module, images: Tensor, floor: float = 0.01) -> None:
    """Fill ``encoder.stem`` with whitening filters of the images' patches, each with both signs, and fix it.

    Neighbouring pixels are nearly equal: of a patch's variance almost all lies in its mean colour, and
    a random filter sees little else. The principal directions of the patches, each divided by its
    deviation, answer alike to coarse and to fine structure (Coates, Lee & Ng 2011, section 4.2; as
    a fixed first layer: Page 2018, "How to train your ResNet"). ReLU keeps one half of each answer,
    so every filter stands there with both signs. No label is used.

    Args:
        encoder: has a convolution ``stem`` without bias and with an even number of output channels.
        images: (N, C, H, W) normalised floats, unlabelled; 4,000 are plenty.
        floor: added to each variance, so that directions of mere noise are not blown up.
    """
    stem = encoder.stem
    products, places = 0, 0
    for some in images.split(500):
        # in float64: in float32 the number of threads shows in the fourth decimal of the weaker directions
        patches = F.unfold(some, stem.kernel_size, stride=3).mT.flatten(0, 1).double()  # (n·places, C·k·k)
        products, places = products + patches.T @ patches, places + len(patches)
    variance, directions = torch.linalg.eigh(products / places)  # ascending
    count = stem.out_channels // 2
    filters = (directions / (variance + floor).sqrt()).flip(1)[:, :count].T.view(count, *stem.weight.shape[1:])
    stem.weight.copy_(torch.cat([filters, -filters]))
    stem.weight.requires_grad_(False)


class EncoderSpec(NamedTuple):
    """How to build an encoder for a number of image channels, its features' width, its usual images (C, H, W).

    ``any_size``: it takes other heights and widths too. ``whitens``: ``whiten`` may be called on it.
    """

    build: Callable[[int], nn.Module]
    features: int
    image_shape: tuple[int, int, int]
    any_size: bool = False
    whitens: bool = False


#: Encoders by name.
ENCODERS: dict[str, EncoderSpec] = {
    "small_cnn": EncoderSpec(small_cnn, 128, (1, 28, 28)),
    "fast_resnet": EncoderSpec(fast_resnet, 128, (3, 32, 32), any_size=True, whitens=True),
    "fast_resnet_2x": EncoderSpec(partial(fast_resnet, width=2), 256, (3, 32, 32), any_size=True, whitens=True),
    "resnet18": EncoderSpec(partial(cifar_resnet, "resnet18"), 512, (3, 32, 32), any_size=True),
    "resnet34": EncoderSpec(partial(cifar_resnet, "resnet34"), 512, (3, 32, 32), any_size=True),
    "resnet50": EncoderSpec(partial(cifar_resnet, "resnet50"), 2048, (3, 32, 32), any_size=True),
}


def mlp(*widths: int, dropout: float = 0.0, batch_norm: bool = False) -> nn.Sequential:
    """Linear layers of these widths with (BatchNorm,) ReLU (and dropout) between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        if layers:
            layers += [*([nn.BatchNorm1d(before)] if batch_norm else []), nn.ReLU(), nn.Dropout(dropout)]
        layers.append(nn.Linear(before, after))
    return nn.Sequential(*layers)


class _WithEncoder(nn.Module):
    """A module whose ``encoder`` stays in evaluation mode, whatever ``train()`` says, once frozen."""

    encoder: nn.Module
    encoder_frozen = False

    def train(self, mode: bool = True):
        super().train(mode)
        if self.encoder_frozen:
            self.encoder.eval()
        return self


class SimCLR(_WithEncoder):
    """Encoder and projection head: ``model(images) -> (features h, projections z)``.

    Args:
        encoder: a name in ``ENCODERS``.
        projection: widths of the projection head after the features: (64, 32) is 128 → 64 → 32.
        image_shape: (C, H, W); None is what the encoder usually takes.
        weights: ``none`` for random ones, ``imagenet``, or a file of torchvision's weights (ResNets).
        batch_norm: BatchNorm between the layers of the projection head; SimCLR's own code has one after the last, too.
    Raises:
        ValueError: no encoder of that name, or images of a height and width it does not take.
        WeightsError: the weights cannot be had, or are not the encoder's.
    """

    def __init__(
        self,
        encoder: str = "small_cnn",
        projection: tuple[int, ...] = (64, 32),
        image_shape: tuple[int, int, int] | None = None,
        weights: str = "none",
        batch_norm: bool = False,
    ):
        super().__init__()
        if encoder not in ENCODERS:
            raise ValueError(f"no encoder named {encoder!r}; there are: {', '.join(ENCODERS)}.")
        spec = ENCODERS[encoder]
        self.image_shape = image_shape or spec.image_shape
        channels, *size = self.image_shape
        if size != list(spec.image_shape[1:]) and not spec.any_size:
            wanted, given = (" × ".join(map(str, s)) for s in (spec.image_shape[1:], size))
            raise ValueError(f"{encoder} takes images of {wanted} pixels, not {given}.")
        self.encoder, self.weights = spec.build(channels), weights
        if weights != "none":
            load_imagenet(self.encoder, encoder, weights)
        self.projection_head = mlp(spec.features, *projection, batch_norm=batch_norm)
        self.to(memory_format=torch.channels_last)  # 1.5 times faster convolutions on CPU

    def extra_repr(self) -> str:
        return f"weights={self.weights!r}"  # a checkpoint of a training that began elsewhere is not this one's

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(images)
        return features, self.projection_head(features)


def freeze_encoder(model: _WithEncoder) -> _WithEncoder:
    """Freeze ``model.encoder``: no gradients, evaluation mode for good, buffers left alone.

    Setting ``requires_grad`` on the module does nothing, and a later ``model.train()`` would put
    BatchNorm back to updating its statistics; both make a "frozen" encoder learn on the labels.

    Raises:
        TypeError: the model is no SimCLR network or classifier of this kit.
    """
    if not isinstance(model, _WithEncoder):
        raise TypeError(f"freeze_encoder takes a SimCLR or Classifier, not {type(model).__name__}.")
    model.encoder.requires_grad_(False)
    model.encoder_frozen = True
    model.encoder.eval()
    return model


class Features(nn.Module):
    """What a head or a linear classifier reads of an encoder: images (N, C, H, W) to features (N, width).

    Args:
        encoder: used as it is (not copied).
        layers: names of layers of the encoder, whose outputs, flattened and joined in the order in which they are
            computed, are the features; none are the encoder's own output h.
        grid: each map is averaged over ``grid`` × ``grid`` places, unless it has fewer; 0 takes maps as they are.
        sides: the encoder is given each image once for each of these sides, brought to so many pixels, and the outputs
            of each layer are joined; none leaves images as they are. Random crops show things larger in training than
            whole images do, and enlarging makes up for it (Touvron et al. 2019, "Fixing the train-test resolution
            discrepancy", arXiv:1906.06423).
    Raises:
        ValueError: a layer the encoder does not have.
    """

    def __init__(self, encoder: nn.Module, layers: Sequence[str] = (), grid: int = 0, sides: Sequence[int] = ()):
        super().__init__()
        known = [name for name, _ in encoder.named_modules() if name]
        if unknown := set(layers) - set(known):
            raise ValueError(f"the encoder has no layer {sorted(unknown)}; there are: {', '.join(known)}.")
        self.sizes = nn.ModuleList([nn.Upsample((side, side), mode="bicubic") for side in sides] or [nn.Identity()])
        self.encoder, self.grid = _up_to(encoder, layers) if layers else encoder, grid

    def forward(self, images: Tensor) -> Tensor:
        found = [self.encoder(resized(images)) for resized in self.sizes]
        layers = zip(*(each.values() if isinstance(each, dict) else [each] for each in found), strict=True)
        return torch.cat([self._placed(output).flatten(1) for outputs in layers for output in outputs], 1)

    def _placed(self, output: Tensor) -> Tensor:
        if not self.grid or output.ndim != 4:
            return output
        within = "cpu" if output.device.type == "mps" else output.device  # Apple's GPUs average over equal parts only
        return F.adaptive_avg_pool2d(output.to(within), min(self.grid, *output.shape[2:])).to(output.device)


def _up_to(encoder: nn.Module, layers: Sequence[str]) -> nn.Module:
    """The encoder, whose outputs are those of some of its layers, by name."""
    from torchvision.models.feature_extraction import create_feature_extractor

    return create_feature_extractor(encoder, list(layers))


class Classifier(_WithEncoder):
    """A classification head on an encoder's features: ``model(images) -> logits`` (N, classes).

    Args:
        encoder: a pretrained encoder, used as it is (not copied).
        image_shape: (C, H, W) of the images, to find the features' width.
        classes: number of classes.
        hidden: widths of the head's hidden layers; () is a linear head.
        layers, grid, sides: where the features are taken; see ``Features``.
        dropout: probability after each hidden layer.
        batch_norm: standardise the features, each by its own mean and deviation over the batch, and
            the hidden layers likewise.
    Raises:
        ValueError: a layer the encoder does not have.
    """

    def __init__(
        self,
        encoder: nn.Module,
        image_shape: tuple[int, int, int],
        classes: int = 10,
        hidden: tuple[int, ...] = (64,),
        layers: Sequence[str] = (),
        dropout: float = 0.0,
        batch_norm: bool = False,
        grid: int = 0,
        sides: Sequence[int] = (),
    ):
        super().__init__()
        self.encoder = Features(encoder, layers, grid, sides)
        device, was_training = next(encoder.parameters()).device, encoder.training
        self.encoder.eval()  # a look at the width must not touch BatchNorm's statistics
        with torch.no_grad():
            width = self.features(torch.zeros(1, *image_shape, device=device)).shape[1]
        self.encoder.train(was_training)
        head = mlp(width, *hidden, classes, dropout=dropout, batch_norm=batch_norm)
        self.head = nn.Sequential(nn.BatchNorm1d(width, affine=False), *head) if batch_norm else head
        self.head.to(device)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to features (N, width)."""
        return self.encoder(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
