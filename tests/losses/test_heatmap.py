"""HeatmapLoss: values by hand, what is masked, and where the sigmas go."""

import math

import numpy as np
import pytest
import torch
from monai.transforms import GenerateHeatmap

from kneebundle.losses.heatmap import HeatmapLoss, gaussian_heatmaps

POINT = torch.tensor([[[0.5, 0.25]]])  # x = 1, y = 0.5 pixels of a 4 x 3 image


def test_gaussian_by_hand() -> None:
    (values,) = gaussian_heatmaps(POINT, (4, 3), torch.tensor([2.0]), torch.tensor([3.0]))[0]
    expected = [[3 * math.exp(-((x - 1) ** 2 + (y - 0.5) ** 2) / 8) for x in range(3)] for y in range(4)]
    torch.testing.assert_close(values, torch.tensor(expected))


def test_points_are_x_y_z_and_maps_z_y_x() -> None:
    point = (torch.tensor([[[4.0, 2.0, 1.0]]]) + 0.5) / torch.tensor([7, 6, 5])
    maps = gaussian_heatmaps(point, (5, 6, 7), torch.tensor([1.0]), torch.tensor([1.0]))
    assert np.unravel_index(int(maps.argmax()), (5, 6, 7)) == (1, 2, 4)
    assert float(maps.max()) == pytest.approx(1.0)


@pytest.mark.parametrize("dims", [2, 3])
def test_height_is_gamma_over_the_gaussians_integral(dims: int) -> None:
    loss = HeatmapLoss(2, dims, sigma=2.0, scale=50.0)
    expected = 50.0 / ((2 * math.pi) ** (dims / 2) * 2.0**dims)
    assert loss.height().tolist() == pytest.approx([expected] * 2)
    size = (30, 30, 30)[:dims]
    target = gaussian_heatmaps(torch.full((1, 2, dims), 0.5), size, loss.sigma(), loss.height())
    assert target.flatten(2).sum(-1).tolist()[0] == pytest.approx([50.0] * 2, rel=1e-3)


def test_value_by_hand() -> None:
    """Empty maps: the squares of the target, over the images; and alpha sigma^2."""
    loss = HeatmapLoss(1, sigma=2.0, scale=10.0, sigma_weight=0.5)
    height = 10.0 / (2 * math.pi * 4)
    squares = sum((height * math.exp(-((x - 1) ** 2 + (y - 0.5) ** 2) / 8)) ** 2 for x in range(3) for y in range(4))
    assert loss(torch.zeros(1, 1, 4, 3), POINT).item() == pytest.approx(squares + 0.5 * 4.0)
    # one of two images has a perfect heatmap
    perfect = gaussian_heatmaps(POINT, (4, 3), torch.tensor([2.0]), torch.tensor([height]))
    both = loss(torch.cat([perfect, torch.zeros(1, 1, 4, 3)]), POINT.expand(2, 1, 2)).item()
    assert both == pytest.approx(squares / 2 + 0.5 * 4.0)


def test_a_fixed_sigma_has_no_parameters_and_no_second_term() -> None:
    loss = HeatmapLoss(1, sigma=2.0, learn_sigma=False, scale=None)
    assert not list(loss.parameters())
    assert loss.height().tolist() == [1.0]
    target = gaussian_heatmaps(POINT, (4, 3), torch.tensor([2.0]), torch.tensor([1.0]))
    assert loss(target, POINT).item() == pytest.approx(0.0, abs=1e-10)
    assert loss(target, target).item() == 0.0
    assert loss(torch.zeros_like(target), target).item() == pytest.approx(loss(torch.zeros_like(target), POINT).item())


@pytest.mark.parametrize("size", [(40, 48), (36, 40, 44)])
def test_height_one_is_monais_heatmap_at_a_pixels_centre(size: tuple[int, ...]) -> None:
    """MONAI integrates the Gaussian over each pixel and cuts it at 4 sigma: 0.5 % of the height at a sigma of 3 px."""
    points = torch.tensor([[20.0, 15.0, 17.0], [11.0, 25.0, 20.0]])[:, : len(size)]  # x, y(, z)
    ours = gaussian_heatmaps(
        ((points + 0.5) / torch.tensor(size[::-1])).unsqueeze(0), size, torch.full((2,), 3.0), torch.ones(2)
    )
    monai = GenerateHeatmap(sigma=3.0, spatial_shape=size)(points.flip(-1))
    torch.testing.assert_close(ours[0], torch.as_tensor(monai), atol=5e-3, rtol=0)

    loss = HeatmapLoss(2, len(size), sigma=3.0, learn_sigma=False, scale=None)
    assert loss(ours, torch.as_tensor(monai).unsqueeze(0)).item() < 1e-3 * ours.square().sum().item()


