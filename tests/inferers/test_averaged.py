"""Views of an image are turned back before their mean is taken."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from kneebundle.inferers.averaged import AveragedHeatmapInferer
from kneebundle.inferers.landmarks import HeatmapInferer


class Smooth(nn.Module):
    """Heatmap = the image, smoothed."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(image, 5, stride=1, padding=2)


def spot(x: float, y: float, height: int = 96, width: int = 64) -> torch.Tensor:
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
    return torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 18.0)[None, None]


def test_one_plain_view_is_the_plain_answer() -> None:
    image = spot(20.3, 51.8)
    assert torch.equal(AveragedHeatmapInferer()(image, Smooth()), HeatmapInferer()(image, Smooth()))


@pytest.mark.parametrize(("x", "y"), [(20.3, 51.8), (44.0, 30.0)])
def test_turned_and_scaled_views_answer_in_the_images_frame(x: float, y: float) -> None:
    inferer = AveragedHeatmapInferer(rotations_deg=[-15.0, 15.0], scales=[0.9, 1.15])
    answer = inferer(spot(x, y), Smooth())[0, 0]
    assert answer[0].item() * 64 - 0.5 == pytest.approx(x, abs=0.2)
    assert answer[1].item() * 96 - 0.5 == pytest.approx(y, abs=0.2)


def test_an_inverted_image_is_answered_as_the_image() -> None:
    pair = torch.cat([spot(20.3, 51.8), -spot(40.0, 30.0)])
    points = AveragedHeatmapInferer(either_polarity=True)(pair, Smooth())[:, 0, :2] * torch.tensor([64, 96]) - 0.5
    assert points.tolist() == [pytest.approx([20.3, 51.8], abs=0.2), pytest.approx([40.0, 30.0], abs=0.2)]


@pytest.mark.parametrize("views", [{"rotations_deg": []}, {"scales": [0.0]}])
def test_views_that_show_nothing_are_errors(views: dict) -> None:
    with pytest.raises(ValueError, match="angles and positive factors"):
        AveragedHeatmapInferer(**views)
