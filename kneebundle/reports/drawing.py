"""What the pictures of results share: the film as grey values, a piece of it on the picture, text and a scale bar."""

from __future__ import annotations

from dataclasses import dataclass

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
    "grey_image",
    "write_remarks",
]

BONE_COLOURS = {"tibia": (255, 70, 60), "femur": (70, 230, 90), "patella": (255, 210, 70), "fibula": (80, 160, 255)}
WHITE, BLACK, AMBER = (255, 255, 255), (0, 0, 0), (255, 200, 60)
FINE = 2  # lines are drawn this much larger and scaled down, which smooths them
LINE_HEIGHT = 22


@dataclass(frozen=True)
class Panel:
    """A rectangle of the film in mm, and where it lies on the picture.

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
        width, height = np.maximum(np.round(self.size_mm * self.scale), 1)
        return int(width), int(height)

    @property
    def right(self) -> int:
        return self.offset[0] + self.size[0]

    @property
    def bottom(self) -> int:
        return self.offset[1] + self.size[1]

    def cut(self, image: Image.Image, radiograph: Radiograph, fine: int = 1) -> Image.Image:
        """The piece of an image of the film's size that the panel shows, ``fine`` times the panel's size."""
        spacing = np.array(radiograph.spacing_mm[::-1])
        low = np.clip(self.start_mm / spacing + 0.5, 0, image.size)
        high = np.clip((self.start_mm + self.size_mm) / spacing + 0.5, 0, image.size)
        size = (self.size[0] * fine, self.size[1] * fine)
        return image.resize(size, Image.Resampling.BICUBIC, box=(*low, *high), reducing_gap=2.0)

    def paint(self, canvas: Image.Image, grey: Image.Image, radiograph: Radiograph) -> None:
        """Put that piece of the film onto the picture."""
        canvas.paste(self.cut(grey, radiograph), self.offset)

    def place(self, points_mm: np.ndarray) -> np.ndarray:
        """Points (N, 2) in mm to pixels of the picture."""
        return (points_mm - self.start_mm) * self.scale + self.offset


def grey_image(radiograph: Radiograph) -> Image.Image:
    """The pixels as 8 bits between their 0.5 and 99.5 percentiles, taken from every fourth pixel of large films."""
    pixels = radiograph.pixels
    step = max(1, min(pixels.shape) // 512)
    low, high = np.percentile(pixels[::step, ::step], [0.5, 99.5])
    scaled = (pixels - low) * (255.0 / max(high - low, 1e-6))
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))


def draw_text(pen: ImageDraw.ImageDraw, text: str, at: tuple[float, float], size: int, anchor: str) -> None:
    """Text on a layer drawn ``FINE`` times larger, with a dark rim, so that it is read on bone and on air."""
    pen.text(at, text, fill=WHITE, font=_font(size), anchor=anchor, stroke_width=FINE, stroke_fill=BLACK)


def draw_scale_bar(pen: ImageDraw.ImageDraw, length_mm: float, scale: float, right: float, bottom: float) -> None:
    """A bar of ``length_mm`` that ends at (right, bottom) of the picture; the layer is ``FINE`` times larger."""
    end, height = right * FINE, bottom * FINE
    start = end - length_mm * scale * FINE
    pen.line([(start, height), (end, height)], fill=WHITE, width=2 * FINE)
    draw_text(pen, f"{length_mm:g} mm", ((start + end) / 2, height - 5 * FINE), 13, "mb")


def write_remarks(layer: Image.Image, remarks: list[str], top: int) -> None:
    """A line a remark from ``top`` of the picture on; the layer is ``FINE`` times larger."""
    pen = ImageDraw.Draw(layer)
    for line, remark in enumerate(remarks):
        pen.text((8 * FINE, (top + line * LINE_HEIGHT + 3) * FINE), remark, fill=AMBER, font=_font(14))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * FINE)
