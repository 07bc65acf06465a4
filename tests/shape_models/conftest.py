"""Drawn knees as regions, and a model that was trained on them; both once for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kneebundle.datasets import read_knees
from kneebundle.phantoms.pa import synthesize_knees
from kneebundle.shape_models import (
    SPACING_MM,
    RegressionVoting,
    cut_regions,
    train_regression_voting,
)


class Knees(NamedTuple):
    """Drawn knees: their records, and regions whose middle lies beside the joint, with the landmarks there."""

    folder: Path
    records: list[dict[str, Any]]
    regions: np.ndarray
    points: np.ndarray

    def judge(self, found: np.ndarray) -> float:
        """Mean distance of the landmarks that were found in each region, mm."""
        return float(np.linalg.norm(found - self.points, axis=-1).mean())


@pytest.fixture(scope="session")
def training(tmp_path_factory: pytest.TempPathFactory) -> Knees:
    return draw(tmp_path_factory.mktemp("training"), 16, 1, 0.0)


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Knees:
    return draw(tmp_path_factory.mktemp("others"), 4, 2, 5.0)


def draw(folder: Path, count: int, seed: int, away_mm: float) -> Knees:
    synthesize_knees(folder, count, seed=seed, size_mm=110.0, spacing_mm=0.5)
    records = read_knees(folder, "training", -1)
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    regions, points = cut_regions(records, away_mm * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return Knees(folder, records, regions, points)


@pytest.fixture(scope="session")
def voting(training: Knees) -> RegressionVoting:
    return train_regression_voting(
        training.regions, training.points, SPACING_MM, trees=3, features=48, samples=6, looks=1
    )
