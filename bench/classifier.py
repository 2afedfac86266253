"""The classifier's training on a frozen encoder: features once, or the encoder again in every epoch as in the lab."""

import torch
import torch.nn.functional as F

from bench.epoch import labs_encoder
from bench.measure import Line, alternate
from lib import data
from lib.augment import Views
from lib.models import Classifier, SimCLR, freeze_encoder
from lib.training.classifier import train_classifier
from lib.training.settings import Settings


def measure(repeats: int, quick: bool) -> list[Line]:
    """The lab's 30 epochs on 6,000 labelled digits; both ways from images that are in memory already."""
    images, epochs = data.load("mnist"), 2 if quick else 30
    count = 256 if quick else 6000
    pictures = images.train_images.repeat(-(-count // len(images.train_images)), 1, 1, 1)[:count]
    labels = images.train_labels.repeat(-(-count // len(images.train_labels)))[:count]
    plain = Views("original_mnist").plain

    def kits() -> None:
        model = freeze_encoder(Classifier(SimCLR("small_cnn").encoder, images.image_shape))
        train_classifier(model, pictures, labels, plain, Settings(epochs, 128))

    def labs() -> None:
        encoder = labs_encoder().requires_grad_(False)
        head = torch.nn.Sequential(torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
        optimizer, floats = torch.optim.Adam(head.parameters(), 1e-3), plain(pictures)
        for _ in range(epochs):
            for rows in torch.randperm(count).split(128):
                loss = F.cross_entropy(head(encoder(floats[rows])), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    seconds = alternate({"kit": kits, "lab": labs}, repeats, warm_up=False)
    what = f"classifier, {epochs} epochs, {count:,} labels"
    return [Line(what, "the encoder run in every epoch, as in the lab", "s", seconds["kit"], 10, seconds["lab"])]
