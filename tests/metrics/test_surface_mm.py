"""Surface metrics in mm, each image with a spacing of its own."""

import pytest
import torch
from monai.data import MetaTensor

from kneebundle.metrics.surface_mm import HausdorffDistanceMM, SurfaceDistanceMM


def square(shift: int, spacing: float) -> MetaTensor:
    mask = torch.zeros(1, 32, 32)
    mask[0, 8:20, 8 + shift : 20 + shift] = 1.0
    return MetaTensor(mask, affine=torch.diag(torch.tensor([spacing, spacing, 1.0, 1.0], dtype=torch.float64)))


@pytest.mark.parametrize(
    "metric", [SurfaceDistanceMM(include_background=True), HausdorffDistanceMM(include_background=True)]
)
def test_the_same_shift_in_pixels_is_another_in_mm(metric: SurfaceDistanceMM | HausdorffDistanceMM) -> None:
    metric.reset()
    metric([square(4, 0.5), square(4, 2.0)], [square(0, 0.5), square(0, 2.0)])
    fine, coarse = metric.get_buffer()[:, 0].tolist()
    assert coarse == pytest.approx(4 * fine)
    if isinstance(metric, HausdorffDistanceMM):
        assert fine == pytest.approx(4 * 0.5)
