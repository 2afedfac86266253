"""The student's side: runs their cells, and answers what the grader asks of what they made.

Started as ``python -m lib.teach.box.worker LIMITS``, in a box (``walls``). Nothing here is trusted by the grader, and
nothing secret comes here: no test, no solution, no other hand-in.
"""

import contextlib
import io
import json
import os
import sys
import traceback
from typing import Any, BinaryIO

SHOWN = 20_000  # characters of what a cell prints


def main() -> None:
    """Set the limits, keep the pipe for oneself, and answer until it ends."""
    limits = json.loads(sys.argv[1])
    _limit(limits)
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    Worker(limits["threads"]).serve(asked, answers)


def _limit(limits: dict[str, Any]) -> None:
    """What POSIX limits for a process and its children; a limit that the system does not know is left out."""
    try:
        import resource
    except ImportError:  # Windows
        return
    wanted = {
        "RLIMIT_DATA": limits["memory"], "RLIMIT_FSIZE": limits["file"], "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": limits.get("processes"), "RLIMIT_NOFILE": 512, "RLIMIT_CPU": limits["cpu"],
    }  # fmt: skip
    for name, value in wanted.items():
        if value is not None and hasattr(resource, name):
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (value, value))


class Printed(io.TextIOBase):
    """Takes what is printed and keeps its beginning."""

    def __init__(self):
        self.kept, self.size = [], 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.size < SHOWN:
            self.kept.append(text[: SHOWN - self.size])
            self.size += len(text)
        return len(text)

    @property
    def text(self) -> str:
        return "".join(self.kept)


