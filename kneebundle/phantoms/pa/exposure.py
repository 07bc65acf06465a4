"""From attenuation to the grey values of a PA knee: soft tissue, texture, blur, noise, processing, collimation."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from kneebundle.phantoms.pa.fields import Grid
from kneebundle.phantoms.thickness import round_thickness

__all__ = ["MAXIMUM", "develop", "draw_soft_tissue", "draw_texture"]

MAXIMUM = 4095.0
"""Largest grey value of a drawn knee."""


def _unit_noise(shape: tuple[int, int], rng: np.random.Generator, sigma_px: tuple[float, float]) -> np.ndarray:
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, sigma_px, truncate=3.0)
    return noise / (noise.std() + 1e-9)


def draw_texture(grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Draw the relative thickness of the trabecular bone: vertical streaks, stronger medially, and a fine net.

    Returns:
        (size, size), mean about 0.
    """
    shape, step = (grid.size, grid.size), grid.step_mm
    streaks = _unit_noise(shape, rng, (rng.uniform(0.9, 1.8) / step, 0.28 / step))
    net = _unit_noise(shape, rng, (0.35 / step, 0.28 / step))
    coarse = Grid(int(grid.size * step / 2) + 2, 2.0, grid.origin)
    patches = grid.resample(_unit_noise((coarse.size, coarse.size), rng, (3.0, 1.5)), coarse)
    strength = rng.uniform(0.3, 1.0)
    medial = (1.0 + 0.35 * np.tanh(grid.x / 20.0))[None, :]
    return strength * (0.08 * streaks * medial + 0.12 * net) * (1 + 0.3 * patches) + 0.07 * patches


def draw_soft_tissue(grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Draw the attenuation of the limb without its bones.

    Beside the joint it is a little denser than in front of the joint space, as radiographs of the OAI show it after
    processing.

    Returns:
        (size, size) float32: 0 in the air, about 1.2 in the middle.
    """
    y = grid.y
    coarse = Grid(max(8, int(grid.size * grid.step_mm / 2) + 2), 2.0, grid.origin)
    clouds = grid.resample(_unit_noise((coarse.size, coarse.size), rng, (5.0, 1.5)), coarse)
    half = rng.normal(55, 4)
    fat = rng.uniform(3, 9)
    total = np.zeros((grid.size, grid.size), dtype=np.float32)
    depth = np.full_like(total, np.inf)
    for sign in (-1.0, 1.0):
        edge = (
            half
            + rng.normal(0, 2.5)
            + 0.0016 * (y - rng.normal(5, 8)) ** 2 * rng.uniform(0.2, 1.0)
            - rng.normal(0.05, 0.05) * y
        )
        depth = np.minimum(depth, edge[:, None] - sign * grid.x[None, :])
    total += 0.3 * round_thickness(depth, 25.0) + 0.9 * round_thickness(depth - fat, 30.0)
    beside = 0.5 + 0.5 * np.tanh((np.abs(grid.x) - rng.uniform(40.0, 44.0)) / 2.5)
    at_joint = np.exp(-((y / 45.0) ** 2))
    total += rng.uniform(0.15, 0.5) * at_joint[:, None] * beside[None, :] * round_thickness(depth - 2.0, 10.0)
    return (total * (1 + 0.025 * clouds)).astype(np.float32)


def develop(attenuation: np.ndarray, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Turn attenuation into the grey values of a radiograph, bone bright.

    Beer-Lambert's law enters as the noise: the less light comes through, the more of it is left after taking the
    logarithm.

    Returns:
        (size, size) float32, whole numbers from 0 to ``MAXIMUM``.
    """
    step = grid.step_mm
    density = ndimage.gaussian_filter(attenuation, rng.uniform(0.2, 0.45) / step, truncate=3.0)
    grain = _unit_noise(density.shape, rng, (0.18 / step, 0.18 / step))
    density += rng.uniform(0.01, 0.05) * np.exp(0.45 * (density - 1.5)) * grain
    density = _process(density, grid, rng)
    grey = _display(density, grid, rng)
    grey *= _collimation(grid, rng)
    return np.rint(np.clip(grey, 0, 1) * MAXIMUM).astype(np.float32)


def _process(density: np.ndarray, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Flatten coarse differences and sharpen fine ones, as radiography systems do; one image in eight is left."""
    if rng.random() < 0.125:
        return density
    coarse_step = max(1, int(round(1.5 / grid.step_mm)))
    small = density[::coarse_step, ::coarse_step]
    sigma = rng.uniform(4.5, 10) / (coarse_step * grid.step_mm)
    blurred = ndimage.gaussian_filter(small, sigma, mode="nearest")
    coarse = Grid(len(small), grid.step_mm * coarse_step, grid.origin)
    fine = density - ndimage.gaussian_filter(density, 0.9 / grid.step_mm, truncate=3.0)
    return density - rng.uniform(0.4, 0.75) * grid.resample(blurred, coarse) + rng.uniform(0.2, 1.2) * fine


def _display(density: np.ndarray, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Window and gamma, chosen on the part around the joint."""
    middle = density[np.ix_(np.abs(grid.y) < 45, np.abs(grid.x) < 45)][::3, ::3]
    low, high = np.percentile(middle, [1.0, 99.5])
    span = high - low
    low, high = low - span * rng.uniform(0.05, 0.45), high + span * rng.uniform(-0.1, 0.25)
    gamma = np.exp(rng.normal(0, 0.25))
    return np.clip((density - low) / (high - low), 0, 1) ** gamma


def _collimation(grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """1 inside the diaphragm; in one image of five some of its edges are seen, at least 52 mm from the joint."""
    light = np.ones((grid.size, grid.size), dtype=np.float32)
    edges, tilt = rng.uniform(52, 90, 4), rng.normal(0, 0.01)
    if rng.random() > 0.2:
        return light
    across, along = grid.x[None, :] + tilt * grid.y[:, None], grid.y[:, None] - tilt * grid.x[None, :]
    for distance in (across + edges[0], edges[1] - across, along + edges[2], edges[3] - along):
        light *= 0.02 + 0.98 * np.clip(distance / 0.6 + 0.5, 0, 1)
    return light
