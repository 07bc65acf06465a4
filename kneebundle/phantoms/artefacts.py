"""What a radiograph shows besides the patient: collimation, borders, letters, the other leg's flesh."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["add_artefacts", "add_markers", "blend", "collimate", "draw_text", "find_place"]

Window = tuple[slice, slice]


def add_artefacts(
    image: np.ndarray,
    x_mm: np.ndarray,
    y_mm: np.ndarray,
    frame_mm: tuple[float, float, float, float],
    *,
    medial: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw, each with some chance, the other leg, a collimated edge, a border and a letter outside a frame.

    Args:
        image: (rows, columns) float32.
        x_mm, y_mm: (columns,) and (rows,) coordinates of its pixels.
        frame_mm: left, top, right, bottom of what has to stay as it is.
        medial: 1 if the other leg is to the right, -1 if to the left.
        rng: draws everything.

    Returns:
        (rows, columns) float32, equal to ``image`` inside the frame.
    """
    low, high = (float(v) for v in np.percentile(image[::4, ::4], (1, 98)))
    out = image
    if rng.random() < 0.3:
        out = _add_other_leg(out, x_mm, y_mm, frame_mm, medial, high - low, rng)
    if rng.random() < 0.3:
        out = _add_letter(out, x_mm, y_mm, frame_mm, high + rng.uniform(-0.1, 0.4) * (high - low), rng)
    for side in range(4):
        if rng.random() < 0.16:
            out = _add_collimation(out, x_mm, y_mm, frame_mm, side, (low, high), rng)
    return _keep_frame(image, out, x_mm, y_mm, frame_mm)


def draw_text(text: str, height_px: int, angle_deg: float = 0.0, mirrored: bool = False) -> np.ndarray:
    """Draw a text ``height_px`` high, turned and perhaps mirrored (a flipped lead letter).

    Returns:
        (h, w) float32, 0 to 1.
    """
    font = ImageFont.load_default(size=max(6, height_px))
    left, top, right, bottom = font.getbbox(text)
    canvas = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4), 0)
    ImageDraw.Draw(canvas).text((2 - left, 2 - top), text, fill=255, font=font)
    turned = canvas.rotate(angle_deg, expand=True, resample=Image.Resampling.BILINEAR)
    mask = np.asarray(turned, dtype=np.float32) / 255.0
    return mask[:, ::-1] if mirrored else mask


def find_place(
    size: tuple[int, ...],
    shape: tuple[int, ...],
    is_free: Callable[[Window], bool],
    rng: np.random.Generator,
    tries: int = 12,
) -> Window | None:
    """Find a random place for something on an image.

    Args:
        size: rows and columns of what is to be placed.
        shape: rows and columns of the image.
        is_free: whether a place will do.
        rng: draws the places.
        tries: number of places to try.

    Returns:
        Rows and columns, or None if none of the places will do.
    """
    rows, columns = shape[0] - size[0], shape[1] - size[1]
    if rows <= 0 or columns <= 0:
        return None
    for _ in range(tries):
        row, column = int(rng.integers(rows)), int(rng.integers(columns))
        window = (slice(row, row + size[0]), slice(column, column + size[1]))
        if is_free(window):
            return window
    return None


def blend(image: np.ndarray, window: Window, mask: np.ndarray, level: float) -> None:
    """Blend a grey value into a part of an image, in place, as far as the mask (0 to 1) says."""
    part = image[window]
    part += mask * (level - part)


def _fade(distance: np.ndarray) -> np.ndarray:
    """1 far below 0, 0 far above."""
    return 1 / (1 + np.exp(np.clip(distance, -30, 30)))


def _keep_frame(
    image: np.ndarray,
    changed: np.ndarray,
    x_mm: np.ndarray,
    y_mm: np.ndarray,
    frame_mm: tuple[float, float, float, float],
) -> np.ndarray:
    left, top, right, bottom = frame_mm
    rows = slice(*np.searchsorted(y_mm, (top, bottom)))
    columns = slice(*np.searchsorted(x_mm, (left, right)))
    if changed is not image:
        changed[rows, columns] = image[rows, columns]
    return changed


def _add_other_leg(
    image: np.ndarray,
    x_mm: np.ndarray,
    y_mm: np.ndarray,
    frame_mm: tuple[float, float, float, float],
    medial: int,
    contrast: float,
    rng: np.random.Generator,
) -> np.ndarray:
    edge = frame_mm[2] if medial > 0 else frame_mm[0]
    start = edge + medial * (rng.uniform(4, 20) + 8e-4 * (y_mm - rng.uniform(-80, 60)) ** 2)
    depth = np.maximum(medial * (x_mm[None, :] - start[:, None]), 0) / rng.uniform(60, 110)
    return image + (rng.uniform(0.25, 0.7) * contrast * np.sqrt(np.minimum(depth, 1))).astype(np.float32)


