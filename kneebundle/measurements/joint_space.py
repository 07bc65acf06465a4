"""Joint space width from the bones' edges: the minimum, the mean, and at fixed places of each compartment.

The places are those of the OAI's quantitative readings (Neumann et al., Osteoarthritis Cartilage 2009;17:761): ``x``
counts from the medial edge of the femur (0) to the lateral one (1), medially 0.150 to 0.300, laterally 0.700 to 0.900.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.joint_edges import BoneEdge, find_joint_edges
from kneebundle.measurements.knee_frame import KneeFrame
from kneebundle.measurements.landmark_measurements import RADIUS_DEVIATIONS
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph

__all__ = ["FIXED_PLACES", "MINIMUM_RANGES", "measure_joint_space"]

FIXED_PLACES: Mapping[str, tuple[float, ...]] = {
    "medial": tuple(round(0.150 + 0.025 * step, 3) for step in range(7)),
    "lateral": tuple(round(0.700 + 0.025 * step, 3) for step in range(9)),
}
"""``x`` of the widths at fixed places, by compartment."""
MINIMUM_RANGES: Mapping[str, tuple[float, float]] = {"medial": (0.10, 0.30), "lateral": (0.70, 0.90)}
"""``x`` between which the smallest width is looked for."""
LEAST_CLEAR = 0.7
"""Share of a stretch on which both edges must be clear."""
_NEAR_MM = 1.0
_FLOOR_MM, _FLOOR_PIXELS = 0.07, 0.1
_MINIMUM_MM = 0.2
"""Standard deviation of a minimum over and above that of a width at a fixed place: of all widths it is the one with the
largest error downwards."""
TOUCHING_MM = 1.2
"""Where the femur's edge is lost this near to that of the tibia, no gap is left between the bones: width 0."""
NARROW_MM = 3.5
"""Landmarks farther apart than this contradict it."""
_LEAST_TOUCHING_MM = 1.5
_TOUCHING_DEVIATION_MM = 0.4


def measure_joint_space(radiograph: Radiograph, landmarks: Landmarks, frame: KneeFrame) -> dict[str, Measurement]:
    """Measure the joint space of both compartments.

    A width whose edges are not clear has no value, and says which bone's edge is not: landmarks never take its place.

    Args:
        radiograph: bone bright.
        landmarks: the 16 points in mm, to find the joint by.
        frame: of these landmarks.
    """
    edges = find_joint_edges(radiograph, landmarks, frame)
    radius = landmarks.radius_mm
    place_mm = 0.0 if radius is None else float(np.mean(np.asarray(radius)[[9, 15]])) / RADIUS_DEVIATIONS
    spaces = {
        name: _Space(name, edges[name, "femur"], edges[name, "tibia"], frame, radiograph, place_mm)
        for name in ("medial", "lateral")
    }
    found = [spaces[name].measure_minimum() for name in spaces]
    found += [spaces[name].measure_mean() for name in spaces]
    for space in spaces.values():
        found += space.measure_places()
    return {measurement.name: measurement for measurement in found}


