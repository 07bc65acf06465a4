"""The files of standardised knees: PNG, NIfTI and DICOM, of 8 or 16 bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.io.writing import write_atomically
from kneebundle.radiograph import Radiograph
from kneebundle.reports.dicom_source import read_source, suppress_warnings

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["PICTURE_SUFFIXES", "GreyScale", "choose_grey_scale", "write_picture"]

PICTURE_SUFFIXES: Mapping[str, str] = {"png": ".png", "nifti": ".nii.gz", "dicom": ".dcm"}
"""The formats of a standardised knee, with the end of a file's name."""

_PERCENTILES = (0.5, 99.5)
_COPIED = (
    "PatientID PatientName PatientBirthDate PatientSex PatientAge StudyInstanceUID StudyID StudyDate StudyTime "
    "AccessionNumber ReferringPhysicianName StudyDescription PatientIdentityRemoved DeidentificationMethod"
).split()


@dataclass(frozen=True)
class GreyScale:
    """How greys of the radiograph are stored: grey = intercept + slope * value.

    Attributes:
        bits: 8 or 16.
        slope, intercept: of the line.
    """

    bits: int
    slope: float
    intercept: float

    def store(self, greys: np.ndarray) -> np.ndarray:
        """Convert greys to stored values; beyond the scale they are cut off, and NaN becomes 0."""
        values = np.rint((np.asarray(greys, dtype=np.float64) - self.intercept) / self.slope)
        return np.nan_to_num(np.clip(values, 0, 2**self.bits - 1), nan=0.0).astype(f"u{self.bits // 8}")


def choose_grey_scale(radiograph: Radiograph, bits: int) -> GreyScale:
    """Choose the scale of a radiograph's knees, the same for both.

    With 16 bits all its greys, from the darkest to the brightest pixel; with 8 bits those between its 0.5 and 99.5
    percentiles.
    """
    pixels = radiograph.pixels
    if bits == 16:
        low, high = float(pixels.min()), float(pixels.max())
    else:
        step = max(1, min(pixels.shape) // 512)
        low, high = (float(v) for v in np.percentile(pixels[::step, ::step], _PERCENTILES))
    return GreyScale(bits, max(high - low, 1e-6) / (2**bits - 1), low)


def write_picture(
    path: Path,
    greys: np.ndarray,
    scale: GreyScale,
    spacing_mm: float,
    source: Path,
    *,
    side: Any = None,
    view: Any = None,
    orientation: tuple[str, str] = ("L", "F"),
    derivation: str = "",
    pseudonyms: Pseudonyms | None = None,
) -> None:
    """Write a picture in the format of its name, atomically.

    Args:
        path: of the file, with a suffix of :data:`PICTURE_SUFFIXES`.
        greys: (rows, columns) of the radiograph, NaN beyond its border.
        scale: how they are stored.
        spacing_mm: size of a pixel.
        source: the file of the radiograph, that a DICOM picture is derived from.
        side, view, orientation, derivation: what a DICOM picture says of itself.
        pseudonyms: that stand for the identities of the source in a DICOM picture.

    Raises:
        KneeBundleError: if a DICOM picture cannot refer to its source.
    """
    values = scale.store(greys)
    if path.name.endswith(".nii.gz"):
        _write_nifti(path, values, scale, spacing_mm)
    elif path.suffix == ".png":
        with write_atomically(path) as temporary:
            Image.fromarray(values).save(temporary, format="PNG", dpi=(25.4 / spacing_mm, 25.4 / spacing_mm))
    else:
        attributes = _describe_derivation(read_source(source, pseudonyms), orientation, derivation)
        _write_dicom(path, values, spacing_mm, side, view, attributes)


def _write_nifti(path: Path, values: np.ndarray, scale: GreyScale, spacing_mm: float) -> None:
    """Columns along the first axis, as ITK writes it; the header takes the values back to greys."""
    import nibabel

    image = nibabel.Nifti1Image(values.T[..., None], np.diag([-spacing_mm, -spacing_mm, 1.0, 1.0]))
    image.header.set_xyzt_units("mm")
    image.header.set_data_dtype(values.dtype)
    image.header.set_slope_inter(scale.slope, scale.intercept)
    with write_atomically(path) as temporary:
        nibabel.save(image, temporary)


def _write_dicom(path: Path, values: np.ndarray, spacing_mm: float, side: Any, view: Any, attributes: dict) -> None:
    shown = "lateral" if view == "lateral" else "pa-single"
    bits = 8 * values.dtype.itemsize
    attributes |= {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits, "PositionerType": ""}
    if shown == "lateral":
        attributes["ViewPosition"] = None  # the code of the view says it; the terms of this one name a side
    with suppress_warnings():
        write_dicom(
            path,
            values,
            (spacing_mm, spacing_mm),
            side=side,
            view=shown,  # type: ignore[arg-type]
            bits_stored=bits,
            attributes=attributes,
        )


def _describe_derivation(source: Dataset, orientation: tuple[str, str], derivation: str) -> dict[str, Any]:
    """Patient and study of the source, a series of its own, and what it was derived from and how."""
    from pydicom import Dataset
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    copied = {keyword: source.get(keyword) or "" for keyword in _COPIED if keyword in source}
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    image.PurposeOfReferenceCodeSequence = [_make_code(codes.DCM.SourceImageForImageProcessingOperation)]
    return {
        **copied,
        "SeriesInstanceUID": generate_uid(entropy_srcs=["kneebundle standardized", source.SeriesInstanceUID]),
        "SeriesDescription": "Standardised knees",
        "ImageType": ["DERIVED", "PRIMARY", ""],
        "DerivationDescription": derivation,
        "DerivationCodeSequence": [_make_code(codes.DCM.SpatialResampling)],
        "SourceImageSequence": [image],
        "PatientOrientation": list(orientation),
        "BurnedInAnnotation": source.get("BurnedInAnnotation") or "NO",
    }


def _make_code(code: Any) -> Dataset:
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
