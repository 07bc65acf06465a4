"""Drawn radiographs of left hands with 37 exact landmarks."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from kneebundle.landmarks import HAND, Landmarks
from kneebundle.measurements.hand_shape import load_hand_shape
from kneebundle.phantoms.artefacts import Window, blend, draw_text, find_place
from kneebundle.phantoms.exposure import expose
from kneebundle.phantoms.hand.bones import Bone, draw_hand_bones
from kneebundle.phantoms.thickness import round_thickness
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.grid_size import count_pixels

__all__ = ["draw_hand"]

_FINE = 2  # outlines are filled on a finer grid
_SOFT_MM = 1.0  # grid of the flesh


def draw_hand(rng: np.random.Generator, spacing_mm: float = 0.6) -> tuple[Radiograph, Landmarks]:
    """Draw a radiograph of a left hand, thumb to the right.

    The landmarks come from the shape model of 910 annotated hands; the bones are laid around them
    (``draw_hand_bones``). Age is drawn from infant to adult: it decides how far the carpals are grown and whether the
    growth plates are open, not the shape. Collimation, margins, a letter, a step wedge and exposure are drawn as well.

    Args:
        rng: the only source of randomness: the same state gives the same pixels.
        spacing_mm: size of a pixel; the wrist's two ends are 50 mm apart.

    Returns:
        The radiograph, grey values from 0 to 4095, and the landmarks in its pixels.
    """
    shape = load_hand_shape()
    points = _turn(shape.draw(rng), np.deg2rad(rng.normal(0, 1.5 * shape.rotation_deg)))
    low, high = points.min(axis=0), points.max(axis=0)
    start = low - (rng.uniform(6, 35), rng.uniform(10, 35))
    end = high + (rng.uniform(6, 35), rng.uniform(4, 60) if rng.random() < 0.7 else rng.uniform(4, 15))
    count_pixels((float(end[1] - start[1]), float(end[0] - start[0])), (spacing_mm, spacing_mm), "the hand")
    columns, rows = np.ceil((end - start) / spacing_mm).astype(int)
    points_px = (points - start) / spacing_mm
    canvas = np.zeros((rows, columns), dtype=np.float32)
    maturity = rng.uniform(0.2, 1)
    texture = _draw_texture(canvas.shape, spacing_mm, rng)
    for bone in draw_hand_bones(points, maturity, rng):
        _add_bone(canvas, bone, start, spacing_mm, texture)
    flesh = _draw_flesh(points, canvas.shape, start, spacing_mm, rng)
    image = 0.2 + 0.8 * expose(flesh * rng.uniform(0.5, 1.1) + canvas * rng.uniform(0.6, 1.1), spacing_mm, rng)
    image = _add_artefacts(image, points_px, spacing_mm, rng)
    pixels = np.clip(image, 0, 1.2) * (4095 / 1.2)
    return Radiograph(pixels, (spacing_mm, spacing_mm)), Landmarks(points_px, landmark_set=HAND)


def _turn(points: np.ndarray, angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def _draw_texture(shape: tuple[int, ...], spacing_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Relative thickness of trabecular bone, mean 0."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    fine = ndimage.gaussian_filter(noise, (0.8 / spacing_mm, 0.45 / spacing_mm))
    coarse = ndimage.gaussian_filter(noise, 2.5 / spacing_mm)
    return rng.uniform(0.03, 0.12) * fine / fine.std() + rng.uniform(0.03, 0.1) * coarse / coarse.std()


def _add_bone(canvas: np.ndarray, bone: Bone, start: np.ndarray, spacing_mm: float, texture: np.ndarray) -> None:
    """Add a bone's attenuation to the canvas, in the window that it fills."""
    outline = (bone.outline - start) / spacing_mm
    size = np.array(canvas.shape[::-1])
    low = np.clip(np.floor(outline.min(axis=0)).astype(int) - 1, 0, size)
    high = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 2, 0, size)
    if (high - low < 2).any():
        return
    distance = _measure_depth(outline - low, tuple((high - low)[::-1])) * spacing_mm
    body = round_thickness(distance, bone.depth_mm)
    wall = body - round_thickness(distance - bone.cortex_mm, bone.depth_mm)
    x = (np.arange(low[0], high[0]) * spacing_mm + start[0])[None, :]
    y = (np.arange(low[1], high[1]) * spacing_mm + start[1])[:, None]
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    value = bone.strength * (0.45 * body * (1 + texture[window]) + 0.75 * wall)
    for at, axis, darkness in bone.plates:
        along = (x - at[0]) * axis[0] + (y - at[1]) * axis[1]
        across = (x - at[0]) * -axis[1] + (y - at[1]) * axis[0]
        line = along + 0.6 * np.cos(across / 3.0)
        value *= 1 - darkness * np.exp(-0.5 * (line / 0.75) ** 2)
        if darkness > 0:  # the shaft ends in a bright line
            value *= 1 + 0.25 * np.exp(-0.5 * ((np.abs(line) - 1.8) / 0.6) ** 2)
    canvas[window] += value.astype(np.float32)


