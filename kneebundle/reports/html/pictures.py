"""The radiograph in the pages: 8 bits, as JPEG, the whole reduced and the knees as fine as they are."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.io.writing import write_atomically
from kneebundle.radiograph import Radiograph
from kneebundle.reports.html.frame import Box, Frame

__all__ = ["THUMBNAILS", "FilmPictures", "name_thumbnail", "write_thumbnail"]

THUMBNAILS = "thumbnails"
"""Folder of the small pictures, in the output folder."""

_FILM_PX = 1600
_FINEST_MM = 0.15
_WORTH_A_CROP = 1.25
_QUALITY = 88
_THUMBNAIL_PX = 160
_WHOLE, _WINDOW = (0.05, 99.95), (0.5, 99.5)
"""Percentiles of the greys: what the 8 bits hold, and what is shown at first."""


class FilmPictures:
    """A radiograph in 8 bits, cut and reduced.

    Args:
        radiograph: as displayed.
    """

    def __init__(self, radiograph: Radiograph) -> None:
        self.frame = Frame(radiograph)
        pixels = radiograph.pixels
        step = max(1, min(pixels.shape) // 512)
        sample = pixels[::step, ::step]
        low, high = np.percentile(sample, _WHOLE)
        scale = 255.0 / max(float(high - low), 1e-6)
        self.grey = Image.fromarray(np.clip((pixels - low) * scale + 0.5, 0, 255).astype(np.uint8))
        shown = (np.percentile(sample, _WINDOW) - low) * scale
        black = float(np.clip(shown[0], 0, 253))
        self.window = black, float(np.clip(shown[1], black + 2, 255))
        """Greys of the 8 bits that are black and white at first."""

    def render_film(self) -> str:
        """The whole radiograph as an SVG image."""
        columns, rows = self.grey.size
        scale = min(1.0, _FILM_PX / max(columns, rows))
        size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
        return _render(self._reduce(self.grey, size), "film", self.frame.film)

    def render_crops(self, boxes: Iterable[Box]) -> str:
        """Pieces of it as SVG images, where the whole one had to be reduced by much."""
        if max(self.grey.size) <= _FILM_PX * _WORTH_A_CROP:
            return ""
        pieces = (self._render_crop(number, box) for number, box in enumerate(boxes))
        return "".join(pieces)

    def _render_crop(self, number: int, box: Box) -> str:
        clipped = self.frame.clip(box)
        if clipped is None:
            return ""
        spacing = np.array(self.frame.radiograph.spacing_mm[::-1])
        low = np.floor(np.array([clipped.x, clipped.y]) / spacing + 0.5).astype(int)
        high = np.ceil(np.array([clipped.x + clipped.width, clipped.y + clipped.height]) / spacing + 0.5).astype(int)
        high = np.minimum(high, self.grey.size)
        left, top, right, bottom = (int(v) for v in (*low, *high))
        piece = self.grey.crop((left, top, right, bottom))
        x, y = (low - 0.5) * spacing
        width, height = (high - low) * spacing
        columns, rows = np.maximum(np.round((high - low) * np.minimum(spacing / _FINEST_MM, 1.0)), 1).astype(int)
        place = Box(float(x), float(y), float(width), float(height))
        return _render(self._reduce(piece, (int(columns), int(rows))), f"piece-{number}", place)

    def _reduce(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def name_thumbnail(name: str) -> str:
    """The file of an image's thumbnail in the output folder, with forward slashes."""
    return f"{THUMBNAILS}/{name}.jpg"


def write_thumbnail(pictures: FilmPictures, path: Path) -> None:
    """Write a small picture of the whole radiograph, atomically; the folder is made if it is not there."""
    path.parent.mkdir(exist_ok=True)
    low, high = pictures.window
    small = pictures.grey.copy()
    radiograph = pictures.frame.radiograph
    width, height = np.array([radiograph.columns, radiograph.rows]) * radiograph.spacing_mm[::-1]
    scale = _THUMBNAIL_PX / max(width, height)
    small = small.resize((max(round(width * scale), 1), max(round(height * scale), 1)), reducing_gap=3.0)
    small = small.point([min(max(round((v - low) * 255 / (high - low)), 0), 255) for v in range(256)])
    with write_atomically(path) as temporary:
        small.save(temporary, format="JPEG", quality=80)


def _render(image: Image.Image, key: str, box: Box) -> str:
    stream = BytesIO()
    image.save(stream, format="JPEG", quality=_QUALITY)
    content = b64encode(stream.getvalue()).decode()
    where = f'x="{box.x:.4f}" y="{box.y:.4f}" width="{box.width:.4f}" height="{box.height:.4f}"'
    return f'<image id="{key}" {where} preserveAspectRatio="none" href="data:image/jpeg;base64,{content}"/>'
