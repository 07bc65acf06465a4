"""Bones, landmarks, the cortex line and the Schoettle point from the planning network's maps, beside the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from kneebundle.landmarks import CORTEX_LINE, KNEE_LATERAL
from kneebundle.measurements.schoettle import SchoettlePlan, plan_by_hand, plan_schoettle
from kneebundle.networks.heatmaps import decode_heatmaps
from kneebundle.networks.stacked_hourglass import PEAK_RADIUS_PX
from kneebundle.transforms.points import normalized_to_world
from kneebundle.transforms.resample import pixel_spacing

__all__ = ["PLANNING_POINTS", "PlanningPointsd", "select_bone"]

PLANNING_POINTS = (*KNEE_LATERAL.names, "schoettle", *CORTEX_LINE)
"""Rows of the points that :class:`PlanningPointsd` gives."""


class PlanningPointsd(Transform):
    """Postprocessing of a validation: the masks and points of a prediction beside the labelled ones.

    Takes ``pred`` (7, H, W), ``label`` (7, H, W), ``image`` (MetaTensor (1, H, W)), ``landmarks`` (2, 2) and
    ``cortex_line`` (2, 2), both as fractions of width and height. Gives

    - ``pred_masks`` and ``label_masks``: (4, H, W) MetaTensors of 0 and 1, the bones at 0.5;
    - ``pred_points`` and ``label_points``: (5, 2) in mm, in the order of :data:`PLANNING_POINTS`. Predicted p_prox and
      p_dist are the places of the predicted line LM1 next to the labelled ones, so that the distance is that of the
      line (Kordon 2019, section 3). NaN where there is no label, or nothing was found.
    """

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Measure the maps of one image."""
        d = dict(data)
        image = d["image"]
        pred, label = (torch.as_tensor(d[key]).as_subclass(torch.Tensor).float().cpu() for key in ("pred", "label"))
        for name, maps in (("pred", pred), ("label", label)):
            d[f"{name}_masks"] = MetaTensor((maps[:4] >= 0.5).float(), affine=image.affine)
        found = decode_heatmaps(pred[None, 4:6], "centroid", radius=PEAK_RADIUS_PX)[0][0]
        size = np.array([pred.shape[2], pred.shape[1]])
        landmarks, line = (torch.as_tensor(d[key]).double().cpu() for key in ("landmarks", "cortex_line"))
        spacing = pixel_spacing(image)
        line_px = line.numpy() * size - 0.5
        plan = plan_schoettle(pred[0].numpy(), found.double().numpy() * size - 0.5, pred[6].numpy(), spacing)
        truth = _plan_labels(label[0].numpy(), landmarks.numpy() * size - 0.5, line_px, spacing)
        points = np.concatenate(
            [found.numpy(), (_get_point(plan) + 0.5) / size, (_project(plan, line_px) + 0.5) / size]
        )
        labels = np.concatenate([landmarks.numpy(), (_get_point(truth) + 0.5) / size, line.numpy()])
        d["pred_points"] = normalized_to_world(points, image)
        d["label_points"] = normalized_to_world(labels, image)
        return d


def select_bone(number: int) -> Callable[[Sequence[Mapping[str, Any]]], tuple[list[torch.Tensor], list[torch.Tensor]]]:
    """Make an ``output_transform`` for MONAI's metrics that takes the masks of one bone.

    Args:
        number: of the bone, in the order of the channels.

    Returns:
        A function from an engine's output to the predicted and the labelled masks, each (1, H, W).
    """

    def select(output: Sequence[Mapping[str, Any]]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        keys = ("pred_masks", "label_masks")
        pred, label = ([item[key][number : number + 1] for item in output] for key in keys)
        return pred, label

    return select


def _plan_labels(
    femur: np.ndarray, landmarks_px: np.ndarray, line_px: np.ndarray, spacing: tuple[float, float]
) -> SchoettlePlan:
    if not (np.isfinite(landmarks_px).all() and np.isfinite(line_px).all()):
        return SchoettlePlan(spacing, refused="not labelled")
    return plan_by_hand(femur, landmarks_px, line_px, spacing)


def _get_point(plan: SchoettlePlan) -> np.ndarray:
    """(1, 2) the Schoettle point; NaN where there is none."""
    return np.full((1, 2), np.nan) if plan.point_px is None else np.array([plan.point_px])


def _project(plan: SchoettlePlan, points_px: np.ndarray) -> np.ndarray:
    """(N, 2) the places of LM1 next to some points, in square pixels; NaN where there is no LM1."""
    if "LM1" not in plan.lines:
        return np.full_like(points_px, np.nan)
    line = plan.lines["LM1"]
    start, direction = np.array(line.point_px), np.array(line.direction)
    return start + ((points_px - start) @ direction)[:, None] * direction
