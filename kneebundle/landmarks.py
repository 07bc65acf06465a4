"""The anatomy that the package knows by name: landmark sets, bones, lines; and points that know their frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = [
    "BONES",
    "CORTEX_LINE",
    "HAND",
    "KNEE_LATERAL",
    "KNEE_PA",
    "LANDMARK_SETS",
    "LATERAL_POINTS",
    "WRIST",
    "LandmarkSet",
    "Landmarks",
]


@dataclass(frozen=True)
class LandmarkSet:
    """An ordered set of landmarks.

    Attributes:
        key: name of the set in configs and files.
        names: name of each landmark; the place in the tuple is its id.
        outlines: ids that a line joins, each with the name of the bone.
        center: id of the landmark that a region of interest is centred on.
        report: ids whose accuracy the literature reports.

    Example:
        >>> from kneebundle.landmarks import KNEE_PA
        >>> len(KNEE_PA), KNEE_PA.names[KNEE_PA.center]
        (16, 'tibia_center')
    """

    key: str
    names: tuple[str, ...]
    outlines: tuple[tuple[str, tuple[int, ...]], ...]
    center: int
    report: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def columns(self) -> list[str]:
        """Columns of a table of these landmarks: x0, y0, x1, y1, ..."""
        return [f"{axis}{i}" for i in range(len(self)) for axis in "xy"]


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

KNEE_LATERAL = LandmarkSet(key="knee_lateral", names=("p_blum", "p_tmc"), outlines=(), center=1, report=(0, 1))
"""Kordon 2019, section 2.1: ``p_blum``, the most posterior point of Blumensaat's line, and ``p_tmc``, where the medial
condyle passes into the posterior cortex."""

CORTEX_LINE = ("p_prox", "p_dist")
"""The two ends of the line that a person draws along the posterior cortex of a lateral femur."""

LATERAL_POINTS = (*KNEE_LATERAL.names, *CORTEX_LINE)
"""The points that are marked on a lateral radiograph: its landmarks, then the ends of the cortex line."""

BONES = ("femur", "patella", "tibia", "fibula")
"""The bones of a lateral knee, in the order of masks and of the planning network's channels."""

HAND = LandmarkSet(
    key="hand",
    names=(
        "ulna_ulnar_edge",
        "ulna_styloid",
        "ulna_radial_edge",
        "radius_ulnar_edge",
        "radius_radial_edge",
        "radius_styloid",
        "triquetrum_proximal",
        "lunate_proximal",
        "scaphoid_proximal",
        "hamate_proximal",
        "capitate_proximal",
        "trapezoid_proximal",
        "trapezium_proximal",
        "little_metacarpal_base",
        "ring_metacarpal_base",
        "middle_metacarpal_base",
        "index_metacarpal_base",
        "thumb_metacarpal_base",
        "thumb_proximal_base",
        "thumb_distal_joint",
        "thumb_tip",
        *(
            f"{finger}_{place}"
            for finger in ("index", "middle", "ring", "little")
            for place in ("proximal_base", "middle_joint", "distal_joint", "tip")
        ),
    ),
    outlines=(
        ("ulna", (0, 1, 2)),
        ("radius", (3, 5, 4)),
        ("proximal_carpals", (6, 7, 8)),
        ("distal_carpals", (9, 10, 11, 12)),
        ("thumb", (17, 18, 19, 20)),
        ("index", (16, 21, 22, 23, 24)),
        ("middle", (15, 25, 26, 27, 28)),
        ("ring", (14, 29, 30, 31, 32)),
        ("little", (13, 33, 34, 35, 36)),
    ),
    center=10,
    report=tuple(range(37)),
)
"""The 37 landmarks of the Digital Hand Atlas as Payer et al. (2019) use them, named after what they lie on in its
images.

0 and 4 are the two ends of the wrist, by convention 50 mm apart: where the shafts of ulna and radius meet the growth
plates. Bases lie on the joint surface nearer to the wrist, joints on the head of the bone before them.
"""

WRIST = (0, 4)
"""Ids of the two ends of the wrist in :data:`HAND`, which are 50 mm apart by the field's convention."""

LANDMARK_SETS = {landmark_set.key: landmark_set for landmark_set in (KNEE_PA, KNEE_LATERAL, HAND)}


@dataclass(frozen=True)
class Landmarks:
    """Points of a landmark set, in pixels or in mm.

    Attributes:
        points: (N, 2) float64, x = column, y = row.
        frame: ``"px"`` (pixel centres at integers) or ``"mm"`` (origin at the centre of pixel (0, 0)).
        landmark_set: what the points are.
        confidence: (N,) in [0, 1], or None.
        radius_mm: (N,) radius in mm within which the true point lies in 90 of 100 cases; None where it is not known.

    Raises:
        KneeBundleError: if the number of points is not that of the set, or the frame is unknown.

    Example:
        >>> from kneebundle.landmarks import KNEE_LATERAL, Landmarks
        >>> found = Landmarks([[10, 20], [30, 40]], "px", KNEE_LATERAL)
        >>> found.to_mm((0.5, 0.2)).points.tolist()
        [[2.0, 10.0], [6.0, 20.0]]
    """

    points: np.ndarray
    frame: str = "px"
    landmark_set: LandmarkSet = KNEE_PA
    confidence: np.ndarray | None = None
    radius_mm: np.ndarray | None = None

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        object.__setattr__(self, "points", points)
        if points.shape != (len(self.landmark_set), 2):
            raise KneeBundleError(
                f"got points of shape {points.shape}; {self.landmark_set.key} has {len(self.landmark_set)} landmarks, "
                "each x and y"
            )
        if self.frame not in ("px", "mm"):
            raise KneeBundleError(f"a frame is 'px' or 'mm', got {self.frame!r}")

    def to_mm(self, spacing_mm: tuple[float, float]) -> Landmarks:
        """Convert to mm; ``spacing_mm`` is (row, column)."""
        return self if self.frame == "mm" else self._scale(np.array(spacing_mm[::-1]), "mm")

    def to_px(self, spacing_mm: tuple[float, float]) -> Landmarks:
        """Convert to pixels; ``spacing_mm`` is (row, column)."""
        return self if self.frame == "px" else self._scale(1.0 / np.array(spacing_mm[::-1]), "px")

    def _scale(self, factor: np.ndarray, frame: str) -> Landmarks:
        return replace(self, points=self.points * factor, frame=frame)
