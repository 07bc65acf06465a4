"""What was found, as the elements of an SVG in mm of the displayed radiograph.

Sizes that stay the same on the screen, such as those of dots and letters, are given by the page's style.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from kneebundle.landmarks import KNEE_PA
from kneebundle.reports.html.frame import Box, Frame, join_points
from kneebundle.reports.html.labels import format_measurement, is_series, label_measurement, label_name
from kneebundle.reports.points import clip_line

__all__ = ["draw_knee", "draw_planning", "draw_region"]

_BONES = {index: bone for bone, ids in KNEE_PA.outlines for index in ids}


def draw_region(knee: Mapping[str, Any], frame: Frame, named: bool = True) -> str:
    """Draw the frame of a knee's region of interest; ``named``: with its side."""
    box = frame.frame_region(knee)
    size = f'width="{box.width:.3f}" height="{box.height:.3f}"'
    drawing = f'<rect class="region" x="{box.x:.3f}" y="{box.y:.3f}" {size}/>'
    if named:
        # the letter stands inside the radiograph, even where the region reaches beyond it
        shown = frame.clip(box) or box
        drawing += f'<text class="side" x="{shown.x:.3f}" y="{shown.y:.3f}">{escape(knee["side"] or "")}</text>'
    return _layer("regions", drawing)


def draw_knee(knee: Mapping[str, Any], frame: Frame, detailed: bool = True) -> str:
    """Draw outlines and landmarks of a knee; ``detailed``: with radii, numbers and measurements too."""
    points = {
        int(p["id"]): (p, xy) for p, xy in zip(knee["landmarks"], frame.place_points(knee["landmarks"]), strict=True)
    }
    if not points:
        return ""
    layers = [_layer("outlines", _draw_outlines({index: xy for index, (_, xy) in points.items()}))]
    if detailed:
        layers.append(_layer("measurements", _draw_measurements(knee["measurements"], frame)))
        rings = (_draw_ring(point, xy, _BONES.get(index, "")) for index, (point, xy) in points.items())
        layers.append(_layer("radii", "".join(rings)))
    dots = (_draw_dot(point, xy, _BONES.get(index, "")) for index, (point, xy) in points.items())
    layers.append(_layer("landmarks", "".join(dots)))
    if detailed:
        numbers = (_draw_number(str(index), xy, _BONES.get(index) == "tibia") for index, (_, xy) in points.items())
        layers.append(_layer("numbers", "".join(numbers)))
    return f'<g class="knee" data-side="{escape(knee["side"] or "")}">{"".join(layers)}</g>'


def draw_planning(planning: Mapping[str, Any], masks: Mapping[str, np.ndarray], frame: Frame) -> str:
    """Draw the bones, lines, circles and landmarks of a lateral radiograph.

    Args:
        planning: of the document.
        masks: (rows, columns) bool of the displayed radiograph, by bone.
        frame: of the page.
    """
    bones = "".join(_draw_bone(bone, mask, frame) for bone, mask in masks.items())
    lines = "".join(_draw_line(name, line, frame) for name, line in planning["lines"].items())
    marks = zip(planning["landmarks"], frame.place_points(planning["landmarks"]), strict=True)
    dots, numbers = [], []
    for point, xy in marks:
        dots.append(_draw_ring(point, xy, "") + _draw_dot(point, xy, ""))
        numbers.append(_draw_number(str(point["name"]), xy, below=False))
    circles = _draw_schoettle(planning, frame) + _draw_sphere(planning.get("sphere"), frame)
    layers = {
        "outlines": bones,
        "measurements": lines + circles,
        "landmarks": "".join(dots),
        "numbers": "".join(numbers),
    }
    return f'<g class="knee lateral">{"".join(_layer(name, content) for name, content in layers.items())}</g>'


def _layer(name: str, content: str) -> str:
    return f'<g class="layer-{name}">{content}</g>'


def _draw_outlines(points: Mapping[int, np.ndarray]) -> str:
    found = []
    for bone, ids in KNEE_PA.outlines:
        known = [points[index] for index in ids if index in points]
        found.append(f'<polyline class="{bone}" points="{join_points(known)}"/>')
    return "".join(found)


def _draw_dot(point: Mapping[str, Any], xy: np.ndarray, bone: str) -> str:
    title = f"{point['id']} {label_name(str(point['name']))}"
    if point.get("confidence") is not None:
        title += f", confidence {point['confidence']:.2f}"
    where = f'cx="{xy[0]:.3f}" cy="{xy[1]:.3f}"'
    return f'<circle class="dot {bone}" data-id="{int(point["id"])}" {where}><title>{escape(title)}</title></circle>'


