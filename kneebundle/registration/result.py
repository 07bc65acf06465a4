"""The result of a registration: the transform in the frame of the image, and the crop."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import Flip, MapTransform, Transform

from kneebundle.networks.similarity import similarity_matrix, transform_points
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.points import normalized_to_world
from kneebundle.transforms.similarity import warp_image

__all__ = [
    "AddImageFramed",
    "RegistrationResult",
    "RegistrationResultd",
    "find_image_frame",
    "make_registration_result",
]

_CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
_IDENTITY = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)


@dataclass(frozen=True)
class RegistrationResult:
    """A registered crop, or the crop as it was.

    Attributes:
        path: of the image.
        side: that it was taken for.
        registered: whether energy and agreement are as good as on the knees of the training.
        theta: (scale, tx, ty, rotation) of the square around the image as displayed; (1, 0, 0, 0) where nothing was
            registered.
        matrix: (2, 3) float64, from the crop to the image as stored, both in [-1, 1] with align_corners=False.
        energy: the lowest that was found.
        agreement: of each part, in [0, 1].
        seconds: that the image took.
        before: (1, S, S), the square around the image as displayed, in [-1, 1].
        after: (1, S, S), the registered crop; its affine leads to mm of the image.
    """

    path: str
    side: str
    registered: bool
    theta: tuple[float, ...]
    matrix: np.ndarray
    energy: float
    agreement: tuple[float, ...]
    seconds: float
    before: MetaTensor
    after: MetaTensor

    @property
    def flagged(self) -> bool:
        """Whether the crop was not registered."""
        return not self.registered


def find_image_frame(image: MetaTensor, radiograph: Radiograph | None = None) -> torch.Tensor:
    """Find the affine map from mm of an image to [-1, 1] of it, x then y.

    Args:
        image: (1, H, W).
        radiograph: where it came from; then the map leads to the image as stored, not as displayed.

    Returns:
        (2, 3) float64.
    """
    affine = torch.linalg.inv(torch.as_tensor(image.affine, dtype=torch.float64))
    mm = torch.cat([_CORNERS.flip(-1), torch.zeros(3, 1), torch.ones(3, 1)], dim=1).double()
    px = (mm @ affine.T)[:, :2].flip(-1).numpy()
    rows, columns = image.shape[1:]
    if radiograph is not None:
        px = radiograph.to_stored_px(px)
        rows, columns = radiograph.orientation.pair((rows, columns))
    return _fit_affine(torch.from_numpy((px + 0.5) * 2.0 / np.array([columns, rows]) - 1.0))


def make_registration_result(
    image: MetaTensor,
    frame: torch.Tensor,
    side: str,
    path: str,
    found: Mapping[str, torch.Tensor],
) -> RegistrationResult:
    """Put together what was found for one image.

    Args:
        image: as the parts saw it, square, left knees mirrored.
        frame: of :func:`find_image_frame`.
        side: left ones are mirrored back.
        path: of the file.
        found: what :class:`~kneebundle.registration.RegistrationInferer` found for this image.
    """
    registered = bool(found["registered"])
    theta = found["theta"].detach().double().cpu() if registered else _IDENTITY
    sign = torch.tensor([-1.0 if side == "L" else 1.0, 1.0], dtype=torch.float64)
    seen = (transform_points(similarity_matrix(theta), _CORNERS * sign) + 1) / 2
    world = normalized_to_world(seen, image)
    matrix = _fit_affine(transform_points(frame.double().cpu(), world))
    before, after = image, warp_image(image, similarity_matrix(theta))
    if side == "L":
        mirror: Any = Flip(spatial_axis=1)
        before, after = mirror(before), mirror(after)
        theta = theta * torch.tensor([1.0, -1.0, 1.0, -1.0])
    return RegistrationResult(
        path=path,
        side=side,
        registered=registered,
        theta=tuple((theta + 0.0).tolist()),
        matrix=matrix.numpy(),
        energy=float(found["energy"]),
        agreement=tuple(found["agreement"].tolist()),
        seconds=float(found["seconds"]),
        before=before,
        after=after,
    )


class AddImageFramed(MapTransform):
    """Add :func:`find_image_frame` of an image that is about to be cut, under ``frame_key``."""

    def __init__(self, keys: KeysCollection, frame_key: str = "image_frame", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.frame_key = frame_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the frame."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[self.frame_key] = find_image_frame(d[key])
        return d


class RegistrationResultd(Transform):
    """Postprocessing: ``pred`` becomes a :class:`RegistrationResult`; also needs image, image_frame, side and path."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Make the result."""
        d = dict(data)
        d["pred"] = make_registration_result(d["image"], d["image_frame"], d["side"], d["path"], d["pred"])
        return d


def _fit_affine(points: torch.Tensor) -> torch.Tensor:
    """The (2, 3) that takes (0, 0), (1, 0) and (0, 1) to three points (3, 2)."""
    origin, right, down = points
    return torch.stack([right - origin, down - origin, origin], dim=1)
