"""The measuring sphere beside the knee: a metal ball of known size, from which the size of a pixel follows.

A condyle is round too, but only a ball has an edge almost all around and is brighter than
everything beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

from kneebundle.measurements.disc_search import Disc, find_discs, refine_disc

__all__ = ["DIAMETER_MM", "Calibration", "Sphere", "calibrate", "find_sphere"]

DIAMETER_MM = 30.0
"""Of the standardised spheres (Kordon 2019, section 2.2)."""
SIZES = (0.85, 1.6)
"""How large the sphere's shadow may be, by the file's spacing: magnified, or a spacing that was corrected for too much
of it."""
FIELDS_MM = (100.0, 450.0)
"""Longer side of radiographs without a spacing."""
LEAST_SCORE = 0.6
"""Share of the circle on which an edge is seen."""
LEAST_VISIBLE = 0.4
"""Share of the circle that lies on the radiograph."""
LEAST_CONTRAST = 0.15
"""Step of the edge, as a part of the radiograph's range of grey values (1 to 99 percent)."""
LARGEST_UNEVENNESS = 0.35
"""Standard deviation within the disc, as a part of the edge's step."""
DISAGREEMENT = 0.02
"""Difference between the sphere and the file that is worth a word."""

_WORKING_PX = 400


@dataclass(frozen=True)
class Sphere:
    """A measuring sphere on an image.

    Attributes:
        x, y: its centre in pixels.
        radius_px: in columns; where pixels are not square, it is another number of rows.
        score: on how much of its edge it was seen, 0 to 1.
    """

    x: float
    y: float
    radius_px: float
    score: float = 1.0


@dataclass(frozen=True)
class Calibration:
    """The size of a pixel, and what it rests on.

    Attributes:
        spacing_mm: (row, column).
        source: ``"sphere"`` or that of the file's spacing.
        disagreement: one line with both values, where the sphere and the file do not agree; else None.
    """

    spacing_mm: tuple[float, float]
    source: str
    disagreement: str | None = None


def find_sphere(
    image: np.ndarray, spacing_mm: tuple[float, float] | None = None, diameter_mm: float = DIAMETER_MM
) -> Sphere | None:
    """Find the sphere: a bright disc with a sharp edge, whole or cut by the border, over the soft tissue or a bone.

    Args:
        image: (H, W), bone bright.
        spacing_mm: (row, column) that the file states. The sphere is then looked for near its size; else at any size
            that it can have on a radiograph of a knee, and pixels are taken to be square.
        diameter_mm: of the sphere.

    Returns:
        None where none is seen.
    """
    square, aspect = _make_pixels_square(np.asarray(image, dtype=np.float32), spacing_mm)
    low, high = np.percentile(square[::4, ::4], [1, 99])
    if high <= low:
        return None
    square = (square - low) / (high - low)
    longest = max(square.shape)
    if spacing_mm is None:
        radii = diameter_mm / 2 * longest / np.array(FIELDS_MM[::-1])
    else:
        radii = diameter_mm / 2 / spacing_mm[1] * np.array(SIZES)
    step = max(1.0, longest / _WORKING_PX)
    small = _resize(square, (round(square.shape[0] / step), round(square.shape[1] / step)))
    discs = []
    for x, y, radius in find_discs(small, (radii[0] / step, radii[1] / step)):
        disc = refine_disc(square, (x + 0.5) * step - 0.5, (y + 0.5) * step - 0.5, radius * step)
        if disc is not None and radii[0] <= disc.radius <= radii[1] and _is_ball(disc):
            discs.append(disc)
    if not discs:
        return None
    best = max(discs, key=lambda disc: disc.edge * disc.contrast)
    x, y = best.center
    return Sphere(x, (y + 0.5) / aspect - 0.5, best.radius, best.edge)


def _is_ball(disc: Disc) -> bool:
    return (
        disc.visible >= LEAST_VISIBLE
        and disc.edge >= LEAST_SCORE
        and disc.contrast >= LEAST_CONTRAST
        and disc.unevenness <= LARGEST_UNEVENNESS
    )


def _make_pixels_square(image: np.ndarray, spacing_mm: tuple[float, float] | None) -> tuple[np.ndarray, float]:
    """The image with as many rows as make its pixels square, and new rows per old one."""
    if spacing_mm is None or abs(spacing_mm[0] / spacing_mm[1] - 1) < 1e-3:
        return image, 1.0
    rows = round(image.shape[0] * spacing_mm[0] / spacing_mm[1])
    return _resize(image, (rows, image.shape[1])), rows / image.shape[0]


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape == size:
        return image
    return interpolate(torch.from_numpy(image)[None, None], size, mode="bilinear", antialias=True)[0, 0].numpy()


def calibrate(
    sphere: Sphere | None, spacing_mm: tuple[float, float] | None, source: str = "", diameter_mm: float = DIAMETER_MM
) -> Calibration | None:
    """Settle the size of a pixel in the plane of the knee.

    The sphere lies beside the knee and is magnified as the knee is; a file's spacing often holds in the plane of the
    detector. So the sphere goes first, and ``disagreement`` names both values where they differ. A sphere that
    contradicts the file by more than magnification explains is not believed.

    Args:
        sphere: from :func:`find_sphere`.
        spacing_mm: (row, column) that the file states, or None.
        source: of that spacing.
        diameter_mm: of the sphere.

    Returns:
        None where neither is known.

    Example:
        >>> found = calibrate(Sphere(x=50.0, y=50.0, radius_px=60.0), spacing_mm=None)
        >>> found.spacing_mm, found.source
        ((0.25, 0.25), 'sphere')
    """
    if sphere is None:
        return None if spacing_mm is None else Calibration(spacing_mm, source)
    column = diameter_mm / 2 / sphere.radius_px
    if spacing_mm is None:
        return Calibration((column, column), "sphere")
    ratio = column / spacing_mm[1]
    both = f"the {diameter_mm:g} mm sphere gives {column:.4f} mm a pixel, the file {spacing_mm[1]:.4f} mm ({source})"
    if not 1 / SIZES[1] <= ratio <= 1 / SIZES[0]:
        return Calibration(spacing_mm, source, f"{both}: too far apart, so the file is believed")
    disagreement = f"{both}: the sphere is believed" if abs(ratio - 1) > DISAGREEMENT else None
    return Calibration((spacing_mm[0] * ratio, column), "sphere", disagreement)
