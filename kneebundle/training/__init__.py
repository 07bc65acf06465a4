"""Trainers, inferers, samplers and Ignite handlers that MONAI lacks."""

from kneebundle.training.amp import AutocastInferer
from kneebundle.training.checkpoint import ResumableCheckpoint
from kneebundle.training.early_stop import EarlyStop
from kneebundle.training.error_curve import CumulativeErrorPlot, save_error_curves
from kneebundle.training.gradnorm import GradNormTrainer
from kneebundle.training.heatmap_log import HeatmapComponentsLogger, draw_heatmaps
from kneebundle.training.image_log import LandmarkImageLogger, draw_landmarks
from kneebundle.training.mixup import MixUpTrainer
from kneebundle.training.sampling import EpochSampler, ReproducibleLoader, SeededDataset
from kneebundle.training.schedule import ResumableCosineSchedule
from kneebundle.training.task_weights import TaskWeightLog
from kneebundle.training.weights import AtomicCheckpointSaver

__all__ = [
    "AtomicCheckpointSaver",
    "AutocastInferer",
    "CumulativeErrorPlot",
    "EarlyStop",
    "EpochSampler",
    "GradNormTrainer",
    "HeatmapComponentsLogger",
    "LandmarkImageLogger",
    "MixUpTrainer",
    "ReproducibleLoader",
    "ResumableCheckpoint",
    "ResumableCosineSchedule",
    "SeededDataset",
    "TaskWeightLog",
    "draw_heatmaps",
    "draw_landmarks",
    "save_error_curves",
]
