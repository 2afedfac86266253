"""What the diagrams state of a run: its settings and images from the record, layers and shapes from the model itself.

The network is built anew from the record's settings, on torch's device ``meta``: it has shapes and no numbers, so
that even a ResNet-50 costs a fraction of a second.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import nn

from lib.models import Classifier, SimCLR
from lib.runs.records import BEFORE

Texts = dict[str, str]
Shape = tuple[int, ...]


class Row(NamedTuple):
    """A layer as it is drawn: what it does, what comes out of it, the names of the modules it stands for."""

    text: str
    shape: Shape
    names: tuple[str, ...]
    left_out: bool = False


class Facts:
    """A run as its diagrams need it, from its record."""

    def __init__(self, record: dict[str, Any]):
        self.record, self.dataset, self.results = record, record["dataset"], record["results"]
        self.asked = BEFORE | record["parameters"]
        self.run: str = self.asked["run"]
        self.shape: Shape = tuple(self.dataset["shape"])
        self.network = (self.asked["encoder"], tuple(self.asked["projection"]), self.shape,
                        self.asked["projection_batch_norm"])  # fmt: skip

    # Built when they are asked for: the chunks can be drawn of a network that this kit does not know.

    @property
    def model(self) -> SimCLR:
        return _simclr(*self.network)[0]

    @property
    def shapes(self) -> dict[str, Shape]:
        """What comes out of each module of the network, without the batch."""
        return _simclr(*self.network)[1]

    @property
    def feature_shapes(self) -> list[tuple[str, Shape]]:
        """The layers whose outputs are the classifier's features, with their shapes; of no layer, ``h``.

        Where an image is shown to the encoder in several sizes, equal shapes of a layer are named once.
        """
        encoder, projection, (channels, *size), batch_norm = self.network
        layers, grid = self.asked["feature_layers"], self.asked["feature_grid"]
        sizes = [(side, side) for side in self.asked["feature_sides"]] or [size]
        found = [_simclr(encoder, projection, (channels, *size), batch_norm)[1] for size in sizes]
        if not layers:
            return [("*h*", found[0]["encoder"])]
        maps = [(name, shapes[f"encoder.{name}"]) for name in layers for shapes in found]
        placed = [(name, (shape[0], *(min(side, grid or side) for side in shape[1:]))) for name, shape in maps]
        return [*dict.fromkeys(placed)]

    @property
    def classifier(self) -> Classifier:
        return self._head[0]

    @property
    def classifier_shapes(self) -> dict[str, Shape]:
        """The same of the classifier."""
        return self._head[1]

    @property
    def _head(self) -> tuple[Classifier, dict[str, Shape]]:
        head = (tuple(self.asked["classifier_hidden"]), tuple(self.asked["feature_layers"]),
                self.asked["classifier_dropout"], self.asked["classifier_batch_norm"],
                self.asked["feature_grid"], tuple(self.asked["feature_sides"]))  # fmt: skip
        return _classifier(self.network, len(self.dataset["classes"]), *head)

    @property
    def unlabelled(self) -> int:
        """Images that pretraining saw."""
        return self.chunk_size * len(self.asked["unlabelled_chunks"])

    @property
    def chunk_size(self) -> int:
        return self.dataset["train"] // self.asked["chunk_count"]

    @property
    def weights(self) -> int:
        """Numbers in the encoder."""
        return sum(weight.numel() for weight in self.model.encoder.parameters())

    @property
    def width(self) -> int:
        """Numbers that the classification head is given for each image."""
        first = next(module for module in self.classifier.head if isinstance(module, nn.Linear))
        return first.in_features

    def rows(self, part: str, t: Texts) -> list[Row]:
        """The layers of ``encoder`` or ``projection_head``."""
        rows = layers(self.model.get_submodule(part), {k.removeprefix(f"{part}."): s for k, s in self.shapes.items()
                                                       if k.startswith(f"{part}.")}, t)  # fmt: skip
        if self.asked["whiten_stem"] and part == "encoder":
            rows = [row._replace(text=row.text + t["whitened"]) if "stem" in row.names else row for row in rows]
        return rows

    def head_rows(self, t: Texts) -> list[Row]:
        """The layers of the classification head."""
        prefix = "head."
        shapes = {k.removeprefix(prefix): s for k, s in self.classifier_shapes.items() if k.startswith(prefix)}
        return layers(self.classifier.head, shapes, t)


def output_shapes(model: nn.Module, image: Shape) -> dict[str, Shape]:
    """What comes out of each module for an image (C, H, W), by the module's name; without the batch."""
    shapes: dict[str, Shape] = {}

    def keep(name: str) -> Callable:
        return lambda _, __, out: shapes.update({name: tuple(out.shape[1:])} if isinstance(out, torch.Tensor) else {})

    hooks = [module.register_forward_hook(keep(name)) for name, module in model.named_modules() if name]
    with torch.no_grad():
        model.eval()(torch.zeros(1, *image, device="meta"))
    for hook in hooks:
        hook.remove()
    return shapes


