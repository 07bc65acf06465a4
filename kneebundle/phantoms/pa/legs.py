"""The leg that a knee crop belongs to, drawn around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage

from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.pa.cropped_knee import CroppedKnee, extend_flesh, sample_mm, smooth_crop
from kneebundle.phantoms.pa.leg_shapes import (
    chord,
    draw_bone_thickness,
    draw_femur_shaft,
    draw_fibula_shaft,
    draw_skin,
    draw_tibia_shaft,
    smoothstep,
    warp_to_edge,
)

__all__ = ["Canvas", "Leg", "check_crop", "continue_leg"]


@dataclass(frozen=True)
class Canvas:
    """A grid in the crop's own mm: the centre of crop pixel (0, 0) is the origin.

    Attributes:
        left_mm, top_mm: centre of the grid's pixel (0, 0).
        spacing_mm: size of its pixels.
        rows, columns: their number.
    """

    left_mm: float
    top_mm: float
    spacing_mm: float
    rows: int
    columns: int

    @property
    def x_mm(self) -> np.ndarray:
        """(columns,) mm of the columns."""
        return (self.left_mm + self.spacing_mm * np.arange(self.columns)).astype(np.float32)

    @property
    def y_mm(self) -> np.ndarray:
        """(rows,) mm of the rows."""
        return (self.top_mm + self.spacing_mm * np.arange(self.rows)).astype(np.float32)


@dataclass(frozen=True)
class Leg:
    """A leg on a canvas: (rows, columns) float32 grey values, and the grey of air, flesh and bone in it."""

    pixels: np.ndarray
    air: float
    soft: float
    bone: float


def continue_leg(
    crop: np.ndarray,
    landmarks_px: np.ndarray,
    spacing_mm: float | Sequence[float],
    canvas: Canvas,
    *,
    rng: np.random.Generator,
    medial_reach_mm: float = np.inf,
) -> Leg:
    """The leg that a knee crop belongs to, on a canvas: the crop inside, shafts, soft tissue, skin and air outside.

    Arguments and errors as `surround`, the crop bone bright. The leg's flesh ends ``medial_reach_mm`` from landmark 4
    at the latest.
    """
    points, spacing = check_crop(crop, landmarks_px, spacing_mm)
    pixels = np.asarray(crop, dtype=np.float32)
    left_knee = points[15, 0] < points[9, 0]
    if left_knee:
        pixels, points = pixels[:, ::-1], np.stack([pixels.shape[1] - 1 - points[:, 0], points[:, 1]], axis=1)
        right_edge = canvas.left_mm + (canvas.columns - 1) * canvas.spacing_mm
        canvas = replace(canvas, left_mm=(pixels.shape[1] - 1) * spacing - right_edge)
    factor = max(1, int(canvas.spacing_mm / spacing + 0.1))
    if factor > 1:
        pixels = _block_means(pixels, factor)
        points = (points - (factor - 1) / 2) / factor
        offset = (factor - 1) / 2 * spacing
        canvas = replace(canvas, left_mm=canvas.left_mm - offset, top_mm=canvas.top_mm - offset)
        spacing *= factor
    knee = smooth_crop(np.ascontiguousarray(pixels), points, spacing, rng)
    image = _continue_right_leg(knee, canvas, medial_reach_mm, rng)
    return Leg(np.ascontiguousarray(image[:, ::-1]) if left_knee else image, knee.air, knee.soft, knee.bone)


def check_crop(
    crop: np.ndarray, landmarks_px: np.ndarray, spacing_mm: float | Sequence[float]
) -> tuple[np.ndarray, float]:
    """Check a crop, its landmarks and its spacing.

    Returns:
        (16, 2) float64 landmarks, and the size of a pixel in mm.

    Raises:
        KneeBundleError: if one of them cannot be used.
    """
    points = np.asarray(landmarks_px, dtype=np.float64)
    spacings = np.atleast_1d(np.asarray(spacing_mm, dtype=np.float64))
    if np.ndim(crop) != 2 or min(crop.shape) < 32:
        raise KneeBundleError(f"the crop has shape {np.shape(crop)}; one grey image of at least 32 x 32 is needed")
    if points.shape != (16, 2):
        raise KneeBundleError(f"the knee's landmarks have shape {points.shape}; (16, 2) is needed")
    if not (np.isfinite(points).all() and np.isfinite(crop).all()):
        raise KneeBundleError("the crop or its landmarks hold values that are not finite numbers; leave this knee out")
    if not (np.isfinite(spacings).all() and (spacings > 0).all() and np.ptp(spacings) < 1e-3 * spacings[0]):
        raise KneeBundleError(f"the crop's spacing is {spacing_mm} mm; one positive size of square pixels is needed")
    return points, float(spacings[0])


def _block_means(pixels: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = pixels.shape[0] // factor, pixels.shape[1] // factor
    blocks = pixels[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _continue_right_leg(
    knee: CroppedKnee, canvas: Canvas, medial_reach_mm: float, rng: np.random.Generator
) -> np.ndarray:
    x, y = canvas.x_mm[None, :], canvas.y_mm[:, None]
    femur, tibia = draw_femur_shaft(knee, y, rng), draw_tibia_shaft(knee, y, rng)
    skin_left, skin_right = (
        draw_skin(knee, canvas.y_mm, -1, rng)[:, None],
        draw_skin(knee, canvas.y_mm, 1, rng)[:, None],
    )
    skin_right = np.minimum(skin_right, knee.points_mm[4, 0] + medial_reach_mm)
    soft = chord(x, skin_left, skin_right)

    source_x = warp_to_edge(warp_to_edge(x, femur), tibia)
    source_y = np.clip(y, 0, knee.height_mm)
    beyond = np.maximum(femur.beyond, tibia.beyond)
    inside_x = np.clip(x, 0, knee.width_mm)
    aside = np.abs(x - inside_x)
    away = np.hypot(beyond, aside)

    ratio = np.minimum(soft / np.maximum(chord(inside_x, skin_left, skin_right), 0.15), 1.0)
    near, coarse, noise = sample_mm([knee.near, knee.coarse, knee.amplitude], source_x, source_y, knee.spacing_mm)
    level = near + smoothstep(away / 20.0) * (coarse - near)
    level += smoothstep(aside / 8.0) * (extend_flesh(knee, x, source_y) - level)
    continued = knee.air + (level - knee.air) * ratio

    flesh = (knee.soft - knee.air) * rng.uniform(0.7, 1.0)
    far_flesh = knee.air + flesh * soft**0.6 * _muscles(canvas, rng)
    drawn = knee.air + (np.minimum(level, knee.soft) - knee.air) * ratio
    drawn += smoothstep(away / rng.uniform(40.0, 100.0)) * (far_flesh - drawn)
    drawn += (knee.bone - knee.air - flesh) * draw_bone_thickness(
        x, femur, tibia, draw_fibula_shaft(knee, y, tibia, rng), rng
    )
    weight = smoothstep(away / rng.uniform(14.0, 32.0))
    image = continued + weight * (drawn - continued)
    amplitude = noise * (0.25 + 0.75 * np.minimum(ratio, soft + 0.2)) * (1 - 0.5 * weight)
    outside = np.maximum(beyond, aside)
    depth = np.minimum(np.minimum(x, knee.width_mm - x), np.minimum(y, knee.height_mm - y))
    real = 1 - smoothstep((np.where(outside > 0, outside, -depth) + rng.uniform(2, 5)) / rng.uniform(7, 14))
    drawn_detail = amplitude * _texture(knee, canvas, rng) * np.sqrt(1 - real**2)
    return image + drawn_detail + real * _mirrored_detail(knee, canvas, source_x, amplitude, outside > 0)


def _mirrored_detail(
    knee: CroppedKnee, canvas: Canvas, source_x: np.ndarray, amplitude: np.ndarray, outside: np.ndarray
) -> np.ndarray:
    """What the crop shows more than its smooth version, at the canvas's spacing; mirrored and tamed beyond its edge."""
    pixels, width, height = knee.pixels, knee.width_mm, knee.height_mm
    if canvas.spacing_mm > knee.spacing_mm:
        sigma = 0.45 * np.sqrt((canvas.spacing_mm / knee.spacing_mm) ** 2 - 1)
        pixels = ndimage.gaussian_filter(pixels, sigma, mode="nearest")
    y = canvas.y_mm[:, None]
    folded_x = width - np.abs(width - np.abs(source_x))
    folded_y = height - np.abs(height - np.abs(y))
    fine = sample_mm([pixels], folded_x, folded_y, knee.spacing_mm, mode="bicubic")[0]
    detail = fine - sample_mm([knee.near], folded_x, folded_y, knee.spacing_mm)[0]
    return np.where(outside, np.clip(detail, -2 * amplitude, 2 * amplitude), detail)


