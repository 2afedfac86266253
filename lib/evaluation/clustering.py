"""k-means and Gaussian mixtures, and how well their clusters match the classes."""

import time
import warnings
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.base import ClusterMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline, make_pipeline


def project(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """``test`` (M, D) on the first two principal components of ``train`` (N, D): (M, 2)."""
    return PCA(2, random_state=0).fit(train).transform(test)


def standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both (N, D) and (M, D), each column less its mean over ``train`` and divided by its deviation there."""
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    return (train - mean) / deviation, (test - mean) / deviation


def method(
    name: str, clusters: int, seed: int, restarts: int, components: int = 0, covariance: str = "full"
) -> Pipeline:
    """A clustering by name, on ``components`` principal components if that is above 0.

    Args:
        name: ``k-means`` or ``mixture``; the mixture's covariances are ``full`` or ``diag``.
        restarts: the best of so many starts is kept.
    """
    final: ClusterMixin
    if name == "k-means":
        final = KMeans(clusters, n_init=restarts, random_state=seed)
    elif name == "mixture":
        # pixels that are black in every image have no variance at all: a floor keeps them invertible
        final = GaussianMixture(
            clusters, covariance_type=covariance, n_init=restarts, random_state=seed, reg_covar=1e-3
        )
    else:
        raise ValueError(f"no clustering named {name!r}; there are: k-means, mixture.")
    return make_pipeline(PCA(components, random_state=seed), final) if components else make_pipeline(final)


def evaluate(pipeline: Pipeline, train: np.ndarray, test: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Fit on ``train`` (N, D), assign ``test`` (M, D) to clusters and score them by ``labels`` (M,)."""
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        pipeline.fit(train)
    seconds = time.perf_counter() - start
    converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return {"seconds": seconds, "converged": converged, **cluster_scores(labels, pipeline.predict(test))}


def cluster_scores(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """Agreement of clusters (M,) with labels (M,), each in [0, 1] (ARI may fall below 0).

    ``majority`` names each cluster after its commonest class, so that two clusters may share a
    class; ``one_to_one`` allows each class one cluster, the best matching (Hungarian algorithm).
    Both look at the labels they are scored by, which flatters the clustering.
    """
    counts = contingency_matrix(labels, clusters)  # (classes, clusters)
    rows, columns = linear_sum_assignment(-counts)
    return {
        "majority": float(counts.max(0).sum() / len(labels)),
        "one_to_one": float(counts[rows, columns].sum() / len(labels)),
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
    }
