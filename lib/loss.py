"""NT-Xent, the normalised temperature-scaled cross-entropy loss of SimCLR."""

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent_loss(projections: Tensor, temperature: float = 0.5) -> Tensor:
    """Mean NT-Xent loss of N positive pairs (Chen et al. 2020, arXiv:2002.05709, eq. 1).

    For row i with positive j, ``-log(exp(s_ij/τ) / Σ_{k≠i} exp(s_ik/τ))`` with s the cosine
    similarity: a cross-entropy over the 2N - 1 other rows. Features that know nothing score
    log(2N - 1).

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
    with torch.autocast(z.device.type, enabled=False):
        logits = z @ z.T / temperature
    logits.fill_diagonal_(-torch.inf)  # a row is no candidate for itself; after the division by τ
    positives = torch.arange(rows, device=z.device).roll(rows // 2)
    return F.cross_entropy(logits, positives)
