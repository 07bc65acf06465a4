"""How well a registration undoes known similarity transforms of knees whose landmarks are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose

from kneebundle.datasets.knees import LoadKneed
from kneebundle.evaluation.text_tables import format_table
from kneebundle.networks.similarity import compose, fit_similarity, similarity_matrix, transform_points
from kneebundle.registration.model import RegistrationModel
from kneebundle.transforms.points import normalized_to_world, world_to_normalized
from kneebundle.transforms.resample import pixel_spacing
from kneebundle.transforms.similarity import PerturbSimilarityd

__all__ = ["KneeResidual", "format_residuals", "measure_registration_residuals"]

NOTHING = "nothing"
LANDMARKS = "landmarks"
_UNCHANGED = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class KneeResidual:
    """One knee by one method.

    Attributes:
        method: ``"nothing"``, ``"landmarks"`` or the name of a registration.
        path: of the knee.
        residual_mm: mean distance over the 16 landmarks between where the method takes the reference's landmarks in the
            perturbed crop, and where the best similarity onto the knee's own labelled landmarks takes them.
        size: of the knee by its labels in the crop that the method makes, that of the reference being 1.
        repeat_mm: mean distance over the landmarks between the transform found for the perturbed crop and the one found
            for the crop as it was, taken through the perturbation. Labels have no part in it. NaN for ``"landmarks"``,
            as the next.
        repeat_size: size by the one transform over that by the other.
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


def measure_registration_residuals(
    models: Mapping[str, RegistrationModel],
    landmarks: Mapping[str, np.ndarray],
    records: Sequence[Mapping[str, Any]],
    perturb: PerturbSimilarityd,
    batch_size: int = 4,
    locate: Callable[[Sequence[dict[str, Any]]], Sequence[torch.Tensor]] | None = None,
) -> Iterator[list[KneeResidual]]:
    """Perturb knees, register them, and compare with their landmarks, batch by batch.

    The method ``"landmarks"`` shows how much of a residual, and of a spread of sizes, is noise of the labels: it is the
    best similarity from the landmarks of the reference onto those that a landmark network, trained on such labels,
    finds in the crop before it is perturbed.

    Args:
        models: registrations by name.
        landmarks: for each of them the landmarks of its reference, (16, 2) in [-1, 1] of the reference.
        records: of :func:`kneebundle.datasets.read_knees`; of other subjects than those that the parts were selected
            on.
        perturb: what is done to the crops.
        batch_size: crops that are registered together.
        locate: :meth:`kneebundle.pipelines.LandmarkModel.locate` of a landmark network; None: no "landmarks".

    Yields:
        For each batch, a residual of each knee by "nothing" and by every method.
    """
    load, prepare = Compose([LoadKneed()]), next(iter(models.values())).prepare
    for first in range(0, len(records), batch_size):
        films: list[Any] = [load(record) for record in records[first : first + batch_size]]
        located = None if locate is None else [found[:, :2] for found in locate(films)]
        crops: list[Any] = [prepare(film) for film in films]
        perturbed: list[Any] = [perturb(crop) for crop in crops]
        yield list(_measure_batch(models, landmarks, crops, perturbed, located))


def _measure_batch(
    models: Mapping[str, RegistrationModel],
    landmarks: Mapping[str, np.ndarray],
    crops: Sequence[Mapping[str, Any]],
    perturbed: Sequence[Mapping[str, Any]],
    located: Sequence[torch.Tensor] | None = None,
) -> Iterator[KneeResidual]:
    name, model = next(iter(models.items()))
    reference = torch.as_tensor(landmarks[name])
    nothing = _make_unregistered(len(crops))
    yield from _measure_method(NOTHING, reference, crops, perturbed, nothing, nothing)
    if located is not None:
        yield from _measure_located(reference, perturbed, located)
    for name, model in models.items():
        plain, moved_away = (model.find(_stack(items)) for items in (crops, perturbed))
        yield from _measure_method(name, torch.as_tensor(landmarks[name]), crops, perturbed, plain, moved_away)


