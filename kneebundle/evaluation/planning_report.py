"""The files and the tables of an evaluation of lateral films."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.evaluation.planning import AUTOMATIC, PlanningComparison
from kneebundle.evaluation.text_tables import format_table
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import BONES, KNEE_LATERAL
from kneebundle.measurements.schoettle import AREA_MM

__all__ = ["format_planning_summary", "save_offset_plot", "write_planning_evaluation"]


def format_planning_summary(summary: Mapping[str, Any]) -> str:
    """Format the tables of :func:`kneebundle.evaluation.planning.summarize_plannings` as text."""
    point = summary["schoettle_point"]
    blocks = [
        f"{summary['answered']} of {summary['films']} films have a Schoettle point",
        format_table(
            ["bone", "films", "not found", "IoU", "surface distance", "Hausdorff distance"],
            [
                [bone, str(row["films"]), str(row["not_found"])]
                + [_format_spread(row[name]) for name in ("iou", "surface_distance_mm", "hausdorff_distance_mm")]
                for bone, row in summary["bones"].items()
            ],
        ),
        format_table(
            ["error", "films", "median", "80 % interval"],
            [
                [name, str(row["films"]), _format_number(row["median_mm"]), _format_interval(row)]
                for name, row in summary["errors"].items()
            ],
        ),
        f"Schoettle points within {AREA_MM:g} mm: {_format_number(point['within_area_percent'], 1)} % "
        f"of the marked films; mean offset {_format_spread(point['anterior_mm'])} mm anterior, "
        f"{_format_spread(point['proximal_mm'])} mm proximal",
        format_table(
            ["first", "second", "films", "median", "80 % interval", "suitable", "median", "80 % interval"],
            [
                [row["first"], row["second"]]
                + [text for part in (row["all"], row["suitable"]) for text in _format_cells(part)]
                for row in summary["raters"]
            ],
        ),
        "Mean +- standard deviation; distances in mm. "
        "The error of the line is that of the rater's two points from LM1.",
    ]
    return "\n\n".join(blocks)


def _format_cells(row: Mapping[str, Any]) -> list[str]:
    return [str(row["films"]), _format_number(row["median_mm"]), _format_interval(row)]


def _format_number(value: float | None, decimals: int = 2) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _format_interval(row: Mapping[str, Any]) -> str:
    return f"[{_format_number(row['low_mm'])}, {_format_number(row['high_mm'])}]"


def _format_spread(row: Mapping[str, Any]) -> str:
    return f"{_format_number(row['mean'])} +- {_format_number(row['sd'])}"


def write_planning_evaluation(comparison: PlanningComparison, summary: Mapping[str, Any], folder: Path) -> None:
    """Write the files of an evaluation.

    ``planning_evaluation.json`` holds the tables, ``planning_evaluation.csv`` a row a film, ``planning_evaluation.png``
    the Schoettle points around the raters' centroid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [
        {"image": image, "reason": reason}
        for image, reason in zip(comparison.images, comparison.missing, strict=True)
        if reason is not None
    ]
    document = {
        "schema": "kneebundle/planning-evaluation/1",
        "area_mm": AREA_MM,
        "missing": missing,
        "predictions_without_label": comparison.unused,
        **summary,
    }
    with write_atomically(folder / "planning_evaluation.json") as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    _write_films(comparison, folder / "planning_evaluation.csv")
    save_offset_plot(comparison, folder / "planning_evaluation.png")


def _write_films(comparison: PlanningComparison, path: Path) -> None:
    """A row a film; cells of what could not be measured are empty."""
    columns: dict[str, np.ndarray] = {}
    for number, bone in enumerate(BONES):
        columns[f"{bone}_iou"] = comparison.iou[:, number]
        columns[f"{bone}_surface_distance_mm"] = comparison.surface_mm[:, number]
        columns[f"{bone}_hausdorff_distance_mm"] = comparison.hausdorff_mm[:, number]
    for number, name in enumerate(KNEE_LATERAL.names):
        columns[f"{name}_mm"] = comparison.landmarks_mm[:, number]
    columns["line_mm"] = comparison.line_mm
    for name, offsets in comparison.offsets_mm.items():
        columns[f"{name}_anterior_mm"], columns[f"{name}_proximal_mm"] = offsets.T
    rows = []
    for k, (image, reason) in enumerate(zip(comparison.images, comparison.missing, strict=True)):
        numbers = [round(float(v[k]), 4) if np.isfinite(v[k]) else None for v in columns.values()]
        rows.append([image, reason, *numbers])
    write_table(path, ["image", "missing", *columns], rows)


def save_offset_plot(comparison: PlanningComparison, path: Path) -> None:
    """Draw Figure 5: each Schoettle point from the raters' centroid along and across LM1, with the 2.5 mm circle.

    The dashed circle is the raters' mean inner circle, between their LM1 (left), LM2 (above) and LM3 (below).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    figure = Figure(figsize=(6.0, 6.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = [AUTOMATIC, *(comparison.raters if len(comparison.raters) > 1 else ())]
    for name in reversed(names):
        marker = "x" if name == AUTOMATIC else "o"
        anterior, proximal = comparison.offsets_mm[name].T
        axes.scatter(anterior, proximal, s=22, marker=marker, alpha=0.8, label=name)
    axes.add_patch(Circle((0, 0), AREA_MM, fill=False, color="black", label=f"{AREA_MM:g} mm"))
    radii = comparison.radii_mm[np.isfinite(comparison.radii_mm)]
    if radii.size:
        radius = float(radii.mean())
        axes.add_patch(Circle((0, 0), radius, fill=False, color="grey", linestyle="--", label="raters' circle"))
        axes.axvline(-radius, color="grey", linewidth=0.8)
        for level in (-radius, radius):
            axes.axhline(level, color="grey", linewidth=0.8)
    reach = _find_reach([comparison.offsets_mm[name] for name in names])
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set(xlabel="← posterior   mm   anterior →", ylabel="← distal   mm   proximal →")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right")
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="png")


def _find_reach(offsets: Sequence[np.ndarray]) -> float:
    every = np.concatenate([o.ravel() for o in offsets])
    every = np.abs(every[np.isfinite(every)])
    return max(2 * AREA_MM, 1.1 * float(every.max())) if every.size else 2 * AREA_MM
