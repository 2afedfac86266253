"""NT-Xent, the normalised temperature-scaled cross-entropy loss of SimCLR."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNKED_FROM = 2048  # rows; below, the plain form is as fast and its matrix smaller than 16 MB
CHUNK = 256  # rows of the similarity matrix at a time


def nt_xent_loss(projections: Tensor, temperature: float = 0.5) -> Tensor:
    """Mean NT-Xent loss of N positive pairs (Chen et al. 2020, arXiv:2002.05709, eq. 1).

    For row i with positive j, ``-log(exp(s_ij/τ) / Σ_{k≠i} exp(s_ik/τ))`` with s the cosine
    similarity: a cross-entropy over the 2N - 1 other rows. Features that know nothing score
    log(2N - 1). From 2,048 rows up it is computed a block of rows at a time, in memory O(N).

    Args:
        projections: (2N, D), any floating type; rows i and i + N are the two views of image i.
        temperature: τ > 0.
    Returns:
        A scalar, float32 (float64 for float64 projections).
    Raises:
        ValueError: not two-dimensional, an odd number of rows, none at all, or τ ≤ 0.
    """
    if projections.ndim != 2:
        raise ValueError(f"projections must be (2N, D), not {tuple(projections.shape)}.")
    rows = len(projections)
    if rows < 2 or rows % 2:
        raise ValueError(f"projections must hold 2N rows, two views of each of N ≥ 1 images; {rows} were given.")
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, {temperature} was given; SimCLR uses 0.05 to 1.")
    # Half precision holds neither 1/τ = 100 nor the differences that matter: logits are float32.
    z = F.normalize(projections if projections.dtype == torch.float64 else projections.float(), dim=1)
    with _full_precision(z.device):
        if rows >= CHUNKED_FROM:
            return _Chunked.apply(z, temperature)
        logits = z @ z.T / temperature
    logits.fill_diagonal_(-torch.inf)  # a row is no candidate for itself; after the division by τ
    positives = torch.arange(rows, device=z.device).roll(rows // 2)
    return F.cross_entropy(logits, positives)


def _full_precision(device: torch.device) -> AbstractContextManager:
    """No autocast, on devices that know of one; the meta device, on which operations are counted, does not."""
    return torch.autocast(device.type, enabled=False) if torch.amp.is_autocast_available(device.type) else nullcontext()


class _Chunked(torch.autograd.Function):
    """The same loss without the (2N, 2N) matrix: its rows are computed again in backward, a block at a time.

    With p_ik = exp(s_ik/τ) / Σ_{k≠i} exp(s_ik/τ), the softmax of row i, the gradient of the mean over
    rows is ((P + Pᵀ) z - 2 z_positive) / (2N τ). S is symmetric: a block of its rows and the
    logarithms of all rows' sums give the block of Pᵀ too, which saves the product Pᵀ z.
    """

    @staticmethod
    def forward(ctx, z: Tensor, temperature: float) -> Tensor:
        logsumexp = torch.cat([logits.logsumexp(1) for _, logits in _blocks(z, temperature)])
        ctx.save_for_backward(z, logsumexp)
        ctx.temperature = temperature
        positives = (z * z.roll(len(z) // 2, 0)).sum(1) / temperature
        return (logsumexp - positives).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        z, logsumexp = ctx.saved_tensors
        result = -2 * z.roll(len(z) // 2, 0)
        for block, logits in _blocks(z, ctx.temperature):
            p_and_transposed = (logits - logsumexp[block, None]).exp_() + (logits - logsumexp).exp_()
            result[block] += p_and_transposed @ z
        return gradient * result / (len(z) * ctx.temperature), None


def _blocks(z: Tensor, temperature: float) -> Iterator[tuple[slice, Tensor]]:
    """Which rows, and their logits (CHUNK or fewer, 2N) with -inf where a row meets itself."""
    for start in range(0, len(z), CHUNK):
        block = slice(start, start + CHUNK)
        logits = z[block] @ z.T / temperature
        logits.diagonal(start).fill_(-torch.inf)
        yield block, logits
