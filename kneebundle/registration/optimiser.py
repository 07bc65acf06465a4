"""Minimise a registration energy from many starts at once (Tiirola 2023, sections 2 to 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from kneebundle.networks.similarity import (
    LARGEST_DISTURBANCE,
    START_SCALES,
    compose,
    fit_similarity,
    free_to_theta,
    matrix_to_theta,
    similarity_matrix,
    theta_to_free,
    transform_points,
)

__all__ = ["DEFAULT_STAGES", "Objective", "Registration", "Stage", "register"]

_LATTICE = 13


@dataclass(frozen=True)
class Stage:
    """A stretch of the minimisation.

    Attributes:
        cells: edge of the grid that the patch is looked at on.
        steps: of the optimiser.
        keep: how many of an image's starts go on after it, those of lowest energy.
    """

    cells: int
    steps: int
    keep: int


DEFAULT_STAGES = (Stage(14, 20, 4), Stage(28, 30, 1))


@dataclass(frozen=True)
class Registration:
    """What was found for B images, with N parts (none for a loss without parts).

    Attributes:
        theta: (B, 4), scale, tx, ty, rotation.
        matrix: (B, 2, 3), A(theta): from the registered crop to the image, both in [-1, 1] with align_corners=False.
        energy: (B,).
        agreement: (B, N) in [0, 1], the heatmap of each part where the part is expected.
        start_scale: (B,), the s1 that won.
    """

    theta: torch.Tensor
    matrix: torch.Tensor
    energy: torch.Tensor
    agreement: torch.Tensor
    start_scale: torch.Tensor


class Objective(Protocol):
    """What :func:`register` minimises: parts or normalised cross-correlation, prepared for a batch of images."""

    places: torch.Tensor

    def energy(
        self,
        image: torch.Tensor,
        start_scale: torch.Tensor,
        matrix: torch.Tensor,
        disturbances: torch.Tensor,
        cells: int,
    ) -> torch.Tensor:
        """The energy (M,) of M patches.

        Args:
            image: (M,) which image of the batch.
            start_scale: (M,) s1, near which the patch's scale is.
            matrix: (M, 2, 3).
            disturbances: (M, N, 2).
            cells: edge of the grid.
        """
        ...

    def score(self, image: torch.Tensor, start_scale: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
        """Score T transforms (M, T, 2, 3) as starts, quickly: (M, T), higher is better."""
        ...

    def agreement(
        self, image: torch.Tensor, start_scale: torch.Tensor, matrix: torch.Tensor, disturbances: torch.Tensor
    ) -> torch.Tensor:
        """How well the parts of M patches agree with the images, (M, N) in [0, 1]."""
        ...


def register(
    objective: Objective,
    count: int,
    *,
    scales: Sequence[float] = START_SCALES,
    reach: float = 0.35,
    stages: Sequence[Stage] = DEFAULT_STAGES,
    learning_rate: float = 0.1,
    warm_start: bool = True,
) -> Registration:
    """Minimise the energy over theta and the disturbances, for all images and all starting scales in one batch.

    The parameters are those of section 3, the optimiser is Adam, and the lowest energy wins. The differences from the
    paper:

    - A warm start: for each starting scale the translation that scores best on a lattice, instead of none.
    - Coarse to fine: all starts are followed on a coarse grid, the best few of each image on the fine one.
    - With lambda = 1e-6 the disturbances are all but free, and what they have in common (a shift, a rotation, a change
      of size of all parts) costs nothing, though it belongs to theta. After each stage the similarity that fits them
      best is moved over to theta.
    - ``reach``, see :func:`kneebundle.networks.similarity.free_to_theta`.

    With ``stages=[Stage(28, 100, 1)], warm_start=False, reach=0`` only the third is left.

    Args:
        objective: what is minimised.
        count: B, the number of its images.
        scales: s1.
        reach: of translations beyond the image's border.
        stages: coarse to fine.
        learning_rate: of Adam at the start of a stage; it falls to a twentieth along a cosine.
        warm_start: look for a translation first.
    """
    device = objective.places.device
    s1 = torch.tensor(list(scales), device=device)
    image = torch.arange(count, device=device).repeat_interleave(len(s1))
    start_scale = s1.repeat(count)
    theta = torch.stack([start_scale, *[torch.zeros_like(start_scale)] * 3], dim=-1)
    if warm_start:
        theta = _search_translations(objective, image, start_scale, theta, reach)
    disturbances = torch.zeros(len(image), len(objective.places), 2, device=device)
    energy = torch.zeros(len(image), device=device)
    for stage in stages:
        theta, disturbances, energy = _minimise(
            objective, image, start_scale, theta, disturbances, stage, reach, learning_rate
        )
        chosen = _select_lowest(energy, count, stage.keep)
        image, start_scale, energy = image[chosen], start_scale[chosen], energy[chosen]
        theta, disturbances = _move_shared_to_theta(objective.places, theta[chosen], disturbances[chosen])
    best = _select_lowest(energy, count, 1)
    image, start_scale, theta, disturbances = image[best], start_scale[best], theta[best], disturbances[best]
    matrix = similarity_matrix(theta)
    with torch.no_grad():
        cells = stages[-1].cells
        energy = objective.energy(image, start_scale, matrix, disturbances, cells)
        agreement = objective.agreement(image, start_scale, matrix, disturbances)
    return Registration(theta, matrix, energy, agreement, start_scale)


@torch.no_grad()
def _search_translations(
    objective: Objective, image: torch.Tensor, start_scale: torch.Tensor, theta: torch.Tensor, reach: float
) -> torch.Tensor:
    """Give theta the translations that score best on a lattice within the bounds."""
    line = torch.linspace(-0.92, 0.92, _LATTICE, device=theta.device)
    lattice = torch.cartesian_prod(line, line)
    bound = (1 - start_scale).abs() + reach
    tried = theta[:, None].repeat(1, len(lattice), 1)
    tried[..., 1:3] = bound[:, None, None] * lattice
    best = objective.score(image, start_scale, similarity_matrix(tried)).argmax(1)
    return tried[torch.arange(len(tried)), best]


def _minimise(
    objective: Objective,
    image: torch.Tensor,
    start_scale: torch.Tensor,
    theta: torch.Tensor,
    disturbances: torch.Tensor,
    stage: Stage,
    reach: float,
    learning_rate: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Run Adam on the unconstrained parameters; gives theta, disturbances and energy of every start."""
    v = theta_to_free(theta, start_scale, reach).requires_grad_()
    w = torch.atanh((disturbances / LARGEST_DISTURBANCE).clamp(-0.999, 0.999)).requires_grad_()
    optimizer = torch.optim.Adam([v, w] if w.numel() else [v], lr=learning_rate, fused=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(stage.steps, 1), learning_rate / 20)
    for step in range(stage.steps + 1):
        theta = free_to_theta(v, start_scale, reach)
        disturbances = LARGEST_DISTURBANCE * torch.tanh(w)
        energy = objective.energy(image, start_scale, similarity_matrix(theta), disturbances, stage.cells)
        if step < stage.steps:
            optimizer.zero_grad()
            energy.sum().backward()
            optimizer.step()
            scheduler.step()
    return theta.detach(), disturbances.detach(), energy.detach()


def _select_lowest(energy: torch.Tensor, count: int, keep: int) -> torch.Tensor:
    """Places in the batch of the starts of lowest energy, ``keep`` of each image, in the order of the images."""
    each = len(energy) // count
    chosen = energy.view(count, each).topk(min(keep, each), dim=1, largest=False).indices
    return (chosen + each * torch.arange(count, device=energy.device)[:, None]).flatten()


def _move_shared_to_theta(
    places: torch.Tensor, theta: torch.Tensor, disturbances: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move the similarity that all disturbances share into theta."""
    if len(places) < 2:
        return theta, disturbances
    disturbed = places + disturbances
    shared = fit_similarity(places.expand_as(disturbed), disturbed)
    inverse = fit_similarity(transform_points(shared, places), places.expand_as(disturbed))
    return matrix_to_theta(compose(similarity_matrix(theta), shared)), transform_points(inverse, disturbed) - places
