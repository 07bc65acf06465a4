"""SpatialConfigurationNet: its published layers, the geometry of its two factors, and that training starts."""

from typing import Any

import pytest
import torch
from torch import nn

from kneebundle.losses.heatmap import HeatmapLoss, gaussian_heatmaps
from kneebundle.networks.heatmaps import decode_heatmaps
from kneebundle.networks.scn import SpatialConfigurationNet

SMALL: dict[str, Any] = {
    "features": 6,
    "levels": 3,
    "spatial_features": 5,
    "spatial_downsampling": 8,
    "spatial_kernel": 5,
}


def small(spatial_dims: int = 2, **kwargs: Any) -> SpatialConfigurationNet:
    torch.manual_seed(0)
    settings = {"in_channels": 1, "num_landmarks": 3, **SMALL, **kwargs}
    return SpatialConfigurationNet(spatial_dims, **settings).eval()


def blobs(points: torch.Tensor, size: tuple[int, ...], sigma: float) -> torch.Tensor:
    """Gaussians of height 1 at points (B, N, d), x, y(, z) in pixels."""
    count = points.shape[1]
    normalized = (points + 0.5) / torch.tensor(size[::-1])
    return gaussian_heatmaps(normalized, size, torch.full((count,), sigma), torch.ones(count))


def centre_of_mass(maps: torch.Tensor) -> torch.Tensor:
    """(B, N, d), x, y(, z) in pixels."""
    mass = maps.flatten(2)
    axes = torch.meshgrid(*[torch.arange(n, dtype=maps.dtype) for n in maps.shape[2:]], indexing="ij")
    grid = torch.stack([axis.flatten() for axis in axes[::-1]], -1)
    return (mass.unsqueeze(-1) * grid).sum(2) / mass.sum(2, keepdim=True)


@pytest.mark.parametrize("spatial", ["stack", "pairs"])
@pytest.mark.parametrize(("spatial_dims", "size"), [(2, (24, 40)), (3, (16, 24, 8))])
def test_heatmaps_are_the_product_of_both_components(spatial: str, spatial_dims: int, size: tuple[int, ...]) -> None:
    network = small(spatial_dims, spatial=spatial, in_channels=2, initial_deviation=0.1)
    image = torch.randn(2, 2, *size)
    local, configuration, product = network.components(image)
    assert local.shape == configuration.shape == product.shape == (2, 3, *size)
    torch.testing.assert_close(network(image), local * configuration)
    assert product.any()

    scripted = torch.jit.script(network)
    torch.testing.assert_close(scripted(image), product)
    torch.testing.assert_close(scripted.components(image), (local, configuration, product))


def test_layers_are_those_of_the_journal_version() -> None:
    """Four levels of two convolutions and one on the side, all 3 x 3 x 128; four of 11 x 11 at a sixteenth; tanh."""
    network = SpatialConfigurationNet(2, 1, 37)
    assert network.divisor == 16
    appearance = [m for m in network.appearance.modules() if isinstance(m, nn.Conv2d)]
    assert [m.in_channels for m in appearance] == [1] + [128] * 12
    assert {(m.out_channels, m.kernel_size) for m in appearance} == {(128, (3, 3))}
    configuration = [m for m in network.configuration.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in configuration] == [(37, 128), (128, 128), (128, 128), (128, 37)]
    assert {m.kernel_size for m in configuration} == {(11, 11)}
    names = [type(m).__name__ for m in network.modules()]
    assert not [name for name in names if "Norm" in name]
    assert names.count("AvgPool2d") == 2  # one for all levels, one for the configuration
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.5] * 4
    assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.1}
    assert (network.appearance.up.mode, network.up.mode) == ("bilinear", "bicubic")


def test_spatial_configuration_lies_within_minus_one_and_one() -> None:
    settings: dict[str, Any] = {"initial_deviation": 50.0, "spatial_upsampling": "linear"}
    image = torch.randn(1, 1, 24, 24)
    assert 0.5 < small(**settings).components(image)[1].detach().abs().max() <= 1
    assert small(spatial="pairs", **settings).components(image)[1].detach().abs().max() > 2


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_last_layers_start_tiny_and_the_others_as_he(spatial_dims: int) -> None:
    network = small(spatial_dims, features=32, num_landmarks=8, initial_deviation=1e-4)
    layers: tuple[Any, ...] = (network.local_heatmaps, network.configuration.get_submodule("last"))
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx(1e-4, rel=0.1)
        assert not layer.bias.any()
    first: Any = network.appearance.contracting[0]
    inner = first[2].conv
    assert inner.weight.std().item() == pytest.approx((2 / 1.01 / (32 * 3**spatial_dims)) ** 0.5, rel=0.05)
    assert not inner.bias.any()


