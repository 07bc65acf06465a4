"""The least sure film comes first; what cannot be read never comes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.label_app.scores import choose_image, read_score, score_prediction
from kneebundle.landmarks import KNEE_LATERAL, Landmarks
from kneebundle.measurements.schoettle import SchoettlePlan
from kneebundle.radiograph import Radiograph
from kneebundle.results import KneeResult, LateralResult, RadiographResult

FILM = Radiograph(np.random.default_rng(0).random((50, 50)).astype(np.float32), (1.0, 1.0))


def knee(confidence: float | None) -> KneeResult:
    points = np.zeros((16, 2))
    found = None if confidence is None else Landmarks(points, confidence=np.array([confidence, 1.0] * 8))
    return KneeResult("R", (0.0, 0.0), 140.0, found)


@pytest.mark.parametrize(("knees", "score"), [((0.6,), 0.8), ((0.6, 0.2), 0.6), ((0.9, None), 0.0), ((), 0.0)])
def test_a_film_is_as_sure_as_its_least_sure_knee(knees: tuple[float | None, ...], score: float) -> None:
    assert score_prediction(RadiographResult(FILM, tuple(map(knee, knees)))) == pytest.approx(score)


def test_a_lateral_film_without_a_plan_scores_nothing() -> None:
    landmarks = Landmarks(np.zeros((2, 2)), "px", KNEE_LATERAL, np.array([0.5, 0.7]))
    planned = LateralResult(FILM, {}, landmarks, SchoettlePlan((1.0, 1.0)))
    assert score_prediction(planned) == pytest.approx(0.6)
    assert score_prediction(LateralResult(FILM, {}, landmarks, SchoettlePlan((1.0, 1.0), refused="no cortex"))) == 0.0
    with pytest.raises(KneeBundleError, match="no patella"):
        score_prediction(LateralResult(FILM, {}, None, SchoettlePlan((1.0, 1.0), refused="no patella")))


def info(score: float | None, given: float | None = None, model: str = "m") -> dict[str, Any]:
    known: dict[str, Any] = {} if score is None else {"confidence": {model: {"score": score}}}
    return known if given is None else {**known, "strategy": {"s": {"ts": given}}}


REFUSED = {"confidence": {"m": {"refused": "the file is empty"}}}


@pytest.mark.parametrize(
    ("infos", "chosen"),
    [
        ({"a": info(0.9), "b": info(0.2), "c": info(None), "d": REFUSED}, "b"),
        ({"a": info(0.9), "b": info(0.2, given=5)}, "a"),
        ({"a": info(0.9, given=7), "b": info(0.2, given=8)}, "a"),
        ({"a": info(0.9), "b": info(0.2, model="other")}, "a"),
        ({"a": REFUSED}, None),
        ({}, None),
    ],
    ids=["least sure", "not given out yet", "longest ago", "of this model", "unreadable", "none"],
)
def test_which_film_comes_next(infos: dict[str, dict[str, Any]], chosen: str | None) -> None:
    assert choose_image(infos, "m", "s") == chosen


def test_without_scores_any_film_may_come() -> None:
    infos = {name: info(None) for name in "abc"} | {"d": REFUSED}
    assert {choose_image(infos, "m", "s", seed) for seed in range(30)} == {"a", "b", "c"}
    infos["a"] = infos["b"] = info(None, given=1)
    assert {choose_image(infos, "m", "s", seed) for seed in range(10)} == {"c"}


def test_an_image_that_failed_has_no_number() -> None:
    assert read_score(info(0.4), "m") == 0.4
    assert read_score(info(None), "m") is None
    failed = read_score(REFUSED, "m")
    assert failed is not None and math.isnan(failed)
