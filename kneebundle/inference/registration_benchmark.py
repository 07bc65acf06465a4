"""How well registration puts right known similarity transforms of knees whose landmarks are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose

from kneebundle.datasets.knees import LoadKneed
from kneebundle.inference.registration_model import RegistrationModel
from kneebundle.networks.similarity import compose, fitted_similarity, moved, similarity_matrix
from kneebundle.transforms.points import normalized_to_world, world_to_normalized
from kneebundle.transforms.resample import pixel_spacing
from kneebundle.transforms.similarity import PerturbSimilarityd

__all__ = ["KneeResidual", "format_residuals", "registration_residuals"]

NOTHING = "nothing"
_UNCHANGED = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class KneeResidual:
    """One knee by one method.

    Attributes:
        method: ``"nothing"`` or the name of a registration.
        path: of the knee.
        residual_mm: mean distance over the 16 landmarks between where the method takes the reference's landmarks in the perturbed crop,
            and where the best similarity onto the knee's own labelled landmarks takes them.
        size: the knee's size by its labels in the crop that the method makes, the reference's being 1.
        repeat_mm: mean distance over the landmarks between the method's answer for the perturbed crop and its answer for the crop as it
            was, taken through the perturbation. Labels have no part in it.
        repeat_size: size of the one answer over that of the other.
        registered: whether the method said so.
        seconds: that it took.
    """

    method: str
    path: str
    residual_mm: float
    size: float
    repeat_mm: float
    repeat_size: float
    registered: bool
    seconds: float


def registration_residuals(
    models: Mapping[str, RegistrationModel],
    landmarks: Mapping[str, np.ndarray],
    records: Sequence[Mapping[str, Any]],
    perturb: PerturbSimilarityd,
    batch_size: int = 4,
) -> Iterator[list[KneeResidual]]:
    """Perturb knees, register them, and compare with their landmarks, batch by batch.

    Args:
        models: registrations by name.
        landmarks: for each of them the landmarks of its reference, (16, 2) in [-1, 1] of the reference.
        records: of :func:`kneebundle.datasets.knees.knee_records`; of other subjects than those that the parts were selected on.
        perturb: what is done to the crops.
        batch_size: crops that are registered together.

    Yields:
        For each batch, a residual of each knee by "nothing" and by every method.
    """
    prepare = Compose([LoadKneed(), next(iter(models.values())).prepare])
    for first in range(0, len(records), batch_size):
        crops: list[Any] = [prepare(record) for record in records[first : first + batch_size]]
        perturbed: list[Any] = [perturb(crop) for crop in crops]
        yield list(_batch_residuals(models, landmarks, crops, perturbed))


def _batch_residuals(
    models: Mapping[str, RegistrationModel],
    landmarks: Mapping[str, np.ndarray],
    crops: Sequence[Mapping[str, Any]],
    perturbed: Sequence[Mapping[str, Any]],
) -> Iterator[KneeResidual]:
    name, model = next(iter(models.items()))
    nothing = _unregistered(len(crops))
    yield from _residuals(NOTHING, torch.as_tensor(landmarks[name]), crops, perturbed, nothing, nothing)
    for name, model in models.items():
        plain, moved_away = (model.find(_stacked(items)) for items in (crops, perturbed))
        yield from _residuals(name, torch.as_tensor(landmarks[name]), crops, perturbed, plain, moved_away)


def _residuals(
    method: str,
    reference: torch.Tensor,
    crops: Sequence[Mapping[str, Any]],
    perturbed: Sequence[Mapping[str, Any]],
    plain: Mapping[str, torch.Tensor],
    found: Mapping[str, torch.Tensor],
) -> Iterator[KneeResidual]:
    reference = reference.double()
    for k, (crop, moved_away) in enumerate(zip(crops, perturbed, strict=True)):
        image = moved_away["image"]
        mm = pixel_spacing(image)[1] * image.shape[-1] / 2
        own = world_to_normalized(moved_away["landmarks"], image).double() * 2 - 1
        best = fitted_similarity(reference, own)
        answer, before = _answer(found, k), _answer(plain, k)
        back = _between(crop["image"], image)
        expected = compose(back, before)
        yield KneeResidual(
            method=method,
            path=str(crop["path"]),
            residual_mm=float((moved(answer, reference) - moved(best, reference)).norm(dim=-1).mean()) * mm,
            size=_scale(best) / _scale(answer),
            repeat_mm=float((moved(answer, reference) - moved(expected, reference)).norm(dim=-1).mean()) * mm,
            repeat_size=_scale(expected) / _scale(answer),
            registered=bool(found["registered"][k]),
            seconds=float(found["seconds"][k]),
        )


def format_residuals(residuals: Sequence[KneeResidual]) -> str:
    """A table with a row a method.

    Residuals are medians and 90th percentiles in mm; the spread is the standard deviation of the logarithm of the size, in percent; a
    knee is made worse whose residual is larger than by doing nothing; knees that a method says it did not register stay as they are.
    """
    nothing = {r.path: r.residual_mm for r in residuals if r.method == NOTHING}
    columns = ("knees", "median", "90 %", "worse %", "spread %", "rep. median", "rep. spread %", "not reg.", "s/image")
    lines = [f"{'':12}" + "".join(f"{column:>14}" for column in columns)]
    for method in dict.fromkeys(r.method for r in residuals):
        rows = [r for r in residuals if r.method == method]
        distances = np.array([r.residual_mm for r in rows])
        cells = [
            f"{len(rows)}",
            f"{np.median(distances):.2f}",
            f"{np.percentile(distances, 90):.2f}",
            f"{100 * np.mean([r.residual_mm > nothing[r.path] for r in rows]):.1f}",
            f"{100 * np.std(np.log([r.size for r in rows])):.1f}",
            f"{np.median([r.repeat_mm for r in rows]):.2f}",
            f"{100 * np.std(np.log([r.repeat_size for r in rows])):.1f}",
            f"{sum(not r.registered for r in rows)}" if method != NOTHING else "",
            f"{np.mean([r.seconds for r in rows]):.2f}" if method != NOTHING else "",
        ]
        lines.append(f"{method:12}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)


def _stacked(items: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    return torch.stack([torch.as_tensor(item["image"]).as_subclass(torch.Tensor).float() for item in items])


def _unregistered(count: int) -> dict[str, torch.Tensor]:
    theta = torch.tensor(_UNCHANGED).repeat(count, 1)
    return {"theta": theta, "registered": torch.zeros(count, dtype=torch.bool), "seconds": torch.zeros(count)}


def _answer(found: Mapping[str, torch.Tensor], number: int) -> torch.Tensor:
    """The similarity that is used: what was not registered passes unchanged."""
    theta = found["theta"][number] if bool(found["registered"][number]) else found["theta"].new_tensor(_UNCHANGED)
    return similarity_matrix(theta.double().cpu())


def _between(image: Any, other: Any) -> torch.Tensor:
    """The similarity, (2, 3), from [-1, 1] of an image to [-1, 1] of another of the same world."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    there = world_to_normalized(normalized_to_world((corners + 1) / 2, image), other).double() * 2 - 1
    return fitted_similarity(corners, there)


def _scale(matrix: torch.Tensor) -> float:
    return float(torch.hypot(matrix[0, 0], matrix[1, 0]))
