"""Regions with evened contrast, and what they look like in the frame of the mean shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from kneebundle.shape_models.point_distribution import Pose

__all__ = ["Frame", "even_contrast", "make_frame"]

_WINDOW_MM = 30.0
_MOST = 3.0


def even_contrast(region: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Take the local mean out of a region and divide by the local standard deviation.

    Args:
        region: (H, W), any unit.
        spacing_mm: size of its pixels.

    Returns:
        (H, W) float32 in [-3, 3]; zeros where nothing is seen.

    Example:
        >>> evened = even_contrast(np.tile(np.arange(200.0), (200, 1)), 0.3)
        >>> evened.shape, bool(abs(evened).max() <= 3)
        ((200, 200), True)
    """
    width = max(3, round(_WINDOW_MM / spacing_mm))
    grey = np.asarray(region, dtype=np.float64)
    mean = ndimage.uniform_filter(grey, width, mode="nearest")
    variance = ndimage.uniform_filter(grey**2, width, mode="nearest") - mean**2
    spread = np.sqrt(np.maximum(variance, 0.0))
    return np.clip((grey - mean) / (spread + 0.05 * float(grey.std()) + 1e-6), -_MOST, _MOST).astype(np.float32)


@dataclass(frozen=True)
class Frame:
    """A region seen in the frame of the mean shape.

    Attributes:
        pixels: (H, W) float32.
        spacing_mm: size of a pixel, in mm of the mean shape.
        pose: from the frame's mm to those of the region, both with the origin in the middle.
    """

    pixels: np.ndarray
    spacing_mm: float
    pose: Pose

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Convert (..., 2) mm of the region to x and y in pixels of the frame."""
        return self.pose.undo(points) / self.spacing_mm + (np.array(self.pixels.shape[::-1]) - 1) / 2

    def to_region(self, pixels: np.ndarray) -> np.ndarray:
        """Convert (..., 2) x and y in pixels of the frame to mm of the region."""
        return self.pose.apply((pixels - (np.array(self.pixels.shape[::-1]) - 1) / 2) * self.spacing_mm)


def make_frame(
    region: np.ndarray, region_spacing_mm: float, pose: Pose, spacing_mm: float, size_mm: tuple[float, float]
) -> Frame:
    """Look at a region in the frame of the mean shape.

    Args:
        region: (H, W) of :func:`even_contrast`.
        region_spacing_mm: size of its pixels.
        pose: from the frame's mm to those of the region.
        spacing_mm: of the frame.
        size_mm: height and width of the frame.
    """
    rows, columns = (max(1, round(length / spacing_mm)) for length in size_mm)
    ratio = spacing_mm * pose.scale / region_spacing_mm
    region = np.asarray(region, dtype=np.float32)
    smooth = ndimage.gaussian_filter(region, 0.5 * np.sqrt(ratio**2 - 1), truncate=2.5) if ratio > 1.05 else region
    # rows first, hence the turn the other way round
    matrix = np.array([[pose.a, pose.b], [-pose.b, pose.a]]) * (spacing_mm / region_spacing_mm)
    middle = (np.array(region.shape) - 1) / 2 + pose.shift[::-1] / region_spacing_mm
    offset = middle - matrix @ ((np.array([rows, columns]) - 1) / 2)
    pixels = ndimage.affine_transform(smooth, matrix, offset, (rows, columns), order=1, mode="nearest")
    return Frame(pixels.astype(np.float32, copy=False), spacing_mm, pose)
