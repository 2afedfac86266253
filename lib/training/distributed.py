"""One training on several processes, each with a share of every batch; a single process passes through unchanged.

Every process draws the permutation and the views' random numbers of the whole batch from the same
generator, takes its own rows, and gathers the projections of all of them; the loss, over all 2N
rows, is the same number everywhere. Batch size, learning rate, history and checkpoint are those of
the whole: a run on P processes is the run on one, to rounding, and either takes up the other's
checkpoint. Start it with torchrun; see bench/distributed.py.
"""

import copy
import os
from functools import partial
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel


def start() -> None:
    """Join the processes that torchrun started, each with its own accelerator if there are any; else do nothing.

    ``pretrain`` does it too; a script calls it first if it has something for one process only to do.

    Raises:
        RuntimeError: more processes on this machine than accelerators.
    """
    if not dist.is_torchelastic_launched() or dist.is_initialized():
        return
    if torch.accelerator.is_available():
        here, there = int(os.environ["LOCAL_WORLD_SIZE"]), torch.accelerator.device_count()
        if here > there:
            raise RuntimeError(
                f"{here} processes were started on a machine with {there} accelerators, and each needs one of its own: "
                f"torchrun --nproc-per-node {there} or less."
            )
        torch.accelerator.set_device_index(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group()  # gloo between CPUs, NCCL or its like between accelerators


def stop() -> None:
    """Leave the group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def processes() -> int:
    """How many there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the process that writes, measures and speaks for all; the only one always is."""
    return not dist.is_initialized() or dist.get_rank() == 0


def from_first(value: Any) -> Any:
    """What the first process passed, in every one of them: the others wait for it."""
    if processes() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def check_batch(batch_size: int) -> None:
    """Refuse a batch of fewer images than there are processes.

    Raises:
        ValueError: some process would have no image in any step.
    """
    if batch_size < processes():
        raise ValueError(
            f"a batch of {batch_size} is shared by {processes()} processes, and some would have no image: "
            f"choose a batch size of {processes()} or more, or start fewer processes."
        )


def share(images: int) -> Tensor | None:
    """Which of a batch's N images are this process's, indices (M,); None, all of them, in a single process.

    Shares are contiguous and differ by one image at most, so in a last, small batch some have none.
    """
    if processes() == 1:
        return None
    return torch.arange(images).tensor_split(processes())[dist.get_rank()]


class _Sum(torch.autograd.Function):
    """Sum over the processes, which is also how gradients come back: each got a copy of the result.

    torch.distributed.nn.functional.all_reduce is the same, but deprecated; its successor is private.
    """

    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


def gather(projections: Tensor, own: Tensor | None, images: int) -> Tensor:
    """The projections (2N, D) of all P processes, with gradient, rows i and i + N still a positive pair.

    Each writes its own into zeros and the sum puts them together, so shares may differ in size.
    Every process then computes the same loss, so its gradient comes back P times over, which
    averaging the weights' gradients over the processes undoes (``replicate``).

    Args:
        projections: (2M, D), the first views of this process's images, then the second.
        own: this process's images, as from ``share``; None returns ``projections``.
        images: N, the images of the whole batch.
    """
    if own is None:
        return projections
    rows = torch.cat([own, own + images]).to(projections.device)
    # P gradients in half precision, added up, would be rounded
    projections = projections.to(torch.promote_types(projections.dtype, torch.float32))
    return _Sum.apply(projections.new_zeros(2 * images, projections.shape[1]).index_copy(0, rows, projections))


def replicate(model: nn.Module) -> nn.Module:
    """The module to call in training steps: ``model`` itself in a single process.

    On several, a twin that shares every weight and buffer with ``model``, whose BatchNorm layers
    take their statistics over all processes and whose backward averages the gradients. ``model``
    keeps plain layers and plain names, so that what is saved of it fits any number of processes.
    Hold on to the twin until backward is over: its end is the end of the averaging, in silence.
    """
    if processes() == 1:
        return model
    shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    twin = copy.deepcopy(model, shared).train()
    if next(model.parameters()).device.type == "cpu":
        for layer in twin.modules():
            if isinstance(layer, _BatchNorm):
                layer.forward = partial(_batch_norm, layer)
    else:
        twin = nn.SyncBatchNorm.convert_sync_batchnorm(twin)
    return DistributedDataParallel(twin, broadcast_buffers=False)  # they are equal already


def _batch_norm(layer: _BatchNorm, x: Tensor) -> Tensor:
    """Training-mode BatchNorm of ``x`` (N, C, …) with the mean and variance of all processes' rows.

    torch.nn.SyncBatchNorm takes no CPU tensors (torch 2.14); this is its formula, for layers with
    running statistics. They take up the unbiased variance, the output the biased one.
    """
    half, x = x.dtype, x.to(torch.promote_types(x.dtype, torch.float32))  # statistics of half precision are none
    others = [0, *range(2, x.ndim)]
    column = (1, -1, *[1] * (x.ndim - 2))
    rows = x.new_tensor([x.numel() / x.shape[1]])
    sums, count = _Sum.apply(torch.cat([x.sum(others), rows])).split([x.shape[1], 1])
    mean = sums / count
    centred = x - mean.view(column)
    variance = _Sum.apply(centred.square().sum(others)) / count
    with torch.no_grad():
        layer.num_batches_tracked += 1
        layer.running_mean.lerp_(mean, layer.momentum)
        layer.running_var.lerp_(variance * count / (count - 1), layer.momentum)
    scale = (variance + layer.eps).rsqrt() * layer.weight
    return (centred * scale.view(column) + layer.bias.view(column)).to(half)