@pytest.mark.parametrize("point", [[math.nan, 0.5], [1.0, 0.5], [0.5, -0.01], [math.inf, 0.5]])
def test_points_outside_have_neither_a_part_nor_a_gradient(point: list[float]) -> None:
    loss = HeatmapLoss(2, sigma=1.5, sigma_weight=0.0)
    target = torch.tensor([[[0.4, 0.6], point]])
    pred = torch.rand(1, 2, 8, 8, requires_grad=True)
    value = loss(pred, target)
    value.backward()
    assert pred.grad is not None and loss.latent_sigma.grad is not None
    assert pred.grad[0, 0].any() and not pred.grad[0, 1].any()
    assert loss.latent_sigma.grad[0] != 0 and loss.latent_sigma.grad[1] == 0
    alone = HeatmapLoss(1, sigma=1.5, sigma_weight=0.0)(pred[:, :1], target[:, :1])
    assert value.item() == pytest.approx(alone.item())


def test_an_empty_target_map_is_not_learnt() -> None:
    """GenerateHeatmap answers an empty map for a point outside or NaN."""
    maps = torch.as_tensor(GenerateHeatmap(sigma=1.0, spatial_shape=(8, 8))(torch.tensor([[3.0, 4.0], [9.0, 2.0]])))
    assert not maps[1].any()
    pred = torch.rand(1, 2, 8, 8, requires_grad=True)
    HeatmapLoss(2, sigma=1.0, learn_sigma=False, scale=None)(pred, maps.unsqueeze(0)).backward()
    assert pred.grad is not None
    assert pred.grad[0, 0].any() and not pred.grad[0, 1].any()


def test_nothing_to_learn_can_still_be_propagated_backwards() -> None:
    pred = torch.rand(1, 1, 4, 4, requires_grad=True)
    value = HeatmapLoss(1, learn_sigma=False)(pred, torch.full((1, 1, 2), torch.nan))
    value.backward()
    assert value.item() == 0.0 and pred.grad is not None and not pred.grad.any()


def sigma_gradient(predicted_sigma: float, sigma_weight: float = 0.0) -> float:
    """Gradient of the loss with a sigma of 3 where the network answers a Gaussian of another sigma."""
    point = torch.tensor([[[0.5, 0.5]]])
    answer = HeatmapLoss(1, sigma=predicted_sigma)
    pred = gaussian_heatmaps(point, (40, 40), answer.sigma(), answer.height()).detach()
    loss = HeatmapLoss(1, sigma=3.0, sigma_weight=sigma_weight)
    loss(pred, point).backward()
    assert loss.latent_sigma.grad is not None
    return loss.latent_sigma.grad.item()


def test_sigma_is_drawn_to_what_the_network_can_answer_and_down_by_its_weight() -> None:
    assert sigma_gradient(2.0) > 0  # descent makes it smaller
    assert sigma_gradient(4.5) < 0  # descent makes it larger
    assert sigma_gradient(3.0) == pytest.approx(0.0, abs=1e-4)
    # alpha sigma^2 with sigma = 0.5 + exp(latent): 2 alpha sigma exp(latent)
    assert sigma_gradient(3.0, sigma_weight=2.0) == pytest.approx(2 * 2.0 * 3.0 * 2.5, rel=1e-3)


def test_sigmas_are_learnt_beside_the_network_without_decay() -> None:
    """With empty heatmaps gamma^2 / (4 pi sigma^2) + alpha sigma^2 is least at sigma^4 = gamma^2 / (4 pi alpha)."""
    network, loss = torch.nn.Conv2d(1, 1, 3, padding=1), HeatmapLoss(1, sigma=4.0, sigma_weight=20.0)
    torch.nn.init.zeros_(network.weight)
    optimizer = torch.optim.Adam(
        [
            {"params": network.parameters(), "weight_decay": 1e-4},
            {"params": loss.parameters(), "weight_decay": 0.0},
        ],
        lr=0.05,
    )
    for _ in range(60):
        optimizer.zero_grad()
        loss(0.0 * network(torch.zeros(1, 1, 24, 24)), torch.tensor([[[0.5, 0.5]]])).backward()
        optimizer.step()
    assert loss.sigma().item() == pytest.approx((100**2 / (4 * math.pi * 20)) ** 0.25, rel=0.01)
    assert set(loss.state_dict()) == {"latent_sigma"}
    fixed = HeatmapLoss(1, learn_sigma=False)
    torch.optim.Adam([{"params": network.parameters()}, {"params": fixed.parameters()}])  # an empty group is no error


def test_half_precision_predictions_are_compared_in_float32() -> None:
    value = HeatmapLoss(1, learn_sigma=False)(torch.zeros(1, 1, 4, 3, dtype=torch.bfloat16), POINT)
    assert value.dtype == torch.float32


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"sigma": 0.2}, "sigma_min < sigma"),
        ({"spatial_dims": 4}, "2 or 3"),
        ({"scale": None}, "need a scale"),
    ],
)
def test_numbers_that_do_not_fit_together_raise_an_error(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HeatmapLoss(1, **kwargs)


def test_wrong_shapes_raise_an_error_with_what_is_needed() -> None:
    loss = HeatmapLoss(3)
    with pytest.raises(ValueError, match=r"3 heatmaps in 2-D, got \(1, 2, 8, 8\)"):
        loss(torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 2))
    with pytest.raises(ValueError, match=r"\(3, 2\); got \(1, 4, 2\)"):
        loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 4, 2))
    with pytest.raises(ValueError, match=r"\(3, 2\); got \(1, 3, 8, 8\)"):
        loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
