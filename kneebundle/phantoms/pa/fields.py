"""Signed distance to an outline on a pixel grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import cKDTree

from kneebundle.phantoms.pa.outlines import Outline

__all__ = ["Grid", "measure_signed_distance"]

_SAMPLED_MM = 0.3  # nearer than this, the samples' spacing would show in the distance to the nearest one


@dataclass(frozen=True)
class Grid:
    """Pixel centres: pixel (row, column) lies at ``origin + (column, row) * step_mm`` in mm.

    Attributes:
        size: rows = columns.
        step_mm: distance of neighbours.
        origin: (2,) mm, x and y of pixel (0, 0).
    """

    size: int
    step_mm: float
    origin: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """(size,) mm of the columns."""
        return (self.origin[0] + self.step_mm * np.arange(self.size)).astype(np.float32)

    @property
    def y(self) -> np.ndarray:
        """(size,) mm of the rows."""
        return (self.origin[1] + self.step_mm * np.arange(self.size)).astype(np.float32)

    def coarse(self, step_mm: float) -> Grid:
        """A grid of at least ``step_mm`` that covers this one from the same first pixel."""
        step = max(step_mm, self.step_mm)
        return Grid(int(np.ceil((self.size - 1) * self.step_mm / step)) + 2, step, self.origin)

    def resample(self, values: np.ndarray, source: Grid) -> np.ndarray:
        """Values of ``source``, a grid with the same origin, linearly interpolated at this grid's pixels, float32."""
        ratio = self.step_mm / source.step_mm
        shape = (self.size, self.size)
        return ndimage.affine_transform(
            values.astype(np.float32), [ratio, ratio], output_shape=shape, order=1, mode="nearest"
        )


def measure_signed_distance(outline: Outline, grid: Grid, reach_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance in mm to the outline, positive inside, cut at +-``reach_mm``, and the nearest place along it.

    Returns:
        Two (size, size) float32 arrays: distance, and ``outline.position`` at the nearest point (NaN-free; 0 beyond
        reach).
    """
    inside = _polygon_mask(outline.points, grid)
    low = grid.origin - reach_mm - 1
    high = grid.origin + grid.size * grid.step_mm + reach_mm + 1
    near = ((outline.points >= low) & (outline.points <= high)).all(1)
    distance = np.where(inside, reach_mm, -reach_mm).astype(np.float32)
    place = np.zeros_like(distance)
    if not near.any():
        return distance, place
    points, normals, position = outline.points[near], outline.normals[near], outline.position[near]
    band = _band(points, grid, reach_mm)
    rows, columns = np.nonzero(band)
    pixels = np.stack([grid.x[columns], grid.y[rows]], 1)
    length, index = cKDTree(points, leafsize=32).query(pixels, distance_upper_bound=reach_mm)
    found = np.isfinite(length)
    rows, columns, pixels, length, index = rows[found], columns[found], pixels[found], length[found], index[found]
    along_normal = np.einsum("ij,ij->i", pixels - points[index], normals[index])
    far = np.where(inside[rows, columns], length, -length)
    near_edge = np.where(length < _SAMPLED_MM, along_normal, np.copysign(length, along_normal))
    distance[rows, columns] = np.where(length < 2 * grid.step_mm, near_edge, far)
    place[rows, columns] = position[index]
    return distance, place


def _polygon_mask(points: np.ndarray, grid: Grid) -> np.ndarray:
    image = Image.new("1", (grid.size, grid.size))
    vertices = (points[::3] - grid.origin) / grid.step_mm
    ImageDraw.Draw(image).polygon([tuple(v) for v in vertices], fill=1)
    return np.array(image, dtype=bool)


def _band(points: np.ndarray, grid: Grid, reach_mm: float) -> np.ndarray:
    """Pixels that may lie within reach of the points."""
    index = np.rint((points - grid.origin) / grid.step_mm).astype(int)
    index = index[((index >= 0) & (index < grid.size)).all(1)]
    free = np.ones((grid.size, grid.size), dtype=bool)
    free[index[:, 1], index[:, 0]] = False
    if free.all():
        return free
    return ndimage.distance_transform_edt(free) * grid.step_mm <= reach_mm + 2 * grid.step_mm
