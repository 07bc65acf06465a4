"""Plannings against what raters marked on lateral films (Kordon 2019, section 3).

What is counted:

- Bones (Table 1): intersection over union, average surface distance (from either outline to the other) and Hausdorff
  distance in mm, against the masks beside the truth. A bone that was not found has an IoU of 0 and no distances.
- Landmarks, line and Schoettle point: Euclidean distances (ED) in mm, with median and 80 % bootstrap interval. The
  reference is the first rater of a film. The error of the line is the mean ED of the rater's ``p_prox`` and ``p_dist``
  from the predicted LM1.
- The raters' Schoettle points follow from their points by the same construction. With several raters the reference of
  the Schoettle point is their centroid, and each pair of raters is compared (Table 2), over all films and over those
  that all raters hold to be suitable.
- A film without a Schoettle point has no part in its median; it is listed, and counts as a miss in "within 2.5 mm". A
  film without a prediction has no part in anything else.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_iou

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.planning_truth import (
    PredictedRadiograph,
    RatedRadiograph,
    read_predicted_radiographs,
    read_rated_radiographs,
    read_true_masks,
)
from kneebundle.landmarks import BONES, KNEE_LATERAL
from kneebundle.measurements.schoettle import AREA_MM, SchoettlePlan
from kneebundle.metrics.intervals import median_interval

__all__ = ["AUTOMATIC", "PlanningComparison", "compare_plannings", "summarize_plannings"]

AUTOMATIC = "automatic"


@dataclass(frozen=True)
class PlanningComparison:
    """K films with what was marked and predicted on them.

    Attributes:
        images: (K,) as the truth names them.
        raters: names of the raters, the reference first.
        missing: (K,) why a film has no Schoettle point; None: it has one.
        labelled: (K,) bool, False where the raters' points give no Schoettle point.
        suitable: (K,) bool, held to be so by all raters.
        iou: (K, 4); NaN where there is no true mask.
        surface_mm, hausdorff_mm: (K, 4); NaN where there is no true mask or the bone was not found.
        landmarks_mm: (K, 2) ED of ``p_blum`` and ``p_tmc``; NaN where not found.
        line_mm: (K,) ED of the line's points; NaN where there is no LM1.
        offsets_mm: by rater, and of the prediction under ``"automatic"``: (K, 2) of the Schoettle point from the
            raters' centroid, anterior and proximal along the raters' mean LM1; NaN where there is none.
        radii_mm: (K,) mean radius of the raters' circles.
        unused: predicted films without a label.
    """

    images: tuple[str, ...]
    raters: tuple[str, ...]
    missing: tuple[str | None, ...]
    labelled: np.ndarray
    suitable: np.ndarray
    iou: np.ndarray
    surface_mm: np.ndarray
    hausdorff_mm: np.ndarray
    landmarks_mm: np.ndarray
    line_mm: np.ndarray
    offsets_mm: Mapping[str, np.ndarray]
    radii_mm: np.ndarray
    unused: int


def compare_plannings(predictions: Path, truths: Sequence[Path]) -> PlanningComparison:
    """Match predicted to marked films by name, and measure.

    Args:
        predictions: the output folder of a prediction on lateral films.
        truths: tables of :func:`kneebundle.evaluation.planning_truth.read_rated_radiographs`.

    Raises:
        KneeBundleError: if a file cannot be read or used, if a label has two predictions, or if none has one.
    """
    predicted = read_predicted_radiographs(predictions)
    marked = read_rated_radiographs(truths)
    raters = tuple(dict.fromkeys(film.rater for film in marked))
    by_image: dict[str, list[RatedRadiograph]] = {}
    for film in marked:
        by_image.setdefault(film.image, []).append(film)
    matches = [_match(image, predicted, films[0].folder) for image, films in by_image.items()]
    if not any(matches):
        raise KneeBundleError(
            f"none of its {len(matches)} films is among the {len(predicted)} predicted ones", truths[0]
        )
    rows = [
        _Row.compare(films, match, raters) if match else _Row.missing_prediction(raters)
        for films, match in zip(by_image.values(), matches, strict=True)
    ]
    return PlanningComparison(
        images=tuple(by_image),
        raters=raters,
        missing=tuple(row.missing for row in rows),
        labelled=np.array([row.labelled for row in rows]),
        suitable=np.array([all(film.suitable for film in films) for films in by_image.values()]),
        iou=np.stack([row.bones[0] for row in rows]),
        surface_mm=np.stack([row.bones[1] for row in rows]),
        hausdorff_mm=np.stack([row.bones[2] for row in rows]),
        landmarks_mm=np.stack([row.landmarks_mm for row in rows]),
        line_mm=np.array([row.line_mm for row in rows]),
        offsets_mm={name: np.stack([row.offsets_mm[name] for row in rows]) for name in (*raters, AUTOMATIC)},
        radii_mm=np.array([row.radius_mm for row in rows]),
        unused=len(predicted) - len({match.path for match in matches if match}),
    )


def summarize_plannings(comparison: PlanningComparison) -> dict[str, Any]:
    """Summarise in tables, as plain dictionaries; numbers are None where nothing could be measured.

    Returns:
        ``films``, ``answered`` (films with a Schoettle point); ``bones`` by name with mean and standard deviation
        (Table 1); ``errors`` of the landmarks, the line and the Schoettle point with median and interval;
        ``schoettle_point`` with the percentage within 2.5 mm and the mean offset in the anterior and proximal
        direction; ``raters`` with a row a pair (Table 2).
    """
    automatic = comparison.offsets_mm[AUTOMATIC]
    distance = np.linalg.norm(automatic, axis=1)
    labelled = comparison.labelled
    errors = {name: comparison.landmarks_mm[:, i] for i, name in enumerate(KNEE_LATERAL.names)}
    errors.update(line=comparison.line_mm, schoettle_point=distance)
    within = 100.0 * np.mean(distance[labelled] <= AREA_MM) if labelled.any() else np.nan
    found = automatic[np.isfinite(distance)]
    mean, sd = (found.mean(axis=0), found.std(axis=0)) if len(found) else (np.full(2, np.nan),) * 2
    return {
        "films": len(comparison.images),
        "answered": sum(reason is None for reason in comparison.missing),
        "bones": {bone: _summarize_bone(comparison, number) for number, bone in enumerate(BONES)},
        "errors": {name: _summarize_ed(values) for name, values in errors.items()},
        "schoettle_point": {
            "within_area_percent": _round(within),
            "anterior_mm": {"mean": _round(mean[0]), "sd": _round(sd[0])},
            "proximal_mm": {"mean": _round(mean[1]), "sd": _round(sd[1])},
        },
        "raters": _compare_raters(comparison),
    }


def _summarize_bone(comparison: PlanningComparison, number: int) -> dict[str, Any]:
    columns = {
        "iou": comparison.iou[:, number],
        "surface_distance_mm": comparison.surface_mm[:, number],
        "hausdorff_distance_mm": comparison.hausdorff_mm[:, number],
    }
    row: dict[str, Any] = {"films": int(np.isfinite(columns["iou"]).sum())}
    row["not_found"] = int((columns["iou"] == 0).sum())
    for name, values in columns.items():
        finite = values[np.isfinite(values)]
        mean, sd = (finite.mean(), finite.std()) if finite.size else (np.nan, np.nan)
        row[name] = {"mean": _round(mean), "sd": _round(sd)}
    return row


def _compare_raters(comparison: PlanningComparison) -> list[dict[str, Any]]:
    """Table 2; the last row is the prediction against the raters' centroid."""
    offsets = dict(comparison.offsets_mm)
    names = [*itertools.combinations(comparison.raters, 2), *((AUTOMATIC, rater) for rater in comparison.raters)]
    pairs = {(a, b): np.linalg.norm(offsets[a] - offsets[b], axis=1) for a, b in names}
    if len(comparison.raters) > 1:
        pairs[AUTOMATIC, "centroid"] = np.linalg.norm(offsets[AUTOMATIC], axis=1)
    return [
        {"first": a, "second": b, "all": _summarize_ed(ed), "suitable": _summarize_ed(ed[comparison.suitable])}
        for (a, b), ed in pairs.items()
    ]


