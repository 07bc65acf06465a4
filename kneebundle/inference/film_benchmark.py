"""Errors of the whole pipeline on bilateral films whose knees are known (KNEEL Table 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kneebundle.datasets.phantoms.bilateral import BilateralFilms, KneeImage
from kneebundle.errors import KneeBundleError
from kneebundle.inference.pipeline import KneePipeline
from kneebundle.landmarks import KNEE_PA
from kneebundle.metrics.functional import outlier_rate, pck, radial_errors

__all__ = ["FilmErrors", "film_errors", "format_film_errors"]

RADII_MM = (1.0, 1.5, 2.0, 2.5)
TABLE_LANDMARKS = (0, 4, 8, 9, 12, 15)


class FilmErrors(NamedTuple):
    """Distances in mm: ``joint`` (K, 1) of stage 1, ``landmarks`` by the number of passes (K, 16); NaN: not answered."""

    joint: np.ndarray
    landmarks: dict[int, np.ndarray]
    unanswered: int


def film_errors(
    pipeline: KneePipeline, knees: Sequence[KneeImage], count: int, *, seed: int = 0, spacing_mm: float = 0.2
) -> FilmErrors:
    """Make films of knees and measure where the pipeline finds their landmarks.

    Films carry no implants here: of an arthroplasty there is no truth.

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
        raise KneeBundleError("the bundle knee_roi_localization is not installed; films need it")
    films = BilateralFilms(knees, count, seed, spacing_mm, implants=0.0)
    joint: list[float] = []
    landmarks: dict[int, list[np.ndarray]] = {1: [], 2: []}
    unanswered = 0
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
                    unanswered += stages == 2
                    landmarks[stages].append(np.full(len(KNEE_PA), np.inf))
                else:
                    found = film.px_to_mm(knee.landmarks.points)
                    landmarks[stages].append(radial_errors(found[None], labelled[None])[0])
    return FilmErrors(np.array(joint)[:, None], {s: np.stack(e) for s, e in landmarks.items()}, unanswered)


def format_film_errors(errors: FilmErrors) -> str:
    """A table like KNEEL's Table 2: PCK of landmarks 0, 4, 8, 9, 12, 15, outliers of all; knees not answered are failures."""
    lines = [f"{'':24}" + "".join(f"{f'@{r:g} mm':>10}" for r in RADII_MM) + f"{'% out':>8}{'median':>8}"]
    rows: list[tuple[str, np.ndarray, tuple[int, ...]]] = [("joint centre (stage 1)", errors.joint, (0,))]
    rows += [(f"landmarks, {s}-stage", errors.landmarks[s], TABLE_LANDMARKS) for s in sorted(errors.landmarks)]
    for name, distances, ids in rows:
        shares = "".join(f"{pck(distances, r, ids):>10.1f}" for r in RADII_MM)
        median = float(np.median(distances[np.isfinite(distances)]))
        lines.append(f"{name:24}{shares}{outlier_rate(distances):>8.2f}{median:>8.2f}")
    lines.append(f"{len(errors.joint)} knees, {errors.unanswered} not answered")
    return "\n".join(lines)
