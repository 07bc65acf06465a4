"""The knee check: its training resumes, and its report counts what was taken for what."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.nets import ResNet

from kneebundle.training.averaged_training import TrainingPlan
from kneebundle.training.film_windows import TrainingFilm, TrainingKnee
from kneebundle.training.knee_check_samples import CHECK_SIZE, CheckSample, KneeCheckSampler
from kneebundle.training.knee_check_training import (
    CheckFilms,
    combine_check_films,
    evaluate_knee_check,
    train_knee_check,
)


def _film(kind: str = "native", points: int = 1) -> TrainingFilm:
    pixels = np.random.default_rng(0).integers(1, 255, (200, 180)).astype(np.uint8)
    place = np.random.default_rng(1).uniform(60, 120, (points, 2)).astype(np.float32)
    return TrainingFilm(pixels, (TrainingKnee("R", kind, place),))


@pytest.fixture
def sampler() -> KneeCheckSampler:
    nothing = TrainingFilm(np.full((150, 150), 9, np.uint8), ())
    return KneeCheckSampler([([_film()], 1.0)], [([_film("implant")], 1.0)], [nothing])


def test_training_resumes_to_the_same_weights(sampler: KneeCheckSampler, tmp_path: Path) -> None:
    def network() -> torch.nn.Module:
        torch.manual_seed(0)
        return ResNet("basic", [1, 1, 1, 1], [4, 4, 4, 4], spatial_dims=2, n_input_channels=1, num_classes=6)

    class Stop(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Stop

    plan, options = TrainingPlan(2, 1e-3, save_every=1), {"batch_size": 4, "precision": None}
    whole = train_knee_check(network(), sampler, tmp_path / "whole", plan, **options)  # type: ignore[arg-type]
    with pytest.raises(Stop):
        train_knee_check(network(), sampler, tmp_path / "parts", plan, report=stop, **options)  # type: ignore[arg-type]
    again = train_knee_check(network(), sampler, tmp_path / "parts", plan, **options)  # type: ignore[arg-type]
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value)


class _Says(torch.nn.Module):
    """Says what the first pixels of each window hold."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, 0, 0, :6]


def test_the_report_counts_what_was_taken_for_what() -> None:
    nothing = np.full(2, np.nan)
    cases = [
        (0, (5, 0, 0, 0), np.array([0.25, 0.0])),  # right
        (1, (5, 0, 0, 0), np.array([0.0, 0.5])),  # the other side
        (-1, (0, 5, 0, 0), nothing),  # of unknown side
        (0, (1, 1, 1.4, 0), np.array([0.0, 1.0])),  # either side, together more than half
        (2, (0, 0, 5, 0), nothing),
        (2, (0, 0, 0, 5), nothing),
        (3, (5, 0, 0, 0), nothing),
    ]
    samples = []
    for label, logits, offset in cases:
        image = torch.zeros(CHECK_SIZE)
        image[0, :4] = torch.tensor(logits, dtype=torch.float32)
        samples.append(CheckSample(image, label, offset))
    report = evaluate_knee_check(_Says(), samples, batch_size=3)
    assert report.counts.tolist() == [[3, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]]
    assert report.joint_mm == pytest.approx(32.0)
    assert "| native | 4 | 75.0 % | 25.0 % | 0.0 % | 0.0 % |" in str(report)


def test_films_of_all_kinds_are_drawn_from() -> None:
    landmarks = _film(points=16)
    nothing = TrainingFilm(np.full((150, 150), 9, np.uint8), ())
    films = CheckFilms([_film("implant")], [landmarks], [landmarks, nothing], [_film("rough")], [])
    sampler = combine_check_films(films)
    assert len(sampler.others) == 1
    assert sum(len(pool) for pool, _ in sampler.replaced) >= 2  # the made one and the crop; the real one perhaps
    assert sum(len(pool) for pool, _ in sampler.native) >= 3
