"""Edges of public knee crops: their shading is taken out, or a strip of them is cut off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

__all__ = ["hide_edges", "remove_edge_shading", "count_shaded_columns", "clean_crop"]


def clean_crop(crop: np.ndarray, *, inverted: bool = False, shading_px: int = 0) -> np.ndarray:
    """Turn a crop into float32 with bone bright, without its edge shading.

    Args:
        crop: (h, w).
        inverted: bone is dark in it.
        shading_px: shaded columns at either side; 0: none.

    Returns:
        (h, w) float32.
    """
    pixels = np.asarray(crop, dtype=np.float32)
    if inverted:
        pixels = pixels.max() + pixels.min() - pixels
    return remove_edge_shading(pixels, shading_px)


def remove_edge_shading(crop: np.ndarray, columns: int = 14) -> np.ndarray:
    """Take out the linear darkening of a crop towards its left and right edge.

    All 224 x 224 crops of Chen (doi 10.17632/56rmx5bjcr.1) darken over their outer 14 columns to about a third,
    whatever they show there. Row by row the trend between the edge and column ``columns`` is taken out.

    Args:
        crop: (h, w), bone bright.
        columns: shaded columns at either side; 0: none.

    Returns:
        (h, w) float32.
    """
    crop = np.asarray(crop, dtype=np.float32)
    if columns <= 0:
        return crop
    out = crop.copy()
    fade = (1 - np.arange(columns, dtype=np.float32) / columns)[None, :]
    for view in (out, out[:, ::-1]):
        edge = view[:, :2].mean(axis=1)
        inner = view[:, columns : columns + 4].mean(axis=1)
        rise = ndimage.gaussian_filter1d(np.maximum(inner - edge, 0), columns / 2, mode="nearest")
        view[:, :columns] += rise[:, None] * fade
    return out


def hide_edges(
    pixels: np.ndarray, points: np.ndarray, spacing_mm: float, most_mm: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a random strip off each side of a crop.

    Args:
        pixels: (h, w).
        points: (N, 2) landmarks, x and y in pixels; they keep 6 mm of crop around them where they had it.
        spacing_mm: size of a pixel.
        most_mm: largest width of a strip.
        rng: draws the widths.

    Returns:
        The smaller crop, and (2,) the x and y that its pixel (0, 0) had.
    """
    rows, columns = pixels.shape
    before, after = points.min(axis=0), np.array([columns - 1, rows - 1]) - points.max(axis=0)
    room = np.concatenate([before, after]) - 6.0 / spacing_mm
    left, top, right, bottom = (rng.uniform(0.3, 1, 4) * np.clip(room, 0, most_mm / spacing_mm)).astype(int)
    return pixels[top : rows - bottom, left : columns - right], np.array([left, top])


def count_shaded_columns(shape: Sequence[int]) -> int:
    """Count the shaded columns at either side of an image (rows, columns): 14 in the public 224 x 224 crops, else 0."""
    return 14 if tuple(shape) == (224, 224) else 0
