"""The measurement of a registration: perfect and absent answers, worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from kneebundle.evaluation import registration_benchmark
from kneebundle.evaluation.registration_benchmark import (
    _format_spreads,
    _measure_batch,
    format_residuals,
    measure_registration_residuals,
)
from kneebundle.networks.similarity import fit_similarity, matrix_to_theta
from kneebundle.transforms.points import world_to_normalized
from kneebundle.transforms.similarity import PerturbSimilarityd

SPACING = 0.5
REFERENCE = np.random.default_rng(0).uniform(-0.7, 0.7, (16, 2))


def crop(path: str) -> dict[str, Any]:
    """A crop of 100 px whose landmarks are the reference's."""
    affine = torch.diag(torch.tensor([SPACING, SPACING, 1, 1], dtype=torch.float64))
    pixels = (REFERENCE + 1) * 50 - 0.5
    return {
        "image": MetaTensor(torch.zeros(1, 100, 100), affine=affine),
        "path": path,
        "landmarks": torch.from_numpy(pixels * SPACING),
    }


class PerfectModel:
    """Knows where the landmarks of the crops to come are."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        own = [world_to_normalized(item["landmarks"], item["image"]).double() * 2 - 1 for item in items]
        self.theta = [matrix_to_theta(fit_similarity(torch.from_numpy(REFERENCE), points)) for points in own]

    def find(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        count = len(images)
        theta = torch.stack([self.theta.pop(0) for _ in range(count)])
        return {"theta": theta, "registered": torch.ones(count, dtype=torch.bool), "seconds": torch.full((count,), 0.5)}


def located(items: list[dict[str, Any]]) -> list[torch.Tensor]:
    """A landmark network that takes each knee for 5 % larger than it is."""
    return [item["landmarks"].mean(0) + 1.05 * (item["landmarks"] - item["landmarks"].mean(0)) for item in items]


def test_nothing_leaves_the_perturbation_and_perfection_nothing() -> None:
    perturb = PerturbSimilarityd("image", scale=(1.1, 1.1), shift=0.0, rotation=0.0)
    crops: list[Any] = [crop("a"), crop("b")]
    perturbed: list[Any] = [perturb(item) for item in crops]
    model: Any = PerfectModel([*crops, *perturbed])
    residuals = list(_measure_batch({"perfect": model}, {"perfect": REFERENCE}, crops, perturbed, located(crops)))
    assert [r.method for r in residuals] == ["nothing", "nothing", "landmarks", "landmarks", "perfect", "perfect"]
    # a window 1.1 times as wide: a landmark at radius r of it lies at r / 1.1
    away = np.linalg.norm(REFERENCE - REFERENCE / 1.1, axis=1).mean() * 50 * SPACING * 1.1
    for r in residuals[:2]:
        assert r.residual_mm == pytest.approx(away, rel=1e-3) == r.repeat_mm
        assert r.size == pytest.approx(1 / 1.1, rel=1e-3) == r.repeat_size
        assert not r.registered
    middle = crops[0]["landmarks"].mean(0)
    for r in residuals[2:4]:
        assert r.size == pytest.approx(1 / 1.05, rel=1e-3)
        assert r.residual_mm == pytest.approx(
            0.05 * float((crops[0]["landmarks"] - middle).norm(dim=1).mean()), rel=1e-3
        )
    for r in residuals[4:]:
        assert r.residual_mm == pytest.approx(0, abs=1e-3) == r.repeat_mm
        assert r.size == pytest.approx(1, rel=1e-4) == r.repeat_size
    table = format_residuals(residuals).splitlines()
    assert [line.split()[0] for line in table[1:]] == ["nothing", "landmarks", "perfect"]
    assert table[3].split()[1:] == "2 0.00 0.00 0.0 0.0 0.0 0.00 0.0 0.0 0 0.50".split()


def test_the_robust_spread_leaves_one_stray_knee_out_of_account() -> None:
    sizes = [0.98, 0.99, 1.0, 1.01, 1.02, 2.0]
    plain, robust = map(float, _format_spreads(sizes))
    deviations = np.abs(np.log(sizes) - np.median(np.log(sizes)))
    assert plain > 25
    assert robust == pytest.approx(148.26 * np.median(deviations), abs=0.05)
    assert robust < 3


@pytest.mark.parametrize("locate", [None, located])
def test_knees_are_measured_batch_by_batch_with_and_without_a_landmark_network(
    locate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration_benchmark, "LoadKneed", lambda: lambda record: crop(record["image"]))
    perturb = PerturbSimilarityd("image", scale=(1.1, 1.1), shift=0.0, rotation=0.0)
    items: list[Any] = [crop(name) for name in "abc"]
    moved = [perturb(item) for item in items]
    order = [item for part in (slice(0, 2), slice(2, 3)) for item in (*items[part], *moved[part])]
    model: Any = PerfectModel(order)
    model.prepare = lambda item: item
    asked: list[int] = []

    def find(films: Sequence[dict[str, Any]]) -> list[torch.Tensor]:
        asked.append(len(films))
        return [torch.cat([points, torch.ones(16, 1)], dim=1) for points in locate(films)]

    records = [{"image": name} for name in "abc"]
    batches = list(
        measure_registration_residuals(
            {"perfect": model}, {"perfect": REFERENCE}, records, perturb, 2, None if locate is None else find
        )
    )
    methods = ["nothing", *(["landmarks"] if locate else []), "perfect"]
    assert [sorted({r.method for r in batch}) for batch in batches] == [sorted(methods)] * 2
    assert [len(batch) for batch in batches] == [2 * len(methods), len(methods)]
    assert asked == ([2, 1] if locate else [])
    assert all(r.residual_mm < 1e-3 for batch in batches for r in batch if r.method == "perfect")
