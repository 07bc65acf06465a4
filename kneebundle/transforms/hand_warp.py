"""More hands from a few: bend a radiograph onto another hand's shape, turn, scale and shift it in one interpolation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from torch.nn import functional

from kneebundle.landmarks import HAND
from kneebundle.measurements.hand_shape import load_hand_shape, place_on
from kneebundle.transforms.random_map import RandomMapTransform

__all__ = ["RandHandWarpd", "place_anchors", "warp_onto"]

_RAYS = tuple(ids for name, ids in HAND.outlines if name in ("thumb", "index", "middle", "ring", "little"))
_BESIDE = 0.13  # anchors beside a bone, as a fraction of the wrist's width
_ABOVE = 0.22  # anchors beyond a finger's tip
_GRID_PX = 4  # the bending is computed for every so many pixels, and linear between


def place_anchors(points: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Place anchors around a hand's bones that move with them.

    Beside the landmarks these are places to both sides of each bone of the five rays, beyond the finger tips, and along
    the forearm. Each moves with its bone as a solid would, so that bones stay straight, however the fingers spread.

    Args:
        points: (37, 2), the hand as it is wanted.
        original: (37, 2), the hand as it is: widths and distances are taken from here.

    Returns:
        (M, 2), the landmarks first; for ``points is original`` the places in the original.
    """
    wrist = float(np.linalg.norm(original[4] - original[0]))
    places = [points]
    for ids in _RAYS:
        for first, last in zip(ids, ids[1:], strict=False):
            offsets = np.array([[t, side * _BESIDE * wrist] for t in (0.25, 0.75) for side in (-1, 1)])
            places.append(_carry(points[[first, last]], original[[first, last]], offsets))
        tip = np.array([[1.0, side * _BESIDE * wrist] for side in (-1, 1)])
        length = float(np.linalg.norm(original[ids[-1]] - original[ids[-2]]))
        beyond = np.array([[1.0 + _ABOVE * wrist / length, 0.0]])
        places.append(_carry(points[list(ids[-2:])], original[list(ids[-2:])], np.concatenate([tip, beyond])))
    forearm = np.array([[t, down * wrist] for t in (-0.25, 0.5, 1.25) for down in (0.5, 1.2)])
    places.append(_carry(points[[0, 4]], original[[0, 4]], forearm))
    return np.concatenate(places)


