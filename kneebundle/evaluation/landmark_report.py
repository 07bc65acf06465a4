"""The files and the table of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.evaluation.landmarks import OUTLIER_MM, Comparison, measure_width, summarize_each
from kneebundle.evaluation.text_tables import format_table
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.metrics.functional import RADII_MM

__all__ = ["format_each", "format_summary", "write_evaluation"]


def format_summary(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """Format the table of :func:`kneebundle.evaluation.landmarks.summarize` as text."""
    radii = [f"{radius:g}" for radius in RADII_MM]
    header = [
        "",
        "knees",
        "missing",
        *(f"@{r}" for r in radii),
        *(f"fit@{r}" for r in radii),
        "outliers",
        "mean",
        "median",
    ]
    lines = []
    for name, row in summary.items():
        percents = [*(row["pck_mm"][r] for r in radii), *(row["pck_fitted_mm"][r] for r in radii), row["outliers"]]
        shares = [_format(percent, 1) for percent in percents]
        lengths = [_format(row[key], 2) for key in ("mean_mm", "median_mm")]
        lines.append([name, str(row["knees"]), str(row["missing"]), *shares, *lengths])
    note = (
        "@r: percent of landmarks within r mm (PCK); fit@r: the same after the best scale and shift of each knee;\n"
        f"outliers: percent of knees with any landmark more than {OUTLIER_MM:g} mm off; "
        "mean and median error of the same landmarks in mm.\n"
        "A missing prediction counts as a failure in all percentages and has no part in mean and median."
    )
    return f"{format_table(header, lines)}\n{note}"


def format_each(rows: Sequence[Mapping[str, Any]], width: Mapping[str, Any]) -> str:
    """Format what :func:`kneebundle.evaluation.landmarks.summarize_each` and ``measure_width`` found as text."""
    read = any(row["readings_mm"] is not None for row in rows)
    header = ["landmark", "knees", "mean", "median", "lateral", "+-", "down", "+-", *(["readings"] if read else [])]
    lengths = ["mean_mm", "median_mm", "lateral_mm", "lateral_error_mm", "down_mm", "down_error_mm"]
    lengths += ["readings_mm"] if read else []
    lines = [
        [f"{row['landmark']} {row['name']}", str(row["knees"]), *(_format(row[key], 2) for key in lengths)]
        for row in rows
    ]
    note = (
        "mm, over the knees where the landmark is marked and predicted; lateral, down: how far the prediction lies\n"
        "from the label on average, with its standard error."
    )
    if read:
        note += " readings: mean distance between two readings; the label is their mean."
    if width["ratio"] is not None:
        spread = "" if width["ratio_sd"] is None else f" (sd {width['ratio_sd']:.3f})"
        note += f"\nWidth of the tibial plateau, predicted over labelled: {width['ratio']:.3f}{spread}"
        note += f", {width['knees']} knees."
    return f"{format_table(header, lines)}\n{note}"


def _format(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def write_evaluation(
    comparison: Comparison, summary: Mapping[str, Mapping[str, Any]], landmarks: Sequence[int], folder: Path
) -> None:
    """Write the files of an evaluation.

    ``evaluation.json`` holds the tables, ``evaluation_knees.csv`` a row a knee, ``evaluation.png`` and
    ``evaluation.csv`` the cumulative error curves as a plot and as numbers.
    """
    from kneebundle.evaluation.error_curve import save_error_curves

    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "schema": "kneebundle/evaluation/1",
        "landmarks": list(landmarks),
        "outlier_mm": OUTLIER_MM,
        "missing": [
            {"image": image, "side": side}
            for image, side, missing in zip(comparison.images, comparison.sides, comparison.missing, strict=True)
            if missing
        ],
        "predictions_without_label": comparison.unused,
        "groups": summary,
        "each_landmark": summarize_each(comparison, landmarks),
        "plateau_width": measure_width(comparison),
    }
    with write_atomically(folder / "evaluation.json") as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    _write_knees(comparison, landmarks, folder / "evaluation_knees.csv")
    chosen = list(landmarks)
    curves = {
        f"landmarks {', '.join(map(str, chosen))}": comparison.errors[:, chosen],
        "the same, after scale and shift": comparison.fitted[:, chosen],
        "all landmarks": comparison.errors,
    }
    save_error_curves(curves, folder / "evaluation")


def _write_knees(comparison: Comparison, landmarks: Sequence[int], path: Path) -> None:
    """Errors in mm; cells of a missing prediction and of a landmark that is not marked are empty."""
    each = [f"error{i}_mm" for i in range(comparison.errors.shape[1])]
    columns = ["image", "side", "kl", "confidence", "mean_mm", "max_mm", *each]
    rows = []
    for k, (image, side, grade) in enumerate(zip(comparison.images, comparison.sides, comparison.grades, strict=True)):
        errors = comparison.errors[k]
        chosen, marked = errors[list(landmarks)], errors[~np.isnan(errors)]
        chosen = chosen[~np.isnan(chosen)]
        values = [
            comparison.confidence[k, list(landmarks)].mean(),
            chosen.mean() if chosen.size else np.nan,
            marked.max() if marked.size else np.nan,
            *errors,
        ]
        rows.append([image, side, grade, *(round(float(v), 3) if np.isfinite(v) else None for v in values)])
    write_table(path, columns, rows)
