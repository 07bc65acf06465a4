"""Landmark metrics as MONAI metrics, alone and as the key metric of an evaluator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine

from kneebundle.metrics import PCK, LandmarkMetric, OutlierRate, RadialError

SHAPE = torch.tensor([[0.0, 0], [60, 5], [70, 40], [10, 50]])
TRUTH = SHAPE.repeat(3, 1, 1)
# knee 0: each point 1 mm off; knee 1: one point 12 mm off; knee 2: 10 % too large and shifted
PRED = torch.stack([SHAPE + torch.tensor([1.0, 0]), SHAPE.clone(), 1.1 * SHAPE + 3])
PRED[1, 2, 1] += 12


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (PCK(1.5), 100 * 7 / 12),
        (PCK(1.5, landmarks=[2]), 100 / 3),
        (PCK(0.5), 100 * 3 / 12),
        (OutlierRate(), 200 / 3),
        (OutlierRate(limit_mm=15), 0.0),
        (OutlierRate(limit_mm=8, count="landmarks"), 100 * 4 / 12),
        (RadialError("median", landmarks=[2]), 12.0),
        (PCK(1e-3, landmarks=[0], aligned=True), 200 / 3),
    ],
)
def test_values_by_hand_from_batches_and_from_lists(metric: LandmarkMetric, expected: float) -> None:
    for feed in ([PRED[:2], TRUTH[:2]], [list(PRED[2:]), list(TRUTH[2:])]):
        metric(*feed)
    assert metric.aggregate().item() == pytest.approx(expected, rel=1e-5)
    assert metric.get_buffer().shape == (3, 4)
    metric.reset()
    metric(TRUTH, TRUTH)
    assert metric.get_buffer().shape == (3, 4)
    metric.reset()


def test_mean_median_and_deviation_of_the_distance() -> None:
    mean, median, deviation = (RadialError(statistic) for statistic in ("mean", "median", "deviation"))
    for metric in (mean, median, deviation):
        metric(PRED[:2], TRUTH[:2])
    assert mean.aggregate().item() == pytest.approx((4 * 1 + 12) / 8)
    assert median.aggregate().item() == pytest.approx(1.0)
    assert deviation.aggregate().item() == pytest.approx(math.sqrt(14.5))


def test_missing_labels_are_ignored_and_missing_predictions_are_errors() -> None:
    truth, pred = TRUTH[:1].clone(), TRUTH[:1].clone()
    truth[0, 0] = math.nan
    pred[0, 1] = math.nan
    metric = PCK(1.0)
    metric(pred, truth)
    assert metric.aggregate().item() == pytest.approx(200 / 3)


def test_an_unknown_statistic_and_an_empty_metric_are_errors() -> None:
    with pytest.raises(ValueError, match="statistic"):
        RadialError("mode")
    with pytest.raises(ValueError, match="no images"):
        PCK(1.0).aggregate()


class Answers(torch.nn.Module):
    """Gives back the points that are written into the image."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, 0, :, :2]


@pytest.mark.parametrize("batch_size", [1, 2])
def test_it_works_as_key_metric_of_an_evaluator_on_dictionaries(batch_size: int) -> None:
    samples: list[dict[str, Any]] = [{"image": PRED[i][None], "label": TRUTH[i], "name": f"{i}"} for i in range(3)]
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(samples), batch_size=batch_size),
        network=Answers(),
        key_val_metric={"pck": handler(PCK(1.5))},
        additional_metrics={"outliers": handler(OutlierRate()), "fitted": handler(PCK(1e-3, [0], aligned=True))},
    )
    evaluator.run()
    expected = {"pck": 100 * 7 / 12, "outliers": 200 / 3, "fitted": 200 / 3}
    assert evaluator.state.metrics == pytest.approx(expected, rel=1e-5)
    assert evaluator.state.best_metric == pytest.approx(100 * 7 / 12)
    assert evaluator.state.metric_details["pck"].shape == (3, 4)


def handler(metric: LandmarkMetric) -> IgniteMetricHandler:
    return IgniteMetricHandler(metric, output_transform=from_engine(["pred", "label"]))


class Farthest(LandmarkMetric):
    """A metric that somebody adds: the docstring of the package says how."""

    def summarize(self, errors: np.ndarray) -> float:
        return float(errors.max())


def test_a_metric_of_ones_own_measures_all_landmarks_where_they_lie() -> None:
    metric = Farthest()
    metric(PRED[:1], TRUTH[:1])
    assert metric.aggregate().item() == pytest.approx(1.0)


@pytest.mark.parametrize(("count", "expected"), [("images", 50.0), ("landmarks", 12.5)])
def test_an_outlier_is_more_than_10_mm_off(count: str, expected: float) -> None:
    pred = torch.zeros(2, 4, 2)
    pred[0, 1, 0], pred[1, 2, 1] = 10.4, 9.6
    metric = OutlierRate(count=count)
    metric(pred, torch.zeros(2, 4, 2))
    assert metric.aggregate().item() == expected


def test_without_labels_there_is_no_number() -> None:
    with pytest.raises(ValueError, match="PCK needs labelled points"):
        PCK(1.0)(PRED)
    metric = RadialError()
    metric(PRED, torch.full_like(PRED, math.nan))
    assert math.isnan(metric.aggregate().item())
    with pytest.raises(ValueError, match="'images' or 'landmarks', got 'knees'"):
        OutlierRate(count="knees")
