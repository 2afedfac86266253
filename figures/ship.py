"""The trained encoders that ship with the kit, from the folders of their runs.

python figures/ship.py RUNS writes lib/encoders/ from RUNS/improved/mnist-seed0 and RUNS/improved/cifar10-seed0, which
`lab run improved/mnist-seed0` and `lab run improved/cifar10-seed0` leave there. They must have been trained on the
real data, and half precision must cost nothing that can be measured, or nothing is written.
"""

import copy
import sys
from pathlib import Path

import numpy as np

from lib import data
from lib.augment import Views
from lib.evaluation.neighbours import knn_accuracy
from lib.runs import shipped, trained

LARGEST = 5_000_000  # bytes of all files together


def measure(run: Path) -> dict[str, float]:
    """kNN accuracy on the test images in both precisions, and the cosine of the features that moved most."""
    record, model = trained.load_run(run)
    images = data.load(record["parameters"]["dataset"])
    trained.check_same_data(record["dataset"], images.describe())
    if not images.source.genuine and images.source.kind != "JPEG copy":
        sys.exit(f"{run} was not made on the real data set; it does not ship.")
    rows = data.join(
        data.equal_chunks(images, record["parameters"]["chunk_count"]), record["parameters"]["labelled_chunks"][0]
    )
    half = copy.deepcopy(model)
    half.load_state_dict(shipped.halved(model))
    views, queries = Views(record["parameters"]["views"]), images.test_images
    accuracy, seen = [], []
    for network in (model, half):
        bank = trained.features(network.encoder, images.train_images[rows], views)
        seen.append(trained.features(network.encoder, queries, views))
        labels = images.train_labels[rows].numpy(), images.test_labels.numpy()
        accuracy.append(knn_accuracy(bank, labels[0], seen[-1], labels[1]))
    one, other = seen
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    return {"knn_float32": accuracy[0], "knn_float16": accuracy[1], "least_cosine": round(float(cosine.min()), 7)}


def main(runs: Path) -> None:
    folders = {name: runs / "improved" / f"{name}-seed0" for name in ("mnist", "cifar10")}
    found = {name: measure(run) for name, run in folders.items()}
    for name, measured in found.items():
        print(f"{name}: {measured}")
        if abs(measured["knn_float32"] - measured["knn_float16"]) > 0.0005 or measured["least_cosine"] < 0.9999:
            sys.exit(f"Half precision costs {name} something: nothing was written.")
    for name, run in folders.items():
        shipped.ship(name, run, found[name])
    size = sum(path.stat().st_size for path in shipped.FOLDER.iterdir())
    print(f"{shipped.FOLDER}: {size / 1e6:.2f} MB")
    if size > LARGEST:
        sys.exit(f"More than {LARGEST / 1e6:.0f} MB.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
