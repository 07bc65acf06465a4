"""The patella: x anterior, y distal, z lateral, the origin in its middle."""

from __future__ import annotations

import numpy as np

from kneebundle.phantoms.lateral.solids import Points, Solid, ellipsoid, smooth_intersection, smooth_union

__all__ = ["Patella"]


class Patella:
    """A patella: an ellipsoid with a flat front and base, and the apex below.

    Args:
        size: thickness, height and width in mm.
        cortex: factor for the thickness of its cortex.
        spurs: osteophytes, each a centre and a radius in mm.
    """

    def __init__(
        self,
        size: tuple[float, float, float],
        cortex: float = 1.0,
        spurs: tuple[tuple[np.ndarray, float], ...] = (),
    ) -> None:
        self.thickness, self.height, self.width = size
        self.cortex = cortex
        self.spurs = spurs

    @property
    def lower_pole(self) -> np.ndarray:
        """(3,) where the patellar tendon begins."""
        return np.array([0.15 * self.thickness, 0.5 * self.height, 0.0])

    @property
    def upper_pole(self) -> np.ndarray:
        """(3,) where the quadriceps tendon ends."""
        return np.array([0.2 * self.thickness, -0.46 * self.height, 0.0])

    def level(self, p: Points) -> np.ndarray:
        """As `Solid.level`."""
        t, h, w = self.thickness, self.height, self.width
        body = ellipsoid(p, (0, -0.04 * h, 0), (0.62 * t, 0.52 * h, 0.5 * w))
        front = np.float32(0.42 * t) - p.x - p.y * p.y * np.float32(1 / (3.2 * h)) - p.z * p.z * np.float32(1 / (3 * w))
        base = p.y + np.float32(0.46 * h) - np.float32(0.18) * p.x
        body = smooth_intersection(smooth_intersection(body, front, 4.0), base, 4.0)
        ridge = p.x + np.float32(0.58 * t) - np.float32(0.42) * (np.sqrt(p.z * p.z + 9) - 3)
        body = smooth_intersection(body, ridge, 3.0)
        below = p.x + np.float32(0.62 * t) - np.float32(0.85) * (p.y - np.float32(0.1 * h))
        body = smooth_intersection(body, below, 5.0)
        apex = ellipsoid(p, (0.13 * t, 0.3 * h, 0), (0.24 * t, 0.2 * h, 0.2 * w))
        body = smooth_union(body, apex, 3.0)
        for center, radius in self.spurs:
            body = smooth_union(body, ellipsoid(p, center, (1.2 * radius, 1.5 * radius, 2.5 * radius)), 4.0)
        return body

    def cortex_mm(self, p: Points) -> np.ndarray:
        """As `Solid.cortex_mm`."""
        return np.float32(self.cortex) * (np.float32(1.1) + np.float32(0.5) * (p.x > 0))

    @property
    def solid(self) -> Solid:
        """The bone with its box."""
        reach = np.array([0.62 * self.thickness, 0.62 * self.height, 0.55 * self.width]) + 3
        return Solid(self.level, self.cortex_mm, np.array([-reach, reach]))
