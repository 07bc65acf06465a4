"""The verdict over the prediction of a drawn film, by what the networks say of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kneebundle.diagnosis import sample
from kneebundle.diagnosis.sample import predict_sample
from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import Landmarks
from kneebundle.pipelines.knee_pa import KneePipeline
from kneebundle.radiograph import Radiograph
from kneebundle.results import Flag, KneeResult, RadiographResult


class Answers:
    """Gives the true landmarks, so many mm off, of some sides."""

    def __init__(self, truth: Any, off_mm: float, sides: str) -> None:
        self.truth, self.off_px, self.sides = truth, off_mm / 0.4, sides
        self.asked = 0

    def predict(self, radiograph: Radiograph) -> RadiographResult:
        self.asked += 1
        knees = []
        for side, points in self.truth.landmarks_px.items():
            found = Landmarks(points + (self.off_px, 0.0)) if side in self.sides else None
            flags = () if found else (Flag("not_a_knee", "it looks like an elbow"),)
            knees.append(KneeResult(side, (0.0, 0.0), 140.0, found, flags))
        return RadiographResult(radiograph, tuple(knees))


@pytest.fixture(scope="module")
def drawn() -> Any:
    return sample._draw()


def answer(monkeypatch: pytest.MonkeyPatch, drawn: Any, off_mm: float, sides: str = "RL") -> Answers:
    pipeline = Answers(drawn[1], off_mm, sides)
    monkeypatch.setattr(sample, "_draw", lambda: drawn)
    monkeypatch.setattr(KneePipeline, "from_bundles", lambda: pipeline)
    return pipeline


def test_the_film_is_the_same_each_time_and_has_two_knees(drawn: Any) -> None:
    film, truth = sample._draw()
    assert np.array_equal(film.pixels, drawn[0].pixels) and set(truth.landmarks_px) == {"R", "L"}
    assert film.spacing_mm == (0.4, 0.4)


def test_landmarks_in_their_places_are_measured_twice(monkeypatch: pytest.MonkeyPatch, drawn: Any) -> None:
    pipeline = answer(monkeypatch, drawn, 1.5)
    found = predict_sample()
    assert (found.knees, pipeline.asked) == (2, 2)
    assert found.error_mm == pytest.approx(1.5)
    assert min(found.load_s, found.first_s, found.next_s) >= 0


def test_a_knee_that_is_not_found_is_said_with_its_flags(monkeypatch: pytest.MonkeyPatch, drawn: Any) -> None:
    answer(monkeypatch, drawn, 0.0, "R")
    with pytest.raises(KneeBundleError, match=r"no landmarks on the drawn knee L \(flags: not_a_knee\)"):
        predict_sample()


@pytest.mark.parametrize("off_mm", [5.5, float("nan")])
def test_landmarks_that_lie_elsewhere_are_an_error(monkeypatch: pytest.MonkeyPatch, drawn: Any, off_mm: float) -> None:
    answer(monkeypatch, drawn, off_mm)
    with pytest.raises(KneeBundleError, match="mm off on average; the weights may be damaged"):
        predict_sample()
