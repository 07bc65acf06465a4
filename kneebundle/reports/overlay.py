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
from PIL import Image

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
    make_grey_image,
    open_layer,
    wrap_remarks,
    write_picture,
    write_remarks,
)
from kneebundle.results import KneeResult, RadiographResult

__all__ = ["draw_overlay", "write_overlay"]

_SINGLE_PX = 960
_FILM_PX = 1280
_NUMBER_PX = 28
"""Room for a landmark's number beside its point."""
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
    remarks = wrap_remarks(remarks, width)
    remarks = wrap_remarks(remarks, width)
    canvas = Image.new("RGB", (width, height + LINE_HEIGHT * len(remarks)))
    grey = make_grey_image(result.radiograph)
    for panel in panels:
        panel.paint(canvas, grey, result.radiograph)
    for panel in panels:
        _Pen(panel, canvas).draw(result)
    if remarks:
        with open_layer(canvas, np.array([0, height]), np.array(canvas.size)) as (pen, _):
            write_remarks(pen, remarks)
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
    """Draws what was found onto a panel of a picture, a small layer a thing: most of a picture shows the radiograph."""

    def __init__(self, panel: _Panel, canvas: Image.Image) -> None:
        self.panel = panel
        self.canvas = canvas

    def draw(self, result: RadiographResult) -> None:
        for knee in self.panel.knees:
            if not self.panel.detailed:
                self._draw_frame(knee, result.radiograph)
            if knee.landmarks is not None:
                self._draw_knee(knee.landmarks, result.radiograph)
        if self.panel.detailed:
            self._draw_labels()
        self._draw_scale_bar()

    def _draw_knee(self, landmarks: Landmarks, radiograph: Radiograph) -> None:
        places = self.panel.place(landmarks.to_mm(radiograph.spacing_mm).points)
        confidence = np.ones(len(places)) if landmarks.confidence is None else np.clip(landmarks.confidence, 0, 1)
        radii = np.full(len(places), 2.0)
        rings = np.zeros(len(places))
        if self.panel.detailed:
            radii = 3.0 + 7.0 * (1.0 - confidence)
            if landmarks.radius_mm is not None:
                radii[:] = 3.0
                rings = landmarks.radius_mm * self.panel.scale
        margin = max(_NUMBER_PX + float(radii.max()), float(rings.max())) + 2.0
        with open_layer(self.canvas, places.min(axis=0) - margin, places.max(axis=0) + margin) as (pen, first):
            points = places * FINE - first
            for bone, ids in landmarks.landmark_set.outlines:
                colour = BONE_COLOURS[bone]
                if self.panel.detailed:
                    pen.line([tuple(p) for p in points[list(ids)]], fill=(*colour, 150), width=FINE)
                for i in ids:
                    if rings[i] > 0:
                        pen.ellipse(_box(points[i], rings[i] * FINE), outline=(*colour, 200), width=FINE)
                    fill = (*colour, round(40 + 150 * float(confidence[i])))
                    pen.ellipse(_box(points[i], radii[i] * FINE), fill=fill, outline=(*colour, 255), width=FINE)
                    if self.panel.detailed:
                        away, anchor = (radii[i] + 4) * FINE, "mt" if bone == "tibia" else "mb"
                        below = away if bone == "tibia" else -away
                        draw_text(pen, str(i), (points[i][0], points[i][1] + below), 12, anchor)

    def _draw_frame(self, knee: KneeResult, radiograph: Radiograph) -> None:
        center = radiograph.px_to_mm(np.array(knee.center_px))
        low, high = self.panel.place(center - knee.roi_mm / 2), self.panel.place(center + knee.roi_mm / 2)
        corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            with open_layer(self.canvas, np.minimum(start, end) - 1, np.maximum(start, end) + 2) as (pen, first):
                pen.line([*(start * FINE - first), *(end * FINE - first)], fill=(*WHITE, 160), width=FINE)
        self._draw_label(knee.side, low + 6, 28, "lt")

    def _draw_labels(self) -> None:
        left, top = np.array(self.panel.offset) + 10
        self._draw_label(" ".join(knee.side for knee in self.panel.knees), np.array([left, top]), 28, "lt")
        known = any(knee.landmarks is not None and knee.landmarks.radius_mm is not None for knee in self.panel.knees)
        meaning = "ring: the landmark is inside in 90 of 100 cases" if known else "wide ring: less certain"
        self._draw_label(meaning, np.array([left, self.panel.bottom - 10]), 12, "lb")

    def _draw_label(self, text: str, at: np.ndarray, size: int, anchor: str) -> None:
        up = size * 2 if anchor[1] == "b" else 4
        low = at - (4, up)
        with open_layer(self.canvas, low, low + (size * len(text) + 8, size * 2 + 8)) as (pen, first):
            x, y = at * FINE - first
            draw_text(pen, text, (x, y), size, anchor)

    def _draw_scale_bar(self) -> None:
        length_mm = 10 if self.panel.detailed else 50
        right, bottom = self.panel.right - 14, self.panel.bottom - 14
        width = max(length_mm * self.panel.scale, 80.0)
        low, high = np.array([right - width - 40, bottom - 32]), np.array([right + 40, bottom + 4])
        with open_layer(self.canvas, low, high) as (pen, first):
            x, y = first / FINE
            draw_scale_bar(pen, length_mm, self.panel.scale, right - x, bottom - y)


def _box(at: np.ndarray, radius: float) -> list[float]:
    return [*(at - radius), *(at + radius)]
