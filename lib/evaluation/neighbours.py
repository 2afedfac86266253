"""What lies near what in feature space: a vote of neighbours tells how good features are without training a head.

scikit-learn is imported where it is used: it takes a second and 100 MB, and most callers want none of it.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lib.augment import Views
from lib.evaluation.linear import plain_features
from lib.evaluation.protocols import LEAST_PROBE
from lib.evaluation.representation import alignment, uniformity
from lib.models import SimCLR

#: MB of distances at a time. scikit-learn's own 1,024 take 1.6 GB and three times as long, past the processor's cache.
DISTANCES = 16


def knn_accuracy(
    bank: np.ndarray, labels: np.ndarray, queries: np.ndarray, query_labels: np.ndarray, k: int = 20
) -> float:
    """Share of ``queries`` (M, D) labelled as most of the ``k`` rows of ``bank`` (N, D) nearest by cosine."""
    from sklearn import config_context
    from sklearn.neighbors import KNeighborsClassifier

    vote = KNeighborsClassifier(min(k, len(bank)), metric="cosine").fit(bank, labels)
    with config_context(working_memory=DISTANCES):
        return float(vote.score(queries, query_labels))


def knn_probe(model: SimCLR, images: Tensor, labels: Tensor, views: Views) -> Callable[[], dict[str, float]]:
    """A quick look at what the encoder knows, and at how its features h lie: call it to get a dict.

    ``knn_accuracy`` in [0, 1]: the last fifth of the images is classified by the ones before it. ``alignment``
    and ``uniformity`` (``lib.evaluation.representation``) are those of two views of the first images, the same at each
    call. It changes nothing, neither weights, buffers nor any random state; no label reaches the training.

    Args:
        images, labels: uint8 (N, C, H, W) and int64 (N,); 2,500 take a few hundred milliseconds.
        views: the random ones of the pretraining; the vote is among plain ones.
    Raises:
        ValueError: fewer than ten images.
    """
    if len(images) < LEAST_PROBE:
        raise ValueError(f"a kNN probe needs at least {LEAST_PROBE} labelled images, {len(images)} were given.")
    known = len(images) - len(images) // 5
    pairs = views.to_uint8(views.pair(images[:500], torch.Generator().manual_seed(0)))

    def probe() -> dict[str, float]:
        bank, queries = np.split(plain_features(model.encoder, images, views), [known])
        # on the CPU: torch has no pdist for Apple's GPUs, and 500 rows are little work
        first, second = torch.from_numpy(plain_features(model.encoder, pairs, views)).chunk(2)
        return {
            "knn_accuracy": knn_accuracy(bank, labels[:known].numpy(), queries, labels[known:].numpy()),
            "alignment": alignment(first, second),
            "uniformity": uniformity(first),
        }

    return probe


def nearest(bank: np.ndarray, queries: np.ndarray, count: int) -> np.ndarray:
    """Indices (M, count) of the rows of ``bank`` (N, D) nearest to ``queries`` (M, D) by cosine, nearest first."""
    from sklearn import config_context
    from sklearn.neighbors import NearestNeighbors

    finder = NearestNeighbors(n_neighbors=count, metric="cosine").fit(bank)
    with config_context(working_memory=DISTANCES):
        return finder.kneighbors(queries, return_distance=False)
