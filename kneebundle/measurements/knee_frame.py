"""Coordinates of one knee: along the tibial plateau and across it, whichever side it is and however it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import KNEE_PA, Landmarks

__all__ = ["KneeFrame"]


@dataclass(frozen=True)
class KneeFrame:
    """Where a knee lies on its radiograph, in mm.

    ``u`` runs from the medial edge of the femur (landmark 15) along the plateau line (landmarks 1 and 7) to the lateral
    side, ``v`` across it from the plateau line towards the femur.

    Attributes:
        origin: (2,) mm of the radiograph, u = v = 0.
        lateral: (2,) unit vector along which u grows.
        up: (2,) unit vector along which v grows.
        width: of the femur (landmark 15 to 9) along u.

    Example:
        >>> from kneebundle.landmarks import Landmarks
        >>> from kneebundle.measurements import load_shape_model
        >>> points = load_shape_model().mean
        >>> frame = KneeFrame.place(Landmarks(points, "mm"))
        >>> bool(abs(frame.to_knee(points[15])[0]) < 1e-9), bool(frame.width > 70)
        (True, True)
    """

    origin: np.ndarray
    lateral: np.ndarray
    up: np.ndarray
    width: float

    @classmethod
    def place(cls, landmarks: Landmarks) -> KneeFrame:
        """Place the coordinates on a knee.

        Args:
            landmarks: the 16 points of ``KNEE_PA`` in mm.

        Raises:
            KneeBundleError: for another landmark set, points in pixels, or missing points.
        """
        if landmarks.landmark_set != KNEE_PA or landmarks.frame != "mm":
            raise KneeBundleError(
                f"got landmarks {landmarks.landmark_set.key!r} in {landmarks.frame}; measurements need 'knee_pa' in mm"
            )
        p = landmarks.points
        plateau = p[1] - p[7]
        length = float(np.linalg.norm(plateau))
        if not np.isfinite(p).all():
            raise KneeBundleError("some of the landmarks are missing; measurements need all 16")
        lateral = plateau / length if length > 0 else np.array([1.0, 0.0])
        up = np.array([lateral[1], -lateral[0]])
        if up @ (p[9:].mean(axis=0) - p[:9].mean(axis=0)) < 0:
            up = -up
        origin = p[7] + ((p[15] - p[7]) @ lateral) * lateral
        return cls(origin, lateral, up, float((p[9] - p[15]) @ lateral))

    def to_knee(self, points_mm: np.ndarray) -> np.ndarray:
        """Convert points (..., 2) in mm of the radiograph to (u, v)."""
        return (np.asarray(points_mm) - self.origin) @ np.stack([self.lateral, self.up], axis=1)

    def to_mm(self, points_uv: np.ndarray) -> np.ndarray:
        """Convert points (..., 2) from (u, v) to mm of the radiograph."""
        return self.origin + np.asarray(points_uv) @ np.stack([self.lateral, self.up])
