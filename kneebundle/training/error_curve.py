"""Cumulative error curves as a picture and a table (KNEEL Figures 5 and 6)."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from kneebundle.metrics.functional import cumulative_curve

__all__ = ["CumulativeErrorPlot", "save_error_curves"]


def save_error_curves(
    errors: Mapping[str, np.ndarray],
    stem: str | Path,
    landmarks: Sequence[int] | None = None,
    limit_mm: float = 5.0,
    points: int = 251,
) -> tuple[Path, Path]:
    """Write ``<stem>.png`` and ``<stem>.csv`` (columns ``radius_mm`` and a curve each), each whole or not at all.

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
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["radius_mm", *curves])
        for row in zip(radii, *curves.values(), strict=True):
            writer.writerow([f"{value:.4f}" for value in row])
    os.replace(temporary, path)


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
    axes.legend(loc="lower right")
    temporary = path.with_name(f".{path.name}.part")
    figure.savefig(temporary, format="png")
    os.replace(temporary, path)


class CumulativeErrorPlot:
    """Handler of an evaluator that saves the cumulative error curves when the evaluation is complete.

    Args:
        stem: path without ending, see :func:`save_error_curves`; a later evaluation overwrites it.
        metrics: by the name of the curve, the name under which a :class:`LandmarkMetric` is attached to the evaluator
            (with ``save_details``, the default of IgniteMetricHandler).
        landmarks: ids to count; None: all.
        limit_mm: the largest radius.

    Raises:
        ValueError: when evaluating, if the engine has no such metric.
    """

    def __init__(
        self,
        stem: str | Path,
        metrics: Mapping[str, str],
        landmarks: Sequence[int] | None = None,
        limit_mm: float = 5.0,
    ) -> None:
        self.stem = Path(stem)
        self.metrics = dict(metrics)
        self.landmarks = landmarks
        self.limit_mm = limit_mm

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        errors = {label: self._errors(engine, name) for label, name in self.metrics.items()}
        save_error_curves(errors, self.stem, self.landmarks, self.limit_mm)

    def _errors(self, engine: Engine, name: str) -> np.ndarray:
        state: Any = engine.state
        details = state.metric_details.get(name)
        if not isinstance(details, torch.Tensor):
            raise ValueError(f"the evaluator has no landmark metric {name!r}; it has {sorted(state.metric_details)}")
        return details.cpu().numpy()
