"""Fine-tuning of the landmark network on cached regions in several looks, on labels of experts and of networks.

It resumes, and needs no process beside its own: to draw an example costs a fifth of what the network costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from kneebundle.datasets.region_cache import KneeRegions
from kneebundle.inferers.landmarks import LandmarkInferer
from kneebundle.losses.aligned import AlignedLandmarkLoss
from kneebundle.losses.calibrated import CalibratedLoss
from kneebundle.losses.wing import WingLoss
from kneebundle.training.averaged_training import TrainingPlan, train_averaged
from kneebundle.training.region_sampling import DEFAULT_SAMPLING, RegionSampling, sample_region

__all__ = ["RegionSource", "train_on_regions"]


@dataclass(frozen=True)
class RegionSource:
    """Regions to train on.

    Attributes:
        regions: with their points.
        knees: (k,) numbers of those that are trained on.
        looks: probability of each look of ``regions``; they add up to 1.
        weights: (k,) how often each knee comes, on any scale; None: all alike.
        share: of the examples of a batch that come from here, in the mean.
        labelled: whether the points are an expert's. The confidence learns from these alone, because how well a network
            agrees with its teachers says nothing of how far it is off.
    """

    regions: KneeRegions
    knees: np.ndarray
    looks: Mapping[str, float]
    weights: np.ndarray | None = None
    share: float = 1.0
    labelled: bool = True


def train_on_regions(
    network: nn.Module,
    sources: Sequence[RegionSource],
    output_dir: Path,
    examples: int,
    learning_rate: float = 5e-4,
    batch_size: int = 8,
    aligned_weight: float = 0.3,
    confidence_spread: float = 2.1 / 115.2,
    sampling: RegionSampling = DEFAULT_SAMPLING,
    seed: int = 0,
    precision: str | None = "auto",
    save_every: int = 25,
    report: Callable[[int, float], None] | None = None,
) -> dict[str, torch.Tensor]:
    """Train, and keep a moving average of the weights.

    AdamW with a warm-up over a twentieth of the steps and a cosine decay to 2 %; wing loss in pixels of 0.3 mm, partly
    on labels moved by scale and shift; the confidence is calibrated on the expert's labels
    (:class:`kneebundle.losses.CalibratedLoss`).

    Args:
        network: gives (B, N, 3) for ``network(image, with_confidence=True)``.
        sources: at least one.
        output_dir: gets ``checkpoint.pt``, from which an interrupted training resumes, and ``model.pt``.
        examples: number of drawn examples in all.
        learning_rate: the largest one.
        batch_size: examples a step.
        aligned_weight: see :class:`kneebundle.losses.AlignedLandmarkLoss`.
        confidence_spread: that of the network.
        sampling: how examples are drawn; its size is that of the network's input.
        seed: of the drawing. Each step has a generator of its own, so a resumed training is the same.
        precision: see :func:`kneebundle.inferers.resolve_precision`.
        save_every: steps between checkpoints.
        report: called at each checkpoint with the number of steps done and the mean loss since the last.

    Returns:
        The averaged weights, as in ``model.pt``.
    """
    steps = examples // batch_size
    wing = WingLoss("px", sampling.size_px, 15.0, 3.0)
    aligned = AlignedLandmarkLoss(wing, weight=aligned_weight, shrinkage=0.3)
    calibrated = CalibratedLoss(aligned, weight=5.0, confidence_spread=confidence_spread)
    infer = LandmarkInferer(precision)
    shares = np.array([source.share for source in sources], dtype=np.float64)

    def compute_loss(step: int) -> torch.Tensor:
        rng = np.random.RandomState((seed * 1000003 + step * 7) % 2**31)
        drawn = [int(rng.choice(len(sources), p=shares / shares.sum())) for _ in range(batch_size)]
        pairs = [_draw_example(sources[s], rng, sampling) for s in drawn]
        images, goals = torch.stack([image for image, _ in pairs]), torch.stack([goal for _, goal in pairs])
        expert = torch.tensor([sources[s].labelled for s in drawn])
        points = infer(images, network).float()
        loss = torch.zeros(())
        if bool(expert.any()):
            loss = loss + calibrated(points[expert], goals[expert]) * expert.float().mean()
        if not bool(expert.all()):
            loss = loss + aligned(points[~expert][..., :2], goals[~expert]) * (~expert).float().mean()
        return loss

    plan = TrainingPlan(
        steps,
        learning_rate,
        warm_up_steps=steps // 20,
        last_rate=0.02,
        largest_gradient=50.0,
        average_decay=0.99,
        save_every=save_every,
    )
    return train_averaged(
        network, compute_loss, output_dir, plan, None if report is None else lambda step, loss, _: report(step, loss)
    )


def _draw_example(
    source: RegionSource, rng: np.random.RandomState, sampling: RegionSampling
) -> tuple[torch.Tensor, torch.Tensor]:
    weights = None if source.weights is None else source.weights / source.weights.sum()
    knee = int(rng.choice(source.knees, p=weights))
    names = list(source.looks)
    look = names[rng.choice(len(names), p=[source.looks[name] for name in names])]
    center = source.regions.centers[knee]
    return sample_region(source.regions.looks[look][knee], source.regions.points[knee], rng, center, sampling)
