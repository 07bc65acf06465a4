"""Read MetaImage (MHA, and MHD with its raw file)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.decoded import DecodedImage, extract_grey_plane
from kneebundle.io.decoding import DecodingError, decode_with_details
from kneebundle.io.directions import orient_by_directions
from kneebundle.io.limits import check_pixel_count
from kneebundle.io.near_grey import convert_near_grey
from kneebundle.io.spacing import check_spacing

__all__ = ["decode_metaimage", "read_metaimage"]

_HEADER_BYTES = 65536
_TYPES = frozenset(f"MET_{name}" for name in "CHAR UCHAR SHORT USHORT INT UINT LONG ULONG FLOAT DOUBLE".split())
_IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def read_metaimage(path: Path, frame: int | None = None) -> DecodedImage:
    """Read a 2-D MetaImage, or a 3-D one with one slice.

    The header is checked before ITK reads the file, in a process of its own: ITK follows any ``ElementDataFile``, and
    some headers crash it. Pixels stand in the file itself or in one raw file beside it. The image is turned for
    display as its TransformMatrix says. The spacing of the header is believed if it is that of a radiograph and not 1,
    which a header without a spacing gives.

    Raises:
        KneeBundleError: if the file cannot be decoded, has several slices and none is chosen, or is coloured.
    """
    _check_header(path)
    try:
        values, details = decode_with_details("metaimage", path)
    except DecodingError as error:  # ITK raises RuntimeError with a page of text
        said = _get_last_line(str(error))
        raise KneeBundleError(f"the MetaImage cannot be decoded ({said}); export it again", path) from error
    notes: tuple[str, ...] = ()
    if details["components"] > 1:
        values, notes = convert_near_grey(values, path)
    pixels, spacing_mm = extract_grey_plane(values.transpose(), tuple(details["spacing"]), frame, path)
    orientation = orient_by_directions(details["directions"][0], details["directions"][1], "MetaImage header")
    pixels, spacing_mm = orientation.apply(pixels), orientation.pair(spacing_mm)
    notes = (*notes, *orientation.notes)
    problem = check_spacing(spacing_mm, pixels.shape)
    if problem is None and spacing_mm == (1.0, 1.0):
        problem = "a pixel spacing of 1 mm, which a header without a spacing gives"
    if problem:
        source = f"the MetaImage header gives {problem}"
        return DecodedImage(pixels, None, source, notes=notes, orientation=orientation)
    return DecodedImage(pixels, spacing_mm, "header", notes=notes, orientation=orientation)


def decode_metaimage(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Decode a file with ITK in this process, for the worker.

    Returns:
        Values with the axes ..., y, x and, if there are several, components; the spacing along x, y, ...; the
        directions of x and y in L, P, S.
    """
    import itk

    reader = itk.MetaImageIO.New(FileName=str(path))
    reader.ReadImageInformation()
    channels, kind = reader.GetNumberOfComponents(), reader.GetComponentType()
    pixel_type = None  # as it is stored; what ITK has no image of in Python is converted
    if channels > 1:
        pixel_type = itk.Vector[itk.F, channels]
    elif kind == itk.CommonEnums.IOComponent_CHAR:
        pixel_type = itk.SS
    image = itk.imread(str(path), pixel_type, imageio=reader)
    matrix = itk.array_from_matrix(image.GetDirection())
    directions = [list(np.pad(matrix[:3, axis], (0, max(0, 3 - len(matrix))))) for axis in (0, 1)]
    values = itk.array_from_image(image)
    if kind == itk.CommonEnums.IOComponent_USHORT:  # whether a colour is faint depends on the range of the values
        values = values.astype(np.uint16)
    return values, {
        "components": image.GetNumberOfComponentsPerPixel(),
        "spacing": [float(value) for value in itk.spacing(image)],
        "directions": directions,
    }


def _check_header(path: Path) -> None:
    """Check what ITK takes on trust: a size that can be read, known numbers, pixels here or in a file beside."""
    fields = _read_header(path)
    try:
        size = [int(value) for value in fields["DimSize"].split()]
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        lawful = len(size) == int(fields["NDims"]) and 2 <= len(size) <= 4 and min(size) >= 1 and 1 <= channels <= 4
    except (KeyError, ValueError):
        lawful = False
    if not lawful or fields.get("ElementType") not in _TYPES:
        raise KneeBundleError(
            "the header of the MetaImage is not that of an image (NDims, DimSize, ElementType); export it again", path
        )
    check_pixel_count(size[1], size[0], path, math.prod(size[2:]) * channels)
    data = fields.get("ElementDataFile", "")
    if data.upper() == "LOCAL":
        return
    if data.upper() == "LIST" or "%" in data or Path(data).name != data or not (path.parent / data).is_file():
        raise KneeBundleError(
            "the pixels of the MetaImage are not in the file itself, nor in one file of the same folder; export it as "
            "a single MHA file",
            path,
        )


def _read_header(path: Path) -> dict[str, str]:
    with path.open("rb") as stream:
        content = stream.read(_HEADER_BYTES)
    fields: dict[str, str] = {}
    for line in content.split(b"\n"):
        name, _, value = line.partition(b"=")
        fields[name.decode("latin-1").strip()] = value.decode("latin-1").strip()
        if name.strip() == b"ElementDataFile":
            break
    return fields


def _get_last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-160:] if lines else "no reason given"
