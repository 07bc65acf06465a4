"""Plausible surroundings for a tight crop of a knee: shafts, thigh and calf, skin, air, collimation, markers.

Public knees are crops of about 100 mm, but a region cut from a whole radiograph shows more. The crop's pixels stay
where they are; what lies outside is drawn anew each time, so that nothing can be learnt from the crop's frame.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from kneebundle.phantoms.artefacts import add_artefacts
from kneebundle.phantoms.pa.legs import Canvas, check_crop, continue_leg
from kneebundle.transforms.crop_edges import clean_crop, count_shaded_columns, hide_edges
from kneebundle.transforms.grid_size import count_pixels
from kneebundle.transforms.resample import pixel_spacing

__all__ = ["Surroundd", "surround"]


def surround(
    crop: np.ndarray,
    landmarks_px: np.ndarray,
    spacing_mm: float | Sequence[float],
    *,
    rng: np.random.Generator,
    size_mm: float = 140.0,
    out_spacing_mm: float = 0.3,
    center_px: Sequence[float] | None = None,
    inverted: bool = False,
    shading_px: int = 0,
    max_inset_mm: float = 6.0,
) -> np.ndarray:
    """A square region around a knee, with whatever the crop does not show drawn around it.

    Args:
        crop: (h, w) grey values of one knee as displayed, of either side.
        landmarks_px: (16, 2) KNEEL landmarks in pixels of the crop.
        spacing_mm: size of a crop pixel, one number (or (row, column), which must be equal).
        rng: draws everything that is random.
        size_mm, out_spacing_mm: the region; it has ``round(size_mm / out_spacing_mm)`` pixels a side.
        center_px: the crop's point that goes to the region's centre; the tibial centre (landmark 4) by default.
        inverted: the crop's grey values are inverted (bone dark).
        shading_px: :func:`kneebundle.transforms.remove_edge_shading` over so many columns first; 14 for the public
            crops of 224 x 224 pixels.
        max_inset_mm: up to so much of the crop is hidden at each side, so that its frame is never at the same place;
            landmarks keep 6 mm where the crop has them.

    Returns:
        (n, n) float32, bone bright. The crop's point ``center_px`` lies at its centre.

    Raises:
        KneeBundleError: on a crop or landmarks of another shape, or values that are not finite.
    """
    points, spacing = check_crop(crop, landmarks_px, spacing_mm)
    center = points[4] if center_px is None else np.asarray(center_px, dtype=np.float64)
    pixels = clean_crop(crop, inverted=inverted, shading_px=shading_px)
    pixels, shift = hide_edges(pixels, points, spacing, max_inset_mm, rng)
    n, _ = count_pixels((size_mm, size_mm), (out_spacing_mm, out_spacing_mm), "the region")
    corner = (center - shift) * spacing - (n - 1) / 2 * out_spacing_mm
    canvas = Canvas(float(corner[0]), float(corner[1]), out_spacing_mm, n, n)
    image = continue_leg(pixels, points - shift, spacing, canvas, rng=rng).pixels
    frame_mm = (0.0, 0.0, (pixels.shape[1] - 1) * spacing, (pixels.shape[0] - 1) * spacing)
    medial = 1 if points[15, 0] > points[9, 0] else -1
    return add_artefacts(image, canvas.x_mm, canvas.y_mm, frame_mm, medial=medial, rng=rng)


class Surroundd(MapTransform):
    """Add a picture of the region of interest in which the crop is continued to a whole leg.

    Public crops show about 100 mm, a region cut from a whole radiograph 140 mm of knee. For the image under each key
    comes one more, ``surroundings``, on the grid that :class:`kneebundle.transforms.CropROId` cuts around landmark 4;
    :class:`kneebundle.transforms.RandFillOutsided` then chooses between them. What is drawn depends on ``path`` and
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
        """Add the picture."""
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
                shading_px=count_shaded_columns(image.shape[1:]),
            )
            d[self.surroundings_key] = MetaTensor(torch.from_numpy(region)[None])
        return d
