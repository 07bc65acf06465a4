"""Training and evaluation of stage 1 on whole radiographs, made and real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from kneebundle.errors import KneeBundleError
from kneebundle.inferers.landmarks import LandmarkInferer
from kneebundle.losses.calibrated import CalibratedLoss
from kneebundle.losses.wing import WingLoss
from kneebundle.metrics.functional import RADII_MM
from kneebundle.training.averaged_training import TrainingPlan, train_averaged
from kneebundle.training.film_windows import TrainingFilm
from kneebundle.training.joint_windows import JOINT_SIZE, JointWindow, draw_joint_window

__all__ = ["draw_held_out_windows", "format_joint_errors", "measure_joint_errors", "train_joint_finder"]

_CONFIDENCE_SPREAD = 0.015
_OUTLIER_MM = 10.0
_HELD_OUT_SEED = 5


def train_joint_finder(
    network: nn.Module,
    made: Sequence[TrainingFilm],
    real: Sequence[TrainingFilm],
    output_dir: Path,
    plan: TrainingPlan,
    batch_size: int = 8,
    real_share: float = 0.15,
    epsilon: float = 1.0,
    seed: int = 0,
    precision: str | None = "auto",
    report: Callable[[int, float, dict[str, torch.Tensor]], None] | None = None,
) -> dict[str, torch.Tensor]:
    """Train stage 1 with a wing loss in mm and a calibrated confidence.

    Args:
        network: gives (B, 1, 3) for ``network(image, with_confidence=True)``.
        made: made radiographs with knees.
        real: real ones; may be empty.
        output_dir: see :func:`train_averaged`.
        plan: the same.
        batch_size: windows a step.
        real_share: of the windows that are cut out of real radiographs, in the mean.
        epsilon: curvature of the wing loss in mm: the smaller, the more the last millimetre counts.
        seed: of the windows.
        precision: see :func:`kneebundle.inferers.resolve_precision`.
        report: see :func:`train_averaged`.

    Returns:
        The mean of the weights.

    Raises:
        KneeBundleError: if there is nothing to learn from.
    """
    if not len(made):
        raise KneeBundleError("there are no made radiographs to learn from; make at least one")
    device = next(network.parameters()).device
    wing = WingLoss(unit="px", scale=list(JOINT_SIZE[::-1]), w=15.0, epsilon=epsilon)
    aspect = JOINT_SIZE[0] / JOINT_SIZE[1]
    loss = CalibratedLoss(wing, weight=5.0, confidence_spread=_CONFIDENCE_SPREAD, aspect=aspect).to(device)
    infer = LandmarkInferer(precision)

    def compute_loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng((seed, step))
        windows = []
        for _ in range(batch_size):
            pool = real if len(real) and rng.random() < real_share else made
            windows.append(draw_joint_window(pool[int(rng.integers(len(pool)))], rng))
        images = torch.stack([window.image[None] for window in windows]).to(device)
        joints = torch.tensor(np.stack([window.joint for window in windows]), dtype=torch.float32)[:, None].to(device)
        value: torch.Tensor = loss(infer(images, network).float(), joints)
        return value

    return train_averaged(network, compute_loss, output_dir, plan, report)


def draw_held_out_windows(films: Sequence[TrainingFilm]) -> list[JointWindow]:
    """Draw a window of each film as stage 1 meets it, always the same ones."""
    rng = np.random.default_rng(_HELD_OUT_SEED)
    return [draw_joint_window(film, rng, augment=False) for film in films]


@torch.inference_mode()
def measure_joint_errors(network: nn.Module, windows: Sequence[JointWindow]) -> np.ndarray:
    """Measure how far the joints are off that a network finds in windows.

    Args:
        network: of stage 1; it is put into evaluation mode.
        windows: of :func:`draw_held_out_windows`.

    Returns:
        (K,) in mm.
    """
    network.eval()
    device = next(network.parameters()).device
    infer = LandmarkInferer(None)
    size = np.array(JOINT_SIZE[::-1], dtype=np.float64)
    errors = []
    for image, joint in windows:
        found = infer(image[None, None].to(device), network)[0, 0, :2].double().cpu().numpy()
        errors.append(float(np.linalg.norm((found - joint) * size)))
    return np.array(errors)


def format_joint_errors(errors: np.ndarray) -> str:
    """Format errors (K,) in mm as one line.

    Example:
        >>> import numpy as np
        >>> format_joint_errors(np.array([0.5, 1.2, 2.2, 12.0]))
        '@1/1.5/2/2.5 mm 25.0 / 50.0 / 50.0 / 75.0 %, outliers 25.00 %, mean 3.98 mm, median 1.70 mm (4 windows)'
    """
    radii = "/".join(f"{radius:g}" for radius in RADII_MM)
    shares = " / ".join(f"{100 * np.mean(errors <= radius):.1f}" for radius in RADII_MM)
    outliers = 100 * float(np.mean(errors > _OUTLIER_MM))
    lengths = f"mean {errors.mean():.2f} mm, median {np.median(errors):.2f} mm"
    return f"@{radii} mm {shares} %, outliers {outliers:.2f} %, {lengths} ({len(errors)} windows)"
