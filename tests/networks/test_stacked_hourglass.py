"""MultiTaskStackedHourglass: what it gives in training and after it, its parts, scripting, errors."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from kneebundle.networks.stacked_hourglass import PLANNING_TASKS, MultiTaskStackedHourglass, ResidualUnit


def small(**kwargs: object) -> MultiTaskStackedHourglass:
    torch.manual_seed(0)
    settings: dict = {"stages": 2, "c1": 4, "c2": 8, "channels": 8, "depth": 2, **kwargs}
    return MultiTaskStackedHourglass(**settings)


def test_training_gives_every_stage_at_a_quarter_and_evaluation_the_last_at_full_size() -> None:
    network = small(stages=3)
    image = torch.randn(2, 1, 32, 48)
    stages = network(image)
    assert [tuple(maps.shape) for maps in stages] == [(2, 7, 8, 12)] * 3
    answer = network.eval()(image)
    assert answer.shape == (2, 7, 32, 48)
    large = functional.interpolate(stages[-1], size=(32, 48), mode="bilinear", align_corners=False)
    torch.testing.assert_close(answer[:, :4], large[:, :4].sigmoid())
    torch.testing.assert_close(answer[:, 4:], large[:, 4:])


@pytest.mark.parametrize(
    "kwargs", [{}, {"stages": 1}, {"in_channels": 3, "tasks": {"bones": 1, "points": 5}}, {"depth": 1, "channels": 12}]
)
def test_scripted_it_gives_the_same(kwargs: dict) -> None:
    network = small(**kwargs)
    image = torch.randn(2, kwargs.get("in_channels", 1), 32, 32)
    scripted = torch.jit.script(network)
    for one, other in zip(scripted(image), network(image), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(scripted.eval()(image), network.eval()(image))


def test_defaults_are_those_of_figure_2() -> None:
    network = MultiTaskStackedHourglass()
    assert len(network.stages) == 4
    convolutions = [m for m in network.stem.modules() if isinstance(m, nn.Conv2d)]
    assert (convolutions[0].in_channels, convolutions[0].out_channels, convolutions[0].stride) == (1, 64, (2, 2))
    units: list[Any] = [m for m in network.stem if isinstance(m, ResidualUnit)]
    assert [unit.body[2][2].out_channels for unit in units] == [128, 128, 256]
    assert sum(PLANNING_TASKS.values()) == 7
    stages: list[Any] = list(network.stages)
    for stage in stages:
        assert [head[1][2].out_channels for head in stage.heads] == [4, 2, 1]
        assert {m.out_channels for m in stage.hourglass.modules() if isinstance(m, nn.Conv2d)} == {128, 256}


def test_a_unit_is_normalised_and_activated_before_each_convolution() -> None:
    unit = ResidualUnit(6, 8)
    layers: list[Any] = list(unit.body)
    for norm, relu, convolution in layers:
        assert isinstance(relu, nn.ReLU) and isinstance(convolution, nn.Conv2d)
        assert norm.num_groups == norm.num_channels == convolution.in_channels
    assert isinstance(ResidualUnit(8, 8).skip, nn.Identity)
    with torch.no_grad():
        for parameter in unit.body.parameters():
            parameter.zero_()
    x = torch.randn(1, 6, 4, 4)
    torch.testing.assert_close(unit(x), unit.skip(x))


def test_contrast_and_brightness_of_an_image_hardly_matter() -> None:
    """Instance normalisation: what comes out of the first unit's body does not know the scale of its input."""
    body = ResidualUnit(4, 4).body
    x = torch.randn(1, 4, 16, 16)
    torch.testing.assert_close(body(x), body(5.0 * x + 3.0), atol=1e-3, rtol=1e-3)


def test_each_stage_has_a_last_shared_layer_that_all_its_tasks_and_no_earlier_stage_depend_on() -> None:
    network = small()
    layers: list[Any] = network.shared_layers()
    assert len(layers) == 2
    first, second = network(torch.randn(1, 1, 32, 32))
    for task in range(7):
        (own,) = torch.autograd.grad(second[:, task].square().sum(), layers[1].weight, retain_graph=True)
        assert float(own.abs().sum()) > 0
    (none,) = torch.autograd.grad(first.square().sum(), layers[1].weight, allow_unused=True, retain_graph=True)
    assert none is None


def test_it_starts_from_knowing_nothing() -> None:
    answer = small().eval()(torch.randn(1, 1, 32, 32))
    assert float((answer[:, :4] - 0.5).abs().max()) < 0.02
    assert float(answer[:, 4:].abs().max()) < 0.02


def test_an_image_that_does_not_fit_raises_an_error_with_the_size_that_does() -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        small()(torch.zeros(1, 1, 32, 40))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"stages": 0}, "at least 1"), ({"tasks": {"bones": 0}}, "at least 1"), ({"channels": 7}, "even")],
)
def test_impossible_numbers_raise_an_error(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**kwargs)
