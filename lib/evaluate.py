"""What a trained classifier makes of images it has not seen.

scikit-learn is imported where it is used: it takes a second and 100 MB, and most callers want none of it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib import records
from lib.augment import Views
from lib.data import Dataset, equal_chunks, join
from lib.models import Classifier, SimCLR, whiten
from lib.representation import alignment, uniformity
from lib.train import compute_features


def load_run(folder: str | Path) -> tuple[dict[str, Any], SimCLR]:
    """A run's record and its pretrained network.

    Raises:
        RecordError: the folder holds no whole run.
    """
    record = records.load(folder)
    weights = Path(folder) / "model.pt"
    if not weights.exists():
        raise records.RecordError(
            f"{weights} is missing: the run's record is there, its weights are not. Run it again."
        )
    wanted = record["parameters"]
    norm = wanted.get("projection_batch_norm", False)  # records from before there was a choice have none
    shape = tuple(record["dataset"]["shape"])
    model = SimCLR(wanted["encoder"], tuple(wanted["projection"]), shape, batch_norm=norm)
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return record, model.eval()


def starting_point(record: dict[str, Any], images: Dataset) -> SimCLR:
    """The network as it was before a run's pretraining: the same seed, the same whitened patches, nothing learnt.

    Raises:
        WeightsError: it started from weights that cannot be had here.
    """
    p = record["parameters"]
    torch.manual_seed(p["seed"])
    norm = p["projection_batch_norm"]
    model = SimCLR(p["encoder"], tuple(p["projection"]), images.image_shape, p["weights"], norm)
    if p["whiten_stem"]:
        rows = join(equal_chunks(images, p["chunk_count"]), p["unlabelled_chunks"])
        whiten(model.encoder, Views(p["views"]).plain(images.train_images[rows[:4000]]))
    return model.eval()


def check_same_data(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Refuse to set a run beside one that was made on other images.

    Raises:
        RecordError: the data of two records (``Dataset.describe``) differ in more than their folder.
    """
    differ = [key for key in ("name", "train", "test", "shape", "genuine") if one[key] != other[key]]
    if differ:
        raise records.RecordError(
            f"the SimCLR run was made on {one['name']} ({one['description']}), here is {other['name']} "
            f"({other['description']}): run it again on the data that is here now."
        )


@torch.no_grad()
def probabilities(model: Classifier, images: Tensor, views: Views, count: int = 1, seed: int = 0) -> Tensor:
    """Class probabilities (N, classes), on the CPU, for uint8 images (N, C, H, W).

    With random views, the mean over ``count`` views of each image: what the head is unsure of
    in one view it may see in another.
    """
    model.eval()
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    batches = images.split(1000)

    def once() -> Tensor:
        return torch.cat([model(views(batch.to(device), generator)).softmax(1) for batch in batches])

    return torch.stack([once() for _ in range(count)]).mean(0).cpu()


def scores(probability: Tensor, labels: Tensor) -> dict[str, Any]:
    """Accuracy in [0, 1], per class too, and the confusion matrix (rows: true class).

    Args:
        probability: (N, classes).
        labels: (N,) int64.
    """
    from sklearn.metrics import confusion_matrix

    predicted = probability.argmax(1)
    confusion = confusion_matrix(labels, predicted, labels=range(probability.shape[1]))
    return {
        "accuracy": (predicted == labels).float().mean().item(),
        "class_accuracy": (confusion.diagonal() / confusion.sum(1).clip(min=1)).tolist(),
        "confusion": confusion.tolist(),
    }


def confident_mistakes(probability: Tensor, labels: Tensor, count: int = 12) -> list[dict[str, Any]]:
    """The wrong predictions with the highest probability: index, label, predicted, probability."""
    confidence, predicted = probability.max(1)
    wrong = (predicted != labels).nonzero()[:, 0]
    worst = wrong[confidence[wrong].argsort(descending=True)][:count]
    return [
        {"index": i, "label": labels[i].item(), "predicted": predicted[i].item(), "probability": confidence[i].item()}
        for i in worst.tolist()
    ]


def knn_accuracy(
    bank: np.ndarray, labels: np.ndarray, queries: np.ndarray, query_labels: np.ndarray, k: int = 20
) -> float:
    """Share of ``queries`` (M, D) labelled as most of the ``k`` rows of ``bank`` (N, D) nearest by cosine."""
    from sklearn.neighbors import KNeighborsClassifier

    vote = KNeighborsClassifier(min(k, len(bank)), metric="cosine").fit(bank, labels)
    return float(vote.score(queries, query_labels))


def knn_probe(model: SimCLR, images: Tensor, labels: Tensor, views: Views) -> Callable[[], dict[str, float]]:
    """A quick look at what the encoder knows, and at how its features h lie: call it to get a dict.

    ``knn_accuracy`` in [0, 1]: the last fifth of the images is classified by the ones before it. ``alignment``
    and ``uniformity`` (``lib.representation``) are those of two views of the first images, the same at each
    call. It changes nothing, neither weights, buffers nor any random state; no label reaches the training.

    Args:
        images, labels: uint8 (N, C, H, W) and int64 (N,); 2,500 take a few hundred milliseconds.
        views: the random ones of the pretraining; the vote is among plain ones.
    Raises:
        ValueError: fewer than ten images.
    """
    if len(images) < 10:
        raise ValueError(f"a kNN probe needs at least 10 labelled images, {len(images)} were given.")
    with torch.random.fork_rng(devices=[]):  # the reader's unused head must not draw from the run's random numbers
        reader = Classifier(model.encoder, tuple(images.shape[1:]))
    known = len(images) - len(images) // 5
    pairs = views.to_uint8(views.pair(images[:500], torch.Generator().manual_seed(0)))

    def probe() -> dict[str, float]:
        bank, queries = np.split(compute_features(reader, images, views).float().cpu().numpy(), [known])
        first, second = compute_features(reader, pairs, views).float().chunk(2)
        return {
            "knn_accuracy": knn_accuracy(bank, labels[:known].numpy(), queries, labels[known:].numpy()),
            "alignment": alignment(first, second),
            "uniformity": uniformity(first),
        }

    return probe


def nearest(bank: np.ndarray, queries: np.ndarray, count: int) -> np.ndarray:
    """Indices (M, count) of the rows of ``bank`` (N, D) nearest to ``queries`` (M, D) by cosine, nearest first."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=count, metric="cosine").fit(bank).kneighbors(queries, return_distance=False)


def flat_map(points: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N, D) to (N, 2) by t-SNE on the first 50 principal components: who is near stays near, the rest is free."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    reduced = PCA(min(50, *points.shape), random_state=seed).fit_transform(points)
    return TSNE(init="pca", perplexity=min(30, (len(points) - 1) / 3), random_state=seed).fit_transform(reduced)
