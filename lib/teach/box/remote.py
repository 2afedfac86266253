"""A student's functions and objects as a test sees them: stand-ins that ask the student's process.

Autograd works through a call: its backward pass is another message. So a test may call ``.backward()`` on a loss that a
student's function computed, and find the gradients in its own tensors.
"""

import builtins
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from lib.teach.box import channel
from lib.teach.box.channel import Packer, Unpacker
from lib.teach.box.process import Box, Process
from lib.teach.box.shared import Shared


class Remote:
    """Stands for an object in a student's process."""

    def __init__(self, session: "Session", number: int, about: dict[str, Any]):
        own = {"_session": session, "_number": number, "_about": about, "__name__": about.get("name", "")}
        self.__dict__.update(own)  # setting an attribute would set it on the student's object

    @property
    def __class__(self) -> type:
        return nn.Module if self._about.get("module") is True else Remote

    def __call__(self, *words: Any, **names: Any) -> Any:
        return self._session.use(self._number, "call", words, names)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._session.use(self._number, "get", (name,))

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.use(self._number, "set", (name, value))

    def __getitem__(self, key: Any) -> Any:
        return self._session.use(self._number, "item", (key,))

    def __len__(self) -> int:
        return int(self._session.use(self._number, "length"))

    def __iter__(self) -> Any:
        return self._session.use(self._number, "items")

    def __repr__(self) -> str:
        return f"<{self._about.get('type')} of the student>"


class StudentError(Exception):
    """Mixed into what a student's function raises: ``told`` is what their process said of it."""

    told: dict[str, Any]


class Session:
    """One student's process, and what has been handed to it."""

    def __init__(self, box: Box, until: float):
        self.box, self.until, self.deadline = box, until, until
        self.process = Process(box)
        self.shared: list[Shared] = []

    def allow(self, seconds: float) -> None:
        """From now on, answers must come within so many seconds, all of them together."""
        self.deadline = min(self.until, time.monotonic() + seconds)

    def ask(self, message: dict[str, Any], blobs: Sequence[bytes] = ()) -> tuple[dict[str, Any], list[bytes]]:
        return self.process.ask(message, list(blobs), max(self.deadline - time.monotonic(), 0))

    def cell(self, source: str) -> dict[str, Any]:
        """Run a cell; what it printed, and ``failed`` if it did."""
        answer, _ = self.ask({"do": "cell", "source": source})
        return answer

    def name(self, name: str) -> tuple[bool, Any]:
        """Whether the student has this name for something, and what it is."""
        answer, blobs = self.ask({"do": "get", "name": name})
        if "value" not in answer:
            return False, None
        return True, self._unpacker(blobs).unpack(answer["value"])

    def use(self, number: int, how: str, words: Sequence[Any] = (), names: dict[str, Any] | None = None) -> Any:
        """Do something with an object of theirs: call it, or get, set, index, measure or walk through it.

        Raises:
            Exception: what their code raised, of the same built-in kind.
            Killed: their process is no more.
        """
        return _Use(self, number, how, tuple(words), names or {}).carry_out()

    def number_of(self, module: nn.Module) -> int | None:
        """The number of a module that was handed over before."""
        return next((n for n, shared in enumerate(self.shared) if shared.module is module), None)

    def _unpacker(self, blobs: list[bytes], instead: Any = None) -> Unpacker:
        kinds = {
            "handle": lambda node: Remote(self, int(node["n"]), dict(node["about"])),
            "shared": lambda node: self.shared[node["n"]].module,
        }
        return Unpacker(blobs, kinds, instead)

    def pack_other(self, packer: Packer, value: Any) -> dict[str, Any]:
        """For ``Packer``: their own objects by number, modules as shared ones, all else pickled."""
        if type(value) is Remote:
            return {"k": "handle", "n": value._number}
        if not isinstance(value, nn.Module):
            return channel.sent_whole(packer, value)
        if (number := self.number_of(value)) is not None:
            return {"k": "module", "n": number}
        self.shared.append(Shared(value))
        return {"k": "module", "n": len(self.shared) - 1, "b": channel.sent_whole(packer, value)["b"]}


