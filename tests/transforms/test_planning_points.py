"""What a validation measures on the planning network's maps, on a femur made of straight lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from kneebundle.transforms.planning_points import PLANNING_POINTS, PlanningPointsd, select_bone
from kneebundle.transforms.planning_targets import PlanningTargetsd

SIZE, SPACING = 128, 0.5
LANDMARKS = np.array([[56.0, 78.0], [48.0, 68.0]])
"""p_blum, p_tmc: LM2 is row 68, LM3 row 78, the Schoettle point 5 px before the cortex, (55, 73)."""
LINE = np.array([[50.0, 20.0], [50.0, 60.0]])


def knee(shift: float = 0.0) -> dict[str, Any]:
    """A femur whose posterior cortex is the column 50, everything moved to the right by so many pixels."""
    y, x = np.mgrid[:SIZE, :SIZE]
    x = x - shift
    femur = ((x >= 50) & (x <= 80) & (y < 70)) | ((x - 65) ** 2 + (y - 80) ** 2 < 20**2)
    masks = np.zeros((4, SIZE, SIZE), np.float32)
    masks[0] = femur
    masks[2] = (x >= 50) & (x <= 80) & (y > 104)
    affine = torch.diag(torch.tensor([SPACING, SPACING, 1.0, 1.0], dtype=torch.float64))
    data = {
        "image": MetaTensor(torch.zeros(1, SIZE, SIZE), affine=affine),
        "masks": torch.from_numpy(masks),
        "landmarks": torch.from_numpy((LANDMARKS + [shift, 0] + 0.5) / SIZE),
        "cortex_line": torch.from_numpy((LINE + [shift, 0] + 0.5) / SIZE),
    }
    return PlanningTargetsd(sigma=3.0)(data)


def measured(pred_shift: float) -> dict[str, Any]:
    return PlanningPointsd()({**knee(), "pred": knee(pred_shift)["label"]})


def test_points_are_in_mm_and_those_of_the_line_are_next_to_the_label() -> None:
    result = measured(0.0)
    expected = np.array([*LANDMARKS, [55.0, 73.0], *LINE]) * SPACING
    assert result["label_points"].numpy() == pytest.approx(expected, abs=0.03)
    # the outline of a mask of whole pixels lies half a pixel outside the outermost of them
    assert result["pred_points"].numpy() == pytest.approx(expected, abs=0.3)


def test_a_shift_of_the_maps_is_one_of_the_points() -> None:
    still, moved = measured(0.0)["pred_points"], measured(4.0)["pred_points"]
    shift = (moved - still).numpy()
    assert shift == pytest.approx(np.tile([4 * SPACING, 0.0], (len(PLANNING_POINTS), 1)), abs=0.03)


def test_where_nothing_is_found_the_points_are_nan() -> None:
    result = PlanningPointsd()({**knee(), "pred": torch.zeros(7, SIZE, SIZE)})
    assert bool(result["pred_points"][2:].isnan().all())
    assert bool(torch.isfinite(result["label_points"]).all())


def test_radiographs_without_points_are_measured_by_their_bones() -> None:
    data = knee()
    for key in ("landmarks", "cortex_line"):
        data[key] = torch.full((2, 2), torch.nan)
    result = PlanningPointsd()({**data, "pred": data["label"].nan_to_num(0.0)})
    assert bool(result["label_points"].isnan().all())
    assert float(result["label_masks"][0].sum()) > 0


def test_the_masks_of_one_bone_keep_the_spacing() -> None:
    result = measured(4.0)
    pred: Any
    (pred,), (label,) = select_bone(0)([result])
    assert pred.shape == label.shape == (1, SIZE, SIZE)
    assert float(pred.affine[0, 0]) == SPACING
    assert float((pred - label).abs().sum()) > 0
    (nothing,), _ = select_bone(1)([result])
    assert not bool(nothing.any())
