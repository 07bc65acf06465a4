"""Draw a lateral film with its bones, the lines LM1 to LM3 and the Schoettle point.

On the left the whole film, on the right the surroundings of the Schoettle point. The thin circle is the inner circle of
the three lines, the filled one the area of 2.5 mm around its centre. Pixels are shown as they are: a name burnt into a
film is seen in its picture too; no other text of the file is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from kneebundle.io.writing import write_atomically
from kneebundle.measurements.schoettle import AREA_MM, Line
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
    open_layer,
    wrap_remarks,
    write_picture,
    write_remarks,
)
from kneebundle.reports.points import clip_line
from kneebundle.results import LateralResult

__all__ = ["draw_lateral_overlay", "write_lateral_overlay"]

_FILM_PX = 960
_DETAIL_MM = 70.0
_DETAIL_PX = 640
_GAP = 4
_TINT, _EDGE = 45, 220
_LINES = {"LM1": (120, 235, 255), "LM2": (255, 150, 235), "LM3": (255, 190, 90)}
_POINT = (255, 60, 160)


def write_lateral_overlay(result: LateralResult, path: Path) -> None:
    """Write :func:`draw_lateral_overlay` as PNG, atomically."""
    with write_atomically(path) as temporary:
        write_picture(draw_lateral_overlay(result), temporary)


def draw_lateral_overlay(result: LateralResult) -> Image.Image:
    """Draw a result; flags and the reason why nothing was planned stand below it."""
    panels = _make_panels(result)
    width, height = max(panel.right for panel in panels), max(panel.bottom for panel in panels)
    reason = [f"not planned: {result.plan.refused}"] if result.plan.refused else []
    remarks = wrap_remarks([*reason, *(flag.message for flag in result.flags)], width)
    canvas = Image.new("RGB", (width, height + LINE_HEIGHT * len(remarks)))
    grey = make_grey_image(result.radiograph)
    for number, panel in enumerate(panels):
        panel.paint(canvas, grey, result.radiograph)
        lay_over(canvas, _Layer(panel, result).draw(whole=number == 0), panel.offset)
    if remarks:
        with open_layer(canvas, np.array([0, height]), np.array(canvas.size)) as (pen, _):
            write_remarks(pen, remarks)
    return canvas


def _make_panels(result: LateralResult) -> list[Panel]:
    radiograph = result.radiograph
    spacing = np.array(radiograph.spacing_mm[::-1])
    start, size = -0.5 * spacing, np.array([radiograph.columns, radiograph.rows]) * spacing
    film = Panel(start, size, (0, 0), _FILM_PX / size.max())
    if result.plan.point_px is None:
        return [film]
    center = np.array(result.plan.point_px) * spacing
    edge = min(_DETAIL_MM, float(size.min()))
    corner = np.clip(center - edge / 2, start, start + size - edge)
    return [film, Panel(corner, np.array([edge, edge]), (film.right + _GAP, 0), _DETAIL_PX / edge)]


class _Layer:
    """The transparent layer of a panel, with the corner of the panel as its origin."""

    def __init__(self, panel: Panel, result: LateralResult) -> None:
        self.panel = panel
        self.result = result
        self.spacing = np.array(result.radiograph.spacing_mm[::-1])
        self.image = Image.new("RGBA", (panel.size[0] * FINE, panel.size[1] * FINE))
        self.pen = ImageDraw.Draw(self.image)

    def draw(self, whole: bool) -> Image.Image:
        """Draw bones, then lines, circles and points; the whole film has a legend too."""
        for bone in self.result.bones:
            self._draw_bone(bone)
        for name, line in self.result.plan.lines.items():
            self._draw_line(name, line, named=not whole)
        self._draw_circles()
        self._draw_landmarks(named=not whole)
        if whole:
            self._draw_legend()
        length_mm = 50 if whole else 10
        draw_scale_bar(self.pen, length_mm, self.panel.scale, self.panel.size[0] - 14, self.panel.size[1] - 14)
        return self.image

    def _place(self, point_px: np.ndarray) -> np.ndarray:
        return (np.asarray(point_px) * self.spacing - self.panel.start_mm) * self.panel.scale * FINE

    def _draw_bone(self, bone: str) -> None:
        mask = Image.fromarray(np.where(self.result.masks[bone], 255, 0).astype(np.uint8))
        inside = np.asarray(self.panel.cut(mask, self.result.radiograph, FINE)) >= 128
        if not inside.any():
            return
        # only where the bone is, with a margin for its edge
        places = [np.flatnonzero(inside.any(axis=axis)) for axis in (0, 1)]
        left, top = (max(int(place[0]) - 2 * FINE, 0) for place in places)
        right, bottom = (int(place[-1]) + 2 * FINE + 1 for place in places)
        inside = inside[top:bottom, left:right]
        edge = inside & ~ndimage.binary_erosion(inside, iterations=FINE, border_value=1)
        alpha = np.where(edge, np.uint8(_EDGE), np.where(inside, np.uint8(_TINT), np.uint8(0)))
        tint = Image.new("RGBA", (inside.shape[1], inside.shape[0]), (*BONE_COLOURS[bone], 0))
        tint.putalpha(Image.fromarray(alpha))
        self.image.alpha_composite(tint, (left, top))

    def _draw_line(self, name: str, line: Line, named: bool) -> None:
        along = np.array(line.direction) * self.spacing
        ends = clip_line(self._place(np.array(line.point_px)), along / np.linalg.norm(along), np.array(self.image.size))
        if ends is None:
            return
        self.pen.line([tuple(ends[0]), tuple(ends[1])], fill=(*_LINES.get(name, WHITE), 220), width=2 * FINE)
        if named:
            draw_text(self.pen, name, tuple(ends[0] + 0.9 * (ends[1] - ends[0])), 16, "mm")

    def _draw_circles(self) -> None:
        plan = self.result.plan
        if plan.point_px is None or plan.radius_mm is None:
            return
        center = self._place(np.array(plan.point_px))
        for radius_mm, fill in ((plan.radius_mm, None), (AREA_MM, (*_POINT, 90))):
            radius = radius_mm * self.panel.scale * FINE
            self.pen.ellipse([*(center - radius), *(center + radius)], fill=fill, outline=(*_POINT, 255), width=FINE)
        self.pen.ellipse([*(center - 2 * FINE), *(center + 2 * FINE)], fill=(*WHITE, 255))

    def _draw_landmarks(self, named: bool) -> None:
        if self.result.landmarks is None:
            return
        for name, point in zip(self.result.landmarks.landmark_set.names, self.result.landmarks.points, strict=True):
            if np.isfinite(point).all():
                at = self._place(point)
                self.pen.ellipse([*(at - 4 * FINE), *(at + 4 * FINE)], outline=(*WHITE, 255), width=FINE)
                if named:
                    draw_text(self.pen, name, (at[0], at[1] - 8 * FINE), 13, "mb")

    def _draw_legend(self) -> None:
        side = self.result.radiograph.side or ""
        draw_text(self.pen, side, (10 * FINE, 10 * FINE), 28, "lt")
        names = [*((bone, BONE_COLOURS[bone]) for bone in self.result.bones)]
        names += [(name, _LINES[name]) for name in self.result.plan.lines if name in _LINES]
        for row, (name, colour) in enumerate(reversed(names)):
            y = (self.panel.size[1] - 14 - 18 * row) * FINE
            self.pen.rectangle([10 * FINE, y - 10 * FINE, 20 * FINE, y], fill=(*colour, 255))
            draw_text(self.pen, name, (26 * FINE, y - 5 * FINE), 13, "lm")
