"""Windows of radiographs for training: cut, turned and scaled in one interpolation, and given other looks.

Radiographs are kept as ``uint8`` at 1 mm (:class:`TrainingFilm`), so that a thousand of them fit into memory and a
window costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from kneebundle.radiograph import Radiograph
from kneebundle.transforms.resample import resample_to_spacing

__all__ = [
    "TrainingFilm",
    "TrainingKnee",
    "change_looks",
    "cut_window",
    "make_training_film",
    "normalize_window",
    "to_bytes",
    "to_film",
    "to_window",
]


class TrainingKnee(NamedTuple):
    """One knee of a radiograph.

    Attributes:
        side: ``"R"``, ``"L"``, or ``"?"`` where it is not known.
        kind: ``"native"``, ``"implant"``, or ``"rough"`` for a native knee whose joint is known roughly.
        points: (N, 2) in pixels of the radiograph; the joint is point 4 of 16, or the only one.
    """

    side: str
    kind: str
    points: np.ndarray

    @property
    def joint(self) -> np.ndarray:
        """(2,) the tibial centre."""
        return np.asarray(self.points[4] if len(self.points) == 16 else self.points[0], dtype=np.float64)


class TrainingFilm(NamedTuple):
    """A radiograph at 1 mm: pixels (rows, columns) uint8, 0 where there is none; its knees."""

    pixels: np.ndarray
    knees: tuple[TrainingKnee, ...]


def make_training_film(radiograph: Radiograph, knees: Iterable[tuple[str, str, np.ndarray]]) -> TrainingFilm:
    """Resample a radiograph to 1 mm.

    Args:
        radiograph: of any spacing.
        knees: side, kind and points (N, 2) in pixels of the radiograph, as in :class:`TrainingKnee`.
    """
    pixels = resample_to_spacing(radiograph.to_metatensor(), (1.0, 1.0)).numpy()[0]
    to_mm = np.array(radiograph.spacing_mm[::-1])
    moved = []
    for side, kind, points in knees:
        at_mm = np.asarray(points) * to_mm - (1 - to_mm) / 2  # the corner of the first pixel stays where it is
        moved.append(TrainingKnee(side, kind, at_mm.astype(np.float32)))
    return TrainingFilm(to_bytes(pixels), tuple(moved))


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """Grey values (rows, columns) as uint8 from 1 to 255, all but the extreme thousandths; NaN is 0."""
    finite = np.isfinite(pixels)
    low, high = np.percentile(pixels[finite], (0.1, 99.9)) if finite.any() else (0.0, 1.0)
    grey = np.clip((np.nan_to_num(pixels) - low) / max(high - low, 1e-6), 0, 1) * 254 + 1
    return np.where(finite, grey, 0).astype(np.uint8)


def _matrix(angle_deg: float, scale: float) -> np.ndarray:
    a = np.deg2rad(angle_deg)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) / scale


def to_window(
    points: np.ndarray, center: np.ndarray, size: tuple[int, int], angle_deg: float, scale: float
) -> np.ndarray:
    """Move points (N, 2) of a radiograph to a window that :func:`cut_window` cuts with the same arguments."""
    middle = (np.array(size[::-1], dtype=np.float64) - 1) / 2
    return (np.asarray(points, dtype=np.float64) - center) @ np.linalg.inv(_matrix(angle_deg, scale)).T + middle


def to_film(
    points: np.ndarray, center: np.ndarray, size: tuple[int, int], angle_deg: float, scale: float
) -> np.ndarray:
    """Move points (N, 2) of a window back to the radiograph."""
    middle = (np.array(size[::-1], dtype=np.float64) - 1) / 2
    return (np.asarray(points, dtype=np.float64) - middle) @ _matrix(angle_deg, scale).T + center


def cut_window(
    pixels: np.ndarray,
    center: np.ndarray,
    size: tuple[int, int],
    angle_deg: float = 0.0,
    scale: float = 1.0,
    columns: tuple[float, float] | None = None,
) -> torch.Tensor:
    """Cut a window out of a radiograph, around a point.

    Args:
        pixels: (rows, columns) uint8, 0 outside.
        center: (x, y) in pixels.
        size: rows and columns of the window.
        angle_deg: by which the radiograph is turned.
        scale: by which it is enlarged.
        columns: first and last column that count; the rest is outside, as where a film is halved.

    Returns:
        (rows, columns) float32 in 0..1, NaN outside the radiograph.
    """
    rows, cols = size
    y, x = np.mgrid[0:rows, 0:cols].astype(np.float32)
    matrix = _matrix(angle_deg, scale).astype(np.float32)
    x, y = x - (cols - 1) / 2, y - (rows - 1) / 2
    fx = matrix[0, 0] * x + matrix[0, 1] * y + float(center[0])
    fy = matrix[1, 0] * x + matrix[1, 1] * y + float(center[1])
    height, width = pixels.shape
    left, top = max(int(fx.min()) - 2, 0), max(int(fy.min()) - 2, 0)
    right, bottom = min(int(fx.max()) + 3, width), min(int(fy.max()) + 3, height)
    if right - left < 2 or bottom - top < 2:
        return torch.full(size, torch.nan)
    part = torch.from_numpy(pixels[top:bottom, left:right].astype(np.float32))[None, None]
    grid = np.stack([(fx - left) * (2 / (right - left - 1)) - 1, (fy - top) * (2 / (bottom - top - 1)) - 1], axis=-1)
    stacked = torch.cat([part, (part > 0).float()], dim=1)
    cut = functional.grid_sample(stacked, torch.from_numpy(grid)[None], padding_mode="zeros", align_corners=True)[0]
    inside = cut[1] > 0.99
    if columns is not None:
        inside &= torch.from_numpy((fx >= columns[0]) & (fx <= columns[1]))
    return torch.where(inside, cut[0] / 255, torch.nan)


def normalize_window(window: torch.Tensor, lower: float = 1.0, upper: float = 99.0) -> torch.Tensor:
    """Scale a window as ``NormalizePercentilesd`` and ``FillOutsided`` do: [-1, 1] between percentiles, 0 outside."""
    values = window[torch.isfinite(window)]
    if values.numel() < 16:
        return torch.zeros_like(window)
    ordered = torch.sort(values[:: max(1, values.numel() // 20000)]).values
    low, high = (float(ordered[round((len(ordered) - 1) * p / 100)]) for p in (lower, upper))
    if high <= low:
        return torch.zeros_like(window)
    return torch.nan_to_num(((window - low) / (high - low)).clamp(0, 1) * 2 - 1, nan=0.0)


def change_looks(window: torch.Tensor, rng: np.random.Generator, invert: float = 0.04) -> torch.Tensor:
    """Give a window (rows, columns) in [-1, 1] another exposure: gamma, contrast, veil, blur, noise, inversion."""
    out = window
    outside = window == 0.0
    if rng.random() < 0.7:
        out = ((out + 1) / 2).clamp(0, 1) ** float(np.exp(rng.uniform(-0.55, 0.55))) * 2 - 1
    if rng.random() < 0.25:
        steep = rng.uniform(1.5, 4)
        out = torch.tanh(steep * (out - rng.uniform(-0.4, 0.4)))
    if rng.random() < 0.12:  # bone as white as metal
        out = (out * rng.uniform(1.2, 2.6) + rng.uniform(-0.3, 0.5)).clamp(-1, 1)
    if rng.random() < 0.4:
        out = out * rng.uniform(0.75, 1.15) + rng.uniform(-0.2, 0.2)
    if rng.random() < 0.3:
        rows, cols = out.shape
        a = rng.uniform(0, 2 * np.pi)
        y, x = torch.linspace(-1, 1, rows)[:, None], torch.linspace(-1, 1, cols)[None]
        out = out + rng.uniform(0, 0.35) * (np.cos(a) * x + np.sin(a) * y)
    if rng.random() < 0.25:
        kernel = torch.tensor([rng.uniform(0.1, 0.33)], dtype=torch.float32)
        side = float(kernel)
        k = torch.tensor([side, 1 - 2 * side, side]).view(1, 1, 3, 1)
        for _ in range(int(rng.integers(1, 4))):
            out = functional.conv2d(out[None, None], k, padding=(1, 0))
            out = functional.conv2d(out, k.transpose(2, 3), padding=(0, 1))[0, 0]
    if rng.random() < 0.5:
        out = out + torch.from_numpy(rng.standard_normal(out.shape, dtype=np.float32)) * rng.uniform(0, 0.12)
    if rng.random() < invert:
        out = -out
    return torch.where(outside, 0.0, out.clamp(-1.3, 1.3))
