"""A figure of how measurements are taken: a panel each, with the lines on the radiograph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kneebundle.io.writing import write_atomically
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from kneebundle.reports.drawing import make_grey_image

__all__ = ["write_measurement_figure"]

_MARGIN_MM = 8.0
_COLUMNS, _SHAPE, _MOST = 2, 1.7, 3


def write_measurement_figure(
    radiograph: Radiograph, panels: Sequence[tuple[str, Sequence[Measurement]]], path: Path
) -> None:
    """Write a PNG with a panel for each group of measurements, atomically.

    The line measured along is yellow, the others cyan; the values stand below the panel.

    Args:
        radiograph: what was measured.
        panels: title and measurements of each; those without a value are left out.
        path: of the PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(5.0 * _COLUMNS, 3.4 * rows), dpi=75, layout="constrained")
    FigureCanvasAgg(figure)
    grey = np.asarray(make_grey_image(radiograph))
    row_mm, column_mm = radiograph.spacing_mm
    for place, (title, measurements) in enumerate(panels):
        taken = [m for m in measurements if m.value is not None]
        axes = figure.add_subplot(rows, _COLUMNS, place + 1)
        axes.imshow(grey, cmap="gray", aspect=row_mm / column_mm, interpolation="bilinear")
        for measurement in taken:
            for number, line in enumerate(measurement.segments_px):
                first = number == 0
                axes.plot(*line.T, color="yellow" if first else "cyan", linewidth=1.6 if first else 1.0)
        lines = [line for m in taken for line in m.segments_px]
        points = np.concatenate(lines) if lines else np.array([[0, 0], [radiograph.columns, radiograph.rows]])
        margin = _MARGIN_MM / np.array([column_mm, row_mm])
        low, high = _widen(points.min(axis=0) - margin, points.max(axis=0) + margin, row_mm / column_mm)
        axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[])
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(_describe(taken), fontsize=8)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="png")


def _describe(measurements: Sequence[Measurement]) -> str:
    texts = [f"{m.value:.1f} {m.unit}" for m in measurements]
    return ", ".join(texts if len(texts) <= _MOST else [texts[0], "...", texts[-1]])


def _widen(low: np.ndarray, high: np.ndarray, pixel_aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """A window of the panels' shape about the same middle."""
    size = (high - low) * [1.0, pixel_aspect]
    width = max(float(size[0]), float(size[1]) * _SHAPE)
    half = np.array([width, width / _SHAPE / pixel_aspect]) / 2
    return (low + high) / 2 - half, (low + high) / 2 + half
