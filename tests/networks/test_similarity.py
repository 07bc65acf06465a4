"""Similarity transforms: the bounds and the matrix of the paper, and the ways back."""

import math

import pytest
import torch

from kneebundle.networks.similarity import (
    compose,
    fit_similarity,
    free_to_theta,
    matrix_to_theta,
    similarity_matrix,
    theta_to_free,
    transform_points,
)


def test_zeros_are_the_starting_scale_and_nothing_else() -> None:
    theta = free_to_theta(torch.zeros(2, 4), torch.tensor([0.65, 1.2]))
    torch.testing.assert_close(theta, torch.tensor([[0.65, 0, 0, 0], [1.2, 0, 0, 0]]))


def test_parameters_are_those_of_section_3() -> None:
    v = torch.tensor([0.3, -0.4, 0.7, 0.9])
    scale, x, y, angle = free_to_theta(v, torch.tensor(0.8)).tolist()

    def sigma(value: float) -> float:
        return 0.5 * (1 + math.tanh(value))

    assert scale == pytest.approx(0.8 - 0.25 + 0.5 * sigma(0.3))
    assert x == pytest.approx((1 - scale) * (-1 + 2 * sigma(-0.4)))
    assert y == pytest.approx((1 - scale) * (-1 + 2 * sigma(0.7)))
    assert angle == pytest.approx(0.1 * math.tanh(0.9))


def test_a_reach_lets_patches_of_any_scale_be_shifted() -> None:
    v = torch.tensor([0.0, 20.0, -20.0, 0.0])
    torch.testing.assert_close(free_to_theta(v, torch.tensor(1.0))[1:3], torch.zeros(2))
    torch.testing.assert_close(free_to_theta(v, torch.tensor(1.1), reach=0.3)[1:3], torch.tensor([0.4, -0.4]))


def test_the_way_back_to_free_parameters() -> None:
    v = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = torch.tensor([0.65, 0.8, 0.9, 1.1, 1.2], dtype=torch.float64)
    torch.testing.assert_close(theta_to_free(free_to_theta(v, start, 0.2), start, 0.2), v)
    assert bool(theta_to_free(torch.tensor([9.0, 9, 9, 9]), torch.tensor(1.0)).isfinite().all())


def test_the_matrix_of_equation_4_and_its_theta() -> None:
    theta = torch.tensor([0.8, 0.1, -0.2, 0.05])
    c, s = 0.8 * math.cos(0.05), 0.8 * math.sin(0.05)
    torch.testing.assert_close(similarity_matrix(theta), torch.tensor([[c, -s, 0.1], [s, c, -0.2]]))
    torch.testing.assert_close(matrix_to_theta(similarity_matrix(theta)), theta)


def test_composition_and_fit() -> None:
    first = similarity_matrix(torch.tensor([0.8, 0.1, -0.2, 0.05]))
    second = similarity_matrix(torch.tensor([1.1, -0.3, 0.2, -0.4]))
    points = torch.rand(6, 2, generator=torch.Generator().manual_seed(0))
    there = transform_points(second, transform_points(first, points))
    torch.testing.assert_close(transform_points(compose(second, first), points), there)
    torch.testing.assert_close(fit_similarity(points, there), compose(second, first))
