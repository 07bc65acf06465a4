"""Trainers, inferers, samplers and Ignite handlers that MONAI lacks."""

from kneebundle.training.amp import AutocastInferer
from kneebundle.training.checkpoint import ResumableCheckpoint
from kneebundle.training.early_stop import EarlyStop
from kneebundle.training.error_curve import CumulativeErrorPlot, save_error_curves
from kneebundle.training.image_log import LandmarkImageLogger, draw_landmarks
from kneebundle.training.mixup import MixUpTrainer
from kneebundle.training.sampling import EpochSampler, ReproducibleLoader, SeededDataset
from kneebundle.training.weights import AtomicCheckpointSaver

__all__ = [
    "AtomicCheckpointSaver",
    "AutocastInferer",
    "CumulativeErrorPlot",
    "EarlyStop",
    "EpochSampler",
    "LandmarkImageLogger",
    "MixUpTrainer",
    "ReproducibleLoader",
    "ResumableCheckpoint",
    "SeededDataset",
    "draw_landmarks",
    "save_error_curves",
]
