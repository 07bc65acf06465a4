"""What the pictures of results share: the radiograph in 8 bits, a panel with a piece of it, text and a scale bar."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kneebundle.radiograph import Radiograph

__all__ = [
    "AMBER",
    "BONE_COLOURS",
    "FINE",
    "LINE_HEIGHT",
    "WHITE",
    "Panel",
    "draw_scale_bar",
    "draw_text",
    "lay_over",
    "make_grey_image",
    "open_layer",
    "wrap_remarks",
    "write_picture",
    "write_remarks",
]

BONE_COLOURS = {"tibia": (255, 70, 60), "femur": (70, 230, 90), "patella": (255, 210, 70), "fibula": (80, 160, 255)}
WHITE, BLACK, AMBER = (255, 255, 255), (0, 0, 0), (255, 200, 60)
FINE = 2
"""Lines are drawn this many times larger and scaled down, which smooths them."""
LINE_HEIGHT = 22
_REMARK_SIZE, _REMARK_MARGIN = 14, 8
_TILE = 256


@dataclass(frozen=True)
class Panel:
    """A rectangle of the radiograph in mm, and where it lies on the picture.

    Attributes:
        start_mm: (x, y) of its upper left corner, from the centre of pixel (0, 0).
        size_mm: (width, height).
        offset: (x, y) of its upper left corner on the picture.
        scale: pixels of the picture per mm.
    """

    start_mm: np.ndarray
    size_mm: np.ndarray
    offset: tuple[int, int]
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the picture."""
        width, height = np.maximum(np.round(self.size_mm * self.scale), 1)
        return int(width), int(height)

    @property
    def right(self) -> int:
        """Where the panel ends on the picture."""
        return self.offset[0] + self.size[0]

    @property
    def bottom(self) -> int:
        """Where the panel ends on the picture."""
        return self.offset[1] + self.size[1]

    def cut(self, image: Image.Image, radiograph: Radiograph, fine: int = 1) -> Image.Image:
        """Cut what the panel shows out of an image of the radiograph's size; ``fine`` times the size of the panel."""
        spacing = np.array(radiograph.spacing_mm[::-1])
        low = np.clip(self.start_mm / spacing + 0.5, 0, image.size)
        high = np.clip((self.start_mm + self.size_mm) / spacing + 0.5, 0, image.size)
        size = (self.size[0] * fine, self.size[1] * fine)
        is_smaller = size[0] < high[0] - low[0]  # as good there, in less time
        how = Image.Resampling.BILINEAR if is_smaller else Image.Resampling.BICUBIC
        return image.resize(size, how, box=(*low, *high), reducing_gap=2.0)

    def paint(self, canvas: Image.Image, grey: Image.Image, radiograph: Radiograph) -> None:
        """Put that piece of the radiograph onto the picture."""
        canvas.paste(self.cut(grey, radiograph), self.offset)

    def place(self, points_mm: np.ndarray) -> np.ndarray:
        """Convert points (N, 2) from mm to pixels of the picture."""
        return (points_mm - self.start_mm) * self.scale + self.offset


