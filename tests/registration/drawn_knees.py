"""A drawn knee as the parts see it, the parts of it, and patches cut from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.networks.features import HourglassFeatures
from kneebundle.networks.parts import PartsNet
from kneebundle.networks.similarity import similarity_matrix
from kneebundle.phantoms.pa.knee import draw_knee
from kneebundle.transforms.fill import fill_outside
from kneebundle.transforms.normalize import normalize_percentiles
from kneebundle.transforms.similarity import fit_to_square, warp_image


def draw_crop() -> torch.Tensor:
    """A drawn knee, (1, 1, 224, 224)."""
    radiograph, _ = draw_knee(np.random.default_rng(3), side="R", size_mm=105.0)
    image = fill_outside(normalize_percentiles(fit_to_square(radiograph.to_metatensor())), "edge")
    return torch.as_tensor(image).as_subclass(torch.Tensor)[None]


def make_parts(repository: Path, knee: torch.Tensor) -> PartsNet:
    """The parts of a knee, on the features of the shipped landmark network."""
    weights = repository / "bundles" / "knee_landmark_localization" / "models" / "model.pt"
    extractor = HourglassFeatures(levels=2)
    extractor.load_landmark_network(torch.load(weights, weights_only=True))
    extractor.calibrate(knee)
    net = PartsNet(extractor, channels=128, sharpness=3.0)
    net.set_reference(knee)
    net.settle()
    return net


def cut_patch(knee: torch.Tensor, theta: list[float]) -> torch.Tensor:
    """What theta cuts from the knee."""
    return warp_image(MetaTensor(knee[0]), similarity_matrix(torch.tensor(theta))).as_tensor()[None]
