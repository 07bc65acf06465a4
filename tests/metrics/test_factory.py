"""The handlers that configs ask the factory for: their names, and their values by hand."""

import pytest
import torch
from ignite.engine import Engine
from monai.handlers import IgniteMetricHandler

from kneebundle.metrics import PCK, landmark_metrics, metric_handlers

TRUTH = torch.tensor([[0.0, 0], [60, 5], [70, 40], [10, 50]]).repeat(2, 1, 1)
PRED = TRUTH + torch.tensor([1.2, 0.0])  # every point 1.2 mm off ...
PRED[1, 3, 1] += 12  # ... and one of them 12 mm more


def values(handlers: dict[str, IgniteMetricHandler], **output: torch.Tensor) -> dict[str, float]:
    """The metrics of an evaluation whose output, decollated, is the given one."""
    items = [{key: value[i] for key, value in output.items()} for i in range(len(PRED))]
    engine = Engine(lambda engine, batch: items)
    for name, handler in handlers.items():
        handler.attach(engine, name)
    return {name: float(value) for name, value in engine.run([0]).metrics.items()}


def test_the_metrics_of_landmarks_have_the_names_and_values_of_the_paper() -> None:
    handlers = landmark_metrics(
        [1.0, 1.5], aligned_radii_mm=[0.1], outliers_mm=10.0, statistics=["mean", "median"], landmarks=[0, 1, 2]
    )
    found = values(handlers, pred=PRED, label=TRUTH)
    far = (1.2**2 + 12**2) ** 0.5
    assert list(found) == list(handlers)
    assert found == pytest.approx(
        {
            "pck_1mm": 0.0,
            "pck_1.5mm": 100.0,
            "aligned_pck_0.1mm": 50.0,  # a shift mends the first image, not the second
            "outliers_percent": 50.0,  # by a landmark that PCK does not count
            "mean_error_mm": (7 * 1.2 + far) / 8,
            "median_error_mm": 1.2,
        }
    )


def test_nothing_is_measured_that_is_not_asked_for() -> None:
    assert landmark_metrics() == {}
    assert list(landmark_metrics(statistics=["deviation"])) == ["deviation_error_mm"]


def test_metrics_look_at_the_keys_they_are_given() -> None:
    handlers = metric_handlers({"near": PCK(2.0), "nearer": PCK(1.0)}, keys=("points", "truth"))
    assert values(handlers, points=PRED, truth=TRUTH, pred=TRUTH) == pytest.approx({"near": 87.5, "nearer": 0.0})
