"""Read NIfTI."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.io.decoded import DecodedImage, extract_grey_plane
from kneebundle.io.directions import orient_by_directions
from kneebundle.io.limits import MOST_PIXELS
from kneebundle.io.near_grey import convert_near_grey
from kneebundle.io.spacing import check_spacing
from kneebundle.orientation import Orientation

__all__ = ["read_nifti_values", "read_nifti"]

_HEADER_BYTES = 544
_MOST_BYTES_PER_PIXEL = 16
_MM_PER_UNIT = {"mm": 1.0, "micron": 1e-3, "meter": 1e3}


def read_nifti(path: Path, frame: int | None = None) -> DecodedImage:
    """Read a 2-D NIfTI-1 or -2 image, or one slice of it (``.nii``, ``.nii.gz`` or an ``.hdr`` with its ``.img``).

    The first axis runs along a row of the picture and the second one down, as ITK writes it, unless the affine says
    otherwise: then the image is turned for display. An affine that is nothing but a scale, as programs write it that
    do not know the directions, and a header without any turn nothing. The spacing of the header is believed if it is
    that of a radiograph and, where the header names no unit of length, if it is not 1, which programs write that do
    not know it.

    Raises:
        KneeBundleError: if the file cannot be decoded, has several slices and none is chosen, or is coloured.
    """
    try:
        image = _load(path)
        _check_shape(image.shape, path)
        values = np.asanyarray(image.dataobj)
        zooms = tuple(float(zoom) for zoom in image.header.get_zooms())
        unit = image.header.get_xyzt_units()[0]
    except KneeBundleError:
        raise
    except Exception as error:  # nibabel and zlib raise many kinds for a broken file
        problem = in_brief(error)
        raise KneeBundleError(f"the NIfTI file cannot be decoded ({problem}); export it again", path) from error
    notes: tuple[str, ...] = ()
    if values.dtype.names:
        values, notes = convert_near_grey(np.stack([values[name] for name in values.dtype.names], axis=-1), path)
    pixels, spacing = extract_grey_plane(values, zooms, frame, path)
    scale = _MM_PER_UNIT.get(unit, 1.0)
    orientation = _read_orientation(image)
    spacing_mm = orientation.pair((spacing[0] * scale, spacing[1] * scale))
    judged = _judge_spacing(orientation.apply(pixels), spacing_mm, unit)
    return replace(judged, notes=(*notes, *judged.notes, *orientation.notes), orientation=orientation)


def _read_orientation(image: Any) -> Orientation:
    matrix, origin = np.asarray(image.affine, dtype=np.float64)[:3, :3], np.asarray(image.affine)[:3, 3]
    is_stated = int(image.header["sform_code"]) or int(image.header["qform_code"])
    is_scale = not origin.any() and np.array_equal(matrix, np.abs(np.diag(np.diag(matrix))))
    axes = [axis for axis, length in enumerate(image.shape[:3]) if length > 1]
    if not is_stated or is_scale or len(axes) != 2:
        return Orientation()
    along_x, along_y = (np.array([-1, -1, 1]) * matrix[:, axis] for axis in axes)  # R, A, S to L, P, S
    return orient_by_directions(along_x, along_y, "NIfTI header")


def read_nifti_values(path: Path) -> np.ndarray:
    """Read the values of a NIfTI file, as stored: those of a radiograph, or of up to four volumes of its size.

    Raises:
        KneeBundleError: if the file cannot be decoded, or states more values.
    """
    try:
        image = _load(path)
        _check_shape(image.shape, path, volumes=4)
        return np.asarray(image.dataobj)
    except KneeBundleError:
        raise
    except Exception as error:  # nibabel and zlib raise many kinds for a broken file
        problem = in_brief(error)
        raise KneeBundleError(f"the NIfTI file cannot be decoded ({problem}); export it again", path) from error


def _load(path: Path) -> Any:
    """The image by its content, whatever its name."""
    import nibabel

    if path.name.lower().endswith(".hdr"):
        return nibabel.load(path)
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = _unzip(content, path)
    is_second = content[4:7] == b"n+2"
    return (nibabel.Nifti2Image if is_second else nibabel.Nifti1Image).from_bytes(content)


def _unzip(content: bytes, path: Path) -> bytes:
    """Unpack, up to what the largest image takes."""
    most = _HEADER_BYTES + _MOST_BYTES_PER_PIXEL * MOST_PIXELS
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    head = stream.decompress(content, _HEADER_BYTES)
    size = _count_bytes(head)
    if size > most:
        raise KneeBundleError(f"the NIfTI header states {size} bytes of pixels, more than can be read", path)
    rest = stream.decompress(stream.unconsumed_tail, size)
    return head + rest


def _count_bytes(head: bytes) -> int:
    """How many bytes follow the first 544, at most, by the header."""
    import nibabel

    kind = nibabel.Nifti2Header if head[4:7] == b"n+2" else nibabel.Nifti1Header
    header = kind(head[: kind.template_dtype.itemsize], check=False)
    shape = header.get_data_shape()
    return int(np.prod(shape, dtype=object)) * header.get_data_dtype().itemsize + int(header.get_data_offset())


def _check_shape(shape: Sequence[int], path: Path, volumes: int = 1) -> None:
    if math.prod(shape) > volumes * MOST_PIXELS or min(shape, default=0) < 1:
        size = " x ".join(map(str, shape))
        raise KneeBundleError(f"the NIfTI header states an image of {size}; that of one radiograph is needed", path)


def _judge_spacing(pixels: np.ndarray, spacing_mm: tuple[float, float], unit: str) -> DecodedImage:
    problem = check_spacing(spacing_mm, pixels.shape)
    if problem is None and unit not in _MM_PER_UNIT and spacing_mm == (1.0, 1.0):
        problem = "a pixel spacing of 1 without a unit, which programs write that do not know it"
    if problem:
        return DecodedImage(pixels, None, f"the NIfTI header states {problem}")
    notes = () if unit in _MM_PER_UNIT else ("the NIfTI header names no unit; its spacing is taken as mm",)
    return DecodedImage(pixels, spacing_mm, "header", notes=notes)
