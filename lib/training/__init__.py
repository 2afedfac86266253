"""How it is learnt: the loop, its checkpoints and settings, several processes, and how much work it is."""

from lib.training.classifier import compute_features, train_classifier
from lib.training.loop import History, TrainingDiverged, check_batch
from lib.training.pretraining import pretrain
from lib.training.settings import Settings

__all__ = [
    "History", "Settings", "TrainingDiverged", "check_batch", "compute_features", "pretrain", "train_classifier",
]  # fmt: skip