class Worker:
    """A shell with the student's names, and the objects the grader has been told of."""

    def __init__(self, threads: int):
        import torch
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        torch.set_num_threads(threads)
        quiet = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
        self.shell = InteractiveShell.instance(config=quiet)
        sys.modules["__main__"] = self.shell.user_module  # where pickle looks for the classes of a notebook
        self.objects: list[Any] = []
        self.shared: dict[int, Any] = {}
        self.calls: list[tuple[list, list]] = []

    def serve(self, asked: BinaryIO, answers: BinaryIO) -> None:
        """Answer one message after the other."""
        from lib.teach.box import channel

        channel.write(answers, {"ready": True}, [])
        while (message := channel.read(asked)) is not None:
            packer = channel.Packer(self._handle)
            try:
                answer = getattr(self, "do_" + message[0]["do"])(*message, packer)
                channel.write(answers, answer, packer.blobs)
            except _Raised as raised:
                channel.write(answers, {"error": _told(raised.error)}, [])
            except BaseException as error:  # nothing that a student's object does on its way ends the process
                channel.write(answers, {"broken": _told(error)}, [])

    def do_cell(self, message: dict[str, Any], _blobs: list[bytes], _packer: Any) -> dict[str, Any]:
        printed = Printed()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            done = self.shell.run_cell(message["source"], store_history=True)
        error = done.error_before_exec or done.error_in_exec
        return {"printed": printed.text} | ({"failed": _told(error)} if error else {})

    def do_get(self, message: dict[str, Any], _blobs: list[bytes], packer: Any) -> dict[str, Any]:
        name, names = message["name"], self.shell.user_ns
        if name not in names or isinstance(names[name], type(sys)):
            return {"missing": True}
        return {"value": packer.pack(names[name])}

    def do_use(self, message: dict[str, Any], blobs: list[bytes], packer: Any) -> dict[str, Any]:
        """Call an object, or get, set, index or measure it."""
        import torch

        unpacker = self._unpacker(blobs)
        for number, changes in message["changes"]:
            self.shared[number].apply(self._unpacker(blobs).unpack(changes))
        target = self.objects[message["target"]]
        words, names = unpacker.unpack(message["words"]), unpacker.unpack(message["names"])
        given = list(unpacker.tensors)
        before = [tensor.detach().clone() for tensor in given]
        torch.set_rng_state(unpacker.unpack(message["random"]))
        torch.set_default_dtype(unpacker.unpack(message["dtype"]))
        printed = Printed()
        quiet = contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed)
        with quiet[0], quiet[1], torch.set_grad_enabled(message["grad"]):
            value = packer.pack(_carried_out(message["how"], target, words, names))
        outputs = [tensor for tensor in packer.tensors if tensor.requires_grad]
        self.calls.append((self._leaves(message, given), outputs))
        changed = [
            [i, packer.pack(now.detach())]
            for i, (now, then) in enumerate(zip(given, before, strict=True))
            if now.shape == then.shape and not torch.equal(now, then)
        ]
        return {
            "value": value, "call": len(self.calls) - 1, "changed": changed,
            "changes": [[n, packer.pack(shared.changes())] for n, shared in self.shared.items()],
            "random": packer.pack(torch.get_rng_state()),
        }  # fmt: skip

    def do_backward(self, message: dict[str, Any], blobs: list[bytes], packer: Any) -> dict[str, Any]:
        """Gradients of a call's outputs with respect to what went into it."""
        import torch

        leaves, outputs = self.calls[message["call"]]
        gradients = self._unpacker(blobs).unpack(message["gradients"])
        known = [leaf for leaf in leaves if leaf is not None]
        before = [leaf.grad for leaf in known]
        for leaf in known:
            leaf.grad = None
        # parameters that the student made keep their gradients
        _carried_out("call", torch.autograd.backward, [outputs, gradients], {"retain_graph": True})
        found = [None if leaf is None else leaf.grad for leaf in leaves]
        for leaf, gradient in zip(known, before, strict=True):
            leaf.grad = gradient  # these are counted on the grader's side
        return {"value": packer.pack(found)}

    def _leaves(self, message: dict[str, Any], given: list[Any]) -> list[Any]:
        """What the grader would have gradients of: tensors of the arguments, parameters of modules."""
        found = []
        for module, key in message["leaves"]:
            found.append(given[key] if module is None else dict(self.shared[module].module.named_parameters()).get(key))
        return found

    def _unpacker(self, blobs: list[bytes]) -> Any:
        import pickle

        from lib.teach.box import channel
        from lib.teach.box.shared import Shared

        def module(node: dict[str, Any]) -> Any:
            if node["n"] not in self.shared:
                self.shared[node["n"]] = Shared(pickle.loads(blobs[node["b"]]))
            return self.shared[node["n"]].module

        kinds = {
            "module": module,
            "pickle": lambda node: pickle.loads(blobs[node["b"]]),
            "handle": lambda node: self.objects[node["n"]],
        }
        return channel.Unpacker(blobs, kinds)

    def _handle(self, _packer: Any, value: Any) -> dict[str, Any]:
        """An object that stays here: the grader gets its number."""
        from torch import nn

        for number, shared in self.shared.items():
            if shared.module is value:
                return {"k": "shared", "n": number}
        self.objects.append(value)
        about = {
            "type": type(value).__name__, "name": str(getattr(value, "__name__", ""))[:100],
            "module": isinstance(value, nn.Module), "class": isinstance(value, type), "callable": callable(value),
        }  # fmt: skip
        return {"k": "handle", "n": len(self.objects) - 1, "about": about}


class _Raised(Exception):
    """The student's own code raised ``error``: SystemExit and KeyboardInterrupt too."""

    def __init__(self, error: BaseException):
        self.error = error


def _carried_out(how: str, target: Any, words: list, names: dict) -> Any:
    try:
        return USES[how](target, words, names)
    except BaseException as error:
        raise _Raised(error) from error


def _set(target: Any, words: list, _names: dict) -> None:
    setattr(target, *words)


USES = {
    "call": lambda target, words, names: target(*words, **names),
    "get": lambda target, words, _: getattr(target, words[0]),
    "set": _set,
    "item": lambda target, words, _: target[words[0]],
    "length": lambda target, *_: len(target),
    "items": lambda target, *_: iter(target),
}


def _told(error: BaseException) -> dict[str, Any]:
    """An error in words: its kind, what it says, and where in the student's cells."""
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if "ipython-input" in f.filename or "/ipykernel" in f.filename
    ]
    bases = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
    try:
        message = str(error)[:2000]
    except Exception:
        message = ""
    where = [[frame.lineno, frame.name, (frame.line or "")[:200]] for frame in frames[-5:]]
    return {"type": type(error).__name__, "bases": bases, "message": message, "where": where}


if __name__ == "__main__":
    main()
