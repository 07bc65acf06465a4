"""HourglassLandmarkNet: shapes, channels, scripting, sizes and what its confidence says."""

from typing import Any

import pytest
import torch
from torch import nn

from kneebundle.networks.blocks import BottleneckBlock, HMPBlock
from kneebundle.networks.hourglass import HourglassLandmarkNet


def small(**kwargs: object) -> HourglassLandmarkNet:
    torch.manual_seed(0)
    settings: dict = {"num_landmarks": 3, "width": 4, "depth": 2, **kwargs}
    return HourglassLandmarkNet(**settings).eval()


@pytest.mark.parametrize(
    ("kwargs", "size", "maps"),
    [
        ({}, (32, 32), (8, 8)),
        ({"block": "bottleneck"}, (32, 48), (8, 12)),
        ({"output_stride": 8}, (32, 32), (4, 4)),
        ({"upsampling": "bilinear", "depth": 3}, (67, 53), (17, 13)),
        ({"in_channels": 3}, (33, 35), (8, 9)),
    ],
)
def test_gives_points_in_the_unit_square(kwargs: dict, size: tuple[int, int], maps: tuple[int, int]) -> None:
    network = small(**kwargs)
    image = torch.randn(2, kwargs.get("in_channels", 1), *size)
    points = network(image)
    assert points.shape == (2, 3, 2)
    assert bool(((points >= 0) & (points < 1)).all())
    scores = network.score_maps(image)
    assert scores.shape == (2, 3, *maps)
    weights = scores.flatten(2).softmax(-1).reshape(scores.shape)  # the mean over the cells' centres
    x = (weights.sum(2) * (torch.arange(maps[1]) + 0.5) / maps[1]).sum(-1)
    y = (weights.sum(3) * (torch.arange(maps[0]) + 0.5) / maps[0]).sum(-1)
    torch.testing.assert_close(points, torch.stack([x, y], -1))
    scripted = torch.jit.script(network)
    torch.testing.assert_close(scripted(image), points)
    torch.testing.assert_close(scripted(image, True), network(image, True))


def test_channels_are_those_of_figure_4() -> None:
    """Entry N, 2N, pool, 2N, 2N, 4N; levels 4N; skips 4N, 4N, 8N; 8N before up-sampling; output 8N, 4N, M."""
    network = HourglassLandmarkNet(16, width=24, depth=6)
    widths = [_width(m) for m in network.entry if not isinstance(m, nn.MaxPool2d)]
    assert widths == [24, 48, 48, 48, 96]
    level: Any = network.hourglass
    for depth in range(6, 0, -1):
        assert [_width(block) for block in level.lower] == [96, 96, 96]
        assert [_width(block) for block in level.skip] == [96, 96, 192]
        assert _width(level.merge) == 192
        if depth == 1:
            assert _width(level.inner) == 96
        else:
            level = level.inner
    convolutions = [m for m in network.output.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [192, 96, 16]


def _width(block: nn.Module) -> int:
    if isinstance(block, HMPBlock):
        scales: list[Any] = [block.scale1[0], block.scale2[0], block.scale3[0]]
        widths = [int(s.out_channels) for s in scales]
        assert widths[0] == 2 * widths[1] == 2 * widths[2]
        return sum(widths)
    first = next(m for m in block.modules() if isinstance(m, nn.Conv2d))
    return first.out_channels


def test_too_small_an_image_raises_an_error_with_the_size_that_is_needed() -> None:
    with pytest.raises(ValueError, match="at least 16 x 16"):
        small()(torch.zeros(1, 1, 15, 64))
    small()(torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"block": "dense"}, "hmp"),
        ({"upsampling": "cubic"}, "nearest"),
        ({"output_stride": 2}, "4 or 8"),
        ({"depth": 0}, "1"),
    ],
)
def test_unknown_choices_raise_an_error(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**kwargs)


@pytest.mark.parametrize("block", [HMPBlock, BottleneckBlock])
def test_blocks_have_a_plain_skip_only_where_the_widths_agree(block: Any) -> None:
    assert isinstance(block(8, 8).skip, nn.Identity)
    skip = block(4, 8).skip
    assert skip[0].kernel_size == (1, 1)
    assert block(4, 8).eval()(torch.zeros(1, 4, 5, 5)).shape == (1, 8, 5, 5)


def test_a_sharper_map_is_more_confident() -> None:
    image = torch.randn(1, 1, 32, 32)
    flat, sharp = (small(beta=beta)(image, with_confidence=True)[..., 2] for beta in (1.0, 1e4))
    assert bool((sharp > 2 * flat).all())
    assert bool((flat > 0).all()) and bool((sharp <= 1).all())


def test_gives_float32_under_autocast() -> None:
    network = small()
    image = torch.randn(1, 1, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        points = network(image)
    assert points.dtype == torch.float32
    torch.testing.assert_close(points, network(image), atol=2e-3, rtol=0)
