"""Adaptive robust loss: the known members of the family, the partition function, and that it adapts."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, special

from kneebundle.losses import AdaptiveRobustLoss
from kneebundle.losses.robust import log_partition, robust_penalty


def penalty(x: float, alpha: float, width: float = 1.0) -> float:
    values = [torch.tensor(value, dtype=torch.float64) for value in (x, alpha, width)]
    return robust_penalty(*values).item()


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(1e-9, math.log(0.5 * 1.5**2 + 1)), (1.0, math.sqrt(1.5**2 + 1) - 1), (2 - 1e-9, 0.5 * 1.5**2)],
    ids=["Cauchy", "Charbonnier", "L2"],
)
def test_known_members_of_the_family(alpha: float, expected: float) -> None:
    assert penalty(3.0, alpha, width=2.0) == pytest.approx(expected, rel=1e-6)


def test_the_partition_function_has_its_known_values() -> None:
    alpha = torch.tensor([1e-6, 1.0, 2 - 1e-6], dtype=torch.float64)
    known = [math.pi * math.sqrt(2), 2 * math.e * special.k1(1.0), math.sqrt(2 * math.pi)]
    assert log_partition(alpha).exp().tolist() == pytest.approx(known, rel=1e-4)


@pytest.mark.parametrize("alpha", [0.3, 0.9, 1.5, 1.9, 1.999])
def test_the_partition_function_is_the_integral(alpha: float) -> None:
    integral = 2 * integrate.quad(lambda x: math.exp(-penalty(x, alpha)), 0, math.inf, epsabs=1e-10, limit=500)[0]
    assert log_partition(torch.tensor(alpha)).item() == pytest.approx(math.log(integral), abs=1e-6)


def test_its_gradient_is_that_of_the_integral() -> None:
    alpha = torch.tensor(1.2, dtype=torch.float64, requires_grad=True)
    log_partition(alpha).backward()
    step = 1e-5
    sides = log_partition(torch.tensor([1.2 - step, 1.2 + step], dtype=torch.float64))
    assert alpha.grad is not None
    assert alpha.grad.item() == pytest.approx((sides[1] - sides[0]).item() / (2 * step), rel=1e-5)


def test_it_starts_with_the_defaults_of_the_paper() -> None:
    loss = AdaptiveRobustLoss(3, "px", 100)
    assert torch.allclose(loss.alpha(), torch.full((3, 2), 1.0))
    assert torch.allclose(loss.width(), torch.ones(3, 2))
    expected = math.sqrt(2) - 1 + math.log(2 * math.e * special.k1(1.0))
    pred, target = torch.full((1, 3, 2), 0.51), torch.full((1, 3, 2), 0.5)
    assert loss(pred, target).item() == pytest.approx(expected, rel=1e-4)


def test_it_learns_width_and_shape_of_each_landmarks_errors() -> None:
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(1000, 2, 2, generator=generator)
    cauchy = normal[:, :1] / torch.randn(1000, 1, 2, generator=generator)
    errors = torch.cat([0.005 * normal, 0.005 * cauchy], dim=1)
    loss = AdaptiveRobustLoss(3, "px", 100)
    target = torch.full_like(errors, 0.5)
    errors[:, 1] *= 8
    pred_px, target_px, mask = loss.in_unit(errors + 0.5, target)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        loss.masked_mean(pred_px - target_px, mask).backward()
        optimizer.step()
    width, alpha = loss.width().detach(), loss.alpha().detach()
    assert (width[1] / width[0]).tolist() == pytest.approx([8, 8], rel=0.4)
    assert alpha[:2].min() > 1.2  # normal errors are nearly L2's
    assert alpha[2].max() < 0.5  # Cauchy's are not


def test_settings_that_do_not_fit_together_raise_an_error() -> None:
    with pytest.raises(ValueError, match="alpha"):
        AdaptiveRobustLoss(1, "normalized", alpha_range=(0.0, 2.0))
    with pytest.raises(ValueError, match="width"):
        AdaptiveRobustLoss(1, "normalized", width_init=0.0)
