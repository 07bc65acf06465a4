"""The handlers of the planning network: a name a bone and a point, each measured on its own mask or rows."""

from functools import partial
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from kneebundle.metrics import planning_metrics


def test_every_bone_and_point_is_measured_for_itself() -> None:
    label = torch.zeros(4, 20, 20)
    for bone in range(4):
        label[bone, 5:15, 5:15] = 1
    pred = label.clone()
    pred[1, 5:15, 10:15] = 0  # half of the patella
    pred[2] = label[2].roll(2, 0)  # the tibia, two pixels too low
    truth = torch.zeros(5, 2)
    points = torch.tensor([[1.0, 0.0], [0, 2.0], [0, 3.0], [4.0, 0], [0, 6.0]])
    affine = torch.diag(torch.tensor([0.5, 0.5, 1.0, 1.0], dtype=torch.float64))
    item = {
        "pred_masks": MetaTensor(pred, affine=affine),
        "label_masks": MetaTensor(label, affine=affine),
        "pred_points": points,
        "label_points": truth,
    }
    handlers = planning_metrics(masks=["iou", "hausdorff"], points=["median", "mean"])
    engine = Engine(lambda engine, batch: [item])
    for name, handler in handlers.items():
        handler.attach(engine, name)
    found = {name: float(value) for name, value in engine.run([0]).metrics.items()}
    assert list(found) == list(handlers)
    assert found == pytest.approx(
        {
            "iou_femur": 1.0,
            "hausdorff_femur_mm": 0.0,
            "iou_patella": 0.5,
            "hausdorff_patella_mm": 2.5,
            "iou_tibia": 80 / 120,
            "hausdorff_tibia_mm": 1.0,
            "iou_fibula": 1.0,
            "hausdorff_fibula_mm": 0.0,
            "p_blum_median_mm": 1.0,
            "p_tmc_median_mm": 2.0,
            "schoettle_median_mm": 3.0,
            "line_median_mm": 5.0,
            "p_blum_mean_mm": 1.0,
            "p_tmc_mean_mm": 2.0,
            "schoettle_mean_mm": 3.0,
            "line_mean_mm": 5.0,
        }
    )


def test_another_measure_is_an_error() -> None:
    with pytest.raises(ValueError, match="one of iou, surface_distance, hausdorff, got 'dice'"):
        planning_metrics(masks=["dice"])


def answer(item: Any, engine: Engine, batch: Any) -> Any:
    """The output of an engine."""
    return item


def test_the_surface_distance_is_taken_from_both_sides() -> None:
    """A mask with a far spot: the way from the label to it is short, the way back long."""
    label = torch.zeros(4, 40, 40)
    label[:, 10:30, 10:30] = 1
    pred = label.clone()
    pred[0, 20, 36] = 1
    affine = torch.diag(torch.tensor([0.5, 0.5, 1.0, 1.0], dtype=torch.float64))
    item = {"pred_masks": MetaTensor(pred, affine=affine), "label_masks": MetaTensor(label, affine=affine)}
    swapped = {"pred_masks": item["label_masks"], "label_masks": item["pred_masks"]}
    found = []
    for masks in (item, swapped):
        handlers = planning_metrics(masks=["surface_distance", "hausdorff"])
        engine = Engine(partial(answer, [masks]))
        for name, handler in handlers.items():
            handler.attach(engine, name)
        found.append({name: float(value) for name, value in engine.run([0]).metrics.items()})
    bones = ("femur", "patella", "tibia", "fibula")
    assert list(found[0]) == [f"{name}_{bone}_mm" for bone in bones for name in ("surface_distance", "hausdorff")]
    assert found[0] == pytest.approx(found[1])
    assert found[0]["surface_distance_femur_mm"] > 0 == found[0]["surface_distance_tibia_mm"]


def test_another_statistic_is_an_error() -> None:
    with pytest.raises(ValueError, match="'mean', 'median' or 'deviation', got 'worst'"):
        planning_metrics(points=["worst"])
