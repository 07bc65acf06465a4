"""One page about one radiograph, complete in one file: the film, what was found on it, the numbers and the flags.

The page asks nothing of any other machine and runs no script but its own. Of the patient it holds what the JSON file
holds: the path. Pixels are shown as they are: a name burnt into a radiograph is seen on its page too.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from kneebundle.io.writing import write_atomically
from kneebundle.radiograph import UNCALIBRATED, Radiograph
from kneebundle.reports.html.frame import Box, Frame
from kneebundle.reports.html.labels import (
    describe_view,
    format_measurement,
    is_series,
    label_measurement,
    label_name,
    label_side,
)
from kneebundle.reports.html.overlay import draw_knee, draw_planning, draw_region
from kneebundle.reports.html.pictures import FilmPictures
from kneebundle.reports.html.templates import embed_json, fill_page, render_rows

__all__ = ["render_study_page", "write_study_page"]

_NO_MASKS: Mapping[str, np.ndarray] = {}


def write_study_page(
    document: Mapping[str, Any],
    radiograph: Radiograph,
    path: Path,
    masks: Mapping[str, np.ndarray] = _NO_MASKS,
    pictures: FilmPictures | None = None,
) -> None:
    """Write :func:`render_study_page`, atomically."""
    with write_atomically(path) as temporary:
        temporary.write_text(render_study_page(document, radiograph, masks, pictures), encoding="utf-8")


def render_study_page(
    document: Mapping[str, Any],
    radiograph: Radiograph,
    masks: Mapping[str, np.ndarray] = _NO_MASKS,
    pictures: FilmPictures | None = None,
) -> str:
    """Render the page of a radiograph.

    Args:
        document: of :func:`kneebundle.reports.json_report.to_document`, or read from its file.
        radiograph: that it is about.
        masks: of the bones of a lateral radiograph, (rows, columns) bool as displayed.
        pictures: of the radiograph; None: they are made.

    Returns:
        HTML that loads nothing.
    """
    frame = Frame(radiograph)
    pictures = pictures or FilmPictures(radiograph)
    name = PurePath(document["image"]["path"]).name
    knees, planning = document.get("knees", []), document.get("planning")
    if planning is None:
        boxes = [frame.frame_knee(knee) for knee in knees]
        drawing = "".join(draw_region(knee, frame) + draw_knee(knee, frame, detailed=False) for knee in knees)
        sections = "".join(_render_knee(knee, frame, box) for knee, box in zip(knees, boxes, strict=True))
        sections = sections or _render_nothing("No knee was found on this radiograph.")
    else:
        detail = frame.frame_plan(planning)
        boxes = [] if detail is None else [detail]
        drawing = draw_planning(planning, masks, frame)
        sections = _render_lateral(planning, drawing, detail, radiograph.is_calibrated)
    state = {
        "toStored": frame.to_stored(),
        "window": [round(value, 2) for value in pictures.window],
        "calibrated": radiograph.is_calibrated,
    }
    return fill_page(
        "study",
        title=escape(name),
        subtitle=escape(describe_view(document["image"]["view"])),
        flags=_render_flags(document["flags"]),
        pictures=pictures.render_film() + pictures.render_crops(boxes),
        filter=_render_window(pictures.window),
        film=_render_viewer("film", f"{name}, the whole radiograph", "Whole radiograph", frame.film, drawing),
        sections=sections,
        count=str(max(len(knees), 1)),
        facts=_render_facts(document),
        models=_render_models(document["models"]),
        state=embed_json(state),
    )


def _render_knee(knee: Mapping[str, Any], frame: Frame, box: Box) -> str:
    side = label_side(knee["side"])
    drawing = draw_region(knee, frame, named=False) + draw_knee(knee, frame)
    viewer = _render_viewer(f"knee-{knee['side']}", f"{side}, enlarged", side, box, drawing)
    parts = [viewer, _render_flags(knee["flags"])]
    if not knee["landmarks"]:
        parts.append(_render_nothing("This knee was not measured."))
    parts += [
        _render_measurements(knee["measurements"], side),
        _render_landmarks(knee["landmarks"], side),
        _render_quality(knee.get("quality", {}), side),
    ]
    anchor = escape(knee["side"] or "knee")
    return f'<section class="knee-card" id="{anchor}" aria-label="{escape(side)}">{"".join(parts)}</section>'


def _render_lateral(planning: Mapping[str, Any], drawing: str, detail: Box | None, calibrated: bool) -> str:
    side = label_side(planning["side"])
    parts = []
    if detail is not None:
        parts.append(_render_viewer("plan", "Schoettle point, enlarged", "Schoettle point", detail, drawing))
    if planning["refused"]:
        parts.append(_render_nothing(f"Nothing was planned: {planning['refused']}."))
    bones = ", ".join(planning["masks"]) or "none"
    which = f"{side}. " if planning["side"] else ""
    parts.append(f'<p class="bones">{escape(which)}Bones that were found: {escape(bones)}.</p>')
    if calibrated:  # lengths in mm mean nothing otherwise
        parts.append(_render_measurements(planning["measurements"], side))
    parts.append(_render_landmarks(planning["landmarks"], side))
    return f'<section class="knee-card" id="plan" aria-label="Planning">{"".join(parts)}</section>'


def _render_viewer(key: str, description: str, caption: str, box: Box, drawing: str) -> str:
    """A view of the film with a drawing over it; the script moves its viewBox."""
    film = '<g class="film" filter="url(#window)"><use href="#film"/><g class="pieces"></g></g>'
    label = f'role="group" aria-roledescription="image viewer" aria-label="{escape(description)}"'
    svg = (
        f'<svg class="view" data-key="{escape(key)}" viewBox="{box}" data-home="{box}" tabindex="0" {label} '
        f'aria-describedby="keys-view">{film}<g class="overlay">{drawing}</g></svg>'
    )
    what = f'Enlarge<span class="sr"> {escape(caption)}</span>'
    button = f'<button type="button" class="enlarge" aria-pressed="false">{what}</button>'
    head = f"<figcaption><span>{escape(caption)}</span>{button}</figcaption>"
    return f'<figure class="viewer" data-key="{escape(key)}">{head}{svg}</figure>'


def _render_window(window: tuple[float, float]) -> str:
    low, high = window
    slope = 255 / max(high - low, 1)
    bands = "".join(
        f'<feFunc{band} type="linear" slope="{slope:.4f}" intercept="{-low / 255 * slope:.4f}"/>' for band in "RGB"
    )
    return (
        '<filter id="window" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB">'
        f"<feComponentTransfer>{bands}</feComponentTransfer></filter>"
    )


def _render_flags(flags: list[Mapping[str, Any]]) -> str:
    items = []
    for flag in flags:
        numbers = [f"{key} {flag[key]:g}" for key in ("score", "threshold") if key in flag]
        more = f' <span class="score">({escape(", ".join(numbers))})</span>' if numbers else ""
        code = f"<code>{escape(flag['code'])}</code>"
        items.append(f'<li data-code="{escape(flag["code"])}">{code} {escape(flag["message"])}{more}</li>')
    return f'<ul class="flags" aria-label="Flags">{"".join(items)}</ul>' if items else ""


def _render_nothing(sentence: str) -> str:
    return f'<p class="nothing">{escape(sentence)}</p>'


def _render_measurements(measurements: Mapping[str, Mapping[str, Any]], side: str) -> str:
    if not measurements:
        return ""
    rows: dict[bool, list[str]] = {False: [], True: []}
    for name, measurement in measurements.items():
        rows[is_series(name)].append(_render_measurement(name, measurement))
    main = _render_table("measurements", f"Measurements, {side.lower()}", "".join(rows[False]))
    if rows[True]:
        inner = _render_table("measurements", f"Joint space at fixed places, {side.lower()}", "".join(rows[True]))
        main += f"<details><summary>Joint space at fixed places ({len(rows[True])})</summary>{inner}</details>"
    return main


def _render_table(kind: str, caption: str, rows: str) -> str:
    return f'<table class="{kind}"><caption class="sr">{escape(caption)}</caption><tbody>{rows}</tbody></table>'


def _render_measurement(name: str, measurement: Mapping[str, Any]) -> str:
    value, spread, unit = format_measurement(measurement)
    label = escape(label_measurement(name))
    if measurement.get("segments_px"):
        label = f'<button type="button" class="show" data-name="{escape(name)}" aria-pressed="false">{label}</button>'
    if value:
        number = f'<td class="value">{value}</td><td class="spread">{spread}</td><td class="unit">{escape(unit)}</td>'
    else:
        reason = measurement.get("reason") or "not taken"
        number = f'<td class="missing" colspan="3">{escape(reason)}</td>'
    return f'<tr data-name="{escape(name)}"><th scope="row">{label}</th>{number}</tr>'


def _render_landmarks(landmarks: list[Mapping[str, Any]], side: str) -> str:
    if not landmarks:
        return ""
    rows = []
    for point in landmarks:
        confidence, radius = point.get("confidence"), point.get("radius_mm")
        cells = [f"{point['x_px']:.1f}", f"{point['y_px']:.1f}"]
        cells += ["" if confidence is None else f"{confidence:.2f}", "" if radius is None else f"{radius:.1f}"]
        numbers = "".join(f'<td class="value">{cell}</td>' for cell in cells)
        name = escape(f"{point['id']} {label_name(str(point['name']))}")
        rows.append(f'<tr data-id="{int(point["id"])}"><th scope="row">{name}</th>{numbers}</tr>')
    heads = "".join(
        f'<th scope="col">{head}</th>' for head in ("landmark", "x, px", "y, px", "confidence", "radius, mm")
    )
    return (
        f"<details><summary>Landmarks ({len(landmarks)})</summary>"
        f'<table class="landmarks"><caption class="sr">Landmarks, {escape(side.lower())}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        "<p>Pixels are those of the file as it is stored. The true point lies within the radius in 90 of 100 cases.</p>"
        "</details>"
    )


def _render_quality(scores: Mapping[str, float], side: str) -> str:
    if not scores:
        return ""
    rows = render_rows({label_name(name): f"{score:g}" for name, score in scores.items()})
    table = _render_table("quality", f"Scores of the checks, {side.lower()}", rows)
    return f"<details><summary>Scores of the checks</summary>{table}</details>"


def _render_facts(document: Mapping[str, Any]) -> str:
    image = document["image"]
    height, width = image["spacing_mm"]
    source = image["spacing_source"]
    spacing = "not known" if source == UNCALIBRATED else f"{height:g} x {width:g} mm (height x width), from {source}"
    facts = {
        "File": str(image["path"]),
        "View": describe_view(image["view"]),
        "Size": f"{image['rows']} rows x {image['columns']} columns",
        "Size of a pixel": spacing,
    }
    notes = image.get("notes") or []
    return render_rows({**facts, **({"Notes": "; ".join(notes)} if notes else {})})


def _render_models(models: list[Mapping[str, str]]) -> str:
    return render_rows({f"{m['bundle']} {m['version']}": f"sha256 {m['sha256']}" for m in models})
