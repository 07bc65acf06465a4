"""PartsEnergy against the paper's formulas written as loops, its gradients, and the direction of the translation."""

import math

import pytest
import torch

from kneebundle.losses.parts_energy import PartsEnergy, cell_centers

PLACES = torch.tensor([[-0.5, -0.2], [0.31, -0.4], [0.1, 0.55]], dtype=torch.float64)
CELLS = 8
SIGMA = 0.2


def energy(weight: float = 0.5) -> PartsEnergy:
    return PartsEnergy(PLACES, SIGMA, weight, CELLS)


def maps(batch: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, 3, CELLS, CELLS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(dx: float, dy: float) -> float:
    return math.exp(-(dx * dx + dy * dy) / (2 * SIGMA**2))


def at(image: torch.Tensor, row: float, column: float) -> float:
    """Bilinear, 0 beyond the map."""
    total = 0.0
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < CELLS and 0 <= c < CELLS:
                total += max(0.0, 1 - abs(row - r)) * max(0.0, 1 - abs(column - c)) * float(image[r, c])
    return total


def slow_multiplier(h: torch.Tensor, j: int, radius: int) -> torch.Tensor:
    """M_j: for every cell, every other part and every k, the value at x - (l_j - l_r) - k."""
    cell, answer = 2 / CELLS, torch.zeros(CELLS, CELLS, dtype=torch.float64)
    near = torch.zeros_like(h)
    for r in range(3):
        for row in range(CELLS):
            for column in range(CELLS):
                tried = [
                    gaussian(dx * cell, dy * cell) * float(h[r, row - dy, column - dx])
                    for dy in range(-radius, radius + 1)
                    for dx in range(-radius, radius + 1)
                    if 0 <= row - dy < CELLS and 0 <= column - dx < CELLS
                ]
                near[r, row, column] = max(tried)
    for row in range(CELLS):
        for column in range(CELLS):
            for r in set(range(3)) - {j}:
                dx, dy = ((PLACES[j] - PLACES[r]) / cell).tolist()
                answer[row, column] += at(near[r], row - dy, column - dx) / 2
    return answer


def test_the_energy_is_that_of_equation_2() -> None:
    h, eps = maps()[0], torch.tensor([[0.1, 0.0], [0.0, -0.2], [0.05, 0.15]], dtype=torch.float64)
    fast = energy()
    expected = 0.5 * float(eps.square().sum())
    centers = cell_centers(CELLS).tolist()
    for n in range(3):
        multiplier = slow_multiplier(h, n, fast.radius)
        torch.testing.assert_close(fast.multipliers(h[None])[0, n], multiplier)
        g = multiplier * h[n]
        x, y = (PLACES[n] + eps[n]).tolist()
        for row in range(CELLS):
            for column in range(CELLS):
                blob = gaussian(centers[column] - x, centers[row] - y)
                expected -= (1 + blob) * float(g[row, column]) ** 2
                assert float(fast.blobs(eps[None])[0, n, row, column]) == pytest.approx(blob)
    assert float(fast(h[None], eps[None])) == pytest.approx(expected)


def test_gradients_are_those_of_finite_differences() -> None:
    eps = 0.1 * torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(energy(), (maps(2).requires_grad_(), eps.requires_grad_()))


def test_parts_in_the_right_places_lift_each_other() -> None:
    """From a peak of one part along l_j - l_r one comes to part j."""
    places = torch.tensor([[-0.5, 0.25], [0.25, 0.25]])
    model = PartsEnergy(places, 0.08, cells=8)
    h = torch.zeros(1, 2, 8, 8)
    row, left, right = 4, 1, 4  # cells of 0.25: three apart
    h[0, 0, row, left] = h[0, 1, row, right] = 1.0
    denoised = model.denoise(h)
    assert float(denoised[0, 0, row, left]) == pytest.approx(1.0)
    assert float(denoised[0, 1, row, right]) == pytest.approx(1.0)
    assert float(denoised.sum()) == pytest.approx(2.0)
    assert float(model.denoise(h.flip(1)).sum()) == 0


def test_it_is_lowest_where_the_parts_are_expected() -> None:
    h = torch.zeros(1, 3, CELLS, CELLS, dtype=torch.float64)
    for n, (x, y) in enumerate(PLACES.tolist()):
        h[0, n, int((y + 1) * CELLS / 2), int((x + 1) * CELLS / 2)] = 1.0
    zero = torch.zeros(1, 3, 2, dtype=torch.float64)
    assert float(energy()(h, zero)) < float(energy()(h.roll(2, dims=3), zero))
    assert float(energy()(h, zero)) < float(energy()(h, zero + 0.2))


def test_images_of_a_batch_do_not_meet() -> None:
    h, zero = maps(3), torch.zeros(3, 3, 2, dtype=torch.float64)
    together = energy()(h, zero)
    torch.testing.assert_close(together, torch.cat([energy()(h[i : i + 1], zero[:1]) for i in range(3)]))
