"""From attenuation to the grey of a film: scatter, unsharpness, quantum noise, processing, window, collimation."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from kneebundle.phantoms.lateral.rays import View

__all__ = ["detect", "display", "draw_collimation"]


def draw_collimation(view: View, center_px: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(rows, columns) float32, 1 where the beam reached the film: a slightly turned rectangle that keeps the joint."""
    if rng.random() < 0.6:
        return np.ones((view.rows, view.columns), dtype=np.float32)
    x, y = (pixels * view.spacing_mm for pixels in view.pixels_from(center_px))
    turn, soft = np.deg2rad(rng.normal(0, 2)), rng.uniform(0.2, 1.2)
    across, along = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    light = np.ones((view.rows, view.columns), dtype=np.float32)
    for distance, least in ((across, 60), (-across, 68), (along, 62), (-along, 82)):
        border = least + rng.exponential(35)
        light /= 1 + np.exp(np.clip((distance - border) / soft, -30, 30))
    return light


def detect(attenuation: np.ndarray, view: View, rng: np.random.Generator) -> np.ndarray:
    """Minus the logarithm of what the detector saw: Beer-Lambert's law, scatter, focal spot, detector and noise."""
    arrived = np.exp(-attenuation)
    scatter = _wide_blur(arrived * (1 - arrived), rng.uniform(18, 35) / view.spacing_mm)
    arrived = arrived + rng.uniform(0.05, 0.5) * scatter + 2e-4
    arrived = ndimage.gaussian_filter(arrived, rng.uniform(0.15, 0.5) / view.spacing_mm, truncate=3.0)
    grain = rng.standard_normal(arrived.shape, dtype=np.float32)
    if rng.random() < 0.5:
        grain = ndimage.gaussian_filter(grain, 0.6) * 2.1
    arrived = arrived + rng.uniform(0.0015, 0.007) * np.sqrt(arrived) * grain
    return -np.log(np.maximum(arrived, 1e-4))


def display(
    density: np.ndarray, view: View, bone: np.ndarray, light: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Grey from 0 to 1, bone bright: processing, a window set on the joint, gamma, shutters.

    Args:
        density: as `detect` gives it.
        bone: (rows, columns) bool, where bones are.
        light: from :func:`draw_collimation`.
    """
    if rng.random() < 0.85:
        broad = _wide_blur(density, rng.uniform(8, 22) / view.spacing_mm)
        fine = density - ndimage.gaussian_filter(density, 1.2 / view.spacing_mm, truncate=3.0)
        density = density - rng.uniform(0.1, 0.55) * broad + rng.uniform(0, 0.9) * fine
    low, middle, high = np.percentile(density[bone & (light > 0.5)][::3], [0.5, 50, 99.5])
    span = high - low
    low, high = low - span * rng.uniform(0.1, 0.9), high + span * rng.uniform(-0.1, 0.3)
    grey = np.clip((density - low) / (high - low), 0, 1) ** np.exp(rng.normal(0, 0.25))
    shutter = 0.0 if rng.random() < 0.75 else rng.uniform(0.7, 1.0)
    return (shutter + light * (grey - shutter)).astype(np.float32)


def _wide_blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """A wide Gaussian blur, done on a coarse copy."""
    step = max(1, int(sigma_px / 3))
    rows, columns = image.shape
    small = ndimage.gaussian_filter(image[::step, ::step], sigma_px / step, mode="nearest", truncate=3.0)
    places = np.meshgrid(np.arange(rows) / step, np.arange(columns) / step, indexing="ij")
    return ndimage.map_coordinates(small, places, order=1, mode="nearest")
