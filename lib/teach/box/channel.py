"""Values over a pipe between the grader and a student's process, and nothing that runs on arrival.

A message is JSON with the bytes of its tensors behind it. The grader never unpickles: what comes from a student's
process is numbers, text, lists and tensors, or a ``handle``, a number that stands for an object over there. The other
way the grader may also send modules and other objects, pickled, for the student's process has nothing to lose.
"""

import json
import pickle
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import torch

HEAD = struct.Struct("<QQ")  # bytes of JSON, bytes behind it
MOST = 1 << 28  # bytes of a message: 256 MB
ITEMS = 100_000  # of an iterator that is sent as a list
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128, torch.bool,
        torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    )
}  # fmt: skip
ARRAYS = "?bhilqBHILQefdFD"  # numpy's codes of bool, integers, floats and complex numbers


class ChannelError(ValueError):
    """What came is no message, or cannot be sent."""


def writable(text: str) -> str:
    """The text with a question mark for each half of a character, which no file could be written with."""
    return text.encode("utf-8", "replace").decode("utf-8")


def write(stream: BinaryIO, message: dict[str, Any], blobs: list[bytes]) -> None:
    """Send one message."""
    head = json.dumps({**message, "blobs": [len(blob) for blob in blobs]}).encode()
    total = sum(map(len, blobs))
    if len(head) + total > MOST:
        raise ChannelError(
            f"{(len(head) + total) / 1e6:,.0f} MB are too much to send; at most {MOST / 1e6:,.0f} MB are"
        )
    stream.write(HEAD.pack(len(head), total) + head)
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def read(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]] | None:
    """Receive one message; None at the end.

    Raises:
        ChannelError: what came is none, or larger than a message may be.
    """
    if len(start := stream.read(HEAD.size)) < HEAD.size:
        return None
    length, total = HEAD.unpack(start)
    if length + total > MOST:
        raise ChannelError("a message is too large")
    content = stream.read(length + total)
    if len(content) < length + total:
        return None
    try:
        message = json.loads(content[:length])
        blobs, at = [], length
        for size in message.pop("blobs"):
            blobs.append(content[at : at + size])
            at += size
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ChannelError("what came is no message") from error
    return message, blobs


class Packer:
    """Python values to JSON and blobs. ``other`` says what becomes of objects that are no plain data."""

    def __init__(self, other: Callable[["Packer", Any], dict[str, Any]]):
        self.other, self.blobs, self.tensors = other, [], []

    def pack(self, value: Any) -> Any:
        """A value as JSON; its bytes go to ``blobs``, the tensors in it to ``tensors``."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, str | bool | int | float):  # of a subclass, such as a numpy float
            plain = next(kind for kind in (str, bool, int, float) if isinstance(value, kind))
            return plain.__call__(value) if plain is not str else str.__str__(value)
        if isinstance(value, np.generic):
            return self.pack(value.item())
        if isinstance(value, torch.Tensor):
            self.tensors.append(value)
            return self._tensor(value)
        if isinstance(value, np.ndarray) and value.dtype.char in ARRAYS:
            return {
                "k": "array",
                "b": self.blob(np.ascontiguousarray(value).tobytes()),
                "d": value.dtype.str,
                "s": value.shape,
            }
        if isinstance(value, list | tuple | set | frozenset):
            kind = "list" if isinstance(value, list) else "tuple" if isinstance(value, tuple) else "set"
            return {"k": kind, "v": [self.pack(item) for item in value]}
        if isinstance(value, dict):
            return {"k": "dict", "v": [[self.pack(key), self.pack(item)] for key, item in value.items()]}
        if isinstance(value, complex):
            return {"k": "complex", "v": [value.real, value.imag]}
        if isinstance(value, torch.dtype | torch.device):
            return {"k": type(value).__name__, "v": str(value).removeprefix("torch.")}
        if isinstance(value, torch.Generator):
            return {"k": "generator", "v": self._tensor(value.get_state())}
        if isinstance(value, Iterator):
            return {"k": "iterator", "v": [self.pack(item) for item, _ in zip(value, range(ITEMS), strict=False)]}
        return self.other(self, value)

    def blob(self, content: bytes) -> int:
        """Keep bytes; their number."""
        self.blobs.append(content)
        return len(self.blobs) - 1

    def _tensor(self, value: torch.Tensor) -> dict[str, Any]:
        plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
        code = str(plain.dtype).removeprefix("torch.")
        if code not in DTYPES or plain.layout != torch.strided:
            raise ChannelError(f"a tensor of {plain.dtype} cannot be sent")
        content = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        needs = bool(value.requires_grad)
        return {
            "k": "tensor",
            "b": self.blob(content),
            "d": code,
            "s": list(plain.shape),
            "g": needs,
            "l": value.is_leaf,
        }


def sent_whole(packer: Packer, value: Any) -> dict[str, Any]:
    """For ``Packer``, on the grader's side only: anything else is pickled."""
    try:
        return {"k": "pickle", "b": packer.blob(pickle.dumps(value))}
    except Exception as error:  # pickle raises whatever the object's own code raises
        raise ChannelError(f"{type(value).__name__} cannot be sent to the student's process: {error}") from error


class Unpacker:
    """JSON and blobs to Python values; ``other`` makes what is no plain data, by its kind."""

    def __init__(
        self,
        blobs: list[bytes],
        other: dict[str, Callable[[dict[str, Any]], Any]],
        instead: Iterator[torch.Tensor] | None = None,
    ):
        """``instead`` gives the tensors that stand for those with a gradient, in their order."""
        self.blobs, self.other, self.instead, self.tensors = blobs, other, instead, []

    def unpack(self, node: Any) -> Any:
        """The value a node of JSON stands for.

        Raises:
            ChannelError: it stands for none.
        """
        if not isinstance(node, dict):
            return node
        try:
            return self._unpack(node, node["k"])
        except ChannelError:
            raise
        except Exception as error:  # whatever a student's process makes up, it is no value
            raise ChannelError(f"no value: {type(error).__name__}") from error

    def _unpack(self, node: dict[str, Any], kind: str) -> Any:
        match kind:
            case "tensor":
                if self.instead is not None and node["g"]:
                    return next(self.instead)
                self.tensors.append(tensor := self._tensor(node))
                return tensor if node["l"] or not node["g"] else tensor.clone()
            case "array":
                dtype = np.dtype(node["d"])
                if dtype.char not in ARRAYS:
                    raise ChannelError("an array of no numbers")
                return np.frombuffer(self.blobs[node["b"]], dtype).reshape(node["s"]).copy()
            case "list" | "tuple" | "set" | "iterator":
                items = [self.unpack(item) for item in node["v"]]
                return {"list": list, "tuple": tuple, "set": set, "iterator": iter}[kind](items)
            case "dict":
                return {self.unpack(key): self.unpack(item) for key, item in node["v"]}
            case "complex":
                return complex(*node["v"])
            case "dtype":
                return DTYPES[node["v"]]
            case "device":
                return torch.device("cpu")
            case "generator":
                return torch.Generator().set_state(self._tensor(node["v"]))
            case _:
                return self.other[kind](node)

    def _tensor(self, node: dict[str, Any]) -> torch.Tensor:
        content, dtype = self.blobs[node["b"]], DTYPES[node["d"]]
        flat = torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)
        tensor = flat.reshape(node["s"])
        if node.get("g") and (tensor.is_floating_point() or tensor.is_complex()):
            tensor.requires_grad_()
        return tensor
