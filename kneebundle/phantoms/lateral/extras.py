"""What else can be in the beam: a measuring sphere, a fabella, a screw; and letters laid on the film."""

from __future__ import annotations

import numpy as np

from kneebundle.measurements.calibration_sphere import DIAMETER_MM, Sphere
from kneebundle.phantoms.artefacts import blend, draw_text, find_place
from kneebundle.phantoms.lateral.attenuation import Tissues
from kneebundle.phantoms.lateral.rays import View
from kneebundle.phantoms.lateral.scene import Scene

__all__ = ["add_letters", "draw_fabella", "draw_screw", "draw_sphere", "place_sphere"]

_STEEL = 0.9
"""Attenuation of steel per mm, enough to let nothing through."""


def place_sphere(view: View, taken: np.ndarray, rng: np.random.Generator) -> Sphere | None:
    """Place a measuring sphere somewhere beside the bones, its middle in the plane of the pixel size.

    Args:
        view: the film.
        taken: (rows, columns) bool, where bones or shutters are; a tenth of the sphere may lie before them.
    """
    radius = DIAMETER_MM / 2 / view.spacing_mm
    u, v = np.arange(view.columns), np.arange(view.rows)
    for _ in range(20):
        x, y = rng.uniform(radius, view.columns - 1 - radius), rng.uniform(radius, view.rows - 1 - radius)
        disc = (u[None, :] - x) ** 2 + (v[:, None] - y) ** 2 <= radius**2
        if taken[disc].mean() <= 0.1:
            return Sphere(float(x), float(y), radius)
    return None


def draw_sphere(sphere: Sphere, view: View) -> np.ndarray:
    """(rows, columns) attenuation of a sphere of steel."""
    u, v = view.pixels_from((sphere.x, sphere.y))
    square = u**2 + v**2
    path = 2 * np.sqrt(np.maximum(sphere.radius_px**2 - square, 0)) * view.spacing_mm
    return (_STEEL * path).astype(np.float32)


def draw_fabella(scene: Scene, view: View, tissue: Tissues, rng: np.random.Generator) -> np.ndarray:
    """A little bone behind the lateral condyle."""
    radius = scene.femur.radius
    place = np.array([[-radius - rng.uniform(4, 8), -rng.uniform(0.5, 1.0) * radius, scene.femur.side]])
    x, y = view.to_px(scene.femur_pose(place))[0]
    half = rng.uniform(2.0, 4.5) / view.spacing_mm
    angle, long = rng.uniform(0, np.pi), rng.uniform(1.2, 1.7)
    u, v = view.pixels_from((x, y))
    a, b = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    path = 2 * half * view.spacing_mm * np.sqrt(np.maximum(1 - (a / (long * half)) ** 2 - (b / half) ** 2, 0))
    return (0.7 * (tissue.cortex - tissue.muscle) * path).astype(np.float32)


def draw_screw(scene: Scene, view: View, rng: np.random.Generator) -> np.ndarray:
    """A screw in femur or tibia, as after the repair of a ligament: a rod with a thread."""
    pose, low, high = [
        (scene.femur_pose, (2, -35, -20), (22, -2, 20)),
        (scene.tibia_pose, (-12, 14, -15), (14, 50, 15)),
    ][int(rng.random() < 0.6)]
    direction = rng.normal(size=3)
    half = rng.uniform(9, 18) * direction / np.linalg.norm(direction)
    middle = rng.uniform(low, high)
    start, end = view.to_px(pose(np.stack([middle - half, middle + half])))
    way = end - start
    length, radius = float(np.hypot(*way)) + 1e-6, rng.uniform(2.0, 4.0) / view.spacing_mm
    u, v = view.pixels_from(start)
    along = (u * way[0] + v * way[1]) / length
    across = np.abs(u * way[1] - v * way[0]) / length
    pitch = 2.2 / view.spacing_mm
    reach = radius * (0.8 + 0.2 * np.sin(2 * np.pi * along / pitch))
    path = 2 * np.sqrt(np.maximum(reach**2 - across**2, 0)) * view.spacing_mm
    return (0.5 * path * ((along > 0) & (along < length))).astype(np.float32)


def add_letters(grey: np.ndarray, taken: np.ndarray, spacing_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Bright letters (a side, a number) where no bone is; ``grey`` (rows, columns) runs from 0 to 1."""
    for _ in range(int(rng.integers(0, 3))):
        text = str(rng.choice(["R", "L", "RT", "LT", "R LAT", "L LAT", "1", "12", "AB"]))
        height = rng.uniform(7, 18) if len(text) < 3 else rng.uniform(5, 9)
        mask = draw_text(text, int(height / spacing_mm), float(rng.normal(0, 8)), bool(rng.random() < 0.15))
        window = find_place(mask.shape, grey.shape, lambda part: not taken[part].any(), rng, tries=10)
        if window is not None:
            blend(grey, window, mask, rng.uniform(0.75, 1.0))
    return grey
