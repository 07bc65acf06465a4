"""What a network sees where a region of interest reaches beyond the radiograph (NaN there until filled)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from kneebundle.transforms.random_map import RandomMapTransform

Image = TypeVar("Image", bound=torch.Tensor)

__all__ = ["FILL_MODES", "FillOutsided", "RandFillOutsided", "fill_outside"]

FILL_MODES = ("zeros", "reflect", "edge")


def fill_outside(image: Image, mode: str = "zeros") -> Image:
    """Replace the NaN frame of an image.

    Args:
        image: (1, H, W) whose finite pixels form a rectangle, as a region cut from a radiograph has it.
        mode: ``"zeros"``, ``"reflect"`` (mirrored at the radiograph's border) or ``"edge"`` (its last pixels repeated).

    Returns:
        The same image with finite pixels throughout; all zeros if no pixel was finite.

    Raises:
        ValueError: on another mode.

    Example:
        >>> import torch
        >>> nan = float("nan")
        >>> fill_outside(torch.tensor([[[nan, 1.0, 2.0, nan]]]), "edge")
        tensor([[[1., 1., 2., 2.]]])
    """
    if mode not in FILL_MODES:
        raise ValueError(f"outside is filled by one of {', '.join(FILL_MODES)}, got {mode!r}")
    finite = torch.isfinite(image[0])
    if bool(finite.all()):
        return image
    filled: Any = torch.nan_to_num(image, nan=0.0)
    rows, columns = torch.nonzero(finite.any(1)).flatten(), torch.nonzero(finite.any(0)).flatten()
    if mode == "zeros" or len(rows) == 0:
        return filled
    row = _find_sources(image.shape[1], int(rows[0]), int(rows[-1]), mode)
    column = _find_sources(image.shape[2], int(columns[0]), int(columns[-1]), mode)
    filled[:] = filled[:, row][:, :, column]
    return filled


def _find_sources(length: int, first: int, last: int, mode: str) -> torch.Tensor:
    """For every place along an axis, the place between first and last that it repeats."""
    index = np.arange(length)
    if mode == "edge" or first == last:
        return torch.from_numpy(np.clip(index, first, last))
    period = 2 * (last - first)
    phase = np.mod(index - first, period)
    return torch.from_numpy(first + np.where(phase > last - first, period - phase, phase))


class FillOutsided(MapTransform):
    """Dictionary version of :func:`fill_outside`.

    Args:
        keys: of images (1, H, W).
        mode: one of :data:`FILL_MODES`.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(self, keys: KeysCollection, mode: str = "zeros", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.mode = mode

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Fill the images, each alike."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = fill_outside(d[key], self.mode)
        return d


class RandFillOutsided(RandomMapTransform):
    """Fill the outside in a way drawn anew each time, so that a network learns to ignore what lies beyond a radiograph.

    Args:
        keys: of images (1, H, W) with a NaN frame.
        surroundings_key: an image of the same size, finite throughout, that shows a plausible continuation; with
            probability ``prob`` it takes the image's place. Missing in the data: never.
        prob: of the surroundings; otherwise one of :data:`FILL_MODES`, each as likely.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> image = torch.tensor([[[float("nan"), 0.5]]])
        >>> fill = RandFillOutsided("image", prob=1.0)
        >>> fill({"image": image, "surroundings": torch.full((1, 1, 2), 0.7)})["image"]
        tensor([[[0.7000, 0.7000]]])
    """

    def __init__(
        self,
        keys: KeysCollection,
        surroundings_key: str = "surroundings",
        prob: float = 0.5,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        self.surroundings_key = surroundings_key
        self.mode = FILL_MODES[0]

    def randomize(self, data: Any = None) -> None:
        """Draw whether the surroundings are taken, and the mode otherwise."""
        super().randomize(data)
        self.mode = FILL_MODES[self.R.randint(len(FILL_MODES))]

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Fill the images, each alike."""
        d = dict(data)
        self.randomize()
        surroundings = d.pop(self.surroundings_key, None)
        for key in self.key_iterator(d):
            if surroundings is not None and self._do_transform:
                image = d[key].clone()
                image[:] = torch.as_tensor(surroundings)
                d[key] = image
            else:
                d[key] = fill_outside(d[key].clone(), self.mode)
        return d
