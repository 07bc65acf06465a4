"""Landmarks that were predicted against labels (KNEEL section 4.3 and Table 2).

What is counted:

- A labelled knee without a prediction is *missing*. It counts as a failure in PCK and as an outlier; it has no part in
  the mean and median error, nor in the quarters by confidence.
- PCK and the mean and median error are over the chosen landmarks, outliers over all of them: the percentage of knees
  with any landmark more than 10 mm off.
- "Fitted" is PCK after the best scale and shift, without rotation, of all landmarks of each knee onto its labels.
- A prediction without a label is left out, and counted.
- A landmark that a knee's label does not mark has no part in anything; a fit rests on those that are marked.
- Of several readings of a knee the mean is the label, and the distance between two readings stands beside the error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.landmark_tables import (
    LabelledKnee,
    read_labels,
    read_predicted_landmarks,
    read_predicted_spacing,
)
from kneebundle.landmarks import KNEE_PA
from kneebundle.metrics.alignment import align_predictions
from kneebundle.metrics.functional import RADII_MM, outlier_rate, pck, radial_errors

__all__ = ["OUTLIER_MM", "Comparison", "compare", "measure_width", "summarize", "summarize_each"]

OUTLIER_MM = 10.0
_SPACING_TOLERANCE = 0.01
_PLATEAU = (0, 8)


@dataclass(frozen=True)
class Comparison:
    """Labelled knees with what was predicted for them, K knees of N landmarks.

    Attributes:
        images: (K,) the image of each knee, as the truth names it.
        sides: (K,).
        grades: (K,) Kellgren-Lawrence grade as text; empty where the truth has none.
        errors: (K, N) radial errors in mm; infinite where the prediction is missing, NaN where nothing is marked.
        fitted: (K, N) the same after the fit of scale and shift.
        confidence: (K, N); NaN where the prediction or its confidence is missing.
        points_mm: (K, N, 2) what was predicted, in mm; NaN where the prediction is missing.
        labels_mm: (K, N, 2) the mean of the readings, in mm; NaN where nothing is marked.
        readings_mm: (K, N) distance between two readings; NaN where the truth has only one.
        unused: predicted knees that have no label.
        other_spacing: a line for each knee whose label states another pixel size than it was predicted with.
    """

    images: tuple[str, ...]
    sides: tuple[str, ...]
    grades: tuple[str, ...]
    errors: np.ndarray
    fitted: np.ndarray
    confidence: np.ndarray
    points_mm: np.ndarray
    labels_mm: np.ndarray
    readings_mm: np.ndarray
    unused: int
    other_spacing: tuple[str, ...] = ()

    @property
    def missing(self) -> np.ndarray:
        """(K,) bool: knees without a prediction."""
        return np.isinf(self.errors).any(axis=1)

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
            points_mm=self.points_mm[kept],
            labels_mm=self.labels_mm[kept],
            readings_mm=self.readings_mm[kept],
            unused=self.unused,
            other_spacing=self.other_spacing,
        )


def compare(predictions: Path, *truths: Path) -> Comparison:
    """Match predicted to labelled knees by image and side, and measure.

    An image matches where the predicted path ends with what the truth names: the name of the file or, where the truth
    gives folders too, also those. Both are in pixels of the image; the spacing of the truth converts them to mm.

    Args:
        predictions: the output folder of a prediction, or the ``landmarks.csv`` in it.
        truths: CSV files with ``image``, ``side``, ``spacing_mm``, ``x0,y0..x15,y15`` and, where wanted, ``kl``; one a
            reading. The cells of a landmark that is not marked are empty.

    Raises:
        KneeBundleError: if a file cannot be read or used, if a label has two predictions, or if none has one.
    """
    table = predictions / "landmarks.csv" if predictions.is_dir() else predictions
    predicted = read_predicted_landmarks(table)
    labels, truth = read_labels(truths), truths[0]
    by_name: defaultdict[tuple[str, str], list[Path]] = defaultdict(list)
    for path, side in predicted:
        by_name[path.name, side].append(path)
    used = [_match(label, by_name, truth) for label in labels]
    if not any(used):
        raise KneeBundleError(f"none of its {len(labels)} knees is among the {len(predicted)} predicted ones", truth)
    if len({path for path in used if path}) < sum(map(bool, used)):
        raise KneeBundleError("two of its rows are about the same predicted knee; give each knee once", truth)
    nothing = np.full((len(KNEE_PA), 3), np.nan)
    pred = np.stack([predicted[key] if key else nothing for key in used])
    spacing = np.array([label.spacing_mm[::-1] for label in labels])[:, None]
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
        points_mm=points,
        labels_mm=goal,
        readings_mm=np.stack([label.readings_mm for label in labels]),
        unused=len(predicted) - int(found.sum()),
        other_spacing=tuple(_compare_spacing(labels, used, read_predicted_spacing(table))),
    )


def _compare_spacing(
    labels: Sequence[LabelledKnee],
    used: Sequence[tuple[Path, str] | None],
    predicted: Mapping[tuple[Path, str], tuple[float, float]],
) -> Iterator[str]:
    """A line for each knee whose label states another pixel size than the prediction."""
    for label, key in zip(labels, used, strict=True):
        if (
            key is not None
            and key in predicted
            and not np.allclose(label.spacing_mm, predicted[key], rtol=_SPACING_TOLERANCE)
        ):
            both = (label.spacing_mm, predicted[key])
            stated, taken = (" x ".join(f"{value:.4g}" for value in spacing) for spacing in both)
            yield f"{label.image} {label.side}: {stated} mm in the truth, {taken} mm in the prediction"


def summarize(comparison: Comparison, landmarks: Sequence[int] = KNEE_PA.report) -> dict[str, dict[str, Any]]:
    """Summarise in a table: a row for all knees, for each KL grade, and for each quarter of the knees by confidence.

    A knee's confidence is the mean over the chosen landmarks; quarter 1 has the lowest.

    Returns:
        For each group by name: ``knees``, ``missing``, ``pck_mm`` and ``pck_fitted_mm`` (percent by radius),
        ``outliers`` (percent of knees), ``mean_mm`` and ``median_mm``; None where nothing was found or marked.
    """
    groups: dict[str, np.ndarray] = {"all": np.ones(len(comparison.images), dtype=bool)}
    for grade in sorted(set(comparison.grades) - {""}):
        groups[f"KL {grade}"] = np.array([g == grade for g in comparison.grades])
    groups.update(_split_by_confidence(comparison, landmarks))
    return {name: _summarize_group(comparison, members, landmarks) for name, members in groups.items()}


def _summarize_group(comparison: Comparison, members: np.ndarray, landmarks: Sequence[int]) -> dict[str, Any]:
    errors, fitted = comparison.errors[members], comparison.fitted[members]
    found = errors[~comparison.missing[members]][:, list(landmarks)]
    found = found[~np.isnan(found)]
    return {
        "knees": int(members.sum()),
        "missing": int(comparison.missing[members].sum()),
        "pck_mm": {f"{radius:g}": _round(pck(errors, radius, landmarks), 2) for radius in RADII_MM},
        "pck_fitted_mm": {f"{radius:g}": _round(pck(fitted, radius, landmarks), 2) for radius in RADII_MM},
        "outliers": _round(outlier_rate(errors, OUTLIER_MM), 2),
        "mean_mm": _round(found.mean(), 3) if found.size else None,
        "median_mm": _round(np.median(found), 3) if found.size else None,
    }


def summarize_each(comparison: Comparison, landmarks: Sequence[int] = KNEE_PA.report) -> list[dict[str, Any]]:
    """Summarise landmark by landmark, over the knees where it is both marked and predicted.

    Returns:
        For each landmark: ``landmark``, ``name``, ``knees``, ``mean_mm``, ``median_mm``; how far the prediction lies
        from the label on average with its standard error, ``lateral_mm`` and ``lateral_error_mm`` (towards the fibula
        is positive), ``down_mm`` and ``down_error_mm``; ``readings_mm``, the mean distance between two readings. None
        where there are too few knees or readings.
    """
    outward = np.array([-1.0 if side == "R" else 1.0 for side in comparison.sides])
    offsets = comparison.points_mm - comparison.labels_mm
    offsets = np.stack([offsets[..., 0] * outward[:, None], offsets[..., 1]], axis=-1)
    rows = []
    for landmark in landmarks:
        known = np.isfinite(comparison.errors[:, landmark])
        errors, readings = comparison.errors[known, landmark], comparison.readings_mm[:, landmark]
        row: dict[str, Any] = {"landmark": landmark, "name": KNEE_PA.names[landmark], "knees": int(known.sum())}
        row["mean_mm"] = _round(errors.mean(), 3) if errors.size else None
        row["median_mm"] = _round(np.median(errors), 3) if errors.size else None
        for axis, name in enumerate(("lateral", "down")):
            row[f"{name}_mm"], row[f"{name}_error_mm"] = _summarize_mean(offsets[known, landmark, axis])
        row["readings_mm"] = _summarize_mean(readings[np.isfinite(readings)])[0]
        rows.append(row)
    return rows


def measure_width(comparison: Comparison) -> dict[str, Any]:
    """Measure how wide the predicted tibial plateau, from landmark 0 to 8, is against the labelled one.

    Returns:
        ``knees``, ``ratio`` (the mean of predicted over labelled width) and ``ratio_sd``, None where there are too few.
    """
    widths = [
        np.linalg.norm(points[:, _PLATEAU[0]] - points[:, _PLATEAU[1]], axis=-1)
        for points in (comparison.points_mm, comparison.labels_mm)
    ]
    known = np.isfinite(widths[0]) & np.isfinite(widths[1]) & (widths[1] > 0)
    ratios = widths[0][known] / widths[1][known]
    return {
        "knees": int(known.sum()),
        "ratio": _round(ratios.mean(), 4) if ratios.size else None,
        "ratio_sd": _round(ratios.std(ddof=1), 4) if ratios.size > 1 else None,
    }


def _summarize_mean(values: np.ndarray) -> tuple[float | None, float | None]:
    """The mean and its standard error."""
    if not values.size:
        return None, None
    return _round(values.mean(), 3), _round(values.std(ddof=1) / np.sqrt(values.size), 3) if values.size > 1 else None


def _round(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def _split_by_confidence(comparison: Comparison, landmarks: Sequence[int]) -> Mapping[str, np.ndarray]:
    confidence = comparison.confidence[:, list(landmarks)].mean(axis=1)
    known = np.flatnonzero(np.isfinite(confidence))
    if len(known) < 4:
        return {}
    quarters = np.array_split(known[np.argsort(confidence[known], kind="stable")], 4)
    everyone = np.arange(len(confidence))
    return {f"confidence quarter {i}": np.isin(everyone, quarter) for i, quarter in enumerate(quarters, start=1)}


def _match(
    label: LabelledKnee, by_name: Mapping[tuple[str, str], Sequence[Path]], truth: Path
) -> tuple[Path, str] | None:
    wanted = Path(label.image)
    parts = wanted.parts
    named = by_name.get((wanted.name, label.side), ())
    found = [path for path in named if path.parts[-len(parts) :] == parts]
    if not found and wanted.is_absolute():  # the images have moved since
        found = list(named)
    if len(found) > 1:
        raise KneeBundleError(
            f"{label.image} {label.side} fits {len(found)} predictions ({found[0]}, {found[1]}, ...); "
            "give the folders in the column 'image' too",
            truth,
        )
    return (found[0], label.side) if found else None
