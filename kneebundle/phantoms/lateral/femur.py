"""The distal femur: x anterior, y distal, z lateral, the origin amid the posterior condyles' common circle."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from kneebundle.phantoms.lateral.sizes import KneeSizes
from kneebundle.phantoms.lateral.solids import (
    Points,
    Profile,
    Solid,
    ellipsoid,
    smooth_intersection,
    smooth_union,
    tube,
)

__all__ = ["Femur"]

_REACH_MM = 260.0
_FILLET_MM = 9.0
_NOTCH_EDGE_MM = 1.5


class Femur:
    """A femur of the given sizes.

    The shaft is a tube whose posterior edge follows the bow; each condyle joins an ellipsoid about its posterior circle
    and one about its distal and anterior surface; the trochlea has a higher lateral facet; the notch is cut out below a
    plane roof.

    Args:
        sizes: of the knee.
        spurs: osteophytes, each a centre and a radius in mm.
    """

    def __init__(self, sizes: KneeSizes, spurs: tuple[tuple[np.ndarray, float], ...] = ()) -> None:
        self.sizes = sizes
        self.spurs = spurs
        depth = sizes.femur_depth
        self.radius = 0.335 * depth
        beyond = depth - sizes.trochlea_step
        self.back = sizes.offset_ratio * beyond - self.radius
        self.front = beyond - self.radius
        self.side = 0.27 * sizes.femur_width
        half = sizes.femur_width / 2
        shaft = sizes.shaft_width
        self._width = Profile(
            [-140, -95, -72, -52, -36, -22, -8, 12],
            [shaft, 1.02 * shaft, 1.14 * shaft, 0.52 * half, 0.66 * half, 0.82 * half, 0.93 * half, 0.9 * half],
        )
        self._cortex = Profile([-140, -100, -75, -50, -30, -12], [6.3, 5.6, 4.0, 2.2, 1.2, 0.8])

    def shaft_edges(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find x of the posterior and anterior edges of the shaft; the bow begins 25 mm above the condyles' centre."""
        bow = np.minimum(y + 25.0, 0.0) ** 2 / (2 * self.sizes.bow_radius)
        return self.back - bow, self.front - bow

    @property
    def blumensaat_end(self) -> np.ndarray:
        """(3,) the posterior end of the notch's roof, where it meets the back of the shaft."""
        meets = -np.sqrt(max(self.radius**2 - self.back**2, 0.0))
        return np.array([self.back, meets + self.sizes.roof_below, 0.0])

    def shaft(self, p: Points) -> np.ndarray:
        """Level of the shaft, which ends within the condyles."""
        back, front = self.shaft_edges(p.y)
        body = tube(p, back, front, self._width(p.y))
        return smooth_intersection(body, np.float32(10.0) - p.y, 8.0)

    def condyle(self, p: Points, side: int) -> np.ndarray:
        """The medial (-1) or lateral (1) condyle without shaft and trochlea."""
        depth = self.sizes.femur_depth if side < 0 else self.sizes.lateral_depth
        radius, z = self.radius, side * self.side
        thick = (0.165 if side < 0 else 0.155) * self.sizes.femur_width
        posterior = ellipsoid(p, (0, 0, z), (radius, radius, thick), power=3)
        front, long, down = self._distal(depth)
        distal = ellipsoid(p, (front - long, down, z), (long, 1.06 * radius - down, thick), power=3)
        epicondyle = ellipsoid(p, (3, -9, side * (self.sizes.femur_width / 2 - 7)), (12, 14, 7))
        return smooth_union(smooth_union(posterior, distal, 3.0), epicondyle, 4.0)

    def _distal(self, depth: float) -> tuple[float, float, float]:
        """Of the ellipsoid about a condyle's distal surface: its foremost x, its half length, and y of its middle."""
        front = depth - self.radius - 2.5
        return front, (front + 0.75 * self.radius) / 2, -0.12 * self.radius

    def _trochlea(self, p: Points) -> np.ndarray:
        front, r = self.sizes.femur_depth - self.radius, self.radius
        lateral = ellipsoid(p, (front - 0.86 * r, -0.5 * r, 17), (0.86 * r, r, 12))
        medial = ellipsoid(p, (front - 0.96 * r, -0.3 * r, -16), (0.86 * r, 0.85 * r, 11))
        middle = ellipsoid(p, (front - 1.14 * r, -0.35 * r, 0), (0.84 * r, 0.95 * r, 20))
        return smooth_union(smooth_union(lateral, medial, 3.0), middle, 3.0)

    def _notch(self, p: Points) -> np.ndarray:
        """Positive in the notch: beyond the roof's plane and between two walls, the corner between them rounded."""
        angle = np.deg2rad(self.sizes.roof_angle)
        end = self.blumensaat_end
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        x, y = p.x - np.float32(end[0]), p.y - np.float32(end[1])
        along = s * x + c * y
        under = s * y - c * x + np.float32(self.sizes.roof_curve) * along * along
        under = under - p.z * p.z * np.float32(1 / 60)
        return smooth_intersection(under, np.float32(self.sizes.notch_width / 2) - np.abs(p.z), 5.0)

    def level(self, p: Points) -> np.ndarray:
        """The whole femur."""
        body = smooth_union(self.shaft(p), self._trochlea(p), 6.0)
        for side in (-1, 1):
            body = smooth_union(body, self.condyle(p, side), _FILLET_MM)
        body = smooth_intersection(body, -self._notch(p), _NOTCH_EDGE_MM)
        for center, radius in self.spurs:
            body = smooth_union(body, ellipsoid(p, center, (radius, radius, 2.5 * radius)), 3.0)
        return body

    def medial_level(self, p: Points) -> np.ndarray:
        """Shaft and medial condyle only: what the transition p_tmc is seen on."""
        return smooth_union(self.shaft(p), self.condyle(p, -1), _FILLET_MM)

    def cortex_mm(self, p: Points) -> np.ndarray:
        """As `Solid.cortex_mm`."""
        return self._cortex(p.y) * np.float32(self.sizes.cortex)

    @cached_property
    def solid(self) -> Solid:
        """The bone with its box."""
        half, depth = self.sizes.femur_width / 2 + 4, max(self.sizes.femur_depth, self.sizes.lateral_depth)
        low = [min(-self.radius, float(self.shaft_edges(np.array(-_REACH_MM))[0])) - 6, -_REACH_MM, -half]
        return Solid(
            self.level, self.cortex_mm, np.array([low, [depth - self.radius + 6, 1.3 * self.radius + 4, half]])
        )

    def lowest(self, down: np.ndarray) -> np.ndarray:
        """(2,) x, y of the condyles' outermost point in the direction ``down`` (2,), as seen from the side."""
        front, long, down_by = self._distal(self.sizes.femur_depth)
        centers = np.array([[0.0, 0.0], [front - long, down_by]])
        radii = np.array([[self.radius, self.radius], [long, 1.06 * self.radius - down_by]])
        touching = centers + radii**2 * down / np.linalg.norm(radii * down, axis=1, keepdims=True)
        return touching[np.argmax(touching @ down)]