@dataclass(frozen=True)
class _Space:
    """The joint space of one compartment; ``place_mm``: standard deviation of where ``x`` = 0 and 1 are."""

    name: str
    femur: BoneEdge
    tibia: BoneEdge
    frame: KneeFrame
    radiograph: Radiograph
    place_mm: float

    def measure_minimum(self) -> Measurement:
        name = f"joint_space_width_{self.name}_minimum"
        low, high = MINIMUM_RANGES[self.name]
        columns = self._choose(low, high)
        touching = columns & self.touching
        if touching.sum() >= 2 and np.ptp(self.femur.points[touching, 0]) >= _LEAST_TOUCHING_MM:
            line = np.stack([edge.points[touching].mean(axis=0) for edge in (self.femur, self.tibia)])
            return self._take(name, 0.0, _TOUCHING_DEVIATION_MM, [line, *self._stretches(low, high)])
        reason = self._doubt(columns)
        if reason:
            return self._miss(name, reason)
        above = self.femur.points[columns & self.femur.clear]
        below = self.tibia.points[self.tibia.clear]
        distance = np.linalg.norm(above[:, None] - below, axis=-1)
        over, under = np.unravel_index(distance.argmin(), distance.shape)
        line = np.stack([above[over], below[under]])
        value = float(distance[over, under]) if line[0, 1] > line[1, 1] else 0.0
        deviation = float(np.hypot(self._deviation(slope=0.0), _MINIMUM_MM))
        return self._take(name, value, deviation, [line, *self._stretches(low, high)])

    def measure_mean(self) -> Measurement:
        name = f"joint_space_width_{self.name}"
        low, high = FIXED_PLACES[self.name][0], FIXED_PLACES[self.name][-1]
        touching = self.touching
        columns = self._choose(low, high)
        reason = self._doubt(columns)
        if reason:
            return self._miss(name, reason)
        known = columns & ((self.femur.clear & self.tibia.clear) | touching)
        widths = self._widths(self.femur.points[known, 0])
        ends = self._widths(np.array([low, high]) * self.frame.width)
        slope = float(ends[1] - ends[0]) / ((high - low) * self.frame.width)
        return self._take(name, float(widths.mean()), self._deviation(slope), self._stretches(low, high))

    def measure_places(self) -> Iterator[Measurement]:
        for place in FIXED_PLACES[self.name]:
            name = f"joint_space_width_{self.name}_{round(1000 * place)}"
            u = place * self.frame.width
            reason = self._doubt(np.abs(self.femur.points[:, 0] - u) <= _NEAR_MM)
            if reason:
                yield self._miss(name, reason)
                continue
            before, width, after = self._widths(np.array([u - _NEAR_MM, u, u + _NEAR_MM]))
            bottom = float(np.interp(u, *self.tibia.points.T))
            line = np.array([[u, bottom + width], [u, bottom]])
            slope = float(after - before) / (2 * _NEAR_MM)
            deviation = self._deviation(slope) if width > 0 else _TOUCHING_DEVIATION_MM
            yield self._take(name, float(width), deviation, [line])

    @cached_property
    def touching(self) -> np.ndarray:
        """(N,) bool, where the bones leave no gap."""
        if not len(self.tibia.points):
            return np.zeros(0, dtype=bool)
        gap = self.femur.points[:, 1] - np.interp(self.femur.points[:, 0], *self.tibia.points.T)
        expected = self.femur.expected_mm - self.tibia.expected_mm
        return ~self.femur.clear & (gap < TOUCHING_MM) & (expected < NARROW_MM)

    def _widths(self, u: np.ndarray) -> np.ndarray:
        """Across the plateau at each u; 0 where the bones touch."""
        gaps = np.maximum(np.interp(u, *self.femur.points.T) - np.interp(u, *self.tibia.points.T), 0.0)
        return gaps * (1.0 - np.rint(np.interp(u, self.femur.points[:, 0], self.touching)))

    def _choose(self, low: float, high: float) -> np.ndarray:
        u = self.femur.points[:, 0]
        return (u >= low * self.frame.width) & (u <= high * self.frame.width)

    def _doubt(self, columns: np.ndarray) -> str:
        """Why nothing can be measured on these columns; empty: it can."""
        if not columns.any():
            return f"the {self.name} joint space is too narrow a stretch to be measured"
        touching = self.touching
        bones = {"femur": self.femur.clear | touching, "tibia": self.tibia.clear | touching}
        unclear = [bone for bone, clear in bones.items() if clear[columns].mean() < LEAST_CLEAR]
        if not unclear and (bones["femur"] & bones["tibia"])[columns].mean() < LEAST_CLEAR:
            unclear = list(bones)
        return f"the edge of the {' and of the '.join(unclear)} is not clear there" if unclear else ""

    def _deviation(self, slope: float) -> float:
        floor = _FLOOR_MM + _FLOOR_PIXELS * max(self.radiograph.spacing_mm)
        scatter = np.hypot(self.femur.scatter_mm, self.tibia.scatter_mm)
        return float(np.sqrt(floor**2 + scatter**2 + (slope * self.place_mm) ** 2))

    def _stretches(self, low: float, high: float) -> list[np.ndarray]:
        return [edge.points[self._choose(low, high)] for edge in (self.femur, self.tibia)]

    def _take(self, name: str, value: float, deviation: float, lines: list[np.ndarray]) -> Measurement:
        segments = tuple(self.radiograph.mm_to_px(self.frame.to_mm(line)) for line in lines)
        return Measurement(name, value, "mm", deviation, segments, "edges")

    def _miss(self, name: str, reason: str) -> Measurement:
        return Measurement(name, None, "mm", source="edges", reason=reason)
