"""Masks of the four bones of a lateral film, from pictures, label volumes or polygons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from kneebundle.errors import KneeBundleError
from kneebundle.io.nifti import read_nifti_values
from kneebundle.io.picture import read_picture
from kneebundle.landmarks import BONES

__all__ = ["fill_polygons", "read_mask", "read_masks"]

_FINER = 4


def read_masks(source: Mapping[str, Any], shape: tuple[int, int]) -> np.ndarray:
    """Read the masks of a film.

    Args:
        source: ``{"pictures": {bone: path}}``, ``{"labels": path}`` of a NIfTI file, or
            ``{"polygons": {bone: [(N, 2), ...]}}`` in pixels of the image.
        shape: (rows, columns) of the image as stored.

    Returns:
        (4, rows, columns) bool in the order of :data:`kneebundle.landmarks.BONES`.

    Raises:
        KneeBundleError: if a file cannot be read or is not of this shape.
    """
    if "pictures" in source:
        return np.stack([read_mask(Path(source["pictures"][bone]), shape) for bone in BONES])
    if "labels" in source:
        return _read_labels(Path(source["labels"]), shape)
    return np.stack([fill_polygons(source["polygons"].get(bone, ()), shape) for bone in BONES])


def read_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a mask from a picture: what is not black.

    Returns:
        (rows, columns) bool.

    Raises:
        KneeBundleError: if it cannot be read or is not of this shape.
    """
    mask = read_picture(path).pixels > 0
    _check_shape(mask.shape, shape, path)
    return mask


def _read_labels(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read four volumes, one a bone, or one with the numbers 1 to 4.

    The first axis runs along a row, as in NIfTI images.
    """
    values = np.squeeze(read_nifti_values(path))
    if values.ndim == 3 and values.shape[-1] == len(BONES):
        masks = np.moveaxis(values, -1, 0).swapaxes(1, 2) > 0
    elif values.ndim == 2 and np.isin(values, range(len(BONES) + 1)).all():
        masks = values.T[None] == np.arange(1, len(BONES) + 1)[:, None, None]
    else:
        raise KneeBundleError(
            f"the labels have shape {values.shape} and values up to {values.max():g}; give (columns, rows) with "
            "1 femur, 2 patella, 3 tibia, 4 fibula, or (columns, rows, 4) with a volume a bone",
            path,
        )
    _check_shape(masks.shape[1:], shape, path)
    return masks


def _check_shape(found: tuple[int, ...], shape: tuple[int, int], path: Path) -> None:
    if found != shape:
        raise KneeBundleError(
            f"the mask has {found[0]} x {found[1]} pixels (rows x columns), the image {shape[0]} x {shape[1]}; "
            "give the mask of this image",
            path,
        )


def fill_polygons(polygons: Sequence[Any], shape: tuple[int, int]) -> np.ndarray:
    """Fill polygons (N, 2): the pixels that they cover by half or more; pixel centres at integers.

    Returns:
        (rows, columns) bool.
    """
    rows, columns = shape
    if not polygons:
        return np.zeros(shape, dtype=bool)
    canvas = Image.new("L", (columns * _FINER, rows * _FINER))
    for polygon in polygons:
        corners = (np.asarray(polygon, dtype=np.float64) + 0.5) * _FINER - 0.5
        ImageDraw.Draw(canvas).polygon([tuple(corner) for corner in corners], fill=1)
    parts = np.asarray(canvas).reshape(rows, _FINER, columns, _FINER).sum((1, 3))
    return parts >= _FINER * _FINER / 2
