"""What the bones take from the beam beyond the flesh they displace."""

from __future__ import annotations

import numpy as np

from kneebundle.phantoms.lateral.attenuation import Tissues
from kneebundle.phantoms.lateral.rays import Shadow, View
from kneebundle.phantoms.lateral.scene import Scene
from kneebundle.phantoms.lateral.solids import Profile, Rigid

__all__ = ["compute_added_attenuation", "draw_oriented_noise", "draw_spongy_bone"]

# Part of the volume inside the cortex that is bone, along each bone's y in mm: epiphyses are dense, shafts hollow.
_SPONGY = (
    Profile([-140, -90, -60, -30, 0], [0.01, 0.03, 0.08, 0.15, 0.19]),
    Profile([-30, 30], [0.24, 0.24]),
    Profile([0, 8, 25, 60, 110], [0.24, 0.18, 0.11, 0.04, 0.01]),
    Profile([5, 25, 50, 110], [0.17, 0.10, 0.05, 0.02]),
)
_SCAR_MM = (-24.0, None, 17.0, 24.0)
"""y of the closed growth plates, which stay visible as a faint line."""


def compute_added_attenuation(shadow: Shadow, spongy: np.ndarray, tissue: Tissues) -> np.ndarray:
    """Beer-Lambert's exponent of a bone less that of the muscle in its place, (rows, columns).

    The cortex is solid bone; of what lies within, the part ``spongy`` is bone and the rest marrow, half fat and half
    water.
    """
    marrow = (tissue.fat + tissue.muscle) / 2
    inside = spongy * tissue.cortex + (1 - spongy) * marrow - tissue.muscle
    return (tissue.cortex - tissue.muscle) * shadow.cortex_mm + inside * shadow.inside_mm


def draw_spongy_bone(
    scene: Scene, shadows: list[Shadow], view: View, tissue: Tissues, rng: np.random.Generator
) -> np.ndarray:
    """All four bones, with trabecular texture along each bone's axis and the scars of the growth plates."""
    total = np.zeros((view.rows, view.columns), dtype=np.float32)
    density, strength = rng.uniform(0.7, 1.25), rng.uniform(0.3, 1.0)
    for (_, pose), shadow, profile, scar in zip(scene.bones, shadows, _SPONGY, _SCAR_MM, strict=True):
        y = _height(pose, view)
        streaks = draw_oriented_noise(view, pose.rotation[:2, 1], (1.5, 0.4), rng)
        patches = draw_oriented_noise(view, pose.rotation[:2, 1], (4.5, 2.5), rng)
        texture = 1 + strength * (0.14 * streaks + 0.10 * patches)
        if scar is not None:
            texture += rng.uniform(0, 0.35) * np.exp(-(((y - scar - rng.normal(0, 2)) / 0.9) ** 2))
        total += compute_added_attenuation(shadow, np.clip(density * profile(y) * texture, 0, 0.6), tissue)
    return total


def _height(pose: Rigid, view: View) -> np.ndarray:
    """(rows, columns) y of a bone in the middle of each ray, mm."""
    u, v = view.plane_mm()
    back = pose.inverse()
    return back.rotation[1, 0] * u + back.rotation[1, 1] * v + back.shift[1]


def draw_oriented_noise(
    view: View, direction: np.ndarray, sigma_mm: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """(rows, columns) float32 noise of unit spread, its grain ``sigma_mm`` along and across a direction (x, y)."""
    noise = np.fft.rfft2(rng.standard_normal((view.rows, view.columns)).astype(np.float32))
    along = np.asarray(direction, dtype=np.float64) / np.linalg.norm(direction)
    fx = np.fft.rfftfreq(view.columns, view.spacing_mm)[None, :]
    fy = np.fft.fftfreq(view.rows, view.spacing_mm)[:, None]
    a, b = fx * along[0] + fy * along[1], fx * along[1] - fy * along[0]
    power = (2 * np.pi) ** 2 / 2 * ((a * sigma_mm[0]) ** 2 + (b * sigma_mm[1]) ** 2)
    grain = np.fft.irfft2(noise * np.exp(-power), s=(view.rows, view.columns))
    return (grain / (grain.std() + 1e-9)).astype(np.float32)
