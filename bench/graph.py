"""Labels that spread over a graph of neighbours: what a handful of them is worth where many images have none.

The graph joins all images, those to be classified among them: the method is *transductive*. It classifies only images
it has been given beforehand, so its figures must not be compared with those of classifiers that have not seen theirs.

scikit-learn and scipy's solvers are imported where they are used: most callers want none of them.
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

GROUND = 1e-6  # of a weight of 1: joins every image weakly to nothing, so that parts without a label have a solution
SETTLED = 1e-4  # of the images change their class in a round, at most: nothing more is to be expected


def neighbour_graph(features: np.ndarray, neighbours: int = 10) -> "csr_matrix":
    """Weights (N, N) that join each row of features (N, D) with its nearest ones, symmetric.

    A weight is exp(−4 d² / d_k²), with d_k the distance to the last of the ``neighbours`` (Calder et al. 2020,
    section 4). Where the two images of a pair disagree the greater weight holds; the paper's own code takes their mean.
    """
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(features, neighbours, mode="distance").tocsr()
    distances = graph.data.reshape(-1, neighbours)
    furthest = np.maximum(distances.max(1, keepdims=True), 1e-12)  # of images that are all alike
    graph.data = np.exp(-4 * (distances / furthest) ** 2).ravel()
    return graph.maximum(graph.T).tocsr()


def poisson_learning(graph: "csr_matrix", rows: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Scores (N, classes) for all images of a graph, of which a few have a label; the highest is the class.

    Labels are sources and sinks of a flow along the edges: L u = Σ_j (y_j − ȳ) δ_j, with L the graph's Laplacian
    (Calder, Cook, Thorpe & Slepčev 2020, "Poisson Learning", arXiv:2006.11184, equation 2.3). Where labels are few,
    methods that hold the labelled images at their label, such as label propagation, give nearly everything one class.

    Args:
        graph: weights (N, N), as ``neighbour_graph`` makes them.
        rows, labels: indices (n,) of the labelled images, and their classes (n,) from 0.
    """
    from scipy.sparse import diags, identity
    from scipy.sparse.linalg import cg

    degrees = np.asarray(graph.sum(1)).ravel()
    scale = diags(degrees**-0.5)  # the same equation in u · √degree, which is solved in a tenth of the steps
    laplacian = (1 + GROUND) * identity(len(degrees)) - scale @ graph @ scale
    sources = np.zeros((len(degrees), classes))
    sources[rows] = np.eye(classes)[labels] - np.bincount(labels, minlength=classes) / len(labels)
    answers = (cg(laplacian, column, rtol=1e-4, maxiter=1000) for column in (scale @ sources).T)
    solved, failed = zip(*answers, strict=True)
    if any(failed):
        warnings.warn("Poisson learning was stopped before it was solved: its scores are rough.", stacklevel=2)
    scores = scale @ np.stack(solved, 1)
    return scores - degrees @ scores / degrees.sum()


def balanced(scores: np.ndarray, shares: np.ndarray, steps: int = 200) -> np.ndarray:
    """Scores (N, K), each class's raised or lowered as a whole until it is highest for its share, (K,), of all images.

    With a label or two of a class, how high its scores are depends on how central these happen to lie. Where the
    classes' shares are known, this need not decide (a volume constraint, as in Calder et al. 2020, section 3.3).
    """
    scores = scores / scores.std()
    for step in range(steps):
        found = np.bincount(scores.argmax(1), minlength=len(shares)) / len(scores)
        scores = scores + 0.3 * 0.97**step * (shares - found)
    return scores


def threshold_dynamics(
    graph: "csr_matrix",
    answers: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    shares: np.ndarray,
    steps: int = 80,
    rounds: int = 20,
) -> np.ndarray:
    """Classes (N,) after rounds of diffusion and decision, which move a border between classes to where few edges are.

    With a label or two of a class, answers may cut through the middle of a class. In each round they diffuse: an image
    takes the weighted mean of its neighbours so many times, while those whose label is known hold it. Then each image
    decides for one class again, and every class gets its share. (The scheme of Merriman, Bence & Osher on a graph:
    Merkurjev, Kostić & Bertozzi 2013, doi:10.1137/120886935; after Poisson learning, Calder et al. 2020, section 3.3.)

    Args:
        graph, rows, labels: as for ``poisson_learning``.
        answers: classes (N,) to begin with.
        shares: as for ``balanced``.
        steps: of diffusion in each round: how far an image looks.
        rounds: at most; it ends when hardly an image changes its class.
    """
    from scipy.sparse import diags

    classes = np.eye(len(shares), dtype=np.float32)
    means = (diags(1 / np.asarray(graph.sum(1)).ravel()) @ graph).astype(np.float32).tocsr()
    for _ in range(rounds):
        spread = classes[answers]
        spread[rows] = classes[labels]
        for _ in range(steps):
            spread = means @ spread
            spread[rows] = classes[labels]
        before, answers = answers, balanced(spread, shares).argmax(1)
        if (answers != before).mean() < SETTLED:
            break
    return answers