def _draw_ring(point: Mapping[str, Any], xy: np.ndarray, bone: str) -> str:
    radius = point.get("radius_mm")
    return "" if radius is None else _draw_circle(xy, radius, f"ring {bone}")


def _draw_circle(xy: np.ndarray, radius: float, kind: str) -> str:
    return f'<circle class="{kind}" cx="{xy[0]:.3f}" cy="{xy[1]:.3f}" r="{radius:.3f}"/>'


def _draw_number(text: str, xy: np.ndarray, below: bool) -> str:
    kind = "number below" if below else "number"
    return f'<text class="{kind}" x="{xy[0]:.3f}" y="{xy[1]:.3f}">{escape(text)}</text>'


def _draw_measurements(measurements: Mapping[str, Mapping[str, Any]], frame: Frame) -> str:
    """A group for each measurement that has lines: the first is what is measured, the others are what it rests on."""
    return "".join(_draw_measurement(name, m, frame) for name, m in measurements.items() if m.get("segments_px"))


def _draw_measurement(name: str, measurement: Mapping[str, Any], frame: Frame) -> str:
    value, spread, unit = format_measurement(measurement)
    title = f"{label_measurement(name)}: {' '.join(filter(None, (value, spread, unit)))}"
    lines = []
    for number, segment in enumerate(measurement["segments_px"]):
        kind = "basis" if number else "measured"
        lines.append(f'<polyline class="{kind}" points="{join_points(frame.place(segment))}"/>')
    kind = "measure series" if is_series(name) else "measure" if _is_joint_space(name) else "measure further"
    return f'<g class="{kind}" data-name="{escape(name)}"><title>{escape(title)}</title>{"".join(lines)}</g>'


def _is_joint_space(name: str) -> bool:
    """Whether the lines of a measurement are shown from the start; those of all of them are a tangle."""
    return name.startswith("joint_space_width") and name.endswith("_minimum")


def _draw_bone(bone: str, mask: np.ndarray, frame: Frame) -> str:
    """The outline of a mask, to half a pixel; one that reaches the border is closed along it."""
    from skimage.measure import approximate_polygon, find_contours

    padded = np.pad(np.asarray(mask, dtype=np.float32), 1)
    parts = [approximate_polygon(contour, 0.4)[:, ::-1] - 1 for contour in find_contours(padded, 0.5)]
    path = "".join(f"M{join_points(frame.place_displayed(part))}Z" for part in parts)
    return (
        f'<path class="bone {escape(bone)}" data-bone="{escape(bone)}" d="{path}"><title>{escape(bone)}</title></path>'
    )


def _draw_line(name: str, line: Mapping[str, Any], frame: Frame) -> str:
    film: Box = frame.film
    start, end = frame.place([line["point_px"], np.add(line["point_px"], line["direction"])])
    corner = np.array([film.x, film.y])
    ends = clip_line(start - corner, (end - start) / np.linalg.norm(end - start), np.array([film.width, film.height]))
    if ends is None:
        return ""
    first, last = ends + corner
    where = f'x1="{first[0]:.3f}" y1="{first[1]:.3f}" x2="{last[0]:.3f}" y2="{last[1]:.3f}"'
    # written along the line's part beyond the point it is drawn through
    label = start + 0.35 * (last - start)
    text = f'<text class="line-name" x="{label[0]:.3f}" y="{label[1]:.3f}">{escape(name)}</text>'
    return f'<g class="plan-line {escape(name)}" data-name="{escape(name)}"><line {where}/>{text}</g>'


def _draw_schoettle(planning: Mapping[str, Any], frame: Frame) -> str:
    point = planning["schoettle_point"]
    if point is None:
        return ""
    (xy,) = frame.place_points([point])
    title = f"<title>Schoettle point, x {point['x_px']:.1f}, y {point['y_px']:.1f} px</title>"
    circles = _draw_circle(xy, point["radius_mm"], "inner") + _draw_circle(xy, planning["area_mm"], "area")
    dot = f'<circle class="dot schoettle" cx="{xy[0]:.3f}" cy="{xy[1]:.3f}">{title}</circle>'
    return f'<g class="schoettle-point">{circles}{dot}</g>'


def _draw_sphere(sphere: Mapping[str, Any] | None, frame: Frame) -> str:
    if sphere is None:
        return ""
    (xy,) = frame.place_points([sphere])
    return _draw_circle(xy, sphere["diameter_mm"] / 2, "sphere")
