"""Read NIfTI."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.decoded import DecodedImage, extract_grey_plane
from kneebundle.io.near_grey import convert_near_grey
from kneebundle.io.spacing import check_spacing

__all__ = ["read_nifti_values", "read_nifti"]

_MM_PER_UNIT = {"mm": 1.0, "micron": 1e-3, "meter": 1e3}


def read_nifti(path: Path, frame: int | None = None) -> DecodedImage:
    """Read a 2-D NIfTI-1 or -2 image, or one slice of it (``.nii``, ``.nii.gz`` or an ``.hdr`` with its ``.img``).

    The first axis runs along a row of the picture and the second one down, as ITK writes it; the signs of the affine
    are not used. The spacing of the header is believed if it is that of a radiograph and, where the header names no
    unit of length, if it is not 1, which programs write that do not know it.

    Raises:
        KneeBundleError: if the file cannot be decoded, has several slices and none is chosen, or is coloured.
    """
    try:
        image = _load(path)
        values = np.asanyarray(image.dataobj)
        zooms = tuple(float(zoom) for zoom in image.header.get_zooms())
        unit = image.header.get_xyzt_units()[0]
    except Exception as error:  # nibabel and gzip raise many kinds for a broken file
        raise KneeBundleError(f"the NIfTI file cannot be decoded ({error}); export it again", path) from error
    notes: tuple[str, ...] = ()
    if values.dtype.names:
        values, notes = convert_near_grey(np.stack([values[name] for name in values.dtype.names], axis=-1), path)
    pixels, spacing = extract_grey_plane(values, zooms, frame, path)
    scale = _MM_PER_UNIT.get(unit, 1.0)
    spacing_mm = (spacing[0] * scale, spacing[1] * scale)
    judged = _judge_spacing(pixels, spacing_mm, unit)
    return replace(judged, notes=(*notes, *judged.notes))


def read_nifti_values(path: Path) -> np.ndarray:
    """Read the values of a NIfTI file of any shape, as stored.

    Raises:
        KneeBundleError: if the file cannot be decoded.
    """
    try:
        return np.asarray(_load(path).dataobj)
    except Exception as error:  # nibabel and gzip raise many kinds for a broken file
        raise KneeBundleError(f"the NIfTI file cannot be decoded ({error}); export it again", path) from error


def _load(path: Path) -> Any:
    """The image by its content, whatever its name."""
    import nibabel

    if path.name.lower().endswith(".hdr"):
        return nibabel.load(path)
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    is_second = content[4:7] == b"n+2"
    return (nibabel.Nifti2Image if is_second else nibabel.Nifti1Image).from_bytes(content)


def _judge_spacing(pixels: np.ndarray, spacing_mm: tuple[float, float], unit: str) -> DecodedImage:
    problem = check_spacing(spacing_mm, pixels.shape)
    if problem is None and unit not in _MM_PER_UNIT and spacing_mm == (1.0, 1.0):
        problem = "a pixel spacing of 1 without a unit, which programs write that do not know it"
    if problem:
        return DecodedImage(pixels, None, f"the NIfTI header states {problem}")
    notes = () if unit in _MM_PER_UNIT else ("the NIfTI header names no unit; its spacing is taken as mm",)
    return DecodedImage(pixels, spacing_mm, "header", notes=notes)