def _carry(bone: np.ndarray, original: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Take places along with a bone.

    Args:
        bone: (2, 2), the two ends of the bone where it is wanted.
        original: (2, 2), the two ends where it is.
        offsets: (K, 2), as a part of the bone's length along it, and as a distance beside it in the original's unit.
    """
    axis, original_axis = bone[1] - bone[0], original[1] - original[0]
    scale = np.linalg.norm(axis) / np.linalg.norm(original_axis)
    across = np.array([-axis[1], axis[0]]) / np.linalg.norm(axis) * scale
    return bone[0] + np.outer(offsets[:, 0], axis) + np.outer(offsets[:, 1], across)


def warp_onto(
    image: torch.Tensor,
    source: np.ndarray,
    target: np.ndarray,
    affine: np.ndarray | None = None,
    outside: float | None = None,
) -> torch.Tensor:
    """Bend an image by the thin-plate spline that brings ``source`` to ``target``, then apply an affine.

    Args:
        image: (1, H, W).
        source: (M, 2) places in the image, in pixels, x then y.
        target: (M, 2) where they come to lie before the affine.
        affine: (2, 3) from there to the new image; None: no affine.
        outside: the grey that comes in from outside the image; None: the image's border is repeated.

    Returns:
        (1, H, W), cubically interpolated.
    """
    from scipy.interpolate import RBFInterpolator

    height, width = image.shape[-2:]
    rows = np.linspace(0, height - 1, math.ceil(height / _GRID_PX) + 1)
    columns = np.linspace(0, width - 1, math.ceil(width / _GRID_PX) + 1)
    place = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    if affine is not None:
        place = (place - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    back = RBFInterpolator(target, source, kernel="thin_plate_spline")(place)
    coarse = torch.from_numpy(back.reshape(1, len(rows), len(columns), 2)).permute(0, 3, 1, 2).float()
    grid = functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)
    size = torch.tensor([width, height], dtype=torch.float32)
    normalised = (grid.permute(0, 2, 3, 1) + 0.5) / size * 2 - 1
    plain = torch.as_tensor(image).as_subclass(torch.Tensor)[None].float()
    level = 0.0 if outside is None else outside
    padding = "border" if outside is None else "zeros"
    warped = functional.grid_sample(
        plain - level, normalised, mode="bicubic", padding_mode=padding, align_corners=False
    )
    return warped[0] + level


class RandHandWarpd(RandomMapTransform):
    """Bend a hand onto a shape on the way to one drawn from the shape model, then turn, scale, stretch and shift it.

    Bending is skipped where a landmark has no label; then the image is only turned, scaled, stretched and shifted.
    Landmarks that leave the image lie outside [0, 1) afterwards and are not learnt.

    Args:
        keys: of images (1, H, W), finite throughout.
        points_key: of points (37, 2), fractions of width and height.
        prob: of the bending.
        amount: largest part of the way to the drawn shape; the part is drawn between 0 and this.
        rotate_deg: largest rotation.
        scale: smallest and largest factor of the size.
        stretch: largest deviation of the ratio of the axes.
        slack: how far beyond the image the hand's bounding box may reach, as a fraction of the image.
        border: how often what comes in from outside repeats the image's border; else it is a plain grey, drawn anew.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> from kneebundle.measurements import load_hand_shape
        >>> points = torch.from_numpy(load_hand_shape().mean / 250 + 0.5)
        >>> warp = RandHandWarpd("image").set_random_state(0)
        >>> item = warp({"image": torch.zeros(1, 64, 64), "landmarks": points})
        >>> item["image"].shape, item["landmarks"].shape
        (torch.Size([1, 64, 64]), torch.Size([37, 2]))
    """

    def __init__(
        self,
        keys: KeysCollection,
        points_key: str = "landmarks",
        prob: float = 0.8,
        amount: float = 1.0,
        rotate_deg: float = 20.0,
        scale: tuple[float, float] = (0.75, 1.1),
        stretch: float = 0.06,
        slack: float = 0.0,
        border: float = 0.6,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        self.points_key = points_key
        self.amount = amount
        self.rotate = math.radians(rotate_deg)
        self.scale = (float(scale[0]), float(scale[1]))
        self.stretch = stretch
        self.slack = slack
        self.border = border

    def randomize(self, data: Any = None) -> None:
        """Draw the shape, how far it is taken on, the affine and what comes in from outside."""
        super().randomize(data)
        self._part = self.R.uniform(0, self.amount)
        self._shape = load_hand_shape().draw(self.R)
        self._angle = self.R.uniform(-self.rotate, self.rotate)
        self._size = math.exp(self.R.uniform(math.log(self.scale[0]), math.log(self.scale[1])))
        self._stretch = math.exp(self.R.uniform(-1, 1) * math.log1p(self.stretch))
        self._place = self.R.uniform(0, 1, 2)
        self._outside = None if self.R.uniform() < self.border else self.R.uniform(-1, 1)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Warp the images and the points alike."""
        d = dict(data)
        self.randomize()
        first = d[self.first_key(d)]
        size = np.array([first.shape[-1], first.shape[-2]], dtype=np.float64)
        points = torch.as_tensor(d[self.points_key]).double().numpy() * size - 0.5
        wanted, source, target = self._bend(points, size)
        affine = self._make_affine(wanted, size)
        for key in self.key_iterator(d):
            d[key] = warp_onto(d[key], source, target, affine, self._outside).clamp(-1.0, 1.0)
        moved = wanted @ affine[:, :2].T + affine[:, 2]
        d[self.points_key] = torch.from_numpy((moved + 0.5) / size).float()
        return d

    def _bend(self, points: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The landmarks as they come to lie; anchors in the image, and where these come to lie."""
        around = [(x, y) for x in (-0.25, 0.5, 1.25) for y in (-0.25, 0.5, 1.25) if (x, y) != (0.5, 0.5)]
        frame = np.array(around) * size
        if not (self._do_transform and np.isfinite(points).all()):
            return points, frame, frame
        wanted = points + self._part * (place_on(self._shape, points) - points)
        source, target = place_anchors(points, points), place_anchors(wanted, points)
        return wanted, np.concatenate([source, frame]), np.concatenate([target, frame])

    def _make_affine(self, points: np.ndarray, size: np.ndarray) -> np.ndarray:
        """(2, 3): turn, scale and stretch, then a shift that leaves the points inside, if there is room."""
        cosine, sine = math.cos(self._angle), math.sin(self._angle)
        matrix = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([self._stretch, 1 / self._stretch]) * self._size
        turned = points @ matrix.T
        low, high = np.nanmin(turned, axis=0), np.nanmax(turned, axis=0)
        least, most = -low - self.slack * size, size - 1 - high + self.slack * size
        middle = (least + most) / 2
        shift = np.where(most > least, least + self._place * (most - least), middle)
        return np.concatenate([matrix, shift[:, None]], axis=1)
