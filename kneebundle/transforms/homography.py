"""Random homographies of an image and its points (KNEEL section 3.3: all classes of homographic transformations)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from torch.nn import functional

from kneebundle.transforms.random_map import RandomMapTransform

__all__ = ["RandHomographyd", "apply_homography", "apply_homography_to_points"]


def apply_homography_to_points(matrix: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Map points (N, 2) by a homography (3, 3).

    Example:
        >>> import torch
        >>> apply_homography_to_points(torch.diag(torch.tensor([2.0, 2.0, 1.0])), torch.tensor([[0.5, 1.0]]))
        tensor([[1., 2.]])
    """
    homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], dim=1) @ matrix.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def apply_homography(image: torch.Tensor, matrix: torch.Tensor, padding_mode: str = "zeros") -> torch.Tensor:
    """Warp an image by a homography of the square [-1, 1]^2 (x right, y down, borders of the image at +-1).

    Args:
        image: (C, H, W).
        matrix: (3, 3); takes places in the old image to places in the new one.
        padding_mode: of :func:`torch.nn.functional.grid_sample`.

    Returns:
        (C, H, W), the value at p of the new image being that at matrix^-1 p of the old one, bilinearly.
    """
    _, height, width = image.shape
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    y = ((torch.arange(height) + 0.5) / height * 2 - 1)[:, None]
    back = torch.linalg.inv(matrix.double()).tolist()
    # sums of a row and a column, quicker than a matrix times each point
    across, down, depth = (row[0] * x + (row[1] * y + row[2]) for row in back)
    grid = torch.stack([across / depth, down / depth], dim=-1)
    warped = functional.grid_sample(
        image[None].float(), grid[None], mode="bilinear", padding_mode=padding_mode, align_corners=False
    )
    return warped[0]


class RandHomographyd(RandomMapTransform):
    """Rotation, scaling, stretching, shear, perspective and shift in one interpolation, image and points together.

    MONAI's RandAffined has no perspective. The shift is random even where the rest is not drawn, so that the landmark a
    region was centred on does not always lie in the middle.

    Args:
        keys: of images (1, H, W).
        points_key: of points (N, 2), fractions of width and height; None where there are none.
        prob: of the homography.
        rotate_deg: largest rotation.
        scale: largest deviation of the size, 0.15 for a factor of up to 1.15 or down to 1 / 1.15.
        stretch: the same for the ratio of the axes.
        shear: largest shear.
        perspective: largest change of scale from the middle to a border.
        shift: largest shift, as a fraction of the height.
        padding_modes: one is drawn for what comes in from outside; "zeros" means the value 0.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> augment = RandHomographyd("image", rotate_deg=12.0).set_random_state(0)
        >>> item = augment({"image": torch.zeros(1, 32, 32), "landmarks": torch.full((16, 2), 0.5)})
        >>> item["image"].shape, item["landmarks"].shape
        (torch.Size([1, 32, 32]), torch.Size([16, 2]))
    """

    def __init__(
        self,
        keys: KeysCollection,
        points_key: str | None = "landmarks",
        prob: float = 1.0,
        rotate_deg: float = 12.0,
        scale: float = 0.15,
        stretch: float = 0.05,
        shear: float = 0.05,
        perspective: float = 0.06,
        shift: float = 0.06,
        padding_modes: tuple[str, ...] = ("zeros", "border", "reflection"),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        self.points_key = points_key
        self.rotate = math.radians(rotate_deg)
        self.scale, self.stretch = math.log1p(scale), math.log1p(stretch)
        self.shear, self.perspective, self.shift = shear, perspective, shift
        self.padding_modes = tuple(padding_modes)
        self.matrix = torch.eye(3)
        self.padding_mode = self.padding_modes[0]

    def randomize(self, data: Any = None) -> None:
        """Draw the homography and the padding."""
        super().randomize(data)
        angle, scale, stretch, shear = self.R.uniform(-1, 1, 4) * (self.rotate, self.scale, self.stretch, self.shear)
        perspective = self.R.uniform(-self.perspective, self.perspective, 2)
        shift = self.R.uniform(-2 * self.shift, 2 * self.shift, 2)
        self.padding_mode = self.padding_modes[self.R.randint(len(self.padding_modes))]
        matrix = np.eye(3)
        if self._do_transform:
            rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            matrix[:2, :2] = (
                rotation @ np.diag(np.exp([scale + stretch, scale - stretch])) @ np.array([[1.0, shear], [0.0, 1.0]])
            )
            matrix[2, :2] = perspective
        matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]], [0.0, 0.0, 1.0]]) @ matrix
        self.matrix = torch.from_numpy(matrix).float()

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Warp the images and the points alike."""
        d = dict(data)
        self.randomize()
        matrix = self.matrix
        for key in self.key_iterator(d):
            image = torch.as_tensor(d[key])
            # a rotation of pixels is one of the square only if the image is square
            aspect = torch.diag(torch.tensor([image.shape[-1] / image.shape[-2], 1.0, 1.0]))
            matrix = torch.linalg.inv(aspect) @ self.matrix @ aspect
            d[key] = apply_homography(image, matrix, self.padding_mode)
        if self.points_key is not None and self.points_key in d:
            square = torch.as_tensor(d[self.points_key]).float() * 2 - 1
            d[self.points_key] = (apply_homography_to_points(matrix, square) + 1) / 2
        return d
