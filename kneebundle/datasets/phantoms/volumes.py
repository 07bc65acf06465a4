"""Made volumes with landmarks that only their configuration tells apart, for training in 3-D without data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import torch

from kneebundle.errors import KneeBundleError

__all__ = ["PhantomVolumes", "draw_volume"]

CONFIGURATION = np.array([[-0.22, -0.18, -0.20], [0.22, -0.14, 0.02], [-0.02, 0.20, -0.06], [0.02, -0.02, 0.22]])
"""Where the landmarks lie around the middle of them: x, y, z as fractions of the volume's sides."""

BLOB_SIGMA = 1.6
_SHIFT, _JITTER = 0.10, 0.02


def draw_volume(
    rng: np.random.Generator, size: Sequence[int] = (32, 32, 32), distractors: int = 2, noise: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Draw four equal blobs in a fixed configuration that is shifted and a little deformed, and others that look the same.

    Args:
        rng: the only source of randomness.
        size: (depth, height, width) in voxels, at least 16 each.
        distractors: number of blobs anywhere that are no landmark.
        noise: standard deviation of the noise; a blob is 1 high.

    Returns:
        The volume (depth, height, width) float32, and its landmarks (4, 3) in voxels: x, y, z, voxel centres at integers.

    Raises:
        KneeBundleError: on a size too small to hold the configuration.
    """
    if len(size) != 3 or min(size) < 16:
        raise KneeBundleError(f"the volume's size is {tuple(size)}; three sides of at least 16 voxels are needed")
    shift = rng.uniform(-_SHIFT, _SHIFT, 3)
    fractions = 0.5 + CONFIGURATION + shift + rng.normal(0.0, _JITTER, CONFIGURATION.shape).clip(-0.05, 0.05)
    sides = np.array(size[::-1])
    points = fractions * sides - 0.5
    others = rng.uniform(0.05, 0.95, (distractors, 3)) * sides - 0.5
    volume = rng.normal(0.0, noise, size)
    for point in np.concatenate([points, others]):
        volume += _blob(point, size)
    return volume.astype(np.float32), points


def _blob(point: np.ndarray, size: Sequence[int]) -> np.ndarray:
    along = [np.exp(-0.5 * ((np.arange(n) - p) / BLOB_SIGMA) ** 2) for n, p in zip(size, point[::-1], strict=True)]
    return np.einsum("i,j,k->ijk", *along)


class PhantomVolumes(Sequence[dict[str, Any]]):
    """A data set of drawn volumes that takes no room: volume ``i`` is drawn when asked for, always the same.

    An item has ``image``, a tensor (1, D, H, W), and ``label``, the landmarks (4, 3) normalised: x, y, z, (index + 0.5) / side.

    Args:
        length: number of volumes.
        seed: another seed, other volumes.
        size: see :func:`draw_volume`.
        distractors: the same.
        noise: the same.
    """

    def __init__(
        self,
        length: int,
        seed: int = 0,
        size: Sequence[int] = (32, 32, 32),
        distractors: int = 2,
        noise: float = 0.1,
    ) -> None:
        self.length = int(length)
        self.seed = int(seed)
        self.size = tuple(int(n) for n in size)
        self.distractors, self.noise = int(distractors), float(noise)

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.length))]
        if not -self.length <= index < self.length:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, index % self.length])
        volume, points = draw_volume(rng, self.size, self.distractors, self.noise)
        label = (points + 0.5) / np.array(self.size[::-1])
        return {"image": torch.from_numpy(volume)[None], "label": torch.from_numpy(label).float()}
