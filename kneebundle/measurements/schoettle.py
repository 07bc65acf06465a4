"""The Schoettle point on a lateral knee radiograph: where the medial patellofemoral ligament is fixed to the femur.

Kordon 2019, Figure 1 and section 2.1, draws it from three lines:

- LM1, the tangent of the posterior femoral cortex: a line through those points of the femur's outline at which the
  predicted region of interest is at least 0.5;
- LM2, at right angles to LM1 through ``p_tmc``, where the medial condyle passes into the posterior cortex;
- LM3, at right angles to LM1 through ``p_blum``, the most posterior point of Blumensaat's line.

The point is the centre of the inner circle of the three: between LM2 and LM3, touching LM1 from the anterior side. Its
radius is half the distance between LM2 and LM3. The rule as it was first published (Schoettle et al., Am J Sports Med
35, 2007) is another: 1 mm anterior to LM1, 2.5 mm distal to LM2 and proximal to LM3. The two agree where LM2 and LM3
are 5 mm apart, but for how far the point lies anterior to LM1. An insertion within 2.5 mm of the point is held to be
anatomically right (same source).

The paper fits LM1 by least squares. Here points that do not belong to the line are left out first unless told
otherwise: the outline bends away from the cortex at the region's distal end, and a measuring sphere or a screw that a
network takes for bone makes a bump. Where there is nothing to leave out, both are the same.

Everything is worked out in mm, so that pixels need not be square, and given back in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import KNEE_LATERAL
from kneebundle.measurements.outlines import keep_largest_part, sample_image, trace_outline
from kneebundle.measurements.straight_line import fit_line

__all__ = ["AREA_MM", "Line", "SchoettlePlan", "plan_by_hand", "plan_schoettle"]

AREA_MM = 2.5
"""Radius of the area around the Schoettle point in which an insertion is anatomically right."""
LEAST_LIKELIHOOD = 0.5
"""Of the region of interest, at a point of the outline that LM1 is fitted to (section 2.1)."""
LEAST_FEMUR_MM2 = 500.0
LEAST_POINTS = 8
LEAST_CORTEX_MM = 10.0
"""A shorter piece of the cortex does not tell the direction of LM1; the paper's discussion names it as a source of
error."""
LARGEST_BEND_MM = 1.5
"""Median distance of the points from LM1."""
LM2_TO_LM3_MM = (1.0, 25.0)


@dataclass(frozen=True)
class Line:
    """A straight line.

    Attributes:
        point_px: a point of it, (x, y).
        direction: (dx, dy) of length 1, in pixels too. LM1 runs distally, LM2 and LM3 run anteriorly.
    """

    point_px: tuple[float, float]
    direction: tuple[float, float]


@dataclass(frozen=True)
class SchoettlePlan:
    """What could be drawn, and why no more.

    Attributes:
        spacing_mm: (row, column) of the pixels below.
        lines: ``"LM1"``, ``"LM2"``, ``"LM3"``, those that could be drawn; ``point_px`` of LM2 and LM3 lies on LM1.
        point_px: the Schoettle point (x, y); None where there is none.
        radius_mm: of the inner circle; None where there is none.
        refused: why there is no point; None: there is one.
        cortex_px: (N, 2) points of the outline that LM1 was fitted to.
    """

    spacing_mm: tuple[float, float]
    lines: Mapping[str, Line] = field(default_factory=dict)
    point_px: tuple[float, float] | None = None
    radius_mm: float | None = None
    refused: str | None = None
    cortex_px: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def point_mm(self) -> tuple[float, float] | None:
        """The Schoettle point in mm from the centre of pixel (0, 0)."""
        return None if self.point_px is None else _to_pair(np.array(self.point_px) * self.spacing_mm[::-1])

    def to_grid(self, scale: tuple[float, float], shift_px: tuple[float, float]) -> SchoettlePlan:
        """Convert the plan to pixels of another grid, ``x' = x * scale + shift``.

        Args:
            scale: (x, y), new pixels per old one, both positive.
            shift_px: (x, y), where the old pixel (0, 0) has its centre in the new grid.
        """
        factor, shift = np.array(scale, dtype=np.float64), np.array(shift_px, dtype=np.float64)
        lines = {
            name: Line(
                _to_pair(np.array(line.point_px) * factor + shift),
                _to_pair(_normalize(np.array(line.direction) * factor)),
            )
            for name, line in self.lines.items()
        }
        return replace(
            self,
            spacing_mm=(self.spacing_mm[0] / scale[1], self.spacing_mm[1] / scale[0]),
            lines=lines,
            point_px=None if self.point_px is None else _to_pair(np.array(self.point_px) * factor + shift),
            cortex_px=self.cortex_px * factor + shift,
        )


def plan_schoettle(
    femur: np.ndarray,
    landmarks_px: np.ndarray,
    roi: np.ndarray,
    spacing_mm: tuple[float, float],
    *,
    robust: bool = True,
) -> SchoettlePlan:
    """Plan a radiograph: draw the lines and the point; where that cannot be done, say why in ``refused``.

    Args:
        femur: (H, W), probability of the femur or its mask; the outline is where it passes 0.5, to a part of a pixel.
        landmarks_px: (2, 2), ``p_blum`` and ``p_tmc`` in pixels (x, y) of these maps; not finite where not found.
        roi: (H, W), likelihood of the region of interest of LM1, 1 on the line.
        spacing_mm: (row, column) of the maps.
        robust: LM1 by a robust fit; False: by least squares as in the paper.

    Raises:
        ValueError: if the arrays do not have these shapes.
    """
    femur, roi = np.asarray(femur), np.asarray(roi)
    landmarks = np.asarray(landmarks_px, dtype=np.float64)
    if femur.ndim != 2 or femur.shape != roi.shape or landmarks.shape != (2, 2):
        raise ValueError(
            f"femur and roi are (H, W) and landmarks (2, 2), got {femur.shape}, {roi.shape} and {landmarks.shape}"
        )
    plan = SchoettlePlan(spacing_mm)
    try:
        _check_size(femur, spacing_mm)
        plan = replace(plan, cortex_px=_find_cortex(femur, roi))
    except KneeBundleError as error:
        return replace(plan, refused=error.reason)
    return _construct(plan, femur, landmarks, robust)


def plan_by_hand(
    femur: np.ndarray, landmarks_px: np.ndarray, cortex_line_px: np.ndarray, spacing_mm: tuple[float, float]
) -> SchoettlePlan:
    """Make the plan of somebody who marked LM1 by two points.

    Args:
        femur: (H, W) mask or probability; tells which side of LM1 is the anterior one.
        landmarks_px: (2, 2), ``p_blum`` and ``p_tmc`` in pixels (x, y).
        cortex_line_px: (2, 2), ``p_prox`` and ``p_dist`` on LM1.
        spacing_mm: (row, column) of the pixels.
    """
    line = np.asarray(cortex_line_px, dtype=np.float64)
    plan = SchoettlePlan(spacing_mm, cortex_px=line)
    return _construct(plan, np.asarray(femur), np.asarray(landmarks_px, dtype=np.float64), robust=False)


def _construct(plan: SchoettlePlan, femur: np.ndarray, landmarks_px: np.ndarray, robust: bool) -> SchoettlePlan:
    """The plan with its lines and its point, from the points of the cortex on."""
    mm = np.array(plan.spacing_mm[::-1], dtype=np.float64)
    try:
        blum, tmc = _check_found(landmarks_px) * mm
        axes = _Axes.along_cortex(plan.cortex_px * mm, (blum + tmc) / 2, robust)
        plan = replace(plan, lines={"LM1": axes.line(0.0, axes.distal, mm)})
        axes = axes.turned_to(np.argwhere(keep_largest_part(femur))[:, ::-1] * mm, plan.cortex_px * mm)
        levels = {"LM2": float(axes.level(tmc)), "LM3": float(axes.level(blum))}
        across = {name: axes.line(level, axes.anterior, mm) for name, level in levels.items()}
        plan = replace(plan, lines={**plan.lines, **across})
        radius = _find_radius(levels["LM2"], levels["LM3"])
        point = axes.place(levels["LM2"] + radius, radius) / mm
        _check_inside(femur, point)
    except KneeBundleError as error:
        return replace(plan, refused=error.reason)
    return replace(plan, point_px=_to_pair(point), radius_mm=radius)


@dataclass(frozen=True)
class _Axes:
    """LM1 as a frame in mm: a point of it and the distal and anterior directions, of length 1."""

    origin: np.ndarray
    distal: np.ndarray
    anterior: np.ndarray

    @classmethod
    def along_cortex(cls, cortex_mm: np.ndarray, landmarks_mm: np.ndarray, robust: bool) -> _Axes:
        """LM1 through points of the cortex; distal is where the landmarks are."""
        origin, distal = fit_line(cortex_mm, robust)
        distal = distal * np.sign((landmarks_mm - origin) @ distal or 1.0)
        axes = cls(origin, distal, np.array([-distal[1], distal[0]]))
        levels, offsets = (cortex_mm - origin) @ distal, (cortex_mm - origin) @ axes.anterior
        if np.ptp(levels) < LEAST_CORTEX_MM:
            raise KneeBundleError(
                f"the region of the posterior cortex is too short: {np.ptp(levels):.1f} mm of the femur's outline "
                f"lie in it, {LEAST_CORTEX_MM:g} mm are needed for its tangent LM1; "
                "give a film that shows more of the shaft"
            )
        bend = float(np.median(np.abs(offsets)))
        if bend > LARGEST_BEND_MM:
            raise KneeBundleError(
                "the femur's outline in the region of the posterior cortex is not a line: half of it lies more than "
                f"{bend:.1f} mm away from LM1, {LARGEST_BEND_MM:g} mm are allowed"
            )
        return axes

    def turned_to(self, femur_mm: np.ndarray, cortex_mm: np.ndarray) -> _Axes:
        """The same with ``anterior`` pointing to where the femur lies beside the cortex."""
        levels = self.level(cortex_mm)
        beside = (self.level(femur_mm) >= levels.min()) & (self.level(femur_mm) <= levels.max())
        offset = float(((femur_mm[beside] - self.origin) @ self.anterior).mean()) if beside.any() else 0.0
        if offset == 0.0:
            raise KneeBundleError("it cannot be told on which side of the posterior cortex the femur lies")
        return replace(self, anterior=self.anterior * np.sign(offset))

    def level(self, points_mm: np.ndarray) -> np.ndarray:
        """How far distally along LM1 points (..., 2) lie."""
        return (points_mm - self.origin) @ self.distal

    def place(self, level: float, offset: float) -> np.ndarray:
        """(2,) the point so far along LM1 and so far anterior to it."""
        return self.origin + level * self.distal + offset * self.anterior

    def line(self, level: float, direction: np.ndarray, mm: np.ndarray) -> Line:
        """The line through the point of LM1 at a level, in pixels."""
        return Line(_to_pair(self.place(level, 0.0) / mm), _to_pair(_normalize(direction / mm)))


def _check_size(femur: np.ndarray, spacing_mm: tuple[float, float]) -> None:
    area = float(keep_largest_part(femur).sum() * np.prod(spacing_mm))
    if area < LEAST_FEMUR_MM2:
        raise KneeBundleError(
            f"no femur was found: its largest part is {area:.0f} mm2, {LEAST_FEMUR_MM2:.0f} mm2 are needed"
        )


def _find_cortex(femur: np.ndarray, roi: np.ndarray) -> np.ndarray:
    """(N, 2) points of the outline in the region of interest."""
    outline = trace_outline(femur)
    chosen = outline[sample_image(roi, outline) >= LEAST_LIKELIHOOD]
    if len(chosen) < LEAST_POINTS:
        raise KneeBundleError(
            f"no posterior cortex was found: {len(chosen)} points of the femur's outline lie in its region, "
            f"{LEAST_POINTS} are needed (largest likelihood of the region {float(roi.max()):.2f}, "
            f"{LEAST_LIKELIHOOD:g} counts)"
        )
    return chosen


def _check_found(landmarks_px: np.ndarray) -> np.ndarray:
    names = [name for name, point in zip(KNEE_LATERAL.names, landmarks_px, strict=True) if not np.isfinite(point).all()]
    if names:
        raise KneeBundleError(f"{' and '.join(names)} could not be found")
    return landmarks_px


def _find_radius(lm2: float, lm3: float) -> float:
    """Of the circle between two levels along LM1."""
    low, high = LM2_TO_LM3_MM
    if not low <= lm3 - lm2 <= high:
        where = "proximal to" if lm3 < lm2 else "distal to"
        raise KneeBundleError(
            f"LM3, through the most posterior point of Blumensaat's line, lies {abs(lm3 - lm2):.1f} mm {where} LM2, "
            f"through the medial condyle's transition to the cortex; {low:g} to {high:g} mm distal to it are "
            "plausible; give a true lateral film"
        )
    return (lm3 - lm2) / 2


def _check_inside(femur: np.ndarray, point_px: np.ndarray) -> None:
    if float(sample_image(femur, point_px[None])[0]) < LEAST_LIKELIHOOD:
        raise KneeBundleError("the Schoettle point would lie outside the femur")


def _normalize(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _to_pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
