"""A picture of a radiograph with what was found on it.

A film that shows little more than one knee becomes one panel. A larger one becomes a panel of the whole film, with a panel
for each knee below it. Tibia red and femur green as in KNEEL Figure 1; the less certain a landmark, the wider and paler
its ring. Pixels are shown as they are: a name burnt into a film is seen in its picture too; no other text of the file is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kneebundle.inference.results import KneeResult, RadiographResult
from kneebundle.io.writing import write_whole
from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph

__all__ = ["draw_overlay", "write_overlay"]

_COLOURS = {"tibia": (255, 70, 60), "femur": (70, 230, 90)}
_WHITE, _BLACK, _AMBER = (255, 255, 255), (0, 0, 0), (255, 200, 60)
_SINGLE_PX = 960
_FILM_PX = 1280
_FINE = 2  # lines are drawn this much larger and scaled down, which smooths them
_LINE_HEIGHT = 22
_SINGLE_KNEE = 1.5  # a film up to this many ROI edges wide is shown as one panel


def write_overlay(result: RadiographResult, path: Path) -> None:
    """Write :func:`draw_overlay` as PNG, whole or not at all."""
    with write_whole(path) as temporary:
        draw_overlay(result).save(temporary, format="PNG", compress_level=3)


def draw_overlay(result: RadiographResult) -> Image.Image:
    """The picture of a result: the film, the knees' points and outlines, sides, flags and a scale bar in mm."""
    panels = _layout(result)
    width = max(panel.right for panel in panels)
    height = max(panel.bottom for panel in panels)
    remarks = [*result.flags, *(f"{knee.side}: {flag}" for knee in result.knees for flag in knee.flags)]
    canvas = Image.new("RGB", (width, height + _LINE_HEIGHT * len(remarks)))
    drawing = Image.new("RGBA", (canvas.width * _FINE, canvas.height * _FINE))
    grey = _grey_image(result.radiograph)
    for panel in panels:
        panel.paint(canvas, grey, result.radiograph)
        _Pen(panel, drawing).draw(result)
    for line, remark in enumerate(remarks):
        position = (8 * _FINE, (height + line * _LINE_HEIGHT + 3) * _FINE)
        ImageDraw.Draw(drawing).text(position, remark, fill=_AMBER, font=_font(14))
    canvas.paste(drawing := drawing.reduce(_FINE), mask=drawing)
    return canvas


@dataclass(frozen=True)
class _Panel:
    """A rectangle of the film in mm, and where it lies on the picture.

    Attributes:
        start_mm: (x, y) of its upper left corner, from the centre of pixel (0, 0).
        size_mm: (width, height).
        offset: (x, y) of its upper left corner on the picture.
        scale: pixels of the picture per mm.
        knees: those drawn in it.
        detailed: with outlines and numbers, and not only points and frames.
    """

    start_mm: np.ndarray
    size_mm: np.ndarray
    offset: tuple[int, int]
    scale: float
    knees: Sequence[KneeResult]
    detailed: bool

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

    def paint(self, canvas: Image.Image, grey: Image.Image, radiograph: Radiograph) -> None:
        spacing = np.array(radiograph.spacing_mm[::-1])
        low = np.clip(self.start_mm / spacing + 0.5, 0, grey.size)
        high = np.clip((self.start_mm + self.size_mm) / spacing + 0.5, 0, grey.size)
        piece = grey.resize(self.size, Image.Resampling.BICUBIC, box=(*low, *high), reducing_gap=2.0)
        canvas.paste(piece, self.offset)

    def place(self, points_mm: np.ndarray) -> np.ndarray:
        """Points (N, 2) in mm to pixels of the picture."""
        return (points_mm - self.start_mm) * self.scale + self.offset


