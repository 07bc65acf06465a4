"""Networks that know where the knees of a radiograph are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.pipelines.knee_check import CheckedRegion
from kneebundle.results import ModelInfo

RIGHT, LEFT, IMPLANT = (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.1, 0.9, 0.0)


class FakeRoi:
    """Stage 1 that names the joint nearest to the middle of its window, or else the middle."""

    info = ModelInfo("fake-roi", "0", "0")

    def __init__(self, *joints: tuple[float, float]) -> None:
        self.joints = [np.array(joint) for joint in joints]

    def locate(self, items: Sequence[dict[str, Any]], **_: Any) -> list[torch.Tensor]:
        located = []
        for item in items:
            center = item["center_mm"]
            inside = [joint for joint in self.joints if (np.abs(joint - center) < (128, 192)).all()]
            place = min(inside, key=lambda joint: np.linalg.norm(joint - center)) if inside else center
            located.append(torch.tensor([[*place, 0.5 if inside else 0.1]], dtype=torch.float64))
        return located


class FakeCheck:
    """The knee check that sees a knee of some kind within 15 mm of a known place."""

    info = ModelInfo("fake-check", "0", "0")

    def __init__(self, *knees: tuple[float, float, tuple[float, float, float, float]]) -> None:
        self.knees = knees

    def classify(self, image: Any, centers_mm: Sequence[np.ndarray]) -> list[CheckedRegion]:
        regions = []
        for center in centers_mm:
            seen = [(x, y, shares) for x, y, shares in self.knees if np.hypot(x - center[0], y - center[1]) < 15]
            x, y, shares = seen[0] if seen else (*center, (0.0, 0.0, 0.0, 1.0))
            right, left, implant, none = shares
            regions.append(CheckedRegion(right, left, implant, none, np.array([x, y])))
        return regions


class SeesEverywhere(FakeCheck):
    """The knee check that sees a native knee of one side wherever it looks."""

    def __init__(self, shares: tuple[float, float, float, float] = RIGHT) -> None:
        super().__init__()
        self.shares = shares

    def classify(self, image: Any, centers_mm: Sequence[np.ndarray]) -> list[CheckedRegion]:
        right, left, implant, none = self.shares
        return [CheckedRegion(right, left, implant, none, np.asarray(center)) for center in centers_mm]


class FakeLandmarks:
    """Stage 2 that puts the mean knee into the middle of its region."""

    region_mm = 140.0
    info = ModelInfo("fake-landmarks", "0", "0")
    networks: Sequence[object] = ("one",)

    def __init__(self, confidence: float = 0.5) -> None:
        self.confidence = confidence
        self.asked: list[list[dict[str, Any]]] = []

    def locate(
        self, items: Sequence[dict[str, Any]], *, mirror: bool = False, quick: bool = False
    ) -> list[torch.Tensor]:
        self.asked.append([dict(item) for item in items])
        return [self._locate(item) for item in items]

    def _locate(self, item: dict[str, Any]) -> torch.Tensor:
        points = load_shape_model().mean * (1 if item["side"] == "R" else -1, 1) + item["center_mm"]
        return torch.from_numpy(np.hstack([points, np.full((16, 1), self.confidence)]))

    def estimate_radii(self, confidence: np.ndarray) -> None:
        return None
