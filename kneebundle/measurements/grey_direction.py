"""Whether bone is bright or dark on a radiograph, read from its knee."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_frame import KneeFrame
from kneebundle.radiograph import Radiograph

__all__ = ["is_bone_dark"]

_PAIRS = ((10, 1), (14, 7))
"""Femur and tibia on either side of the joint space, lateral and medial."""
_DEPTH_MM, _HALF_WIDTH_MM = 7.0, 3.0


def is_bone_dark(radiograph: Radiograph, landmarks: Landmarks, frame: KneeFrame) -> bool:
    """Compare the wider of the two joint spaces with the bones above and below it.

    Networks read radiographs that were stored the wrong way round as well as others; edges need to know.

    Args:
        radiograph: of the knee.
        landmarks: the 16 points in mm.
        frame: of these landmarks.
    """
    points = frame.to_knee(landmarks.points)
    femur, tibia = max(_PAIRS, key=lambda pair: points[pair[0], 1] - points[pair[1], 1])
    places = np.stack(
        [
            (points[femur] + points[tibia]) / 2,
            points[femur] + [0.0, _DEPTH_MM],
            points[tibia] - [0.0, _DEPTH_MM],
        ]
    )
    across = np.linspace(-_HALF_WIDTH_MM, _HALF_WIDTH_MM, 13)
    lines = places[:, None] + np.stack([across, np.zeros(len(across))], axis=1)
    index = radiograph.mm_to_px(frame.to_mm(lines).reshape(-1, 2)).T[::-1]
    grey = ndimage.map_coordinates(radiograph.pixels, index, order=1, mode="nearest").reshape(3, -1).mean(axis=1)
    return bool(grey[1:].mean() < grey[0])
