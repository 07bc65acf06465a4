"""Training and evaluation of the knee check on windows of crops and whole radiographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from kneebundle.evaluation.text_tables import format_markdown
from kneebundle.inferers.autocast import AutocastInferer
from kneebundle.losses.knee_check import KneeCheckLoss
from kneebundle.training.averaged_training import TrainingPlan, train_averaged
from kneebundle.training.film_windows import TrainingFilm
from kneebundle.training.knee_check_material import replace_joints
from kneebundle.training.knee_check_samples import CHECK_SIZE, CheckSample, KneeCheckSampler

__all__ = ["CheckFilms", "CheckReport", "combine_check_films", "evaluate_knee_check", "train_knee_check"]

_SHOWN = ("native", "replaced", "no knee")
_TAKEN_FOR = ("native of that side", "native of the other side", "replaced", "no knee")


@dataclass(frozen=True)
class CheckFilms:
    """Radiographs that the knee check learns from.

    Attributes:
        made: radiographs made of single knees, some of them replaced.
        crops: of single knees with landmarks.
        real: whole radiographs.
        rough: single knees whose joint is known roughly.
        others: radiographs without a knee.
    """

    made: Sequence[TrainingFilm]
    crops: Sequence[TrainingFilm]
    real: Sequence[TrainingFilm]
    rough: Sequence[TrainingFilm]
    others: Sequence[TrainingFilm]


def combine_check_films(films: CheckFilms, seed: int = 0) -> KneeCheckSampler:
    """Draw replacements onto the knees with landmarks, and make a sampler that draws from each kind with its share."""
    on_crops, on_real = replace_joints(films.crops, seed, replaced=1.0), replace_joints(films.real, seed + 1)
    native = [(films.made, 0.3), (films.real, 0.32), (films.crops, 0.14), (films.rough, 0.12), (on_real, 0.12)]
    replaced = [(films.made, 0.3), (on_real, 0.5), (on_crops, 0.2)]
    return KneeCheckSampler(native, replaced, [*films.others, *(film for film in films.real if not film.knees)])


def train_knee_check(
    network: nn.Module,
    sampler: KneeCheckSampler,
    output_dir: Path,
    plan: TrainingPlan,
    batch_size: int = 32,
    seed: int = 0,
    precision: str | None = "auto",
    report: Callable[[int, float, dict[str, torch.Tensor]], None] | None = None,
) -> dict[str, torch.Tensor]:
    """Train the knee check.

    Args:
        network: gives (B, 6), see :class:`kneebundle.losses.KneeCheckLoss`.
        sampler: draws the windows.
        output_dir: see :func:`train_averaged`.
        plan: the same.
        batch_size: windows a step.
        seed: of the windows.
        precision: see :func:`kneebundle.inferers.resolve_precision`.
        report: see :func:`train_averaged`.

    Returns:
        The mean of the weights.
    """
    device = next(network.parameters()).device
    loss = KneeCheckLoss()
    infer = AutocastInferer(precision, "channels_last")

    def compute_loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng((seed, step))
        images, labels = _stack([sampler.draw(rng) for _ in range(batch_size)])
        value: torch.Tensor = loss(infer(images.to(device), network).float(), labels.to(device))
        return value

    return train_averaged(network, compute_loss, output_dir, plan, report)


def _stack(samples: Sequence[CheckSample]) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.stack([sample.image[None].float() for sample in samples])
    labels = torch.tensor(np.stack([[sample.label, *sample.offset] for sample in samples]), dtype=torch.float32)
    return images, labels


@dataclass(frozen=True)
class CheckReport:
    """What a knee check makes of windows.

    Attributes:
        counts: (3, 4) int, a row for native, replaced, no knee; a column for native of that side, native of the other
            side, replaced, no knee. A side that is not known counts as right.
        joint_mm: median distance of the joint.
    """

    counts: np.ndarray
    joint_mm: float

    def __str__(self) -> str:
        rows = []
        for name, counts in zip(_SHOWN, self.counts.tolist(), strict=True):
            shares = [f"{100 * count / max(sum(counts), 1):.1f} %" for count in counts]
            rows.append([name, str(sum(counts)), *shares])
        table = format_markdown(["shown", "windows", *(f"taken for {name}" for name in _TAKEN_FOR)], rows)
        return f"{table}\njoint: {self.joint_mm:.1f} mm off in the median"


@torch.inference_mode()
def evaluate_knee_check(
    network: nn.Module, samples: Sequence[CheckSample], threshold: float = 0.5, batch_size: int = 64
) -> CheckReport:
    """Count what a knee check takes windows for.

    Args:
        network: of the knee check; it is put into evaluation mode.
        samples: windows with their labels.
        threshold: probability of a native knee from which a window counts as one; below, the likelier of the others.
        batch_size: windows at a time.
    """
    network.eval()
    device = next(network.parameters()).device
    infer = AutocastInferer(None, "channels_last")
    images, labels = _stack(samples)
    out = torch.cat([infer(part.to(device), network).double().cpu() for part in images.split(batch_size)])
    p, classes = out[:, :4].softmax(1), labels[:, 0].long()
    side_wrong = (classes >= 0) & (p[:, :2].argmax(1) != classes)
    native = torch.where(side_wrong & (classes < 2), 1, 0)
    taken = torch.where(p[:, :2].sum(1) >= threshold, native, torch.where(p[:, 2] >= p[:, 3], 2, 3))
    shown = (classes - 1).clamp_min(0)
    counts = np.zeros((3, 4), dtype=np.int64)
    np.add.at(counts, (shown.numpy(), taken.numpy()), 1)
    known = torch.isfinite(labels[:, 1:]).all(1)
    away = (out[known, 4:] - labels[known, 1:]).norm(dim=1) * CHECK_SIZE[0] / 2
    return CheckReport(counts, float(away.median()) if len(away) else float("nan"))
