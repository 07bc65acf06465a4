"""Tibia and fibula: x anterior, y distal along the shaft, z lateral, the origin in the middle of the tibial plateau."""

from __future__ import annotations

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

__all__ = ["Fibula", "Tibia"]

_REACH_MM = 260.0


class Tibia:
    """A tibia: a tube that widens to the plateau, which falls backwards, with two spines and the tuberosity.

    Args:
        sizes: of the knee.
        spurs: osteophytes, each a centre and a radius in mm.
    """

    def __init__(self, sizes: KneeSizes, spurs: tuple[tuple[np.ndarray, float], ...] = ()) -> None:
        self.sizes = sizes
        self.spurs = spurs
        d, w = sizes.tibia_depth / 2, sizes.tibia_width / 2
        along = [-12, 3, 12, 24, 40, 60, 90, 150]
        self._front = Profile(along, [0.98 * d, 0.99 * d, 0.97 * d, 0.93 * d, 0.78 * d, 0.66 * d, 0.57 * d, 0.5 * d])
        self._back = Profile(along, [-d, -d, -0.92 * d, -0.7 * d, -0.52 * d, -0.46 * d, -0.47 * d, -0.5 * d])
        self._width = Profile(along, [w, w, 0.94 * w, 0.76 * w, 0.53 * w, 0.4 * w, 0.34 * w, 0.32 * w])
        self._cortex = Profile([-2, 3, 8, 25, 50, 90, 140], [1.8, 1.5, 0.9, 1.3, 3.0, 4.6, 5.2])

    @property
    def tuberosity(self) -> np.ndarray:
        """(3,) where the patellar tendon ends."""
        return np.array([0.5 * self.sizes.tibia_depth + 2.0, 0.5 * self.sizes.tibia_depth, 3.0])

    def plateau(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Find y of the joint surface: hollow medially, flat laterally, falling backwards."""
        lateral = np.float32(0.5) + np.float32(0.5) * np.tanh(z * np.float32(0.2))
        medial, outer = (np.float32(np.tan(np.deg2rad(s))) for s in self.sizes.slopes)
        aside = z * np.float32(4 / self.sizes.tibia_width) + 1
        hollow = np.maximum(1 - (x * np.float32(2.2 / self.sizes.tibia_depth)) ** 2 - aside * aside, 0)
        return -x * (medial + (outer - medial) * lateral) + np.float32(2.0) * hollow * (1 - lateral)

    def level(self, p: Points) -> np.ndarray:
        """As `Solid.level`."""
        body = tube(p, self._back(p.y), self._front(p.y), self._width(p.y))
        body = smooth_intersection(body, p.y - self.plateau(p.x, p.z), 4.0)
        for z, tall in ((-5.5, 9.5), (6.0, 8.0)):
            body = smooth_union(body, ellipsoid(p, (-1.0, 1.5, z), (8.5, tall, 4.2)), 3.0)
        front, down, aside = self.tuberosity
        body = smooth_union(body, ellipsoid(p, (front - 8.5, down + 2, aside), (7.5, 14, 10)), 5.0)
        for center, radius in self.spurs:
            body = smooth_union(body, ellipsoid(p, center, (radius, radius, 3 * radius)), 3.0)
        return body

    def cortex_mm(self, p: Points) -> np.ndarray:
        """As `Solid.cortex_mm`."""
        return self._cortex(p.y) * np.float32(self.sizes.cortex)

    @property
    def solid(self) -> Solid:
        """The bone with its box."""
        d, w = self.sizes.tibia_depth / 2, self.sizes.tibia_width / 2
        return Solid(self.level, self.cortex_mm, np.array([[-d - 6, -16, -w - 4], [d + 8, _REACH_MM, w + 4]]))


class Fibula:
    """A fibula: an egg-shaped head with its styloid process below the lateral plateau's back, a neck and the shaft.

    Args:
        sizes: of the knee.
        place: mm by which its head lies anterior, distal and lateral of the usual place.
    """

    def __init__(self, sizes: KneeSizes, place: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        self.radius = sizes.fibula
        self.cortex = sizes.cortex
        usual = np.array([-0.39 * sizes.tibia_depth, 9.5, 0.43 * sizes.tibia_width])
        self.top = usual + np.array(place)
        along = self.top[1] + np.array([6, 22, 34, 60, 130, 200])
        r = self.radius
        self._thick = Profile(along, [0.9 * r, 0.74 * r, 0.64 * r, 0.68 * r, 0.76 * r, 0.78 * r])
        self._bend = Profile(along, [0, 0, -0.5, -1.5, -2.5, -2.0])
        self._cortex = Profile(along, [0.7, 1.0, 1.8, 2.6, 3.0, 3.0])

    def level(self, p: Points) -> np.ndarray:
        """As `Solid.level`."""
        x, y, z = self.top
        thick, axis = self._thick(p.y), self._bend(p.y) + np.float32(x)
        shaft = tube(p, axis - thick, axis + thick, thick, z - 0.2 * self.radius)
        shaft = smooth_intersection(shaft, p.y - np.float32(y + 8), 5.0)
        head = ellipsoid(p, (x, y + 1.25 * self.radius, z), (1.2 * self.radius, 1.25 * self.radius, self.radius))
        styloid = ellipsoid(p, (x - 0.4 * self.radius, y + 4, z + 1), (4.5, 7.0, 4.5))
        return smooth_union(smooth_union(head, styloid, 3.0), shaft, 5.0)

    def cortex_mm(self, p: Points) -> np.ndarray:
        """As `Solid.cortex_mm`."""
        return self._cortex(p.y) * np.float32(self.cortex)

    @property
    def solid(self) -> Solid:
        """The bone with its box."""
        reach = 1.3 * self.radius + 4
        x, y, z = self.top
        return Solid(
            self.level, self.cortex_mm, np.array([[x - reach, y - 6, z - reach], [x + reach, _REACH_MM, z + reach]])
        )
