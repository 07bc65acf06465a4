"""A drawn lateral film with everything that is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kneebundle.measurements.calibration_sphere import Sphere

__all__ = ["Facing", "LateralKnee"]

Facing = Literal["left", "right"]


@dataclass(frozen=True)
class LateralKnee:
    """A drawn lateral film of a knee; points are x, y in pixels, pixel centres at integers.

    Attributes:
        image: (H, W) float32, whole grey values from 0 to 255, bone bright.
        spacing_mm: size of a square pixel in mm, in the plane through the middle of the knee, in which the measuring
            sphere's centre lies too (the beam diverges; what lies nearer to the detector looks smaller).
        masks: (4, H, W) bool, the shadow of each bone in the order of :data:`kneebundle.landmarks.BONES`; they overlap.
        landmarks: (2, 2) p_blum, the most posterior point of Blumensaat's line, and p_tmc, where the medial condyle
            leaves the posterior cortex.
        cortex_line: (2, 2) p_prox and p_dist, on the posterior outline of the straight part of the femur's shaft.
        facing: which way the knee's front looks in the film.
        flexion_deg: of the tibia against the femur, 0 for a straight leg.
        rotation_deg: how far the film is from a true lateral one: the turn about the shaft (inwards or outwards),
            positive where it takes the front towards the source, and the lean (varus or valgus against the film),
            positive where it takes the shaft's upper end away from the source.
        sphere: the 30 mm measuring sphere, or None.
        view: always ``"lateral"``.
    """

    image: np.ndarray
    spacing_mm: float
    masks: np.ndarray
    landmarks: np.ndarray
    cortex_line: np.ndarray
    facing: Facing
    flexion_deg: float
    rotation_deg: tuple[float, float]
    sphere: Sphere | None = None
    view: str = "lateral"
