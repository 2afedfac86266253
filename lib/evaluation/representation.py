"""What a representation is like, asked without a classifier: alignment, uniformity, similarities of pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lib.models import SimCLR


def alignment(first: Tensor, second: Tensor) -> float:
    """Mean squared distance of positive pairs on the unit sphere (Wang & Isola 2020, arXiv:2005.10242, section 4.1).

    Args:
        first, second: features (N, D) of two views of the same images, of any length above 0.
    Returns:
        0, all pairs alike, to 4, all opposite; α = 2 in the paper.
    """
    return (F.normalize(first, dim=1) - F.normalize(second, dim=1)).square().sum(1).mean().item()


def uniformity(features: Tensor) -> float:
    """Logarithm of the mean Gaussian potential of all pairs on the unit sphere (Wang & Isola 2020, section 4.1).

    Args:
        features: (N, D), one view of each image, N ≥ 2.
    Returns:
        0, all in one place, down to about -4, evenly spread over the sphere; t = 2 in the paper.
    """
    squared = torch.pdist(F.normalize(features, dim=1)).square()
    return squared.mul(-2).exp().mean().log().item()


def similarities(first: Tensor, second: Tensor, labels: Tensor, bins: int = 40) -> dict[str, Any]:
    """How the cosine similarities of pairs are spread from -1 to 1.

    Args:
        first, second: features (N, D) of two views of the same images.
        labels: (N,) their classes, which the pairs of different images are told apart by.
    Returns:
        ``positive`` (two views of one image), ``same_class`` and ``other_class`` (views of two images): for
        each ``mean`` and ``shares``, the share of the pairs in each of ``bins`` equal bins.
    """
    cosine = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T
    own = torch.eye(len(cosine), dtype=torch.bool, device=cosine.device)
    same = labels[:, None] == labels
    kinds = {"positive": own, "same_class": same & ~own, "other_class": ~same}
    return {kind: _spread(cosine[chosen].float().cpu(), bins) for kind, chosen in kinds.items()}


def _spread(cosine: Tensor, bins: int) -> dict[str, Any]:
    counts = torch.histc(cosine.clamp(-1, 1), bins, -1, 1)
    return {"mean": cosine.mean().item(), "shares": (counts / len(cosine)).tolist()}


@torch.no_grad()
def pairs(model: SimCLR, views: Tensor, labels: Tensor) -> dict[str, Any]:
    """How the two views of an image lie to a network: ``alignment`` and ``uniformity`` of h, ``similarities`` of z.

    Args:
        views: (2N, C, H, W), rows i and i + N from the same image, as ``Views.pair`` makes them.
        labels: (N,) the images' classes.
    """
    features, projections = (out.float().cpu() for out in model(views))
    first, second = features.chunk(2)
    return {
        "alignment": alignment(first, second),
        "uniformity": uniformity(first),
        "similarities": similarities(*projections.chunk(2), labels),
    }


def flat_map(points: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N, D) to (N, 2) by t-SNE on the first 50 principal components: who is near stays near, the rest is free."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    reduced = PCA(min(50, *points.shape), random_state=seed).fit_transform(points)
    return TSNE(init="pca", perplexity=min(30, (len(points) - 1) / 3), random_state=seed).fit_transform(reduced)


def spectrum(features: np.ndarray) -> list[float]:
    """Shares of the variance of features (N, D) along their principal directions, largest first.

    All in a few of them is collapse: the other directions tell nothing (Jing et al. 2022, arXiv:2110.09348).
    """
    variances = np.linalg.eigvalsh(np.cov(features.T))[::-1].clip(min=0)
    return (variances / max(variances.sum(), 1e-30)).tolist()


def effective_rank(shares: Sequence[float]) -> float:
    """How many directions the variance fills, e to the entropy of its shares (Roy & Vetterli 2007): 1 to D."""
    filled = np.array([share for share in shares if share > 0])
    return float(np.exp(-(filled * np.log(filled)).sum()))
