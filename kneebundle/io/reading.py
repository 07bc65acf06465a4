"""Read a radiograph, whatever format it comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.borders import find_uniform_borders
from kneebundle.io.decoded import DecodedImage
from kneebundle.io.dicom import read_dicom
from kneebundle.io.file_content import check_regular
from kneebundle.io.metaimage import read_metaimage
from kneebundle.io.nifti import read_nifti
from kneebundle.io.picture import read_picture
from kneebundle.io.sniffing import Format, detect_format_by_content, detect_format_by_name
from kneebundle.io.spacing import resolve_spacing
from kneebundle.io.views import settle_view
from kneebundle.radiograph import UNCALIBRATED, Radiograph, Side, View

__all__ = ["read_radiograph"]

_READERS: dict[Format, Callable[[Path, int | None], DecodedImage]] = {
    "picture": read_picture,
    "dicom": read_dicom,
    "nifti": read_nifti,
    "metaimage": read_metaimage,
}
_SMALLEST_SIDE_PX = 32


def read_radiograph(
    path: str | Path,
    *,
    spacing_mm: float | tuple[float, float] | None = None,
    side: Side | None = None,
    view: View | None = None,
    frame: int | None = None,
    uncalibrated: bool = False,
) -> Radiograph:
    """Read one radiograph from DICOM, PNG, JPEG, NIfTI or MetaImage.

    The format is told by the content, so that files without extension and DICOM files without preamble are read; a file
    that is DICOM by its name only is tried as DICOM.

    Args:
        path: the file.
        spacing_mm: size of a pixel in mm, one number or (row, column), for images that carry none in a trusted way
            (PNG, JPEG, DICOM without PixelSpacing and ImagerPixelSpacing, headers with nonsense). Where the file states
            a spacing that can be trusted, that one is used and a note says so.
        side: the side of the one knee that is shown; goes before what the file says.
        view: the view; goes before what the file says.
        frame: the frame or slice to read of a file that has several, counted from 0.
        uncalibrated: read a lateral film of unknown spacing, too: with square pixels of 1 mm and the spacing source
            ``"none"``, for callers that look for a measuring sphere on it.

    Returns:
        The image as displayed, bone bright, the patient facing the viewer. Its view is the one that is given or stated,
        a single knee where a side is, or else None. Its ``spacing_source`` is ``"PixelSpacing"``,
        ``"ImagerPixelSpacing"``, ``"ImagerPixelSpacing/EstimatedRadiographicMagnificationFactor"``,
        ``"NominalScannedPixelSpacing"``, ``"header"`` (NIfTI, MetaImage) or ``"argument"``.

    Raises:
        KneeBundleError: if the file is not a grey image of at least 32 x 32 finite, varied pixels with a known spacing.
    """
    path = Path(path)
    if side not in (None, "R", "L"):
        raise KneeBundleError(f"a side is R or L, got {side!r}", path, "side")
    if view not in (None, "pa-bilateral", "pa-single", "lateral"):
        raise KneeBundleError(f"a view is pa-bilateral, pa-single or lateral, got {view!r}", path, "view")
    image = _READERS[_detect_format(path)](path, frame)
    _check_size(image.pixels, path)
    unknown = image.spacing_mm is None and spacing_mm is None
    spacing_notes: tuple[str, ...] = ()
    if unknown and uncalibrated and (view or image.view) == "lateral":
        spacing, source = (1.0, 1.0), UNCALIBRATED
    else:
        spacing, source, spacing_notes = resolve_spacing(image, spacing_mm, str(path))
    radiograph = Radiograph(
        pixels=image.pixels,
        spacing_mm=spacing,
        path=str(path),
        spacing_source=source,
        side=side or image.side,
        view=view or image.view,
        sop_instance_uid=image.sop_instance_uid,
        orientation=image.orientation,
        notes=(*image.notes, *spacing_notes, *_note_contradictions(image, side, view), *_note_borders(image.pixels)),
    )
    if float(np.ptp(radiograph.pixels)) == 0:
        raise KneeBundleError("the image is blank: every pixel has the same grey value; export it again", path)
    return settle_view(radiograph)


def _detect_format(path: Path) -> Format:
    check_regular(path)
    kind, promised = detect_format_by_content(path), detect_format_by_name(path)
    if kind is None and promised == "dicom":
        return promised
    if kind is None and promised is not None:
        raise KneeBundleError("the content is not what the file's name promises; copy or export it again", path)
    if kind is None:
        said = "this is no image that can be read; DICOM, PNG, JPEG, NIfTI and MHA/MHD can, and archives once unpacked"
        raise KneeBundleError(said, path)
    return kind


def _check_size(pixels: np.ndarray, path: Path) -> None:
    if min(pixels.shape) < _SMALLEST_SIDE_PX:
        size = " x ".join(map(str, pixels.shape))
        raise KneeBundleError(
            f"the image has only {size} pixels; at least {_SMALLEST_SIDE_PX} a side are needed, give the full "
            "radiograph",
            path,
        )


def _note_contradictions(image: DecodedImage, side: Side | None, view: View | None) -> tuple[str, ...]:
    pairs = (("side", side, image.side), ("view", view, image.view))
    return tuple(
        f"the {name} was given as {given}, though the file says {stated}"
        for name, given, stated in pairs
        if given and stated and given != stated
    )


def _note_borders(pixels: np.ndarray) -> tuple[str, ...]:
    borders = find_uniform_borders(pixels)
    if max(borders) < 0.02 * min(pixels.shape):
        return ()
    top, bottom, left, right = borders
    return (
        f"the image has uniform edges (top {top}, bottom {bottom}, left {left}, right {right} px), left as they are",
    )