class _Use:
    """One request: sent, answered, and followed up."""

    def __init__(self, session: Session, number: int, how: str, words: tuple, names: dict[str, Any]):
        self.session, self.number, self.how, self.words, self.names = session, number, how, words, names
        self.grad = torch.is_grad_enabled()

    def carry_out(self) -> Any:
        packer, self.known = Packer(self.session.pack_other), len(self.session.shared)
        message = {"words": packer.pack(self.words), "names": packer.pack(self.names)}
        self.given = list(packer.tensors)
        leaves = [(None, i, tensor) for i, tensor in enumerate(self.given) if tensor.requires_grad]
        for number, shared in enumerate(self.session.shared):
            named = shared.module.named_parameters()
            leaves += [(number, name, parameter) for name, parameter in named if parameter.requires_grad]
        self.request = (message | {"leaves": [leaf[:2] for leaf in leaves]}, packer)
        if not self.grad:
            self.send()
            return self.unpacked()
        outputs = _Through.apply(self, torch.zeros((), requires_grad=True), *(leaf[2] for leaf in leaves))
        return self.unpacked(iter(outputs))

    def send(self) -> None:
        """Send the request and take over what their code changed."""
        message, packer = self.request
        known = self.session.shared[: self.known]  # those that come with this very request are sent whole
        changes = [[n, packer.pack(shared.changes())] for n, shared in enumerate(known)]
        message |= {
            "do": "use", "target": self.number, "how": self.how, "grad": self.grad, "changes": changes,
            "random": packer.pack(torch.get_rng_state()), "dtype": packer.pack(torch.get_default_dtype()),
        }  # fmt: skip
        self.answer, self.blobs = self.session.ask(message, packer.blobs)
        _raise(self.answer)
        unpacker = self.session._unpacker(self.blobs)
        if not torch.equal(unpacker.unpack(self.answer["random"]), torch.get_rng_state()):
            # they drew numbers, so the next call must draw others; but none that they have chosen
            torch.manual_seed(int(torch.randint(2**63 - 1, ())))
        with torch.no_grad():
            for index, node in self.answer["changed"]:
                self.given[index].copy_(unpacker.unpack(node))
        for number, node in self.answer["changes"]:
            self.session.shared[number].apply(unpacker.unpack(node))

    def unpacked(self, instead: Any = None) -> Any:
        return self.session._unpacker(self.blobs, instead).unpack(self.answer["value"])

    def outputs(self) -> list[torch.Tensor]:
        """The tensors of the answer that have a gradient."""
        unpacker = self.session._unpacker(self.blobs)
        unpacker.unpack(self.answer["value"])
        return [tensor.detach() for tensor in unpacker.tensors if tensor.requires_grad]

    def backward(self, gradients: Sequence[torch.Tensor]) -> list[torch.Tensor | None]:
        packer = Packer(self.session.pack_other)
        message = {"do": "backward", "call": self.answer["call"], "gradients": packer.pack(list(gradients))}
        answer, blobs = self.session.ask(message, packer.blobs)
        _raise(answer)
        return self.session._unpacker(blobs).unpack(answer["value"])


class _Through(torch.autograd.Function):
    """A call of a student's function as one step of autograd."""

    @staticmethod
    def forward(ctx: Any, use: _Use, *_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        use.send()
        ctx.use = use
        outputs = use.outputs()
        if outputs:
            return tuple(outputs)
        ctx.mark_non_differentiable(nothing := torch.empty(0))
        return (nothing,)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (None, None, *ctx.use.backward(gradients))


def _raise(answer: dict[str, Any]) -> None:
    """If an answer is an error, raise it."""
    if "broken" in answer:
        raise channel.ChannelError(checked(answer["broken"])["message"][:500])
    if "error" in answer:
        raise as_raised(answer["error"])


def checked(told: Any) -> dict[str, Any]:
    """What a student's process says of an error, whatever it sends, as ``worker`` would tell it and no more."""
    told = {"bases": [], "where": []} | (told if isinstance(told, dict) else {})
    bases, where = (told[key] if isinstance(told[key], list) else [] for key in ("bases", "where"))
    frames = [frame for frame in where[-5:] if isinstance(frame, list) and len(frame) == 3]
    return {
        "type": _text(told.get("type"), 100) or "Exception",
        "bases": [_text(name, 100) for name in bases[:20]],
        "message": _text(told.get("message"), 2000),
        "where": [[n if type(n) is int and 0 < n < 10**6 else 0, _text(f, 100), _text(t, 200)] for n, f, t in frames],
    }


def _text(value: Any, most: int) -> str:
    return channel.writable(value[:most]).replace("\0", "") if isinstance(value, str) else ""


def as_raised(told: Any) -> Exception:
    """What a student's process says was raised, as an exception of the same built-in kind."""
    told = checked(told)
    for name in [*told["bases"], "Exception"]:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                raised = type(told["type"], (StudentError, kind), {})(told["message"])
            except TypeError:  # one that takes more than a message
                continue
            raised.told = told
            return raised
    raise AssertionError("unreachable: Exception takes a message")