def _add_collimation(
    image: np.ndarray,
    x_mm: np.ndarray,
    y_mm: np.ndarray,
    frame_mm: tuple[float, float, float, float],
    side: int,
    grey: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Beyond a line, slightly turned, the image is dim, black or white."""
    left, top, right, bottom = frame_mm
    away, along = [
        (left - x_mm[None, :], y_mm[:, None]),
        (x_mm[None, :] - right, y_mm[:, None]),
        (top - y_mm[:, None], x_mm[None, :]),
        (y_mm[:, None] - bottom, x_mm[None, :]),
    ][side]
    turn = np.tan(np.deg2rad(rng.normal(0, 1.5)))
    distance = away - rng.uniform(5, 30) + turn * (along - float(along.mean()))
    beyond = _fade(-distance / rng.uniform(0.15, 1.5))
    low, high = grey
    level = (
        high + rng.uniform(0, 0.2) * (high - low) if rng.random() < 0.3 else low - rng.uniform(0, 0.2) * (high - low)
    )
    keep = rng.choice([0.0, rng.uniform(0.05, 0.3)])
    return (image + beyond * (1 - keep) * (level - image)).astype(np.float32)


def _add_letter(
    image: np.ndarray,
    x_mm: np.ndarray,
    y_mm: np.ndarray,
    frame_mm: tuple[float, float, float, float],
    level: float,
    rng: np.random.Generator,
) -> np.ndarray:
    left, top, right, bottom = frame_mm

    def is_outside(window: Window) -> bool:
        rows, columns = window
        across = x_mm[columns.stop - 1] < left or x_mm[columns.start] > right
        along = y_mm[rows.stop - 1] < top or y_mm[rows.start] > bottom
        return bool(across or along)

    spacing = float(x_mm[1] - x_mm[0])
    text = str(rng.choice(["R", "L", "PA", "FF", "RT", "LT", "12"]))
    mask = draw_text(text, int(rng.uniform(6, 20) / spacing), float(rng.normal(0, 8)), bool(rng.random() < 0.15))
    window = find_place(mask.shape, image.shape, is_outside, rng)
    if window is None:
        return image
    out = image.copy()
    blend(out, window, mask, level)
    return out


def collimate(
    film: np.ndarray, spacing_mm: float, centers_px: list[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Shutter a bilateral film (rows, columns) to a slightly turned rectangle, 60 mm or more around each knee."""
    rows, columns = film.shape
    if rng.random() < 0.25:
        return film
    low, high = (float(v) for v in np.percentile(film[::4, ::4], (0.5, 99.5)))
    angle, soft = np.deg2rad(rng.normal(0, 1.5)), rng.uniform(0.2, 2.0)
    x = (np.arange(columns, dtype=np.float32) - (columns - 1) / 2)[None, :] * spacing_mm
    y = (np.arange(rows, dtype=np.float32) - (rows - 1) / 2)[:, None] * spacing_mm
    across, along = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    knees = (np.array(centers_px) - ((columns - 1) / 2, (rows - 1) / 2)) * spacing_mm
    open_part = np.ones_like(film)
    for distance, half in ((across, columns * spacing_mm / 2), (along, rows * spacing_mm / 2)):
        spread = knees[:, 0] if distance is across else knees[:, 1]
        for sign in (-1, 1):
            least = float((sign * spread).max()) + 60 + half * abs(np.sin(angle))
            border = max(half - rng.exponential(14), least) if rng.random() < 0.75 else half + 50
            open_part *= _fade((sign * distance - border) / soft)
    white = rng.random() < 0.15
    level = high if white else low - rng.uniform(0, 0.05) * (high - low)
    through = 0.0 if white else rng.choice([0.0, rng.uniform(0, 0.15)])
    return (film + (1 - open_part) * (1 - through) * (level - film)).astype(np.float32)


def add_markers(
    film: np.ndarray, spacing_mm: float, landmarks_px: list[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Add bright letters and small text to a bilateral film, off the knees, and now and then a border strip.

    Args:
        film: (rows, columns) float32, changed in place.
        spacing_mm: of its pixels.
        landmarks_px: (16, 2) of each knee.
        rng: draws everything.

    Returns:
        The film.
    """
    margin = 8 / spacing_mm
    boxes = [(points.min(axis=0) - margin, points.max(axis=0) + margin) for points in landmarks_px]

    def is_off_the_knees(window: Window) -> bool:
        rows, columns = window
        return not any(
            columns.start < high[0] and columns.stop > low[0] and rows.start < high[1] and rows.stop > low[1]
            for low, high in boxes
        )

    texts = [
        str(rng.choice(["R", "L", "RT", "LT", "R PA", "L PA", "1", "RL", "AB"])) for _ in range(rng.integers(0, 3))
    ]
    if rng.random() < 0.3:
        texts.append(str(rng.choice(["PA FLEX", "STANDING", "BILAT PA", "10 DEG", "WEIGHT BEARING", "Z12"])))
    low, high = (float(v) for v in np.percentile(film[::4, ::4], (1, 99.5)))
    for text in texts:
        height = rng.uniform(7, 22) if len(text) < 3 else rng.uniform(4, 9)
        mask = draw_text(text, int(height / spacing_mm), float(rng.normal(0, 6)), bool(rng.random() < 0.1))
        window = find_place(mask.shape, film.shape, is_off_the_knees, rng)
        if window is not None:
            if rng.random() < 0.15:
                film[window] = low if rng.random() < 0.6 else 0.5 * (low + high)
            blend(film, window, mask, high + rng.uniform(-0.1, 0.2) * (high - low))
    return _add_border_strips(film, spacing_mm, (low, high), landmarks_px, rng)


def _add_border_strips(
    film: np.ndarray,
    spacing_mm: float,
    grey: tuple[float, float],
    landmarks_px: list[np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Add plain strips along the film's edges, as printers and viewers leave them; never over a knee."""
    rows, columns = film.shape
    every = np.concatenate(landmarks_px)
    room = [every[:, 1].min(), rows - 1 - every[:, 1].max(), every[:, 0].min(), columns - 1 - every[:, 0].max()]
    for edge in range(4):
        if rng.random() < 0.07:
            width = int(min(rng.exponential(8) / spacing_mm, max(room[edge] - 30 / spacing_mm, 0)))
            value = grey[int(rng.random() < 0.4)]
            strip = [
                (slice(0, width), slice(None)),
                (slice(rows - width, rows), slice(None)),
                (slice(None), slice(0, width)),
                (slice(None), slice(columns - width, columns)),
            ][edge]
            film[strip] = value
    return film