def _measure_method(
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
        best = _fit_onto(reference, moved_away["landmarks"], image)
        pred, before = _get_transform(found, k), _get_transform(plain, k)
        back = _find_similarity(crop["image"], image)
        expected = compose(back, before)
        yield KneeResidual(
            method=method,
            path=str(crop["path"]),
            residual_mm=_measure_distance(pred, best, reference, image),
            size=_get_scale(best) / _get_scale(pred),
            repeat_mm=_measure_distance(pred, expected, reference, image),
            repeat_size=_get_scale(expected) / _get_scale(pred),
            registered=bool(found["registered"][k]),
            seconds=float(found["seconds"][k]),
        )


def _measure_located(
    reference: torch.Tensor, perturbed: Sequence[Mapping[str, Any]], located: Sequence[torch.Tensor]
) -> Iterator[KneeResidual]:
    reference = reference.double()
    for moved_away, points in zip(perturbed, located, strict=True):
        image = moved_away["image"]
        best, pred = (_fit_onto(reference, mm, image) for mm in (moved_away["landmarks"], points))
        yield KneeResidual(
            method=LANDMARKS,
            path=str(moved_away["path"]),
            residual_mm=_measure_distance(pred, best, reference, image),
            size=_get_scale(best) / _get_scale(pred),
            repeat_mm=math.nan,
            repeat_size=math.nan,
            registered=True,
            seconds=math.nan,
        )


def _fit_onto(reference: torch.Tensor, points_mm: Any, image: Any) -> torch.Tensor:
    """The best similarity from the reference's landmarks onto points (16, 2) in mm of an image's world."""
    return fit_similarity(reference, world_to_normalized(points_mm, image).double() * 2 - 1)


def _measure_distance(pred: torch.Tensor, other: torch.Tensor, reference: torch.Tensor, image: Any) -> float:
    """Mean distance between where two similarities take the reference's landmarks."""
    mm = pixel_spacing(image)[1] * image.shape[-1] / 2
    return float((transform_points(pred, reference) - transform_points(other, reference)).norm(dim=-1).mean()) * mm


def format_residuals(residuals: Sequence[KneeResidual]) -> str:
    """Format a table with a row a method.

    Residuals are medians and 90th percentiles in mm; the spread is the standard deviation of the logarithm of the size,
    in percent, the robust one 1.48 times its median absolute deviation; a knee is worse if its residual is larger than
    by doing nothing; knees that a method did not register stay as they are.
    """
    nothing = {r.path: r.residual_mm for r in residuals if r.method == NOTHING}
    columns = ["knees", "median", "90 %", "worse %", "spread %", "robust %"]
    columns += ["rep. median", "rep. spread %", "rep. robust %", "not reg.", "s/image"]
    lines = []
    for method in dict.fromkeys(r.method for r in residuals):
        rows = [r for r in residuals if r.method == method]
        distances = np.array([r.residual_mm for r in rows])
        cells = [
            f"{len(rows)}",
            f"{np.median(distances):.2f}",
            f"{np.percentile(distances, 90):.2f}",
            f"{100 * np.mean([r.residual_mm > nothing[r.path] for r in rows]):.1f}",
            *_format_spreads([r.size for r in rows]),
        ]
        if method != LANDMARKS:
            cells += [f"{np.median([r.repeat_mm for r in rows]):.2f}", *_format_spreads([r.repeat_size for r in rows])]
        if method not in (NOTHING, LANDMARKS):
            cells += [f"{sum(not r.registered for r in rows)}", f"{np.mean([r.seconds for r in rows]):.2f}"]
        lines.append([method, *cells, *[""] * (len(columns) - len(cells))])
    return format_table(["", *columns], lines)


def _format_spreads(sizes: Sequence[float]) -> tuple[str, str]:
    """Standard deviation of the logarithm in percent, and the same from the median absolute deviation."""
    percent = 100 * np.log(sizes)
    return f"{np.std(percent):.1f}", f"{1.4826 * np.median(np.abs(percent - np.median(percent))):.1f}"


def _stack(items: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    return torch.stack([torch.as_tensor(item["image"]).as_subclass(torch.Tensor).float() for item in items])


def _make_unregistered(count: int) -> dict[str, torch.Tensor]:
    theta = torch.tensor(_UNCHANGED).repeat(count, 1)
    return {"theta": theta, "registered": torch.zeros(count, dtype=torch.bool), "seconds": torch.zeros(count)}


def _get_transform(found: Mapping[str, torch.Tensor], number: int) -> torch.Tensor:
    """The similarity that is used: what was not registered passes unchanged."""
    theta = found["theta"][number] if bool(found["registered"][number]) else found["theta"].new_tensor(_UNCHANGED)
    return similarity_matrix(theta.double().cpu())


def _find_similarity(image: Any, other: Any) -> torch.Tensor:
    """The similarity, (2, 3), from [-1, 1] of an image to [-1, 1] of another of the same world."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    there = world_to_normalized(normalized_to_world((corners + 1) / 2, image), other).double() * 2 - 1
    return fit_similarity(corners, there)


def _get_scale(matrix: torch.Tensor) -> float:
    return float(torch.hypot(matrix[0, 0], matrix[1, 0]))
