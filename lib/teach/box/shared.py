"""Modules that a test hands to a student's function exist twice; what one side changes, the other is told."""

from typing import Any

import torch
from torch import nn

Changes = dict[str, dict[str, Any]]


class Shared:
    """A module, and what the other side knows of it."""

    def __init__(self, module: nn.Module):
        self.module, self.known = module, look(module)

    def changes(self) -> Changes:
        """What has changed since it was last told: weights, buffers, gradients, ``requires_grad``, training mode."""
        now, before = look(self.module), self.known
        self.known = now
        return {
            part: {name: value for name, value in values.items() if not _same(value, before[part].get(name, before))}
            for part, values in now.items()
        }

    def apply(self, changes: Changes) -> None:
        """Take over what the other side changed; names that this side does not have are passed over."""
        tensors = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        modules = dict(self.module.named_modules())
        with torch.no_grad():
            for name, value in changes["tensors"].items():
                if name in tensors and tensors[name].shape == value.shape:
                    tensors[name].data.copy_(value)
            for name, value in changes["needs"].items():
                if name in tensors and tensors[name].is_floating_point():
                    tensors[name].requires_grad_(bool(value))
            for name, value in changes["gradients"].items():
                if name in tensors:
                    tensors[name].grad = value
            for name, value in changes["training"].items():
                if name in modules:
                    modules[name].training = bool(value)
        self.known = look(self.module)


def look(module: nn.Module) -> Changes:
    """Everything of a module that a test may ask after, copied."""
    parameters = dict(module.named_parameters())
    return {
        "tensors": {n: t.detach().clone() for n, t in {**parameters, **dict(module.named_buffers())}.items()},
        "needs": {name: parameter.requires_grad for name, parameter in parameters.items()},
        "gradients": {n: None if p.grad is None else p.grad.detach().clone() for n, p in parameters.items()},
        "training": {name: inner.training for name, inner in module.named_modules()},
    }


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    return type(one) is type(other) and one == other
