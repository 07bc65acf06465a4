"""Errors on drawn films: measured against their own truth, failures counted."""

from typing import Any

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.bilateral_benchmark import format_bilateral_errors, measure_bilateral_errors
from kneebundle.landmarks import Landmarks
from kneebundle.phantoms.pa.bilateral import BilateralFilms
from kneebundle.radiograph import Radiograph
from kneebundle.results import KneeResult, RadiographResult
from kneebundle.training.made_films import knee_images


class Oracle:
    """Finds the truth, off by 1.2 mm after one pass and by 0.4 mm after two; misses the left knee of the first film."""

    roi = object()
    stages = 2

    def __init__(self, films: BilateralFilms) -> None:
        self.films = films
        self.asked = 0

    def predict(self, film: Radiograph, view: str) -> RadiographResult:
        number, self.asked = self.asked // 2, self.asked + 1
        _, truth = self.films[number]
        off = np.array([1.2 if self.stages == 1 else 0.4, 0.0]) / film.spacing_mm[1]
        knees = []
        for side, points in truth.landmarks_px.items():
            missed = number == 0 and side == "L"
            center = points[4] + [0, 3.0 / film.spacing_mm[0]]
            found = None if missed else Landmarks(points + off)
            knees.append(KneeResult(side, (center[0], center[1]), 140.0, found))  # type: ignore[arg-type]
        return RadiographResult(film, tuple(knees))


def test_errors_are_in_mm_by_stage_and_a_miss_is_a_failure() -> None:
    knees = knee_images("", "validation")
    oracle: Any = Oracle(BilateralFilms(knees, 2, 0, 2.0, implants=0.0))
    errors = measure_bilateral_errors(oracle, knees, 2, spacing_mm=2.0)
    assert errors.joint.shape == (4, 1)
    np.testing.assert_allclose(errors.joint, 3.0, atol=1e-6)
    assert errors.missing == 1
    for stages, expected in ((1, 1.2), (2, 0.4)):
        finite = errors.landmarks[stages][np.isfinite(errors.landmarks[stages])]
        np.testing.assert_allclose(finite, expected, atol=1e-6)
        assert np.isinf(errors.landmarks[stages]).sum() == 16
    table = format_bilateral_errors(errors).splitlines()
    assert table[2].split()[:4] == ["landmarks,", "1-stage", "0.0", "75.0"]
    assert table[3].split()[:4] == ["landmarks,", "2-stage", "75.0", "75.0"]
    assert table[-1] == "4 knees, 1 without a prediction"


def test_without_stage_1_films_cannot_be_measured() -> None:
    class Pipeline:
        roi = None

    pipeline: Any = Pipeline()
    with pytest.raises(KneeBundleError, match="knee_roi_localization"):
        measure_bilateral_errors(pipeline, knee_images("", "validation"), 1)
