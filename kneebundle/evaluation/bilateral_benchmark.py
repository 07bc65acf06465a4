"""Errors of the whole pipeline on bilateral films whose landmarks are known (KNEEL Table 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.text_tables import format_table
from kneebundle.landmarks import KNEE_PA
from kneebundle.metrics.functional import RADII_MM, outlier_rate, pck, radial_errors
from kneebundle.phantoms.pa.bilateral import BilateralFilms, KneeImage
from kneebundle.pipelines.knee_pa import KneePipeline

__all__ = ["BilateralErrors", "measure_bilateral_errors", "format_bilateral_errors"]

TABLE_LANDMARKS = (0, 4, 8, 9, 12, 15)


class BilateralErrors(NamedTuple):
    """Distances in mm, of K knees.

    Attributes:
        joint: (K, 1) of stage 1.
        landmarks: by the number of passes (K, 16); infinite where there is no prediction.
        missing: knees without a prediction after two passes.
    """

    joint: np.ndarray
    landmarks: dict[int, np.ndarray]
    missing: int


def measure_bilateral_errors(
    pipeline: KneePipeline, knees: Sequence[KneeImage], count: int, *, seed: int = 0, spacing_mm: float = 0.2
) -> BilateralErrors:
    """Make films of knees, predict, and measure the errors.

    The films show no implants: the landmarks of an arthroplasty are not known.

    Args:
        pipeline: with both stages.
        knees: what the films are made of; of subjects that neither network was trained on.
        count: number of films, each with two knees.
        seed: of the films.
        spacing_mm: of the films.

    Raises:
        KneeBundleError: if the pipeline has no stage 1.
    """
    if pipeline.roi is None:
        raise KneeBundleError(
            "the bundle knee_roi_localization is not installed; bilateral films need it", field="bundles"
        )
    films = BilateralFilms(knees, count, seed, spacing_mm, implants=0.0)
    joint: list[float] = []
    landmarks: dict[int, list[np.ndarray]] = {1: [], 2: []}
    missing = 0
    for number in range(count):
        film, truth = films[number]
        for stages in landmarks:
            pipeline.stages = stages
            result = pipeline.predict(film, view="pa-bilateral")
            for knee in result.knees:
                labelled = film.px_to_mm(truth.landmarks_px[knee.side])
                if stages == 1:
                    center = film.px_to_mm(np.array([knee.center_px]))[0]
                    joint.append(float(np.linalg.norm(center - labelled[KNEE_PA.center])))
                if knee.landmarks is None:
                    missing += stages == 2
                    landmarks[stages].append(np.full(len(KNEE_PA), np.inf))
                else:
                    found = film.px_to_mm(knee.landmarks.points)
                    landmarks[stages].append(radial_errors(found[None], labelled[None])[0])
    return BilateralErrors(np.array(joint)[:, None], {s: np.stack(e) for s, e in landmarks.items()}, missing)


def format_bilateral_errors(errors: BilateralErrors) -> str:
    """Format KNEEL's Table 2: PCK of landmarks 0, 4, 8, 9, 12 and 15, outliers of all; missing knees are failures."""
    header = ["", *(f"@{r:g} mm" for r in RADII_MM), "% out", "median"]
    lines = []
    rows: list[tuple[str, np.ndarray, tuple[int, ...]]] = [("joint centre (stage 1)", errors.joint, (0,))]
    rows += [(f"landmarks, {s}-stage", errors.landmarks[s], TABLE_LANDMARKS) for s in sorted(errors.landmarks)]
    for name, distances, ids in rows:
        shares = [f"{pck(distances, r, ids):.1f}" for r in RADII_MM]
        median = float(np.median(distances[np.isfinite(distances)]))
        lines.append([name, *shares, f"{outlier_rate(distances):.2f}", f"{median:.2f}"])
    return f"{format_table(header, lines)}\n{len(errors.joint)} knees, {errors.missing} without a prediction"
