"""Plausible surroundings for a tight crop of a knee: shafts, thigh and calf, skin, air, collimation, markers.

Public knees are crops of about 100 mm, but a region cut from a whole radiograph shows more. The crop's pixels stay where
they are; what lies outside is drawn anew each time, so that nothing can be learnt from the crop's frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kneebundle.datasets.phantoms.crop_edges import hide_edges, upright_grey
from kneebundle.datasets.phantoms.furniture import add_furniture
from kneebundle.datasets.phantoms.legs import Canvas, checked_crop, continue_leg

__all__ = ["points_in_region", "surround"]


def surround(
    crop: np.ndarray,
    landmarks_px: np.ndarray,
    spacing_mm: float | Sequence[float],
    *,
    rng: np.random.Generator,
    size_mm: float = 140.0,
    out_spacing_mm: float = 0.3,
    center_px: Sequence[float] | None = None,
    inverted: bool = False,
    shading_px: int = 0,
    max_inset_mm: float = 6.0,
) -> np.ndarray:
    """A square region around a knee, with whatever the crop does not show drawn around it.

    Args:
        crop: (h, w) grey values of one knee as displayed, of either side.
        landmarks_px: (16, 2) KNEEL landmarks in pixels of the crop.
        spacing_mm: size of a crop pixel, one number (or (row, column), which must be equal).
        rng: draws everything that is random.
        size_mm, out_spacing_mm: the region; it has ``round(size_mm / out_spacing_mm)`` pixels a side.
        center_px: the crop's point that goes to the region's centre; the tibial centre (landmark 4) by default.
        inverted: the crop's grey values are inverted (bone dark).
        shading_px: `remove_edge_shading` over so many columns first; 14 for the public 224 x 224 crops.
        max_inset_mm: up to so much of the crop is hidden at each side, so that its frame is never at the same place;
            landmarks keep 6 mm where the crop has them.

    Returns:
        (n, n) float32, bone bright. `points_in_region` says where a point of the crop lies in it.

    Raises:
        KneeBundleError: on a crop or landmarks of another shape, or values that are not finite.
    """
    points, spacing = checked_crop(crop, landmarks_px, spacing_mm)
    center = points[4] if center_px is None else np.asarray(center_px, dtype=np.float64)
    pixels = upright_grey(crop, inverted=inverted, shading_px=shading_px)
    pixels, shift = hide_edges(pixels, points, spacing, max_inset_mm, rng)
    n = int(round(size_mm / out_spacing_mm))
    corner = (center - shift) * spacing - (n - 1) / 2 * out_spacing_mm
    canvas = Canvas(float(corner[0]), float(corner[1]), out_spacing_mm, n, n)
    image = continue_leg(pixels, points - shift, spacing, canvas, rng=rng).pixels
    frame_mm = (0.0, 0.0, (pixels.shape[1] - 1) * spacing, (pixels.shape[0] - 1) * spacing)
    medial = 1 if points[15, 0] > points[9, 0] else -1
    return add_furniture(image, canvas.x_mm, canvas.y_mm, frame_mm, medial=medial, rng=rng)


def points_in_region(
    points_px: np.ndarray,
    center_px: Sequence[float],
    spacing_mm: float,
    *,
    size_mm: float = 140.0,
    out_spacing_mm: float = 0.3,
) -> np.ndarray:
    """Where points (N, 2) of the crop, in its pixels, lie in the region that `surround` gives, in the region's pixels."""
    n = int(round(size_mm / out_spacing_mm))
    shift = np.asarray(points_px, dtype=np.float64) - np.asarray(center_px, dtype=np.float64)
    return shift * (spacing_mm / out_spacing_mm) + (n - 1) / 2
