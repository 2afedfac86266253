"""What the diagrams state, asked of the code: the chunks and widths of the profile `original`, the networks' shapes."""

from functools import cache

import torch
from torch import nn

from lib.models import ENCODERS, SimCLR
from lib.runs import profiles

#: Training and test images of the data sets, and the chunks on which a recipe was chosen (docs/).
SIZES = {"mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}
HELD_OUT = {"mnist": [9, 10], "cifar10": [5]}
#: The layers drawn: the text's key, the module that fills its blanks, the module whose output is shown.
STAGES = {
    "small_cnn": [
        ("convolution", "encoder.conv1", "encoder.conv1"),
        ("pool", "encoder.pool1", "encoder.relu1"),
        ("convolution", "encoder.conv2", "encoder.conv2"),
        ("pool", "encoder.pool2", "encoder.relu2"),
        ("flatten", "encoder.flatten", "encoder.flatten"),
        ("linear", "encoder.linear", "encoder.linear"),
    ],
    "resnet18": [
        ("stem", "encoder.conv1", "encoder.relu"),
        ("no_pool", "encoder.maxpool", "encoder.maxpool"),
        *(("blocks", f"encoder.layer{n}", f"encoder.layer{n}") for n in (1, 2, 3, 4)),
        ("average", "encoder.avgpool", "encoder.fc"),
    ],
    "projection_head": [
        ("linear_relu", "projection_head.0", "projection_head.0"),
        ("linear", "projection_head.3", "projection_head.3"),
    ],
}


@cache
def parameters(run: str) -> dict:
    """The parameters of a run of the profile `original`."""
    return profiles.find("original", run).resolved


def image_shape(run: str) -> tuple[int, int, int]:
    return ENCODERS[parameters(run)["encoder"]].image_shape


def output_shapes(model: nn.Module, image: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """What comes out of each module for a zero image, by the module's name; without the batch."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, module in model.named_modules():
        if name:
            module.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    with torch.no_grad():
        model.eval()(torch.zeros(1, *image))
    return shapes


@cache
def network(run: str) -> tuple[SimCLR, dict[str, tuple[int, ...]]]:
    """A run's network and the shapes in it."""
    model = SimCLR(parameters(run)["encoder"], tuple(parameters(run)["projection"]))
    return model, output_shapes(model, image_shape(run))
