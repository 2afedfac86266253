"""NT-Xent forward and backward: time in turns in one process, peak memory each way in a process of its own.

``python -m bench.loss WAY PAIRS LIMIT`` is such a process: it computes the loss once, in no more than LIMIT
bytes beyond what it starts with; the way ``nothing`` is what all of them take before they begin.
"""

import sys
from collections.abc import Callable

import psutil
import torch
from lightly.loss import NTXentLoss as Lightly
from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss
from torch import Tensor

from bench.epoch import broadcast_loss
from bench.measure import Line, alternate
from bench.peak import peak
from lib.loss import nt_xent_loss

WIDTH, TEMPERATURE = 128, 0.5
WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "kit": lambda z: nt_xent_loss(z, TEMPERATURE),
    "the lab's formulation": lambda z: broadcast_loss(*z.chunk(2), TEMPERATURE),
    "lightly": lambda z: Lightly(temperature=TEMPERATURE)(*z.chunk(2)),
    "pytorch-metric-learning": lambda z: SelfSupervisedLoss(NTXentLoss(temperature=TEMPERATURE))(*z.chunk(2)),
    "nothing": lambda z: z.sum(),
}


def forward_backward(way: str, pairs: int) -> Callable[[], None]:
    """A call that computes the loss and its gradient."""
    z = torch.randn(2 * pairs, WIDTH, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def call() -> None:
        z.grad = None
        WAYS[way](z).backward()

    return call


def memory(way: str, pairs: int) -> float | None:
    """Peak MB of a process that computes it once; None where four fifths of the free memory do not suffice."""
    limit = str(int(psutil.virtual_memory().available * 0.8))
    try:
        return peak([sys.executable, "-m", "bench.loss", way, str(pairs), limit])[0]
    except RuntimeError as error:
        if "allocate memory" in str(error) or "MemoryError" in str(error):
            return None
        raise


def measure(repeats: int, quick: bool) -> list[Line]:
    """Time against each way that fits, memory against the lab's and against a limit."""
    lines = []
    for pairs in (64,) if quick else (512, 4096):
        idle = memory("nothing", pairs) or 0
        mb = {way: used and used - idle for way in WAYS if way != "nothing" for used in [memory(way, pairs)]}
        fitting = {way: forward_backward(way, pairs) for way, used in mb.items() if used is not None}
        seconds = alternate(fitting, repeats)
        what = f"NT-Xent forward and backward, N = {pairs:,}, D = {WIDTH}"
        for way in WAYS:
            if way not in ("kit", "nothing") and way in fitting:
                target = 150 if way.startswith("the lab") else 1
                lines.append(Line(f"{what}: time", way, "s", seconds["kit"], target, seconds[way]))
        kit, labs = max(mb["kit"] or 0, 0.1), mb["the lab's formulation"]
        if labs is not None:
            lines.append(Line(f"{what}: memory", "the lab's formulation", "MB", [kit], 40, [max(labs, 0.1)]))
        else:
            lines.append(Line(f"{what}: memory", "a limit; the lab's formulation does not fit", "MB", [kit], 600))
    return lines


if __name__ == "__main__":
    torch.set_num_threads(1)  # before the limit: threads reserve address space of their own
    asked, size, bytes_left = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if sys.platform == "linux":  # elsewhere the limit on address space is not kept
        import resource

        ceiling = psutil.Process().memory_info().vms + bytes_left
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    forward_backward(asked, size)()
