"""The classification head on a frozen encoder, or head and encoder together."""

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.augment import Views
from lib.models import Classifier
from lib.training.checkpoint import digest
from lib.training.device import autocast, choose_device, choose_precision
from lib.training.loop import History, check_images, fit
from lib.training.settings import Settings


def train_classifier(
    model: Classifier,
    images: Tensor,
    labels: Tensor,
    views: Views,
    settings: Settings,
    checkpoint: str | Path | None = None,
    name: str = "classifier",
    label_smoothing: float = 0.0,
) -> History:
    """Train the classification head, and the encoder too unless it is frozen, with cross-entropy.

    A frozen encoder's features of plain views are computed once, and the head on them is trained in
    float32; with random views they are computed anew for each batch, so that the head sees each
    image in many forms.

    Args:
        model: trained in place, moved to the device chosen.
        images, labels: uint8 (N, C, H, W) and int64 (N,) below the head's number of classes.
        views, settings, checkpoint, name: as for ``pretrain``.
        label_smoothing: share of the target that is spread over all classes (Szegedy et al. 2016).
    Raises:
        ValueError: counts that differ, labels out of range, fewer images than one batch.
        TrainingDiverged: as ``pretrain``.
    """
    check_images(images, settings)
    classes = model.head[-1].out_features
    if len(labels) != len(images) or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"{len(images)} images need as many labels in 0 to {classes - 1}; "
            f"{len(labels)} from {int(labels.min())} to {int(labels.max())} were given."
        )
    device = choose_device()
    model.to(device)
    images, labels = images.to(device), labels.to(device)
    fixed = compute_features(model.encoder, images, views) if model.encoder_frozen and not views.operations else None
    # Half precision pays where there is an encoder to compute; a mere head takes a third longer by it.
    wanted = settings.precision if fixed is None else "float32"
    settings = replace(settings, precision=choose_precision(wanted, device))

    def batch_loss(rows: Tensor, generator: torch.Generator, epoch: int) -> tuple[Tensor, dict]:
        seen = fixed[rows] if fixed is not None else views(images[rows], generator)
        with autocast(settings.precision, device):
            logits = model.head(seen if fixed is not None else model.features(seen)).float()
        loss = F.cross_entropy(logits, labels[rows], label_smoothing=label_smoothing)
        return loss, {"accuracy": (logits.argmax(1) == labels[rows]).float().mean()}

    identity = {"views": repr(views), "labels": digest(labels), "label_smoothing": label_smoothing}
    if model.encoder_frozen:
        identity["encoder"] = digest(*model.encoder.state_dict().values())
    return fit(model, batch_loss, images, settings, identity, checkpoint, name)


@torch.no_grad()
def compute_features(encoder: nn.Module, images: Tensor, views: Views, batch_size: int = 250) -> Tensor:
    """Features (N, width) of uint8 images (N, C, H, W), each as it is, in float32, on the encoder's device.

    Computed in evaluation mode and without gradients; the encoder is left as it was.

    Args:
        views: those of the pretraining, whose normalisation is taken.
    """
    modes = [(module, module.training) for module in encoder.modules()]  # not all need be in the same mode
    encoder.eval()
    device = next(encoder.parameters()).device
    features = torch.cat([encoder(views.plain(batch.to(device))) for batch in images.split(batch_size)])
    for module, mode in modes:
        module.training = mode
    return features
