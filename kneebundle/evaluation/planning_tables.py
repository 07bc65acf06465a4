"""Tables 1 and 2 of Kordon 2019 in Markdown, with the paper's own figures beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kneebundle.evaluation.text_tables import format_markdown

__all__ = ["format_bones", "format_raters"]

_BONES = {
    "femur": ("0.99 ± 0.01", "0.12 ± 0.61", "2.96 ± 7.51"),
    "patella": ("0.97 ± 0.02", "0.02 ± 0.02", "0.62 ± 0.56"),
    "tibia": ("0.98 ± 0.02", "0.23 ± 0.85", "3.76 ± 10.77"),
    "fibula": ("0.96 ± 0.02", "0.14 ± 0.68", "2.38 ± 5.41"),
}
_RATERS = {
    ("1", "2"): ("2.35 [1.94, 2.85]", "2.68 [2.09, 3.13]"),
    ("1", "3"): ("2.31 [1.91, 2.79]", "2.49 [1.91, 2.95]"),
    ("2", "3"): ("1.67 [1.37, 2.22]", "1.62 [1.07, 2.12]"),
    ("automatic", "1"): ("2.41 [1.97, 2.99]", "2.64 [1.64, 3.10]"),
    ("automatic", "2"): ("1.46 [1.00, 1.85]", "1.33 [0.91, 1.59]"),
    ("automatic", "3"): ("1.61 [1.45, 1.87]", "1.56 [1.27, 1.73]"),
    ("automatic", "centroid"): ("1.50 [1.41, 2.07]", "1.41 [1.28, 1.52]"),
}


def format_bones(summary: Mapping[str, Any]) -> str:
    """Format Table 1: mean and standard deviation of each bone.

    Args:
        summary: of :func:`kneebundle.evaluation.planning.summarize_plannings`.
    """
    header = ["bone", "radiographs", "IoU", "surface distance, mm", "Hausdorff distance, mm"]
    header += ["paper: IoU", "surface distance", "Hausdorff distance"]
    names = ("iou", "surface_distance_mm", "hausdorff_distance_mm")
    rows = [
        [bone, str(row["films"]), *(_format_spread(row[name]) for name in names), *_BONES[bone]]
        for bone, row in summary["bones"].items()
    ]
    return format_markdown(header, rows)


def format_raters(summary: Mapping[str, Any]) -> str:
    """Format Table 2: medians and 80 % intervals of the distance between Schoettle points, in mm.

    Args:
        summary: of :func:`kneebundle.evaluation.planning.summarize_plannings`, of three raters named 1, 2 and 3.
    """
    header = ["first", "second", "all, number", "mm", "suitable, number", "mm", "paper: all", "suitable"]
    rows = []
    for row in summary["raters"]:
        cells = [text for part in (row["all"], row["suitable"]) for text in (str(part["films"]), _format_median(part))]
        rows.append([row["first"], row["second"], *cells, *_RATERS.get((row["first"], row["second"]), ("-", "-"))])
    return format_markdown(header, rows)


def _format_spread(row: Mapping[str, Any]) -> str:
    return "-" if row["mean"] is None else f"{row['mean']:.2f} ± {row['sd']:.2f}"


def _format_median(row: Mapping[str, Any]) -> str:
    if row["median_mm"] is None:
        return "-"
    return f"{row['median_mm']:.2f} [{row['low_mm']:.2f}, {row['high_mm']:.2f}]"