def loss_after_training(initial_deviation: float, steps: int = 30) -> float:
    """Loss after some steps on three equal blobs that wander together, as a fraction of that of empty heatmaps."""
    torch.manual_seed(1)
    network = small(features=8, initial_deviation=max(initial_deviation, 1e-9), dropout=0.0).train()
    if initial_deviation == 0:
        nn.init.zeros_(network.local_heatmaps.get_parameter("weight"))
        nn.init.zeros_(network.configuration.get_submodule("last").get_parameter("weight"))
    loss = HeatmapLoss(3, learn_sigma=False)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        points = torch.tensor([[9.0, 8.0], [24.0, 10.0], [14.0, 24.0]]) + 6 * torch.rand(2, 1, 2) - 3
        target = (points + 0.5) / 32
        value = loss(network(blobs(points, (32, 32), 2.0).sum(1, keepdim=True)), target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return value.item() / loss(torch.zeros(2, 3, 32, 32), target).item()


def test_training_starts_from_tiny_last_layers_and_not_from_large_or_none() -> None:
    assert loss_after_training(1e-4) < 0.2
    assert loss_after_training(1.0) > 0.5
    assert loss_after_training(0.0) == 1.0  # the gradient of a product of two zeros


@pytest.mark.parametrize(
    ("spatial_dims", "upsampling", "factor"), [(2, "cubic", 4), (2, "cubic", 16), (2, "linear", 16), (3, "linear", 6)]
)
def test_a_peak_stays_where_it_is_on_the_way_down_and_up(spatial_dims: int, upsampling: str, factor: int) -> None:
    network = small(spatial_dims, spatial_downsampling=factor, spatial_upsampling=upsampling, features=1)
    size = tuple(factor * n for n in (12, 14, 10)[:spatial_dims])
    points = torch.tensor([[[5.3, 4.8, 6.1], [6.6, 5.9, 5.5]]])[..., :spatial_dims] * factor
    maps = blobs(points, size, 0.8 * factor)
    there_and_back = network.up(network.down(maps))
    assert there_and_back.shape == maps.shape
    torch.testing.assert_close(centre_of_mass(there_and_back), points, atol=0.1, rtol=0)


def test_a_peak_stays_where_it_is_through_all_levels_of_the_appearance() -> None:
    """Average pooling and linear up-sampling of every level, with filters that pass everything on."""
    appearance = small(features=1, levels=4).appearance
    with torch.no_grad():
        for module in appearance.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.copy_(torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]))
    points = torch.tensor([[[45.3, 50.8]]])
    answer = appearance(blobs(points, (96, 104), 6.0))
    assert answer.max().item() == pytest.approx(4.0, rel=0.2)  # the sum of four levels
    torch.testing.assert_close(centre_of_mass(answer), points, atol=0.1, rtol=0)
    torch.testing.assert_close(decode_heatmaps(answer)[0] * torch.tensor([104, 96]) - 0.5, points, atol=0.1, rtol=0)


