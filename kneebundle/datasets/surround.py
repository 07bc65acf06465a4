"""Plausible surroundings for tight crops, as a step of the deterministic preparation."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from kneebundle.datasets.phantoms.crop_edges import shading_of
from kneebundle.datasets.phantoms.surroundings import surround
from kneebundle.transforms.resample import pixel_spacing

__all__ = ["Surroundd"]


class Surroundd(MapTransform):
    """Add a picture of the region of interest in which the crop is continued to a whole leg.

    Public crops show about 100 mm, a region cut from a whole radiograph 140 mm of knee. For the image under each key comes
    one more, ``surroundings``, on the grid that :class:`kneebundle.transforms.roi.CropROId` cuts around landmark 4;
    :class:`kneebundle.transforms.fill.RandFillOutsided` then chooses between them. What is drawn depends on ``path`` and
    ``seed`` alone. Images already as wide as the region, and those without landmarks, get none.

    Args:
        keys: of MetaTensors (1, H, W), not yet cut.
        size_mm: edge of the region.
        spacing_mm: of the region.
        seed: of the drawing.
        surroundings_key: where the picture goes.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        size_mm: float = 140.0,
        spacing_mm: float = 0.3,
        seed: int = 0,
        surroundings_key: str = "surroundings",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.size_mm, self.spacing_mm = float(size_mm), float(spacing_mm)
        self.seed = int(seed)
        self.surroundings_key = surroundings_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            image = d[key]
            row_mm, column_mm = pixel_spacing(image)
            field_mm = min(image.shape[1] * row_mm, image.shape[2] * column_mm)
            if "landmarks" not in d or field_mm >= self.size_mm or not np.isclose(row_mm, column_mm, rtol=1e-3):
                continue
            points_px = np.asarray(d["landmarks"]) / column_mm
            name = str(d.get("path", "")).replace("\\", "/").rsplit("/", 1)[-1]
            region = surround(
                image.numpy()[0],
                points_px,
                column_mm,
                rng=np.random.default_rng([self.seed, zlib.crc32(name.encode())]),
                size_mm=self.size_mm,
                out_spacing_mm=self.spacing_mm,
                shading_px=shading_of(image.shape[1:]),
            )
            d[self.surroundings_key] = MetaTensor(torch.from_numpy(region)[None])
        return d
