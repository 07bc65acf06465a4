"""The steps of a film's prediction."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle.evaluation.benchmark_speed import write_films
from kneebundle.evaluation.film_profile import Step, _summarize, profile_films


def test_what_networks_and_measurements_leave_of_a_prediction_is_a_step() -> None:
    films = [
        {"read": [1.0], "predict": [10.0], "network of stage 2": [2.0, 3.0], "measure": [1.0]},
        {"read": [3.0], "predict": [8.0], "network of stage 2": [2.0], "measure": [1.0]},
    ]
    assert set(_summarize(films)) == {
        Step("read", 1.0, 2.0),
        Step("network of stage 2", 1.5, 3.5),
        Step("measure", 1.0, 1.0),
        Step("cut regions, and the rest", 1.0, 4.5),
    }


@pytest.mark.slow
def test_every_network_of_a_film_is_seen(tmp_path: Path) -> None:
    steps = {step.name: step for step in profile_films(sorted(write_films(tmp_path / "films", 1, 0.4).iterdir()), 1)}
    assert steps["network of stage 2, 1 x 1 x 384 x 384"].runs >= 2
    assert all(step.processor > 0 for step in steps.values())
