"""Where a training is computed, and in which precision."""

import importlib.util
import time
import warnings
from contextlib import AbstractContextManager
from functools import cache

import torch
from torch import nn

#: What a training may be asked to compute in; ``choose_precision`` says what ``auto`` is on a device.
PRECISIONS = ("auto", "float32", "bfloat16")


def choose_device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


@cache
def cpu_computes_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32, which takes instructions of its own.

    Intel and AMD processors say so (AVX512-BF16 or AMX), and newer versions of torch pass it on. On any other
    processor, and with an older torch, a matrix product in each is timed once, a few hundredths of a second;
    without such instructions bfloat16 is the slower one.
    """
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if "avx512_bf16" in capabilities:
        return capabilities["avx512_bf16"] or capabilities.get("amx_bf16", False)
    return _product_seconds(torch.float32) > 1.25 * _product_seconds(torch.bfloat16)


def _product_seconds(dtype: torch.dtype, size: int = 512, repeats: int = 5) -> float:
    """Seconds of the fastest of some products of two (size, size) matrices, after one to warm up."""
    a, seconds = torch.ones(size, size, dtype=dtype), []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def choose_precision(wanted: str, device: torch.device) -> str:
    """What networks are trained in on a device, ``float32``, ``bfloat16`` or ``float16``, if this is wanted.

    ``auto`` is half precision where it is computed faster: bfloat16 on a CPU with instructions for it and on CUDA
    devices from Ampere on, float16 (whose small range asks for a loss scaler) on older ones; else float32. Asked
    for by name, bfloat16 is taken anywhere; on a CPU without the instructions it is right, and slow, and a warning
    says so.

    Raises:
        ValueError: float16 on anything but a CUDA device.
    """
    if wanted == "float16" and device.type != "cuda":
        raise ValueError(f"float16 is for CUDA devices that lack bfloat16, not for {device.type}.")
    if wanted == "bfloat16" and device.type == "cpu" and not cpu_computes_bfloat16():
        warnings.warn("this processor has no arithmetic for bfloat16: float32 would be faster.", stacklevel=2)
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float16"
    return "bfloat16" if device.type == "cpu" and cpu_computes_bfloat16() else "float32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """Within it a network's convolutions and matrix products are computed in ``precision``, as ``choose_precision``
    gave it. Weights, their gradients and BatchNorm's statistics stay float32.

    Views and loss have no place in it: the one would round the images, the other the similarities.
    """
    return torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32")


def compile_for(device: torch.device, model: nn.Module) -> bool:
    """``torch.compile`` a network in place where it pays, and say whether it was done.

    On a CUDA device with Triton, BatchNorm and ReLU are fused into one pass over memory. On a CPU it is left
    alone: it asks for a C++ compiler, half a minute at each size of batch and view, and the step was no faster
    for it (docs/cifar10.md). The weights keep their names.
    """
    gains = device.type == "cuda" and importlib.util.find_spec("triton") is not None
    if gains:
        model.compile()
    return gains
