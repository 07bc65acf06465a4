"""Turn the residual of a registration into a distance of points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.transforms import Transform

from kneebundle.networks.parts import PartsNet
from kneebundle.networks.similarity import fit_similarity, transform_points
from kneebundle.transforms.points import normalized_to_world

__all__ = ["RegisteredPoints"]


class RegisteredPoints(Transform):
    """Postprocessing that makes the residual of a registration a distance of points, for landmark metrics.

    ``label`` becomes the reference's landmarks taken into the image by the best similarity onto the image's own
    landmarks: what a perfect registration would give, as far as the knee has the reference's shape and the labels are
    right. ``pred`` becomes the reference's landmarks taken there by the registration. Both are in mm of the world.

    Args:
        network: the parts, with the reference's landmarks.
        nothing: take the image as it is instead of the registration.
    """

    def __init__(self, network: PartsNet, nothing: bool = False) -> None:
        self.network = network
        self.nothing = nothing

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Convert the labels and the registration of one image."""
        d = dict(data)
        reference = self.network.landmarks.double().cpu()
        own = torch.as_tensor(d["label"]).double().cpu() * 2 - 1
        best = transform_points(fit_similarity(reference, own), reference)
        found = reference if self.nothing else transform_points(d["pred"]["matrix"].double().cpu(), reference)
        d["label"] = normalized_to_world((best + 1) / 2, d["image"])
        d["pred"] = normalized_to_world((found + 1) / 2, d["image"])
        return d
