"""The best and the worst predictions of each grade as a picture (KNEEL Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kneebundle.datasets.knees import read_landmark_table
from kneebundle.evaluation.landmarks import Comparison
from kneebundle.io.reading import read_radiograph
from kneebundle.io.writing import write_atomically

__all__ = ["choose_cases", "draw_cases"]

_ROWS = {"KL 0 or 1": ("0", "1"), "KL 2": ("2",), "KL 3": ("3",), "KL 4": ("4",)}
_MARKS = ("x", "^", "s", "d")
_TIBIA, _FEMUR = "#ff5555", "#55dd55"
_HALF_WIDTH_MM = 57.5


def choose_cases(comparison: Comparison, count: int = 2) -> dict[str, list[int]]:
    """Choose the knees of each group of grades with the smallest and the largest mean error over all landmarks.

    Args:
        comparison: of the method that decides.
        count: of the best, and of the worst.

    Returns:
        By group the numbers of the knees, the best first; groups without a knee that was predicted are left out.
    """
    mean = np.full(len(comparison.images), np.nan)
    mean[~comparison.missing] = np.nanmean(comparison.errors[~comparison.missing], axis=1)
    chosen = {}
    for name, grades in _ROWS.items():
        members = [k for k, grade in enumerate(comparison.grades) if grade in grades and np.isfinite(mean[k])]
        members.sort(key=lambda k: float(mean[k]))
        if members:
            best, worst = members[:count], members[-count:]
            chosen[name] = [*best, *(k for k in worst if k not in best)]
    return chosen


def draw_cases(comparisons: Mapping[str, Comparison], dataset_dir: Path, path: Path, count: int = 2) -> None:
    """Draw labels (circles) and predictions (crosses, triangles, ... a method) of the best and worst knees.

    Args:
        comparisons: by the name of the method; the first one decides which knees are drawn.
        dataset_dir: folder with images/ and landmarks.csv.
        path: of the PNG.
        count: knees of each group that are best, and that are worst.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first = next(iter(comparisons.values()))
    chosen = choose_cases(first, count)
    records = {record["image"]: record for record in read_landmark_table(dataset_dir / "landmarks.csv")}
    columns = max(map(len, chosen.values()))
    figure = Figure(figsize=(2.6 * columns, 2.8 * len(chosen)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for axes in (panels := figure.subplots(len(chosen), columns, squeeze=False)).flat:
        axes.set_axis_off()
    for row, (group, knees) in zip(panels, chosen.items(), strict=True):
        for axes, k in zip(row, knees, strict=False):
            record = records[first.images[k]]
            spacing = record["spacing_mm"]
            path_of_image = dataset_dir / "images" / record["image"]
            image = read_radiograph(path_of_image, spacing_mm=spacing, side=record["side"]).pixels
            height, width = image.shape
            extent = (-spacing / 2, (width - 0.5) * spacing, (height - 0.5) * spacing, -spacing / 2)
            axes.imshow(image, cmap="gray", extent=extent)
            _mark(axes, first.labels_mm[k], "o")
            for mark, comparison in zip(_MARKS, comparisons.values(), strict=False):
                if first.images[k] in comparison.images:
                    _mark(axes, comparison.points_mm[comparison.images.index(first.images[k])], mark)
            x, y = np.nanmean(first.labels_mm[k], axis=0)
            axes.set_xlim(max(x - _HALF_WIDTH_MM, extent[0]), min(x + _HALF_WIDTH_MM, extent[1]))
            axes.set_ylim(min(y + _HALF_WIDTH_MM, extent[2]), max(y - _HALF_WIDTH_MM, extent[3]))
            axes.set_title(f"{group}: {np.nanmean(first.errors[k]):.2f} mm", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="png")


def _mark(axes: object, points: np.ndarray, marker: str) -> None:
    """Draw the points of one method; the tibia has 0 to 8."""
    for bone, colour in ((points[:9], _TIBIA), (points[9:], _FEMUR)):
        style: dict[str, object] = {"facecolors": "none", "edgecolors": colour} if marker != "x" else {"c": colour}
        axes.scatter(bone[:, 0], bone[:, 1], s=14, marker=marker, linewidths=0.8, **style)  # type: ignore[attr-defined]
