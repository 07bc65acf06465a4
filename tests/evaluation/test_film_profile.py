"""The steps of a film's prediction."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kneebundle.evaluation.benchmark_speed import write_films
from kneebundle.evaluation.film_profile import Step, _summarize, profile_films
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.landmarks import Landmarks
from kneebundle.pipelines.knee_pa import KneePipeline
from kneebundle.radiograph import Radiograph
from kneebundle.results import KneeResult, RadiographResult


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


class OneKnee:
    """A pipeline whose stages run a network each; one of two knees is not measured."""

    def __init__(self) -> None:
        self.roi, self.check, self.landmarks = (SimpleNamespace(networks=[lambda image: image]) for _ in range(3))

    def predict(self, radiograph: Radiograph) -> RadiographResult:
        for model in (self.roi, self.landmarks, self.landmarks):
            model.networks[0](torch.zeros(1, 1, 8, 8))
        points = np.stack([np.linspace(5, 55, 16), np.full(16, 30.0)], axis=1)
        found = KneeResult("R", (30.0, 30.0), 140.0, Landmarks(points, confidence=np.ones(16)))
        return RadiographResult(radiograph, (found, KneeResult("L", (30.0, 30.0), 140.0, None)))


@pytest.mark.parametrize("checked", [True, False])
def test_every_step_of_every_film_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked: bool) -> None:
    pipeline = OneKnee()
    if not checked:
        pipeline.check = None  # type: ignore[assignment]
    monkeypatch.setattr(KneePipeline, "from_bundles", lambda: pipeline)
    write_dicom(
        tmp_path / "a.dcm",
        np.arange(4800, dtype=np.uint16)[::-1].clip(0, 4000).reshape(60, 80),
        (0.5, 0.5),
        view="pa-bilateral",
    )
    steps = {step.name: step.runs for step in profile_films([tmp_path / "a.dcm"] * 2, 1)}
    assert steps == {
        "read": 1,
        "network of stage 1, 1 x 1 x 8 x 8": 1,
        "network of stage 2, 1 x 1 x 8 x 8": 2,
        "measure": 1,
        "draw the picture": 1,
        "compress the picture": 1,
        "write JSON": 1,
        "cut regions, and the rest": 1,
    }
