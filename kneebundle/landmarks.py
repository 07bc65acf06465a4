"""Landmark sets by name, and points that know their frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["KNEE_PA", "LANDMARK_SETS", "LandmarkSet", "Landmarks"]


@dataclass(frozen=True)
class LandmarkSet:
    """An ordered set of landmarks.

    Attributes:
        key: its name in configs and files.
        names: name of each landmark; the place in the tuple is its id.
        outlines: ids to be joined by a line, each with the name of the bone.
        center: id of the landmark that a region of interest is centred on.
        report: ids that the literature reports the accuracy of.
    """

    key: str
    names: tuple[str, ...]
    outlines: tuple[tuple[str, tuple[int, ...]], ...]
    center: int
    report: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)


KNEE_PA = LandmarkSet(
    key="knee_pa",
    names=(
        "tibia_lateral_edge",
        "tibia_lateral_plateau_outer",
        "tibia_lateral_plateau_inner",
        "tibia_lateral_spine",
        "tibia_center",
        "tibia_medial_spine",
        "tibia_medial_plateau_inner",
        "tibia_medial_plateau_outer",
        "tibia_medial_edge",
        "femur_lateral_edge",
        "femur_lateral_condyle_outer",
        "femur_lateral_condyle_inner",
        "femur_center",
        "femur_medial_condyle_inner",
        "femur_medial_condyle_outer",
        "femur_medial_edge",
    ),
    outlines=(("tibia", tuple(range(9))), ("femur", tuple(range(9, 16)))),
    center=4,
    report=(0, 8, 9, 15),
)
"""The 16 landmarks of KNEEL Figure 1: 0..8 along the tibia, 9..15 along the femur, each lateral to medial."""

LANDMARK_SETS = {KNEE_PA.key: KNEE_PA}


@dataclass(frozen=True)
class Landmarks:
    """Points of a landmark set in a frame.

    Attributes:
        points: (N, 2) float64, x = column, y = row.
        frame: ``"px"`` (pixel centres at integers) or ``"mm"`` (origin at the centre of pixel (0, 0)).
        landmark_set: what the points are.
        confidence: (N,) in [0, 1], or None.

    Raises:
        KneeBundleError: where the number of points is not the set's or the frame is unknown.
    """

    points: np.ndarray
    frame: str = "px"
    landmark_set: LandmarkSet = KNEE_PA
    confidence: np.ndarray | None = None

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        object.__setattr__(self, "points", points)
        if points.shape != (len(self.landmark_set), 2):
            raise KneeBundleError(
                f"got points of shape {points.shape}; {self.landmark_set.key} has {len(self.landmark_set)} landmarks, each x and y"
            )
        if self.frame not in ("px", "mm"):
            raise KneeBundleError(f"a frame is 'px' or 'mm', got {self.frame!r}")

    def to_mm(self, spacing_mm: tuple[float, float]) -> Landmarks:
        """The same points in mm; ``spacing_mm`` is (row, column)."""
        return self if self.frame == "mm" else self._scaled(np.array(spacing_mm[::-1]), "mm")

    def to_px(self, spacing_mm: tuple[float, float]) -> Landmarks:
        """The same points in pixels; ``spacing_mm`` is (row, column)."""
        return self if self.frame == "px" else self._scaled(1.0 / np.array(spacing_mm[::-1]), "px")

    def _scaled(self, factor: np.ndarray, frame: str) -> Landmarks:
        return Landmarks(self.points * factor, frame, self.landmark_set, self.confidence)
