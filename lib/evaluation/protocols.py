"""The ways from labels to a classifier, and the heads, that the evidence compares; a file that is read at once."""

from typing import Literal, NamedTuple


class Way(NamedTuple):
    """What is learnt from, and what learns: with ``whole``, encoder and head together."""

    start: Literal["pretrained", "untrained", "pixels"]
    learner: Literal["linear", "hidden", "knn", "whole"]


#: The ways to come from labels to a classifier, by name.
WAYS: dict[str, Way] = {
    "linear": Way("pretrained", "linear"),
    "hidden layer": Way("pretrained", "hidden"),
    "kNN": Way("pretrained", "knn"),
    "fine-tuned": Way("pretrained", "whole"),
    "from scratch": Way("untrained", "whole"),
    "random encoder": Way("untrained", "linear"),
    "pixels": Way("pixels", "linear"),
}


class Head(NamedTuple):
    """A classification head on a frozen encoder: its input, hidden widths, and the encoder's mode meanwhile."""

    input: Literal["h", "z"]
    hidden: tuple[int, ...]
    training_mode: bool = False


#: The lab's head and what it might have been instead, by name.
HEADS: dict[str, Head] = {
    "lab's head": Head("h", (64,)),
    "linear head": Head("h", ()),
    "lab's head on z": Head("z", (64,)),
    "linear head on z": Head("z", ()),
    "encoder in training mode": Head("h", (64,), training_mode=True),
}

#: What may stand beside a method that learns without labels, by name.
BESIDE = ("pixels", "untrained", "patches", "from scratch", "ImageNet")

#: Images that a kNN probe takes: fewer tell nothing, and leave the vote no neighbours.
LEAST_PROBE = 10