def set_by_hand(spatial: str, spatial_dims: int, offset: tuple[int, ...]) -> SpatialConfigurationNet:
    """Two landmarks: h_LA is the image's two channels, h_SC of landmark 0 that of landmark 1 shifted by ``offset``.

    The offset is in cells of the spatial configuration, x, y(, z).
    """
    network = small(
        spatial_dims,
        spatial=spatial,
        in_channels=2,
        num_landmarks=2,
        features=2,
        spatial_features=2,
        spatial_downsampling=4,
        spatial_upsampling="linear",
        spatial_kernel=7,
    )
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                module.weight.zero_()
                if not name.startswith("appearance.parallel") or name.startswith("appearance.parallel.0"):
                    centre = [n // 2 for n in module.kernel_size]
                    for channel in range(2):
                        module.weight[(channel, channel, *centre)] = 1.0
        last = network.configuration.get_submodule("last").get_parameter("weight")
        last.zero_()
        # a convolution looks where its weight lies, so what it gives moves the other way
        last[(0, 1, *[3 - o for o in offset[::-1]])] = 1.0
    return network


@pytest.mark.parametrize("spatial", ["stack", "pairs"])
@pytest.mark.parametrize("offset", [(2, -1), (-3, 2, 1)])
def test_filters_set_by_hand_move_a_peak_by_their_offset(spatial: str, offset: tuple[int, ...]) -> None:
    dims = len(offset)
    network = set_by_hand(spatial, dims, offset)
    size = (32, 36, 40)[:dims]
    points = torch.tensor([[[15.0, 14.0, 12.0], [19.3, 17.8, 14.4]]])[..., :dims]
    image = 0.02 * blobs(points, size, 3.0)  # where tanh is linear
    local, configuration, _ = network.components(image)
    torch.testing.assert_close(local, image)
    expected = points[:, 1] + 4.0 * torch.tensor(offset)
    torch.testing.assert_close(centre_of_mass(configuration[:, :1])[:, 0], expected, atol=0.1, rtol=0)
    assert not configuration[:, 1].any()


@pytest.mark.parametrize("spatial", ["stack", "pairs"])
def test_the_configuration_suppresses_the_wrong_one_of_two_equal_candidates(spatial: str) -> None:
    network = set_by_hand(spatial, 2, (3, 0))
    right, wrong, other = torch.tensor([[32.0, 20.0]]), torch.tensor([[8.0, 20.0]]), torch.tensor([[20.0, 20.0]])
    ambiguous = blobs(torch.stack([right, wrong], 1), (40, 44), 2.0).sum(1)
    image = torch.stack([ambiguous, blobs(other.unsqueeze(1), (40, 44), 2.0)[:, 0]], 1)
    local, _, product = network.components(image)

    assert local[0, 0, 20, 8] == local[0, 0].max()
    torch.testing.assert_close(local[0, 0, 20, 8], local[0, 0, 20, 32])

    points, _ = decode_heatmaps(product)
    torch.testing.assert_close(points[:, 0] * torch.tensor([44, 40]) - 0.5, right, atol=0.5, rtol=0)
    assert product[0, 0, 20, 8].item() < 0.01 * product[0, 0, 20, 32].item()


def test_a_landmark_has_no_filter_on_itself_among_the_pairs() -> None:
    network = small(spatial="pairs", initial_deviation=1.0)
    maps = torch.zeros(1, 3, 9, 9)
    maps[0, 1] = 1.0
    answer = network.configuration(maps)
    assert not answer[0, 1].any()
    assert answer[0, 0].any() and answer[0, 2].any()


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_sizes_that_do_not_divide_raise_an_error_with_the_multiple(spatial_dims: int) -> None:
    network = small(spatial_dims, levels=3, spatial_downsampling=6)
    with pytest.raises(ValueError, match=r"multiples of 12, got \[24, 2") as error:
        network(torch.zeros(1, 1, *(24, 20, 24)[:spatial_dims]))
    assert "k=12" in str(error.value)
    with pytest.raises(torch.jit.Error, match="multiples of 12"):
        torch.jit.script(network)(torch.zeros(1, 1, *(24, 20, 24)[:spatial_dims]))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"spatial_dims": 1}, "2 or 3"),
        ({"spatial": "graph"}, "stack"),
        ({"spatial_kernel": 4}, "odd"),
        ({"local_kernel": 2}, "odd"),
        ({"levels": 0}, "at least 1"),
        ({"spatial_downsampling": 0}, "at least 1"),
        ({"spatial_upsampling": "nearest"}, "linear"),
        ({"spatial_upsampling": "cubic", "spatial_dims": 3}, "linear"),
        ({"initial_deviation": 0.0}, "gradient"),
    ],
)
def test_unknown_choices_raise_an_error(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**kwargs)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_trains_in_bfloat16_and_channels_last(spatial_dims: int) -> None:
    network = small(spatial_dims, initial_deviation=0.1)
    layout = torch.channels_last if spatial_dims == 2 else torch.channels_last_3d
    network = network.to(memory_format=layout)  # type: ignore[call-overload]
    image = torch.randn(1, 1, *[16] * spatial_dims).contiguous(memory_format=layout)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = network(image)
    exact = network(image).detach()
    torch.testing.assert_close(rounded.float(), exact, atol=0.02 * float(exact.abs().max()), rtol=0)
    network.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = network(image)
    answer.float().square().sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert any(bool(gradient.any()) for gradient in gradients if gradient is not None)
