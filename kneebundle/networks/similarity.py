"""Similarity transforms of an image's frame, and their unconstrained parameters (Tiirola 2023, section 3)."""

from __future__ import annotations

import torch

__all__ = [
    "LARGEST_DISTURBANCE",
    "LARGEST_ROTATION",
    "START_SCALES",
    "compose",
    "fit_similarity",
    "theta_to_free",
    "transform_points",
    "similarity_matrix",
    "free_to_theta",
    "matrix_to_theta",
]

START_SCALES = (0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 1.00, 1.05, 1.10, 1.15, 1.20)
"""s1 of equation 3: one minimisation starts at each."""
LARGEST_ROTATION = 0.1
LARGEST_DISTURBANCE = 0.25
_NEARLY_ONE = 0.999


def free_to_theta(v: torch.Tensor, start_scale: torch.Tensor, reach: float = 0.0) -> torch.Tensor:
    """Compute theta = (scale, tx, ty, rotation) of unconstrained numbers (equation 3 and those below it).

    scale = s1 - 1/4 + sigma(v1) / 2 with sigma(x) = (1 + tanh x) / 2, rotation = tanh(v4) / 10. A translation is
    (1 - scale) (2 sigma(v) - 1) in the paper, by which the patch stays inside the image; at scale 1 nothing can be
    shifted, and above it the sign turns round. Here it is (|1 - scale| + reach) (2 sigma(v) - 1): with a reach, a crop
    that cuts the knee at one side can be put right, too. ``reach=0`` is the paper's bound.

    Args:
        v: (..., 4).
        start_scale: s1, a shape that goes with (...).
        reach: how far beyond the image's border the patch may reach, in [-1, 1] coordinates.

    Returns:
        (..., 4).
    """
    scale = start_scale - 0.25 + 0.25 * (1 + torch.tanh(v[..., 0]))
    bound = (1 - scale).abs() + reach
    shift = bound.unsqueeze(-1) * torch.tanh(v[..., 1:3])
    return torch.cat([scale.unsqueeze(-1), shift, LARGEST_ROTATION * torch.tanh(v[..., 3:])], dim=-1)


def theta_to_free(theta: torch.Tensor, start_scale: torch.Tensor, reach: float = 0.0) -> torch.Tensor:
    """Compute the unconstrained numbers of theta; what lies beyond a bound is put just inside it.

    The way back of :func:`free_to_theta`, with the same arguments.
    """
    bound = ((1 - theta[..., 0]).abs() + reach).clamp_min(1e-6).unsqueeze(-1)
    scale = (theta[..., :1] - start_scale.unsqueeze(-1)) / 0.25
    inside = torch.cat([scale, theta[..., 1:3] / bound, theta[..., 3:] / LARGEST_ROTATION], dim=-1)
    return torch.atanh(inside.clamp(-_NEARLY_ONE, _NEARLY_ONE))


def similarity_matrix(theta: torch.Tensor) -> torch.Tensor:
    """Compute A(theta) of equation 4, from the output's to the input's [-1, 1] coordinates (x, y).

    Args:
        theta: (..., 4), scale, tx, ty and rotation in rad.

    Returns:
        (..., 2, 3).

    Example:
        >>> import torch
        >>> similarity_matrix(torch.tensor([2.0, 0.5, 0.25, 0.0])).tolist()
        [[2.0, -0.0, 0.5], [0.0, 2.0, 0.25]]
    """
    scale, x, y, angle = theta.unbind(-1)
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    return torch.stack([torch.stack([cosine, -sine, x], -1), torch.stack([sine, cosine, y], -1)], -2)


def matrix_to_theta(matrix: torch.Tensor) -> torch.Tensor:
    """Compute (scale, tx, ty, rotation), (..., 4), of similarities (..., 2, 3); the way back of `similarity_matrix`."""
    cosine, sine = matrix[..., 0, 0], matrix[..., 1, 0]
    scale, angle = torch.hypot(cosine, sine), torch.atan2(sine, cosine)
    return torch.stack([scale, matrix[..., 0, 2], matrix[..., 1, 2], angle], -1)


def transform_points(matrix: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Take points (..., N, 2), x then y, through affine maps (..., 2, 3).

    Example:
        >>> import torch
        >>> matrix = similarity_matrix(torch.tensor([2.0, 0.5, 0.25, 0.0]))
        >>> transform_points(matrix, torch.tensor([[0.5, 0.0]])).tolist()
        [[1.5, 0.25]]
    """
    return points @ matrix[..., :2].transpose(-1, -2) + matrix[..., None, :, 2]


def compose(outer: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    """Compose two affine maps into one (..., 2, 3) that does ``inner`` first, then ``outer``."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = (outer[..., :2] @ inner[..., 2:]) + outer[..., 2:]
    return torch.cat([linear, shift], dim=-1)


def fit_similarity(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Fit the similarity, without reflection, that takes points nearest to others in the sense of least squares.

    Args:
        source, target: (..., N, 2), x then y.

    Returns:
        (..., 2, 3).
    """
    source_mean, target_mean = source.mean(-2, keepdim=True), target.mean(-2, keepdim=True)
    a, b = source - source_mean, target - target_mean
    norm = a.square().sum((-1, -2)).clamp_min(1e-12)
    cosine = (a * b).sum((-1, -2)) / norm
    sine = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(-1) / norm
    linear = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)
    shift = target_mean.transpose(-1, -2) - linear @ source_mean.transpose(-1, -2)
    return torch.cat([linear, shift], dim=-1)