def _measure_depth(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Distance to the outline in pixels, 0 outside."""
    mask = Image.new("1", (shape[1] * _FINE, shape[0] * _FINE))
    ImageDraw.Draw(mask).polygon([tuple(p) for p in (outline + 0.5) * _FINE - 0.5], fill=1)
    padded = np.pad(np.array(mask, dtype=bool), _FINE, mode="edge")
    distance = ndimage.distance_transform_edt(padded)[_FINE:-_FINE, _FINE:-_FINE] / _FINE
    return distance.reshape(shape[0], _FINE, shape[1], _FINE).mean(axis=(1, 3))


def _draw_flesh(
    points: np.ndarray, shape: tuple[int, ...], start: np.ndarray, spacing_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Thickness of the soft tissue, about 1 in the palm."""
    coarse = tuple(int(np.ceil(length * spacing_mm / _SOFT_MM)) + 1 for length in shape)
    plump = rng.uniform(0.85, 1.25)
    image = Image.new("L", (coarse[1], coarse[0]))
    pen = ImageDraw.Draw(image)

    def place(where: np.ndarray) -> list[tuple[float, ...]]:
        return [tuple(p) for p in (where - start) / _SOFT_MM]

    for name, ids in HAND.outlines:
        if name in ("thumb", "index", "middle", "ring", "little"):
            radius = plump * (9.0 if name != "little" else 7.5) * (1.1 if name == "thumb" else 1.0)
            for first, last in zip(ids[1:], ids[2:], strict=False):
                _draw_capsule(pen, place(points[[first, last]]), radius / _SOFT_MM)
    along = np.array([points[0, 1] - points[4, 1], points[4, 0] - points[0, 0]])
    along = along / np.linalg.norm(along)
    across = np.array([along[1], -along[0]])
    edge = plump * 9.0
    palm = [
        points[33] - across * edge,
        points[33] - along * 4,
        points[25] - along * 4,
        points[21] + across * edge - along * 2,
        points[18] - along * 6,
        points[18] + across * edge * 0.8 + along * 4,
        points[17] + across * edge,
        points[4] + across * edge * 0.8,
        points[4] + across * edge * 0.5 + along * 150,
        points[0] - across * edge * 0.5 + along * 150,
        points[0] - across * edge * 0.8,
        points[13] - across * edge * 1.5,
    ]
    pen.polygon(place(np.array(palm)), fill=255)
    inside = np.pad(np.array(image) > 0, 12, mode="edge")
    distance = ndimage.distance_transform_edt(inside)[12:-12, 12:-12] * _SOFT_MM
    thick = round_thickness(distance, rng.uniform(14, 22))
    thick = ndimage.gaussian_filter(thick, 1.2)
    ratio = spacing_mm / _SOFT_MM
    return ndimage.affine_transform(
        thick.astype(np.float32), [ratio, ratio], output_shape=shape, order=1, mode="nearest"
    )


def _draw_capsule(pen: ImageDraw.ImageDraw, ends: list[tuple[float, ...]], radius: float) -> None:
    pen.line(ends, fill=255, width=max(1, round(2 * radius)))
    for x, y in ends:
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)


def _add_artefacts(image: np.ndarray, points_px: np.ndarray, spacing_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Add a letter, a plate or a step wedge away from the hand, and a shutter's edge."""
    low, high = (float(v) for v in np.percentile(image[::3, ::3], (1, 99.5)))
    low -= rng.uniform(0, 0.25)
    if rng.random() < 0.4:
        text = str(rng.choice(["L", "LT", "L 12", "AP", "20 NOV", "1234"]))
        mask = draw_text(text, int(rng.uniform(5, 14) / spacing_mm), float(rng.normal(0, 8)), bool(rng.random() < 0.1))
        _stamp(image, mask, rng.choice([low, high]), points_px, 12 / spacing_mm, rng)
    if rng.random() < 0.4:
        height, width = rng.uniform(20, 55) / spacing_mm, rng.uniform(6, 25) / spacing_mm
        mask = np.ones((int(height), int(width)), dtype=np.float32)
        if rng.random() < 0.5:
            mask *= np.linspace(0.1, 1, len(mask), dtype=np.float32)[:: rng.choice([-1, 1]), None]
        _stamp(image, mask, rng.choice([low, high, high]), points_px, 12 / spacing_mm, rng)
    for edge in range(4):
        if rng.random() < 0.12:
            room = [points_px[:, 1].min(), image.shape[0] - points_px[:, 1].max()]
            room += [points_px[:, 0].min(), image.shape[1] - points_px[:, 0].max()]
            width = int(rng.uniform(0, 0.7) * max(room[edge] - 2 / spacing_mm, 0))
            strips = (np.s_[:width], np.s_[len(image) - width :], np.s_[:, :width], np.s_[:, image.shape[1] - width :])
            image[strips[edge]] = low if rng.random() < 0.7 else high
    return image


def _stamp(
    image: np.ndarray, mask: np.ndarray, level: float, points_px: np.ndarray, margin: float, rng: np.random.Generator
) -> None:
    """Blend a mask into the image at a random place off the landmarks, if a few tries find one."""

    def is_off_the_hand(window: Window) -> bool:
        rows, columns = window
        near = (points_px > (columns.start - margin, rows.start - margin)) & (
            points_px < (columns.stop + margin, rows.stop + margin)
        )
        return not near.all(axis=1).any()

    window = find_place(mask.shape, image.shape, is_off_the_hand, rng)
    if window is not None:
        blend(image, window, mask, level)