def _summarize_ed(values: np.ndarray) -> dict[str, Any]:
    found = median_interval(values)
    return {
        "median_mm": _round(found.median),
        "low_mm": _round(found.low),
        "high_mm": _round(found.high),
        "films": found.size,
    }


def _round(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


@dataclass(frozen=True)
class _Row:
    """One film of a :class:`PlanningComparison`; ``bones`` is (3, 4): IoU, surface and Hausdorff distance."""

    missing: str | None
    labelled: bool
    bones: np.ndarray
    landmarks_mm: np.ndarray
    line_mm: float
    offsets_mm: dict[str, np.ndarray]
    radius_mm: float

    @classmethod
    def missing_prediction(cls, raters: Sequence[str]) -> _Row:
        nothing = np.full(2, np.nan)
        offsets = dict.fromkeys((*raters, AUTOMATIC), nothing)
        return cls("no prediction", True, np.full((3, len(BONES)), np.nan), nothing, np.nan, offsets, np.nan)

    @classmethod
    def compare(cls, films: Sequence[RatedRadiograph], pred: PredictedRadiograph, raters: Sequence[str]) -> _Row:
        reference = films[0]
        spacing = reference.spacing_mm or pred.spacing_mm
        mm = np.array(spacing[::-1])
        truth, guess = read_true_masks(reference, pred.shape), pred.masks()
        bones = next((masks for masks in (truth, guess) if masks is not None), np.zeros((1, *pred.shape), dtype=bool))
        plans = {film.rater: film.plan(bones[0], spacing) for film in films}
        offsets, radius = _measure_offsets(plans, pred.point, mm)
        return cls(
            missing=pred.planning["refused"],
            labelled=bool(offsets),
            bones=_measure_bones(guess, truth, spacing),
            landmarks_mm=np.linalg.norm((pred.landmarks - reference.landmarks) * mm, axis=1),
            line_mm=_measure_line(*pred.tangent, reference.cortex_line, mm),
            offsets_mm={name: offsets.get(name, np.full(2, np.nan)) for name in (*raters, AUTOMATIC)},
            radius_mm=radius,
        )


def _measure_offsets(
    plans: Mapping[str, SchoettlePlan], point_px: np.ndarray, mm: np.ndarray
) -> tuple[dict[str, np.ndarray], float]:
    """Measure how far Schoettle points lie from the raters' centroid.

    Returns:
        By rater and for the prediction (2,) mm anterior and proximal; mean radius of the raters' circles.
    """
    drawn = {rater: plan for rater, plan in plans.items() if plan.point_px is not None and plan.radius_mm is not None}
    if not drawn:
        return {}, np.nan
    points = {rater: np.array(plan.point_px) * mm for rater, plan in drawn.items()}
    points[AUTOMATIC] = point_px * mm
    center = np.mean([points[rater] for rater in drawn], axis=0)
    distal = _average_direction([np.array(plan.lines["LM1"].direction) * mm for plan in drawn.values()])
    ahead = _average_direction([np.array(plan.lines["LM2"].direction) * mm for plan in drawn.values()])
    offsets = {name: np.array([(place - center) @ ahead, -(place - center) @ distal]) for name, place in points.items()}
    return offsets, float(np.mean([plan.radius_mm for plan in drawn.values()]))


def _average_direction(vectors: Sequence[np.ndarray]) -> np.ndarray:
    total = np.sum([vector / np.linalg.norm(vector) for vector in vectors], axis=0)
    return total / np.linalg.norm(total)


def _measure_line(point: np.ndarray, direction: np.ndarray, ends: np.ndarray, mm: np.ndarray) -> float:
    """Mean distance in mm of the two ends (2, 2) from the line."""
    along = direction * mm / np.linalg.norm(direction * mm)
    away = (ends - point) * mm
    return float(np.abs(away[:, 0] * along[1] - away[:, 1] * along[0]).mean())


def _measure_bones(guess: np.ndarray | None, truth: np.ndarray | None, spacing_mm: tuple[float, float]) -> np.ndarray:
    """(3, 4) IoU, average surface distance and Hausdorff distance of the bones, by MONAI."""
    values = np.full((3, len(BONES)), np.nan)
    if guess is None or truth is None:
        return values
    for number in range(len(BONES)):
        if not truth[number].any():
            continue
        found, true = (torch.from_numpy(mask[number])[None, None].float() for mask in (guess, truth))
        values[0, number] = float(compute_iou(found, true))
        if guess[number].any():
            values[1:, number] = _measure_surfaces(found, true, spacing_mm)
    return values


def _measure_surfaces(found: torch.Tensor, true: torch.Tensor, spacing_mm: tuple[float, float]) -> tuple[float, float]:
    """Average surface distance and Hausdorff distance of two masks (1, 1, H, W)."""
    mm = list(spacing_mm)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "monai.metrics.utils get_mask_edges", FutureWarning)  # MONAI's own call
        surface = compute_average_surface_distance(found, true, include_background=True, symmetric=True, spacing=mm)
        farthest = compute_hausdorff_distance(found, true, include_background=True, spacing=mm)
    return float(surface), float(farthest)


def _match(image: str, predicted: Sequence[PredictedRadiograph], truth: Path) -> PredictedRadiograph | None:
    parts = Path(image).parts
    found = [film for film in predicted if film.path.parts[-len(parts) :] == parts]
    if len(found) > 1:
        raise KneeBundleError(
            f"{image} fits {len(found)} predictions ({found[0].path}, {found[1].path}, ...); "
            "give the folders in the column 'image' too",
            truth,
        )
    return found[0] if found else None