def _layout(result: RadiographResult) -> list[_Panel]:
    radiograph, knees = result.radiograph, result.knees
    spacing = np.array(radiograph.spacing_mm[::-1])
    start, size = -0.5 * spacing, np.array([radiograph.columns, radiograph.rows]) * spacing
    roi_mm = max((knee.roi_mm for knee in knees), default=size.max())
    if size.max() <= _SINGLE_KNEE * roi_mm:
        return [_Panel(start, size, (0, 0), _SINGLE_PX / size.max(), knees, detailed=True)]
    film = _Panel(start, size, (0, 0), _FILM_PX / size.max(), knees, detailed=False)
    panels = [film]
    edge = max(film.size[0] // max(len(knees), 1), _FILM_PX // 2)
    for number, knee in enumerate(knees):
        center = radiograph.px_to_mm(np.array(knee.center_px))
        low = np.clip(center - knee.roi_mm / 2, start, start + size - 1.0)
        high = np.clip(center + knee.roi_mm / 2, low + 1.0, start + size)
        offset = (number * (edge + 4), film.bottom + 4)
        panels.append(_Panel(low, high - low, offset, (edge - 4) / knee.roi_mm, [knee], detailed=True))
    return panels


class _Pen:
    """Draws what was found onto the transparent layer of a panel."""

    def __init__(self, panel: _Panel, layer: Image.Image) -> None:
        self.panel = panel
        self.layer = layer
        self.pen = ImageDraw.Draw(layer)

    def draw(self, result: RadiographResult) -> None:
        for knee in self.panel.knees:
            if not self.panel.detailed:
                self._frame(knee, result.radiograph)
            if knee.landmarks is not None:
                self._knee(knee.landmarks, result.radiograph)
        if self.panel.detailed:
            self._labels()
        self._scale_bar()

    def _at(self, points_mm: np.ndarray) -> np.ndarray:
        return self.panel.place(points_mm) * _FINE

    def _knee(self, landmarks: Landmarks, radiograph: Radiograph) -> None:
        points = self._at(landmarks.to_mm(radiograph.spacing_mm).points)
        confidence = np.ones(len(points)) if landmarks.confidence is None else np.clip(landmarks.confidence, 0, 1)
        for bone, ids in landmarks.landmark_set.outlines:
            colour = _COLOURS[bone]
            if self.panel.detailed:
                self.pen.line([tuple(p) for p in points[list(ids)]], fill=(*colour, 150), width=_FINE)
            for i in ids:
                radius = (3.0 + 7.0 * (1.0 - confidence[i]) if self.panel.detailed else 2.0) * _FINE
                self._point(points[i], radius, colour, float(confidence[i]))
                if self.panel.detailed:
                    self._number(str(i), points[i], radius, below=bone == "tibia")

    def _point(self, at: np.ndarray, radius: float, colour: tuple[int, int, int], confidence: float) -> None:
        box = [*(at - radius), *(at + radius)]
        fill = (*colour, round(40 + 150 * confidence))
        self.pen.ellipse(box, fill=fill, outline=(*colour, 255), width=_FINE)

    def _number(self, text: str, at: np.ndarray, radius: float, below: bool) -> None:
        away = radius + 4 * _FINE
        self._text(text, (at[0], at[1] + (away if below else -away)), 12, "mt" if below else "mb")

    def _frame(self, knee: KneeResult, radiograph: Radiograph) -> None:
        center = radiograph.px_to_mm(np.array(knee.center_px))
        low, high = self._at(center - knee.roi_mm / 2), self._at(center + knee.roi_mm / 2)
        self.pen.rectangle([*low, *high], outline=(*_WHITE, 160), width=_FINE)
        self._text(knee.side, tuple(low + 6 * _FINE), 28, "lt")

    def _labels(self) -> None:
        left, top = np.array(self.panel.offset) + 10
        self._text(" ".join(knee.side for knee in self.panel.knees), (left * _FINE, top * _FINE), 28, "lt")
        self._text("wide ring: less certain", (left * _FINE, (self.panel.bottom - 10) * _FINE), 12, "lb")

    def _text(self, text: str, at: tuple[float, float], size: int, anchor: str) -> None:
        """Text with a dark rim, so that it is read on bone and on air."""
        self.pen.text(at, text, fill=_WHITE, font=_font(size), anchor=anchor, stroke_width=_FINE, stroke_fill=_BLACK)

    def _scale_bar(self) -> None:
        length_mm = 10 if self.panel.detailed else 50
        right, bottom = (self.panel.right - 14) * _FINE, (self.panel.bottom - 14) * _FINE
        left = right - length_mm * self.panel.scale * _FINE
        self.pen.line([(left, bottom), (right, bottom)], fill=_WHITE, width=2 * _FINE)
        self._text(f"{length_mm} mm", ((left + right) / 2, bottom - 5 * _FINE), 13, "mb")


def _grey_image(radiograph: Radiograph) -> Image.Image:
    """The pixels as 8 bits between their 0.5 and 99.5 percentiles, taken from every fourth pixel of large films."""
    pixels = radiograph.pixels
    step = max(1, min(pixels.shape) // 512)
    low, high = np.percentile(pixels[::step, ::step], [0.5, 99.5])
    scaled = (pixels - low) * (255.0 / max(high - low, 1e-6))
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _FINE)
