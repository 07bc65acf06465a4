"""Measurements of graded knees: how they go with the Kellgren-Lawrence grade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kneebundle.datasets.knees import read_landmark_table
from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.text_tables import format_table
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.reports.json_report import read_document

__all__ = ["GradedKnees", "format_grades", "measure_graded_knees", "write_grades"]

NARROWER = "joint_space_width_narrower"
"""The smaller of the two compartments' minima."""
DRAWN = ("joint_space_width_medial_minimum", "joint_space_width_lateral_minimum", NARROWER)
_MINIMA = DRAWN[:2]


@dataclass(frozen=True)
class GradedKnees:
    """Measurements of knees with a grade.

    Attributes:
        images: (K,) names.
        grades: (K,) Kellgren-Lawrence, 0 to 4.
        values: (K,) of each measurement by name; NaN where it could not be taken.
        units: by name.
    """

    images: tuple[str, ...]
    grades: np.ndarray
    values: Mapping[str, np.ndarray]
    units: Mapping[str, str]

    def correlate(self, name: str) -> float:
        """Spearman's rank correlation of a measurement with the grade."""
        from scipy.stats import spearmanr

        known = np.isfinite(self.values[name])
        if known.sum() < 3 or np.ptp(self.values[name][known]) == 0 or np.ptp(self.grades[known]) == 0:
            return float("nan")
        return float(spearmanr(self.values[name][known], self.grades[known]).statistic)


def measure_graded_knees(dataset_dir: Path, predictions: Path | None = None) -> GradedKnees:
    """Measure the knees of a data set.

    Args:
        dataset_dir: folder with images/ and landmarks.csv, which has the column ``kl``.
        predictions: output folder of a prediction (of the networks that did not see the knee), whose landmarks are
            taken; None: the data set's own. Knees without a prediction or without landmarks are left out.

    Raises:
        KneeBundleError: if no knee is left.
    """
    images: list[str] = []
    grades: list[int] = []
    rows: list[dict[str, float]] = []
    units: dict[str, str] = {}
    for record in read_landmark_table(dataset_dir / "landmarks.csv"):
        landmarks = _find_landmarks(record["landmarks"], record["image"], predictions)
        if landmarks is None:
            continue
        path = dataset_dir / "images" / record["image"]
        radiograph = read_radiograph(path, spacing_mm=record["spacing_mm"], side=record["side"])
        found = measure_knee_pa(radiograph, landmarks)
        units.update({name: m.unit for name, m in found.items()})
        row = {name: np.nan if m.value is None else m.value for name, m in found.items()}
        row[NARROWER] = float(np.min([row[name] for name in _MINIMA]))
        images.append(record["image"])
        grades.append(record["kl"])
        rows.append(row)
    if not rows:
        raise KneeBundleError("no knee of the data set has landmarks there", predictions or dataset_dir)
    units[NARROWER] = "mm"
    values = {name: np.array([row[name] for row in rows]) for name in units}
    return GradedKnees(tuple(images), np.array(grades), values, units)


def _find_landmarks(labels: np.ndarray, image: str, predictions: Path | None) -> Landmarks | None:
    if predictions is None:
        return Landmarks(labels)
    document = read_document(predictions / f"{Path(image).stem}.json")
    points = [] if document is None or not document.get("knees") else document["knees"][0]["landmarks"]
    if len(points) != len(KNEE_PA):
        return None
    radii = [point.get("radius_mm") for point in points]
    return Landmarks(
        np.array([[point["x_px"], point["y_px"]] for point in points]),
        radius_mm=None if None in radii else np.array(radii, dtype=np.float64),
    )


def format_grades(knees: GradedKnees) -> str:
    """Format a table: mean of each measurement by grade, rank correlation, share that could not be measured."""
    header = ["measurement", "unit", *(f"KL {grade}" for grade in range(5)), "rho", "missing %"]
    return format_table(header, [_list_cells(knees, name) for name in knees.units])


def _list_cells(knees: GradedKnees, name: str) -> Sequence[str]:
    values = knees.values[name]
    cells = []
    for grade in range(5):
        known = values[(knees.grades == grade) & np.isfinite(values)]
        cells.append(f"{known.mean():.2f}" if len(known) else "")
    rho = knees.correlate(name)
    missing = f"{100 * float(np.mean(~np.isfinite(values))):.1f}"
    return [name, knees.units[name], *cells, f"{rho:+.2f}" if np.isfinite(rho) else "", missing]


def write_grades(knees: GradedKnees, folder: Path) -> None:
    """Write ``measurements_by_grade.csv``, a row a knee, and ``.png``, a box a grade; each atomically."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    columns = ["image", "kl", *(f"{name}_{unit}" for name, unit in knees.units.items())]
    rows = [
        [image, int(grade), *(round(float(v[row]), 3) if np.isfinite(v[row]) else None for v in knees.values.values())]
        for row, (image, grade) in enumerate(zip(knees.images, knees.grades, strict=True))
    ]
    write_table(folder / "measurements_by_grade.csv", columns, rows)
    figure = Figure(figsize=(10.0, 4.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for place, name in enumerate(DRAWN):
        axes = figure.add_subplot(1, len(DRAWN), place + 1)
        values = knees.values[name]
        groups = [values[(knees.grades == grade) & np.isfinite(values)] for grade in range(5)]
        axes.boxplot(groups, positions=range(5), widths=0.6, showfliers=False, medianprops={"color": "tab:red"})
        spread = np.random.default_rng(0)
        for grade, group in enumerate(groups):
            axes.plot(grade + spread.uniform(-0.2, 0.2, len(group)), group, ".", color="0.5", markersize=3, zorder=0)
        axes.set(title=f"{name[len('joint_space_width_') :].replace('_', ' ')}: rho {knees.correlate(name):+.2f}")
        axes.set(xlabel="Kellgren-Lawrence grade", ylabel="joint space width, mm", ylim=(-0.3, None))
        axes.grid(alpha=0.3)
    with write_atomically(folder / "measurements_by_grade.png") as temporary:
        figure.savefig(temporary, format="png")
