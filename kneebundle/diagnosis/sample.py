"""A radiograph that is drawn and predicted, to see whether the installation works and how fast it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from kneebundle.errors import KneeBundleError

if TYPE_CHECKING:
    from kneebundle.phantoms.pa import FilmTruth
    from kneebundle.radiograph import Radiograph

__all__ = ["MOST_ERROR_MM", "SamplePrediction", "predict_sample"]

MOST_ERROR_MM = 5.0
"""Mean distance of the landmarks from the true ones beyond which something is broken."""

_SPACING_MM = 0.4


class SamplePrediction(NamedTuple):
    """How the prediction of the sample went.

    Attributes:
        knees: that were found.
        error_mm: mean distance of the landmarks from the true ones.
        load_s: seconds until the networks were loaded.
        first_s: seconds for the first radiograph; networks may be exported meanwhile.
        next_s: seconds for the same again.
    """

    knees: int
    error_mm: float
    load_s: float
    first_s: float
    next_s: float


def predict_sample() -> SamplePrediction:
    """Draw a bilateral radiograph and predict it with the installed bundles, by what ``auto`` takes.

    Raises:
        KneeBundleError: if a knee is not found, or the landmarks are more than :data:`MOST_ERROR_MM` off on average.
    """
    import numpy as np

    from kneebundle.pipelines.knee_pa import KneePipeline

    radiograph, truth = _draw()
    marks = [time.perf_counter()]
    pipeline = KneePipeline.from_bundles()
    marks.append(time.perf_counter())
    for _ in range(2):
        result = pipeline.predict(radiograph)
        marks.append(time.perf_counter())
    points: dict[str, np.ndarray]
    points = {knee.side: knee.landmarks.points for knee in result.knees if knee.landmarks is not None}
    missing = sorted(set(truth.landmarks_px) - set(points))
    if missing:
        flags = sorted({flag.code for knee in result.knees for flag in knee.flags})
        raise KneeBundleError(
            f"no landmarks on the drawn knee {' and '.join(missing)} (flags: {', '.join(flags) or 'none'}); the "
            "weights may be damaged, install the package again"
        )
    distances = [np.linalg.norm(points[side] - true, axis=1) for side, true in truth.landmarks_px.items()]
    error_mm = float(np.mean(distances)) * _SPACING_MM
    if not error_mm <= MOST_ERROR_MM:
        raise KneeBundleError(
            f"the landmarks of the drawn knees are {error_mm:.1f} mm off on average; the weights may be damaged, "
            "install the package again"
        )
    load_s, first_s, next_s = np.diff(marks)
    return SamplePrediction(len(points), error_mm, float(load_s), float(first_s), float(next_s))


def _draw() -> tuple[Radiograph, FilmTruth]:
    import numpy as np

    from kneebundle.phantoms.pa import BilateralFilms, KneeImage, draw_knee
    from kneebundle.radiograph import Side

    sides: tuple[Side, Side] = ("R", "L")
    knees = []
    for number, side in enumerate(sides):
        radiograph, landmarks = draw_knee(np.random.default_rng([0, number]), side=side, size_mm=110.0)
        knees.append(KneeImage(radiograph.pixels, radiograph.spacing_mm[0], landmarks.points, side))
    return BilateralFilms(knees, 1, 0, _SPACING_MM, implants=0.0)[0]
