"""Read MetaImage (MHA, and MHD with its raw file)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.decoded import DecodedImage, extract_grey_plane
from kneebundle.io.near_grey import convert_near_grey
from kneebundle.io.spacing import check_spacing

__all__ = ["read_metaimage"]


def read_metaimage(path: Path, frame: int | None = None) -> DecodedImage:
    """Read a 2-D MetaImage, or a 3-D one with one slice.

    The spacing of the header is believed if it is that of a radiograph and not 1, which a header without a spacing
    gives.

    Raises:
        KneeBundleError: if the file cannot be decoded, has several slices and none is chosen, or is coloured.
    """
    volume, spacing, notes = _load(path)
    pixels, spacing_mm = extract_grey_plane(volume, spacing, frame, path)
    problem = check_spacing(spacing_mm, pixels.shape)
    if problem is None and spacing_mm == (1.0, 1.0):
        problem = "a pixel spacing of 1 mm, which a header without a spacing gives"
    if problem:
        return DecodedImage(pixels, None, f"the MetaImage header gives {problem}", notes=notes)
    return DecodedImage(pixels, spacing_mm, "header", notes=notes)


def _load(path: Path) -> tuple[np.ndarray, tuple[float, ...], tuple[str, ...]]:
    """Grey values with axes x, y, ..., the spacing along each, and notes on how they were read."""
    import itk

    try:
        reader = itk.MetaImageIO.New(FileName=str(path))
        image = itk.imread(str(path), imageio=reader)
        values = itk.array_from_image(image)
        spacing = tuple(float(value) for value in itk.spacing(image))
    except Exception as error:  # ITK raises RuntimeError with a page of text
        raise KneeBundleError(
            f"the MetaImage cannot be decoded ({_get_last_line(error)}); export it again", path
        ) from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        values, notes = convert_near_grey(values, path)
        return values.transpose(), spacing, notes
    return values.transpose(), spacing, ()


def _get_last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
