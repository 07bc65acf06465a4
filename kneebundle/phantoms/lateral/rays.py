"""From solids to their shadows: paths of the rays of a diverging beam through cortex and inside, and the silhouette."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kneebundle.phantoms.lateral.solids import Points, Rigid, Solid

__all__ = ["Shadow", "View", "cast"]

_FAR = -1e3


@dataclass(frozen=True)
class View:
    """A film and the source in front of it.

    In its frame x runs right, y down and z towards the source, mm; the origin lies in the middle of the knee, behind
    the middle of the film. The beam diverges from ``source_mm`` before the origin. Pixel size is meant in the plane z =
    0.

    Attributes:
        rows, columns: of the film.
        spacing_mm: of a square pixel, in the plane z = 0.
        source_mm: distance of the source from that plane.
    """

    rows: int
    columns: int
    spacing_mm: float
    source_mm: float

    def to_px(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) pixels of the shadows of points (N, 3) in mm."""
        points = np.asarray(points, dtype=np.float64)
        in_plane = points[:, :2] / (1 - points[:, 2:] / self.source_mm)
        return in_plane / self.spacing_mm + (np.array([self.columns, self.rows]) - 1) / 2

    def pixels_from(self, point_px: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far each column (1, columns) and each row (rows, 1) lies from a point, in pixels."""
        x, y = point_px
        columns, rows = np.arange(self.columns, dtype=np.float32), np.arange(self.rows, dtype=np.float32)
        return (columns - x)[None, :], (rows - y)[:, None]

    def plane_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """Give mm of each column (1, columns) and each row (rows, 1) from the middle of the film."""
        u, v = self.pixels_from(((self.columns - 1) / 2, (self.rows - 1) / 2))
        return u * self.spacing_mm, v * self.spacing_mm

    def to_mm(self, points_px: np.ndarray) -> np.ndarray:
        """(N, 2) mm in the plane z = 0."""
        return (
            np.asarray(points_px, dtype=np.float64) - (np.array([self.columns, self.rows]) - 1) / 2
        ) * self.spacing_mm


@dataclass(frozen=True)
class Shadow:
    """What the rays met, (rows, columns) float32 each.

    Attributes:
        level: mm by which the ray passes below the solid's surface, about; positive where it hits the solid.
        cortex_mm: path in the cortex.
        inside_mm: path within it.
    """

    level: np.ndarray
    cortex_mm: np.ndarray
    inside_mm: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """(rows, columns) bool, where the solid is seen."""
        return self.level > 0


@dataclass(frozen=True)
class _Box:
    """The part of the rays that may meet a solid: pixels (rows, columns), coarse places and depths in mm."""

    rows: slice
    columns: slice
    u: np.ndarray
    v: np.ndarray
    w: np.ndarray


def cast(solid: Solid, pose: Rigid, view: View, step_mm: tuple[float, float] = (2.0, 2.5)) -> Shadow:
    """The shadow of a solid; ``pose`` takes its frame to the film's.

    Its level is sampled every ``step_mm`` across the rays and along them, scaled by its slope to be a depth in mm, and
    interpolated to the pixels; the path is exact for a level that is linear between samples.
    """
    level, cortex, inside = (np.full((view.rows, view.columns), fill, np.float32) for fill in (_FAR, 0.0, 0.0))
    box = _box(solid.box, pose, view, step_mm)
    if box is None:
        return Shadow(level, cortex, inside)
    points = pose.inverse().apply(_samples(box, view))
    depth = _as_distance(solid.level(points), step_mm)
    up, across = _upsampling(box, view)
    outer = up @ depth @ across.T
    part = (box.rows, box.columns)
    level[part] = outer.max(0)
    hit = level[part] > 0
    inner = (up @ (depth - solid.cortex_mm(points)) @ across.T)[:, hit]
    inside[part][hit] = _path(inner, step_mm[1])
    cortex[part][hit] = np.maximum(_path(outer[:, hit], step_mm[1]) - inside[part][hit], 0)
    return Shadow(level, cortex, inside)


def _box(bounds: np.ndarray, pose: Rigid, view: View, step_mm: tuple[float, float]) -> _Box | None:
    across, along = step_mm
    corners = np.array(np.meshgrid(*bounds.T)).reshape(3, -1).T
    moved = pose(corners)
    px = view.to_px(moved)
    low = np.maximum(np.floor(px.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(px.max(0)).astype(int) + 2, [view.columns, view.rows])
    if (high - low < 2).any():
        return None
    edges = view.to_mm(np.array([low, high - 1]))
    u, v = (np.arange(a - across, b + 3 * across, across) for a, b in edges.T)
    w = np.arange(moved[:, 2].min() - along, moved[:, 2].max() + 2 * along, along)
    return _Box(slice(low[1], high[1]), slice(low[0], high[0]), u, v, w)


def _samples(box: _Box, view: View) -> Points:
    w = box.w.astype(np.float32)[:, None, None]
    closer = 1 - w / np.float32(view.source_mm)
    shape = (len(box.w), len(box.v), len(box.u))
    x = np.broadcast_to(box.u.astype(np.float32) * closer, shape)
    y = np.broadcast_to(box.v.astype(np.float32)[:, None] * closer, shape)
    return Points(x, y, np.broadcast_to(w, shape))


def _as_distance(level: np.ndarray, step_mm: tuple[float, float]) -> np.ndarray:
    """Level over its slope: depth in mm near the surface."""
    along, down, right = np.gradient(level, step_mm[1], step_mm[0], step_mm[0])
    slope = np.sqrt(along * along + down * down + right * right)
    return level / np.maximum(slope, np.float32(0.35))


def _upsampling(box: _Box, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices that take samples to the box's pixels, down and across."""
    rows = np.arange(box.rows.start, box.rows.stop)
    columns = np.arange(box.columns.start, box.columns.stop)
    v = (rows - (view.rows - 1) / 2) * view.spacing_mm
    u = (columns - (view.columns - 1) / 2) * view.spacing_mm
    return _cubic(v, box.v), _cubic(u, box.u)


def _cubic(at: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """(len(at), len(samples)) weights of Catmull-Rom interpolation on an even grid."""
    place = (at - samples[0]) / (samples[1] - samples[0])
    distance = np.abs(place[:, None] - np.arange(len(samples))[None])
    near = 1 - 2.5 * distance**2 + 1.5 * distance**3
    far = 2 - 4 * distance + 2.5 * distance**2 - 0.5 * distance**3
    return np.where(distance < 1, near, np.where(distance < 2, far, 0)).astype(np.float32)


def _path(level: np.ndarray, step_mm: float) -> np.ndarray:
    """Sum up mm of each ray with a positive level, (depths, rays) to (rays,); linear between samples."""
    higher = np.maximum(level[1:], level[:-1])
    change = np.abs(level[1:] - level[:-1])
    change += np.float32(1e-6)
    np.divide(higher, change, out=higher)
    np.clip(higher, 0, 1, out=higher)
    return higher.sum(0) * np.float32(step_mm)