def make_grey_image(radiograph: Radiograph) -> Image.Image:
    """Convert the pixels to 8 bits between their 0.5 and 99.5 percentiles, estimated on a grid in large images."""
    pixels = radiograph.pixels
    step = max(1, min(pixels.shape) // 512)
    low, high = np.percentile(pixels[::step, ::step], [0.5, 99.5])
    scaled = pixels - np.float32(low)
    scaled *= np.float32(255.0 / max(high - low, 1e-6))
    return Image.fromarray(np.clip(scaled, 0, 255, out=scaled).astype(np.uint8))


def lay_over(canvas: Image.Image, layer: Image.Image, offset: tuple[int, int] = (0, 0)) -> None:
    """Put a transparent layer, ``FINE`` times larger, onto a picture; only where something is drawn on it."""
    for top in range(0, layer.height, _TILE):
        for left in range(0, layer.width, _TILE):
            tile = layer.crop((left, top, min(left + _TILE, layer.width), min(top + _TILE, layer.height)))
            if tile.getbbox() is not None:
                tile = tile.reduce(FINE)
                canvas.paste(tile, (offset[0] + left // FINE, offset[1] + top // FINE), mask=tile)


@contextmanager
def open_layer(
    canvas: Image.Image, low: np.ndarray, high: np.ndarray
) -> Iterator[tuple[ImageDraw.ImageDraw, np.ndarray]]:
    """Draw on a transparent layer over a rectangle of a picture, ``FINE`` times larger, that is then laid over it.

    Args:
        canvas: the picture.
        low, high: (x, y) of the upper left and the lower right corner on it; what lies outside of it is cut off.

    Yields:
        What draws on the layer, and (x, y), the pixel of the enlarged picture that is the layer's first.
    """
    start = np.clip(np.floor(low), 0, canvas.size).astype(int)
    width, height = (np.clip(np.ceil(high), 0, canvas.size).astype(int) - start).tolist()
    layer = Image.new("RGBA", (max(width, 1) * FINE, max(height, 1) * FINE))
    yield ImageDraw.Draw(layer), start * FINE
    lay_over(canvas, layer, (int(start[0]), int(start[1])))


def write_picture(image: Image.Image, path: Path) -> None:
    """Write an RGB picture as PNG, in a sixth of the time that Pillow takes, as small.

    Each row is stored as its difference to the one above and compressed by libdeflate. Pillow tries five such filters
    for each row, and zlib takes twice as long for the same size.
    """
    rows = np.asarray(image.convert("RGB")).reshape(image.height, -1)
    filtered = np.empty((image.height, rows.shape[1] + 1), dtype=np.uint8)
    filtered[:, 0] = 2  # "up" in the PNG specification, section 9.2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)
    content = _deflate(filtered)
    chunks = ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, chunk in chunks:
            file.write(struct.pack(">I", len(chunk)) + name)
            file.write(chunk)
            file.write(struct.pack(">I", zlib.crc32(chunk, zlib.crc32(name))))


def _deflate(content: np.ndarray) -> bytes:
    try:
        from imagecodecs import deflate_encode
    except ImportError:  # a bundle that is used by itself does without
        return zlib.compress(content.tobytes(), 1)
    return deflate_encode(content, level=1)  # type: ignore[arg-type,return-value]  # it takes arrays, too


def draw_text(pen: ImageDraw.ImageDraw, text: str, at: tuple[float, float], size: int, anchor: str) -> None:
    """Draw text on a layer that is ``FINE`` times larger, with a dark rim, so that it is read on bone and on air."""
    offset, rim, letters = _render_text(text, size, anchor)
    place = round(at[0]) + offset[0], round(at[1]) + offset[1]
    pen.bitmap(place, rim, fill=BLACK)
    pen.bitmap(place, letters, fill=WHITE)


@lru_cache(maxsize=256)
def _render_text(text: str, size: int, anchor: str) -> tuple[tuple[int, int], Image.Image, Image.Image]:
    """Where the masks of a text begin from its anchor, its letters with their rim, and the letters alone."""
    font = _load_font(size)
    box = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=font, anchor=anchor, stroke_width=FINE)
    left, top, right, bottom = np.floor(box[0]), np.floor(box[1]), np.ceil(box[2]), np.ceil(box[3])
    masks = [Image.new("L", (int(right - left), int(bottom - top))) for _ in range(2)]
    for mask, rim in zip(masks, (255, 0), strict=True):
        pen = ImageDraw.Draw(mask)
        pen.text((-left, -top), text, fill=255, font=font, anchor=anchor, stroke_width=FINE, stroke_fill=rim)
    return (int(left), int(top)), masks[0], masks[1]


def draw_scale_bar(pen: ImageDraw.ImageDraw, length_mm: float, scale: float, right: float, bottom: float) -> None:
    """Draw a bar of ``length_mm`` that ends at (right, bottom) of the picture; the layer is ``FINE`` times larger."""
    end, height = right * FINE, bottom * FINE
    start = end - length_mm * scale * FINE
    pen.line([(start, height), (end, height)], fill=WHITE, width=2 * FINE)
    draw_text(pen, f"{length_mm:g} mm", ((start + end) / 2, height - 5 * FINE), 13, "mb")


def wrap_remarks(remarks: list[str], width: int) -> list[str]:
    """Break remarks between words into lines that :func:`write_remarks` fits into a picture of this width in pixels.

    Example:
        >>> wrap_remarks(["the knee is cut off"], 100)
        ['the knee is', 'cut off']
    """
    font, room = _load_font(_REMARK_SIZE), (width - 2 * _REMARK_MARGIN) * FINE
    lines = []
    for remark in remarks:
        line, *words = remark.split() or [""]
        for word in words:
            if font.getlength(f"{line} {word}") > room:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}"
        lines.append(line)
    return lines


def write_remarks(pen: ImageDraw.ImageDraw, lines: list[str]) -> None:
    """Write the lines of :func:`wrap_remarks` on a layer that is ``FINE`` times larger."""
    for number, line in enumerate(lines):
        place = (_REMARK_MARGIN * FINE, (number * LINE_HEIGHT + 3) * FINE)
        pen.text(place, line, fill=AMBER, font=_load_font(_REMARK_SIZE))


@cache
def _load_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * FINE)
