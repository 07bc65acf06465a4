"""From the thickness that the rays cross to grey values: scatter, uneven exposure, tone, blur, noise."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

__all__ = ["expose"]


def expose(thickness: np.ndarray, spacing_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Turn a thickness image into the grey values of a radiograph.

    Args:
        thickness: (rows, columns), air 0 and bone about 1.
        spacing_mm: of its pixels.
        rng: draws everything.

    Returns:
        (rows, columns) float32, about 0 to 1.
    """
    rows, columns = thickness.shape
    haze = _smooth(thickness, rng.uniform(12, 35) / spacing_mm)
    image = thickness + rng.uniform(0, 0.35) * haze
    gradient = _plane(rows, columns, rng) * rng.uniform(0, 0.25)
    image = image * (1 + gradient * rng.choice([-1, 1])) + rng.uniform(0, 0.15) * gradient
    if rng.random() < 0.4:
        image = image - rng.uniform(0.3, 0.8) * _smooth(image, rng.uniform(20, 45) / spacing_mm)
    image = _tone(image, rng)
    blur = rng.uniform(0, 0.35) / spacing_mm
    if blur > 0.25:
        image = ndimage.gaussian_filter(image, blur)
    return _noisy(image, spacing_mm, rng)


def _tone(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Window the values to 0..1 and bend them: gamma, perhaps an S-shaped curve."""
    low, high = (float(v) for v in np.percentile(image[::3, ::3], (1, 99.7)))
    low -= rng.uniform(0, 0.1) * (high - low)
    high += rng.uniform(-0.1, 0.35) * (high - low)
    image = np.clip((image - low) / max(high - low, 1e-6), 0, 1.2)
    image = image ** rng.uniform(0.6, 1.7)
    if rng.random() < 0.4:
        steep, middle = rng.uniform(3, 7), rng.uniform(0.35, 0.6)
        ends = 1 / (1 + np.exp(-steep * (np.array([0.0, 1.0]) - middle)))
        image = (1 / (1 + np.exp(-steep * (image - middle))) - ends[0]) / (ends[1] - ends[0])
    floor, ceiling = rng.uniform(0, 0.15), rng.uniform(0.75, 1.0)
    return (floor + (ceiling - floor) * image).astype(np.float32)


def _noisy(image: np.ndarray, spacing_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Quantum noise that is stronger in thick parts; pixels of 0.15 mm carry most of it, those of 1 mm little."""
    strength = rng.uniform(0.004, 0.035) * min(1.0, (0.3 / spacing_mm) ** 0.6)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:
        noise = ndimage.uniform_filter(noise, 2) * 2
    return np.asarray(image + strength * noise * (0.5 + 0.8 * image), dtype=np.float32)


def _plane(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """A gradient in [-1, 1] in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.linspace(-1, 1, rows, dtype=np.float32)[:, None], np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    return np.asarray((np.cos(angle) * x + np.sin(angle) * y) / 1.4143, dtype=np.float32)


def _smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    """A wide Gaussian blur, done on a coarse copy."""
    step = max(1, int(sigma / 4))
    source = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None]
    small = torch.nn.functional.interpolate(source, scale_factor=1 / step, mode="area") if step > 1 else source
    blurred = ndimage.gaussian_filter(small[0, 0].numpy(), sigma / step, mode="nearest")
    wide = torch.nn.functional.interpolate(
        torch.from_numpy(blurred)[None, None], image.shape, mode="bilinear", align_corners=False
    )
    return np.asarray(wide[0, 0].numpy())
