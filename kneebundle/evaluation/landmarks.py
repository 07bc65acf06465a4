"""Landmarks that were predicted against labels (KNEEL section 4.3 and Table 2).

What is counted:

- A labelled knee without a prediction is *missing*. It counts as a failure in PCK and as an outlier; it has no part in
  the mean and median error, nor in the quarters by confidence.
- PCK and the mean and median error are over the chosen landmarks, outliers over all of them: the percentage of knees
  with any landmark more than 10 mm off.
- "Fitted" is PCK after the best scale and shift, without rotation, of all landmarks of each knee onto its labels.
- A prediction without a label is left out, and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import parse_number, read_table
from kneebundle.landmarks import KNEE_LATERAL, KNEE_PA
from kneebundle.metrics.alignment import align_predictions
from kneebundle.metrics.functional import RADII_MM, outlier_rate, pck, radial_errors

__all__ = ["OUTLIER_MM", "Comparison", "compare", "summarize"]

OUTLIER_MM = 10.0
_IDS = range(len(KNEE_PA))
_LATERAL_NAMES = {*KNEE_LATERAL.names, "schoettle_point"}


@dataclass(frozen=True)
class Comparison:
    """Labelled knees with what was predicted for them, K knees of N landmarks.

    Attributes:
        images: (K,) the image of each knee, as the truth names it.
        sides: (K,).
        grades: (K,) Kellgren-Lawrence grade as text; empty where the truth has none.
        errors: (K, N) radial errors in mm; infinite where the prediction is missing.
        fitted: (K, N) the same after the fit of scale and shift.
        confidence: (K, N); NaN where the prediction or its confidence is missing.
        unused: predicted knees that have no label.
    """

    images: tuple[str, ...]
    sides: tuple[str, ...]
    grades: tuple[str, ...]
    errors: np.ndarray
    fitted: np.ndarray
    confidence: np.ndarray
    unused: int

    @property
    def missing(self) -> np.ndarray:
        """(K,) bool: knees without a prediction."""
        return ~np.isfinite(self.errors).all(axis=1)

    def select(self, images: Collection[str]) -> Comparison:
        """Select some images."""
        kept = [k for k, image in enumerate(self.images) if image in images]
        return Comparison(
            images=tuple(self.images[k] for k in kept),
            sides=tuple(self.sides[k] for k in kept),
            grades=tuple(self.grades[k] for k in kept),
            errors=self.errors[kept],
            fitted=self.fitted[kept],
            confidence=self.confidence[kept],
            unused=self.unused,
        )


def compare(predictions: Path, truth: Path) -> Comparison:
    """Match predicted to labelled knees by image and side, and measure.

    An image matches where the predicted path ends with what the truth names: the name of the file or, where the truth
    gives folders too, also those. Both are in pixels of the image; the spacing of the truth converts them to mm.

    Args:
        predictions: the output folder of a prediction, or the ``landmarks.csv`` in it.
        truth: CSV file with ``image``, ``side``, ``spacing_mm``, ``x0,y0..x15,y15`` and, where wanted, ``kl``.

    Raises:
        KneeBundleError: if a file cannot be read or used, if a label has two predictions, or if none has one.
    """
    predicted = _read_predictions(predictions / "landmarks.csv" if predictions.is_dir() else predictions)
    labels = _read_truth(truth)
    by_name: defaultdict[tuple[str, str], list[Path]] = defaultdict(list)
    for path, side in predicted:
        by_name[path.name, side].append(path)
    used = [_match(label, by_name, truth) for label in labels]
    if not any(used):
        raise KneeBundleError(f"none of its {len(labels)} knees is among the {len(predicted)} predicted ones", truth)
    if len({path for path in used if path}) < sum(map(bool, used)):
        raise KneeBundleError("two of its rows are about the same predicted knee; give each knee once", truth)
    nothing = np.full((len(_IDS), 3), np.nan)
    pred = np.stack([predicted[key] if key else nothing for key in used])
    spacing = np.array([label.spacing_mm for label in labels])[:, None, None]
    points, goal = pred[..., :2] * spacing, np.stack([label.points for label in labels]) * spacing
    found = np.array([key is not None for key in used])
    fitted = np.full_like(points, np.nan)
    fitted[found] = align_predictions(points[found], goal[found])
    return Comparison(
        images=tuple(label.image for label in labels),
        sides=tuple(label.side for label in labels),
        grades=tuple(label.grade for label in labels),
        errors=radial_errors(points, goal),
        fitted=radial_errors(fitted, goal),
        confidence=pred[..., 2],
        unused=len(predicted) - int(found.sum()),
    )


def summarize(comparison: Comparison, landmarks: Sequence[int] = KNEE_PA.report) -> dict[str, dict[str, Any]]:
    """Summarise in a table: a row for all knees, for each KL grade, and for each quarter of the knees by confidence.

    A knee's confidence is the mean over the chosen landmarks; quarter 1 has the lowest.

    Returns:
        For each group by name: ``knees``, ``missing``, ``pck_mm`` and ``pck_fitted_mm`` (percent by radius),
        ``outliers`` (percent of knees), ``mean_mm`` and ``median_mm`` (None where nothing was found).
    """
    groups: dict[str, np.ndarray] = {"all": np.ones(len(comparison.images), dtype=bool)}
    for grade in sorted(set(comparison.grades) - {""}):
        groups[f"KL {grade}"] = np.array([g == grade for g in comparison.grades])
    groups.update(_split_by_confidence(comparison, landmarks))
    return {name: _summarize_group(comparison, members, landmarks) for name, members in groups.items()}


def _summarize_group(comparison: Comparison, members: np.ndarray, landmarks: Sequence[int]) -> dict[str, Any]:
    errors, fitted = comparison.errors[members], comparison.fitted[members]
    found = errors[~comparison.missing[members]][:, list(landmarks)]
    return {
        "knees": int(members.sum()),
        "missing": int(comparison.missing[members].sum()),
        "pck_mm": {f"{radius:g}": round(pck(errors, radius, landmarks), 2) for radius in RADII_MM},
        "pck_fitted_mm": {f"{radius:g}": round(pck(fitted, radius, landmarks), 2) for radius in RADII_MM},
        "outliers": round(outlier_rate(errors, OUTLIER_MM), 2),
        "mean_mm": round(float(found.mean()), 3) if found.size else None,
        "median_mm": round(float(np.median(found)), 3) if found.size else None,
    }


def _split_by_confidence(comparison: Comparison, landmarks: Sequence[int]) -> Mapping[str, np.ndarray]:
    confidence = comparison.confidence[:, list(landmarks)].mean(axis=1)
    known = np.flatnonzero(np.isfinite(confidence))
    if len(known) < 4:
        return {}
    quarters = np.array_split(known[np.argsort(confidence[known], kind="stable")], 4)
    everyone = np.arange(len(confidence))
    return {f"confidence quarter {i}": np.isin(everyone, quarter) for i, quarter in enumerate(quarters, start=1)}


@dataclass(frozen=True)
class _Label:
    image: str
    side: str
    grade: str
    spacing_mm: float
    points: np.ndarray


def _read_truth(path: Path) -> list[_Label]:
    columns = [f"{axis}{i}" for i in _IDS for axis in "xy"]
    rows = read_table(path, ["image", "side", "spacing_mm", *columns])
    if not rows:
        raise KneeBundleError("the table has no rows; a row for each labelled knee is needed", path)
    labels = []
    for line, row in enumerate(rows, start=2):
        spacing_mm = parse_number(row, "spacing_mm", line, path)
        if spacing_mm <= 0:
            raise KneeBundleError(f"line {line}: spacing_mm is {spacing_mm}; it must be above 0", path)
        points = np.array([parse_number(row, column, line, path) for column in columns]).reshape(-1, 2)
        labels.append(_Label(row["image"], row["side"], row.get("kl", ""), spacing_mm, points))
    return labels


def _read_predictions(path: Path) -> dict[tuple[Path, str], np.ndarray]:
    """(N, 3) x, y, confidence of each predicted knee by path and side."""
    if not path.is_file():
        raise KneeBundleError(
            "there is no such table; the folder of a prediction with the format csv is needed", path, "predictions"
        )
    knees: dict[tuple[Path, str], np.ndarray] = {}
    for line, row in enumerate(read_table(path, ["path", "side", "landmark", "x_px", "y_px"]), start=2):
        if row.get("name") in _LATERAL_NAMES:
            continue
        landmark = parse_number(row, "landmark", line, path)
        if landmark not in _IDS:
            raise KneeBundleError(f"line {line}: landmark is {row['landmark']}; 0 to {len(_IDS) - 1} are known", path)
        knee = knees.setdefault((Path(row["path"]), row["side"]), np.full((len(_IDS), 3), np.nan))
        knee[int(landmark), :2] = parse_number(row, "x_px", line, path), parse_number(row, "y_px", line, path)
        if row.get("confidence"):
            knee[int(landmark), 2] = parse_number(row, "confidence", line, path)
    return knees


def _match(label: _Label, by_name: Mapping[tuple[str, str], Sequence[Path]], truth: Path) -> tuple[Path, str] | None:
    wanted = Path(label.image)
    parts = wanted.parts
    found = [path for path in by_name.get((wanted.name, label.side), ()) if path.parts[-len(parts) :] == parts]
    if len(found) > 1:
        raise KneeBundleError(
            f"{label.image} {label.side} fits {len(found)} predictions ({found[0]}, {found[1]}, ...); "
            "give the folders in the column 'image' too",
            truth,
        )
    return (found[0], label.side) if found else None
