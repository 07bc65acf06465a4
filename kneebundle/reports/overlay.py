"""Draw a radiograph with what was found on it.

A radiograph that shows little more than one knee becomes one panel. A larger one becomes a panel of the whole, with a
panel for each knee below it. Tibia red and femur green as in KNEEL Figure 1. A ring around a landmark is the radius
within which it lies in 90 of 100 cases; where that is not known, the ring is wider and paler the less certain the
landmark. Pixels are shown as they are: a name burnt into a radiograph is seen in its picture too; no other text
of the file is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph
from kneebundle.reports.drawing import (
    BONE_COLOURS,
    FINE,
    LINE_HEIGHT,
    WHITE,
    Panel,
    draw_scale_bar,
    draw_text,
    lay_over,
    make_grey_image,
    write_picture,
    write_remarks,
)
from kneebundle.results import KneeResult, RadiographResult

__all__ = ["draw_overlay", "write_overlay"]

_SINGLE_PX = 960
_FILM_PX = 1280
_SINGLE_KNEE = 1.5
"""A radiograph up to this many ROI edges wide is shown as one panel."""


def write_overlay(result: RadiographResult, path: Path) -> None:
    """Write :func:`draw_overlay` as PNG, atomically."""
    with write_atomically(path) as temporary:
        write_picture(draw_overlay(result), temporary)


def draw_overlay(result: RadiographResult) -> Image.Image:
    """Draw a result: the radiograph, points and outlines of its knees, sides, flags and a scale bar in mm."""
    panels = _make_panels(result)
    width = max(panel.right for panel in panels)
    height = max(panel.bottom for panel in panels)
    remarks = [flag.message for flag in result.flags]
    remarks += [f"{knee.side}: {flag.message}" for knee in result.knees for flag in knee.flags]
    canvas = Image.new("RGB", (width, height + LINE_HEIGHT * len(remarks)))
    drawing = Image.new("RGBA", (canvas.width * FINE, canvas.height * FINE))
    grey = make_grey_image(result.radiograph)
    for panel in panels:
        panel.paint(canvas, grey, result.radiograph)
        _Pen(panel, drawing).draw(result)
    write_remarks(drawing, remarks, height)
    lay_over(canvas, drawing)
    return canvas


@dataclass(frozen=True)
class _Panel(Panel):
    """A panel with the knees drawn in it; ``detailed``: with outlines and numbers, and not only points and frames."""

    knees: Sequence[KneeResult]
    detailed: bool


def _make_panels(result: RadiographResult) -> list[_Panel]:
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
                self._draw_frame(knee, result.radiograph)
            if knee.landmarks is not None:
                self._draw_knee(knee.landmarks, result.radiograph)
        if self.panel.detailed:
            self._draw_labels()
        self._draw_scale_bar()

    def _place(self, points_mm: np.ndarray) -> np.ndarray:
        return self.panel.place(points_mm) * FINE

    def _draw_knee(self, landmarks: Landmarks, radiograph: Radiograph) -> None:
        points = self._place(landmarks.to_mm(radiograph.spacing_mm).points)
        confidence = np.ones(len(points)) if landmarks.confidence is None else np.clip(landmarks.confidence, 0, 1)
        for bone, ids in landmarks.landmark_set.outlines:
            colour = BONE_COLOURS[bone]
            if self.panel.detailed:
                self.pen.line([tuple(p) for p in points[list(ids)]], fill=(*colour, 150), width=FINE)
            for i in ids:
                radius = (3.0 + 7.0 * (1.0 - confidence[i]) if self.panel.detailed else 2.0) * FINE
                if self.panel.detailed and landmarks.radius_mm is not None:
                    radius = 3.0 * FINE
                    self._draw_ring(points[i], float(landmarks.radius_mm[i]), colour)
                self._draw_point(points[i], radius, colour, float(confidence[i]))
                if self.panel.detailed:
                    self._draw_number(str(i), points[i], radius, below=bone == "tibia")

    def _draw_point(self, at: np.ndarray, radius: float, colour: tuple[int, int, int], confidence: float) -> None:
        box = [*(at - radius), *(at + radius)]
        fill = (*colour, round(40 + 150 * confidence))
        self.pen.ellipse(box, fill=fill, outline=(*colour, 255), width=FINE)

    def _draw_ring(self, at: np.ndarray, radius_mm: float, colour: tuple[int, int, int]) -> None:
        radius = radius_mm * self.panel.scale * FINE
        self.pen.ellipse([*(at - radius), *(at + radius)], outline=(*colour, 200), width=FINE)

    def _draw_number(self, text: str, at: np.ndarray, radius: float, below: bool) -> None:
        away = radius + 4 * FINE
        self._draw_text(text, (at[0], at[1] + (away if below else -away)), 12, "mt" if below else "mb")

    def _draw_frame(self, knee: KneeResult, radiograph: Radiograph) -> None:
        center = radiograph.px_to_mm(np.array(knee.center_px))
        low, high = self._place(center - knee.roi_mm / 2), self._place(center + knee.roi_mm / 2)
        self.pen.rectangle([*low, *high], outline=(*WHITE, 160), width=FINE)
        self._draw_text(knee.side, tuple(low + 6 * FINE), 28, "lt")

    def _draw_labels(self) -> None:
        left, top = np.array(self.panel.offset) + 10
        self._draw_text(" ".join(knee.side for knee in self.panel.knees), (left * FINE, top * FINE), 28, "lt")
        known = any(knee.landmarks is not None and knee.landmarks.radius_mm is not None for knee in self.panel.knees)
        meaning = "ring: the landmark is inside in 90 of 100 cases" if known else "wide ring: less certain"
        self._draw_text(meaning, (left * FINE, (self.panel.bottom - 10) * FINE), 12, "lb")

    def _draw_text(self, text: str, at: tuple[float, float], size: int, anchor: str) -> None:
        draw_text(self.pen, text, at, size, anchor)

    def _draw_scale_bar(self) -> None:
        length_mm = 10 if self.panel.detailed else 50
        draw_scale_bar(self.pen, length_mm, self.panel.scale, self.panel.right - 14, self.panel.bottom - 14)
