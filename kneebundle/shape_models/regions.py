"""Regions of labelled knees as the models of this package see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from kneebundle.datasets.knees import LoadKneed
from kneebundle.shape_models.frames import even_contrast
from kneebundle.transforms.fill import FillOutsided
from kneebundle.transforms.mirror import MirrorLeftd
from kneebundle.transforms.normalize import NormalizePercentilesd
from kneebundle.transforms.points import world_to_normalized
from kneebundle.transforms.roi import CropROId

__all__ = ["REGION_MM", "SPACING_MM", "cut_regions"]

REGION_MM = 115.2
"""Edge of a region, that of the landmark networks."""

SPACING_MM = 0.3
"""Size of its pixels."""


def cut_regions(
    records: Sequence[dict[str, Any]], shifts_mm: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the region of each knee around landmark 4, contrast evened, left knees mirrored.

    Args:
        records: of :func:`kneebundle.datasets.read_knees`.
        shifts_mm: (M, 2) that the middle of each region is moved by, in mm of the radiograph; None: by nothing.

    Returns:
        (M, 384, 384) float16, and (M, 16, 2) landmarks in mm from the middle of their region.
    """
    load = LoadKneed()
    steps = [
        CropROId("image", size_mm=REGION_MM, spacing_mm=SPACING_MM),
        MirrorLeftd("image"),
        NormalizePercentilesd("image"),
        FillOutsided("image", mode="edge"),
    ]
    regions, points = [], []
    for number, record in enumerate(records):
        data: dict[Any, Any] = load(record)
        if shifts_mm is not None:
            data["center_mm"] = np.asarray(data["center_mm"]) + shifts_mm[number]
        for step in steps:
            data = step(data)
        pixels = data["image"].as_subclass(torch.Tensor)[0].numpy()
        regions.append(even_contrast(pixels, SPACING_MM).astype(np.float16))
        points.append((world_to_normalized(data["landmarks"], data["image"]).numpy() - 0.5) * REGION_MM)
    return np.stack(regions), np.stack(points).astype(np.float64)
