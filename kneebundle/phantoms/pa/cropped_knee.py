"""A knee crop as the starting point of a drawn leg: smoothed, with the grey levels of its tissues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

__all__ = ["CroppedKnee", "extend_flesh", "sample_mm", "smooth_crop"]

NEAR_MM, COARSE_MM = 1.2, 7.0
"""Gaussian sigmas of the two smoothed crops that the continuation is taken from."""


@dataclass(frozen=True)
class CroppedKnee:
    """A crop shown as a right knee (lateral on the left), smoothed, with the grey levels of its tissues."""

    pixels: np.ndarray
    near: np.ndarray
    coarse: np.ndarray
    amplitude: np.ndarray
    points_mm: np.ndarray
    spacing_mm: float
    air: float
    soft: float
    bone: float

    @property
    def width_mm(self) -> float:
        """Distance of the first and the last column."""
        return (self.pixels.shape[1] - 1) * self.spacing_mm

    @property
    def height_mm(self) -> float:
        """Distance of the first and the last row."""
        return (self.pixels.shape[0] - 1) * self.spacing_mm

    @property
    def bone_width_mm(self) -> float:
        """Distance of the two edges of the femur."""
        return float(abs(self.points_mm[15, 0] - self.points_mm[9, 0]))


def smooth_crop(pixels: np.ndarray, points: np.ndarray, spacing: float, rng: np.random.Generator) -> CroppedKnee:
    """Smooth a crop and find the grey levels of its tissues.

    Args:
        pixels: (h, w) of a right knee, bone bright.
        points: (16, 2) landmarks in its pixels.
        spacing: mm of a pixel.
        rng: draws the grey of air, which a crop may not show.
    """
    near = ndimage.gaussian_filter(pixels, NEAR_MM / spacing, mode="nearest", truncate=3)
    step = max(1, int(NEAR_MM / spacing))
    coarse = ndimage.gaussian_filter(near[::step, ::step], COARSE_MM / spacing / step, mode="nearest", truncate=2.5)
    x, y = np.arange(pixels.shape[1], dtype=np.float32)[None, :], np.arange(pixels.shape[0], dtype=np.float32)[:, None]
    coarse = sample_mm([coarse], x, y, step)[0]
    lowest, low, high = (float(v) for v in np.percentile(coarse[::3, ::3], (0.5, 15, 75)))
    bone = max(high, low + 0.1 * (abs(high) + 1e-3))
    edge = np.concatenate([coarse[:, 0], coarse[:, -1]])
    darkest, seen = float(pixels.min()), min(lowest, float(edge.min()))
    air = darkest + rng.uniform(0, 1) ** 2 * max(seen - darkest, 0)
    soft = float(np.clip(np.percentile(edge, 75), air + 0.35 * (bone - air), air + 0.7 * (bone - air)))
    amplitude = _detail_amplitude(pixels - near, coarse, soft, bone, spacing)
    return CroppedKnee(pixels, near, coarse, amplitude, points * spacing, spacing, air, soft, bone)


def _detail_amplitude(detail: np.ndarray, coarse: np.ndarray, soft: float, bone: float, spacing: float) -> np.ndarray:
    """Standard deviation of the fine detail around each pixel.

    It is less than bone's where there is no bone, so that a wall or the skin does not count as texture.
    """
    size = int(8 / spacing)
    local = 1.25 * ndimage.uniform_filter(np.abs(detail), size, mode="reflect")
    in_bone = float(np.median(local))
    most = in_bone * (0.4 + 0.6 * np.clip((coarse - soft) / (bone - soft), 0, 1))
    return np.asarray(np.minimum(local, most), dtype=np.float32)


def extend_flesh(knee: CroppedKnee, x: np.ndarray, source_y: np.ndarray) -> np.ndarray:
    """The grey of the flesh left or right of the crop: its edge column without what is short or brighter than flesh."""
    y = np.arange(knee.coarse.shape[0]) * knee.spacing_mm
    values = []
    for column in (knee.coarse[:, 0], knee.coarse[:, -1]):
        smooth = ndimage.gaussian_filter1d(np.minimum(column, knee.soft), 16 / knee.spacing_mm, mode="nearest")
        values.append(np.interp(source_y[:, 0], y, smooth).astype(np.float32)[:, None])
    return np.where(x < knee.width_mm / 2, values[0], values[1])


def sample_mm(
    images: list[np.ndarray], x_mm: np.ndarray, y_mm: np.ndarray, spacing: float, mode: str = "bilinear"
) -> np.ndarray:
    """Images of one shape (h, w) at points given in mm (broadcast to rows x columns): (N, rows, columns)."""
    height, width = images[0].shape
    x, y = np.broadcast_arrays(x_mm, y_mm)
    grid = np.empty((1, *x.shape, 2), dtype=np.float32)
    grid[0, ..., 0] = x * (2 / (spacing * (width - 1))) - 1
    grid[0, ..., 1] = y * (2 / (spacing * (height - 1))) - 1
    stack = torch.from_numpy(np.stack(images).astype(np.float32, copy=False))[None]
    values = torch.nn.functional.grid_sample(
        stack, torch.from_numpy(grid), mode=mode, padding_mode="border", align_corners=True
    )
    return np.asarray(values[0].numpy())
