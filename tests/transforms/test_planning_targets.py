"""Target maps of the planning network, to a fraction of a pixel."""

import math

import pytest
import torch

from kneebundle.transforms.planning_targets import PlanningTargetsd, draw_line_map, draw_point_maps


def normalized(points: list[list[float]], width: int, height: int) -> torch.Tensor:
    return (torch.tensor(points) + 0.5) / torch.tensor([width, height])


def test_a_landmark_is_a_gaussian_of_height_1_at_its_very_place() -> None:
    maps = draw_point_maps(normalized([[10.25, 5.5], [math.nan, math.nan]], 32, 16), (16, 32), sigma=2.0)
    assert maps.shape == (2, 16, 32)
    assert maps[0, 5, 10].item() == pytest.approx(math.exp(-(0.25**2 + 0.5**2) / 8), rel=1e-5)
    assert maps[0, 6, 13].item() == pytest.approx(math.exp(-(2.75**2 + 0.5**2) / 8), rel=1e-5)
    assert bool(maps[1].isnan().all())


def test_the_region_of_a_line_is_its_ridge_without_gaps_or_bumps() -> None:
    region = draw_line_map(normalized([[4.0, 8.0], [27.0, 8.0]], 32, 16), (16, 32), sigma=2.0)[0]
    assert float(region[8, 4:28].min()) > 0.97
    assert float(region.max()) <= 1.0
    assert region[10, 4].item() == pytest.approx(math.exp(-0.5), rel=1e-3)
    assert region[8, 31].item() == pytest.approx(math.exp(-(4.0**2) / 8), rel=1e-3)


def test_a_line_without_label_is_nan_and_one_of_length_0_is_a_point() -> None:
    assert bool(draw_line_map(torch.full((2, 2), math.nan), (8, 8), 2.0).isnan().all())
    ends = normalized([[3.0, 3.0], [3.0, 3.0]], 8, 8)
    torch.testing.assert_close(draw_line_map(ends, (8, 8), 2.0), draw_point_maps(ends[:1], (8, 8), 2.0))


def test_channels_are_bones_landmarks_and_line() -> None:
    data = {
        "image": torch.zeros(1, 16, 16),
        "masks": torch.arange(4.0).reshape(4, 1, 1).expand(4, 16, 16) / 4,
        "landmarks": normalized([[3.0, 4.0], [9.0, 10.0]], 16, 16),
        "cortex_line": normalized([[2.0, 1.0], [2.0, 12.0]], 16, 16),
    }
    label = PlanningTargetsd(sigma=1.5)(data)["label"]
    assert label.shape == (7, 16, 16)
    assert label[:4, 0, 0].tolist() == [0.0, 0.25, 0.5, 0.75]
    assert label[4, 4, 3] == label[5, 10, 9] == label[6, 1, 2] == 1.0