def _texture(knee: CroppedKnee, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit variance with the power spectrum of the crop's fine detail, at the canvas's spacing."""
    period = 256
    spacing = canvas.spacing_mm
    left, top, right, bottom = _tibial_patch(knee)
    x = np.arange(left, right, spacing, dtype=np.float32)[None, :period]
    y = np.arange(top, bottom, spacing, dtype=np.float32)[:period, None]
    detail, amplitude = sample_mm([knee.pixels - knee.near, knee.amplitude], x, y, knee.spacing_mm)
    window = np.hanning(y.size)[:, None] * np.hanning(x.size)[None, :]
    patch = np.clip(detail / np.maximum(amplitude, 1e-3 * abs(knee.bone) + 1e-6), -2.5, 2.5) * window
    power = np.abs(np.fft.rfft2(patch, (period, period)))
    power = ndimage.gaussian_filter(power, period / min(patch.shape), mode="wrap")
    white = np.fft.rfft2(rng.standard_normal((period, period)))
    tile = np.fft.irfft2(white * power, (period, period)).astype(np.float32)
    tile /= max(float(tile.std()), 1e-12)
    shift = rng.integers(0, period, 2)
    tile = np.roll(tile, shift, axis=(0, 1))
    return np.tile(tile, (-(-canvas.rows // period), -(-canvas.columns // period)))[: canvas.rows, : canvas.columns]


def _tibial_patch(knee: CroppedKnee) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in mm of spongy bone below the plateau; at least 15 mm high and wide."""
    inner = np.sort(knee.points_mm[[1, 7], 0])
    bottom = knee.height_mm
    top = min(float(knee.points_mm[:9, 1].max()) + 5, bottom - 15)
    left = float(np.clip(inner[0] + 8, 0, knee.width_mm - 15))
    return left, max(top, 0.0), float(np.clip(inner[1] - 8, left + 15, knee.width_mm)), bottom


def _muscles(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """A factor around 1 that varies slowly, mostly across the leg."""
    rows = max(3, int(canvas.rows * canvas.spacing_mm / 60) + 2)
    columns = max(4, int(canvas.columns * canvas.spacing_mm / 14) + 2)
    coarse = torch.from_numpy(rng.normal(1.0, 0.07, (1, 1, rows, columns)).astype(np.float32))
    fine = torch.nn.functional.interpolate(coarse, (canvas.rows, canvas.columns), mode="bicubic", align_corners=True)
    return np.asarray(fine[0, 0].numpy())
