"""Cumulative error curves as a picture and a table (KNEEL Figures 5 and 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.metrics.functional import cumulative_curve

__all__ = ["save_error_curves"]

_MOST_INSIDE = 6
"""More names than these stand below the plot."""


def save_error_curves(
    errors: Mapping[str, np.ndarray],
    stem: str | Path,
    landmarks: Sequence[int] | None = None,
    limit_mm: float = 5.0,
    points: int = 251,
) -> tuple[Path, Path]:
    """Write ``<stem>.png`` and ``<stem>.csv`` (columns ``radius_mm`` and a curve each), each atomically.

    Args:
        errors: by the name of the curve, distances (K, N) in mm, NaN where there is no label.
        stem: path without ending; its folder is made.
        landmarks: ids to count; None: all.
        limit_mm: the largest radius.
        points: number of radii from 0 to the largest.

    Returns:
        The paths of the picture and the table.
    """
    radii = np.linspace(0.0, limit_mm, points)
    curves = {name: cumulative_curve(values, radii, landmarks) for name, values in errors.items()}
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    picture, table = stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".csv")
    _write_table(table, radii, curves)
    _write_picture(picture, radii, curves)
    return picture, table


def _write_table(path: Path, radii: np.ndarray, curves: Mapping[str, np.ndarray]) -> None:
    rows = zip(radii, *curves.values(), strict=True)
    write_table(path, ["radius_mm", *curves], [[f"{value:.4f}" for value in row] for row in rows])


def _write_picture(path: Path, radii: np.ndarray, curves: Mapping[str, np.ndarray]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, curve in curves.items():
        axes.plot(radii, curve, label=name)
    axes.set(
        xlim=(0.0, radii[-1]), ylim=(0.0, 101.0), xlabel="distance from the label, mm", ylabel="landmarks within it, %"
    )
    axes.grid(alpha=0.3)
    if len(curves) <= _MOST_INSIDE:
        axes.legend(loc="lower right")
    else:
        figure.set_figheight(4.0 + 0.13 * len(curves))
        figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="png")