@cache
def _simclr(encoder: str, projection: Shape, image: Shape, batch_norm: bool) -> tuple[SimCLR, dict[str, Shape]]:
    with torch.device("meta"):
        model = SimCLR(encoder, projection, image, batch_norm=batch_norm)
    return model, output_shapes(model, image)


@cache
def _classifier(
    network: tuple, classes: int, hidden: Shape, names: tuple[str, ...], *rest: Any
) -> tuple[Classifier, dict[str, Shape]]:
    model, image = _simclr(*network)[0], network[2]
    with torch.device("meta"):
        built = Classifier(model.encoder, image, classes, hidden, names, *rest)
    return built, output_shapes(built, image)


def layers(parent: nn.Module, shapes: dict[str, Shape], t: Texts) -> list[Row]:
    """A row for each child that does something; what only follows it, such as ReLU, is said in the row before."""
    rows: list[Row] = []
    children = list(parent.named_children())
    for name, module in children:
        shape, last = shapes.get(name, ()), rows[-1] if rows else None
        follows = _follows(module, t)
        if isinstance(module, nn.Identity) and name == children[-1][0]:
            follows = t["none_of"].format(name)
        if isinstance(module, nn.Flatten) and last and last.shape[1:] == (1, 1):
            follows = ""
        if last and follows is not None and not last.left_out:
            text = f"{last.text}{t['comma']}{follows}" if follows else last.text
            rows[-1] = Row(text, shape, (*last.names, name))
        elif isinstance(module, nn.Identity):
            rows.append(Row(t["left_out_layer"].format(t.get(f"name_{name}", name)), shape, (name,), True))
        else:
            rows.append(Row(_said(module, t) if follows is None else follows, shape, (name,)))
    return rows


def _follows(module: nn.Module, t: Texts) -> str | None:
    """What is said of a layer that only follows another, "" of one that does nothing; None: it is none."""
    if isinstance(module, nn.Dropout):
        return t["dropout"].format(m=module) if module.p else ""
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return "BatchNorm"
    return "ReLU" if isinstance(module, nn.ReLU) else None


def _said(module: nn.Module, t: Texts) -> str:
    """A layer in words; by its class if it is none that the kit uses."""
    if isinstance(module, nn.Conv2d):
        stride = t["stride"].format(module.stride[0]) if module.stride[0] > 1 else ""
        return t["convolution"].format(m=module, stride=stride)
    if isinstance(module, nn.Sequential):
        return _sequence(list(module), t)
    simple = {nn.MaxPool2d: "pool", nn.Linear: "linear", nn.Flatten: "flatten", nn.AdaptiveAvgPool2d: "average"}
    key = next((key for kind, key in simple.items() if isinstance(module, kind)), None)
    return t[key].format(m=module) if key else type(module).__name__


def _sequence(parts: list[nn.Module], t: Texts) -> str:
    """Residual blocks, perhaps after a convolution; BatchNorm and ReLU go without saying."""
    from torchvision.models.resnet import BasicBlock, Bottleneck

    blocks = [part for part in parts if isinstance(part, BasicBlock | Bottleneck)]
    others = [_said(part, t) for part in parts if part not in blocks and _follows(part, t) is None]
    if blocks:
        stride = t["stride"].format(blocks[0].stride) if blocks[0].stride > 1 else ""
        key = "one_block" if len(blocks) == 1 else "blocks"
        others.append(t[key].format(n=len(blocks), stride=stride))
    return t["comma"].join(others)
