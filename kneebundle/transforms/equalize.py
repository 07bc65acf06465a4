"""Local contrast equalisation of a region, with a neighbourhood in mm whatever the size of the region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from kneebundle.transforms.fill import fill_outside
from kneebundle.transforms.normalize import normalize_percentiles
from kneebundle.transforms.random_map import RandomMapTransform

__all__ = ["EqualizeRegiond", "RandEqualizeRegiond", "equalize_region"]

NEIGHBORHOOD_MM = 12.3
"""One eighth of a crop of 299 pixels of 0.33 mm: the default neighbourhood of ``skimage.exposure.equalize_adapthist``,
with which the published crops of the Osteoarthritis Initiative (Chen 2018) look as they do."""


def equalize_region(
    image: torch.Tensor,
    spacing_mm: float = 0.3,
    neighborhood_mm: float = NEIGHBORHOOD_MM,
    clip_limit: float = 0.02,
    percentiles: tuple[float, float] = (0.2, 99.8),
) -> torch.Tensor:
    """Equalise the part of a region that lies on the radiograph (contrast-limited and adaptive, Zuiderveld 1994).

    Grey values beyond the two percentiles are clipped first, because the histograms are taken between the darkest and
    the brightest: a marker of lead would leave few bins for the bone.

    Args:
        image: (1, H, W) in any unit, NaN outside the radiograph.
        spacing_mm: size of a pixel.
        neighborhood_mm: edge of the squares of which histograms are taken.
        clip_limit: of the slope of the histograms, in (0, 1]; 0.02 comes nearest to the published crops.
        percentiles: that the grey values are clipped at.

    Returns:
        (1, H, W) float32 in [0, 1], NaN where it was; zeros where all finite pixels are equal. Type and metadata are
        those of ``image``.

    Example:
        >>> import torch
        >>> slope = torch.linspace(100.0, 110.0, 64).repeat(64, 1)[None]
        >>> slope[0, 0, 0] = float("nan")
        >>> equal = equalize_region(slope)
        >>> equal.shape, bool(equal[0, 0, 0].isnan()), bool(equal[0, 1:].max() <= 1)
        (torch.Size([1, 64, 64]), True, True)
    """
    from skimage.exposure import equalize_adapthist

    result = image.clone().float()
    finite = torch.isfinite(torch.as_tensor(image[0]).as_subclass(torch.Tensor))
    if not bool(finite.any()):
        return result
    rows, columns = torch.nonzero(finite.any(1)).flatten(), torch.nonzero(finite.any(0)).flatten()
    inner = (slice(None), slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    part = fill_outside(image[inner].as_subclass(torch.Tensor).clone(), "edge").float().numpy()[0]
    low, high = np.percentile(part, percentiles)
    if high <= low:
        result[inner] = torch.zeros_like(result[inner])
    else:
        grey = np.clip((part - low) / (high - low), 0.0, 1.0)
        equal = equalize_adapthist(grey, kernel_size=max(2, round(neighborhood_mm / spacing_mm)), clip_limit=clip_limit)
        result[inner] = torch.from_numpy(np.asarray(equal, dtype=np.float32))[None]
    result[:, ~finite] = float("nan")
    return result


class EqualizeRegiond(MapTransform):
    """Dictionary version of :func:`equalize_region`, between the cut of a region and its normalisation.

    Args:
        keys: of images (1, H, W), NaN outside the radiograph.
        spacing_mm: size of the region's pixels.
        neighborhood_mm: edge of the squares of which histograms are taken.
        clip_limit: of the slope of the histograms.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(
        self,
        keys: KeysCollection,
        spacing_mm: float = 0.3,
        neighborhood_mm: float = NEIGHBORHOOD_MM,
        clip_limit: float = 0.02,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spacing_mm = float(spacing_mm)
        self.neighborhood_mm, self.clip_limit = float(neighborhood_mm), float(clip_limit)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Equalise the images, each for itself."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = equalize_region(d[key], self.spacing_mm, self.neighborhood_mm, self.clip_limit)
        return d


class RandEqualizeRegiond(RandomMapTransform):
    """Show a network both looks of a radiograph in training: as it is, and equalised by :func:`equalize_region`.

    For regions that were normalised already, because a cache holds them: the equalised ones are normalised anew.

    Args:
        keys: of images (1, H, W) in [-1, 1], NaN outside the radiograph; all are equalised or none.
        prob: of the equalisation.
        spacing_mm: size of the region's pixels.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> image = torch.linspace(-1.0, 1.0, 64).repeat(64, 1)[None]
        >>> equal = RandEqualizeRegiond("image", prob=1.0)({"image": image})["image"]
        >>> float(equal.min()), float(equal.max())
        (-1.0, 1.0)
    """

    def __init__(
        self, keys: KeysCollection, prob: float = 0.5, spacing_mm: float = 0.3, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        self.spacing_mm = float(spacing_mm)

    def apply(self, value: Any) -> Any:
        """Equalise an image and normalise it."""
        return normalize_percentiles(equalize_region(value, self.spacing_mm))
