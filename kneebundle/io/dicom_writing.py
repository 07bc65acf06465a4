"""Write DICOM radiographs, for samples and tests: the same input gives the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["write_dicom"]

_VIEWS = {
    "pa-bilateral": ("PA", ("272479007", "postero-anterior"), ["L", "F"]),
    "pa-single": ("PA", ("272479007", "postero-anterior"), ["L", "F"]),
    "lateral": ("LATERAL", ("399067008", "lateral"), ["A", "F"]),
}


def write_dicom(
    path: str | Path,
    pixels: np.ndarray,
    spacing_mm: tuple[float, float] | None,
    *,
    side: Literal["R", "L"] | None = None,
    view: Literal["pa-bilateral", "pa-single", "lateral"] | None = None,
    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2",
    transfer_syntax: str | None = None,
    signed: bool = False,
    bits_stored: int = 12,
    rescale: tuple[float, float] | None = None,
    patient_id: str = "PHANTOM",
    attributes: Mapping[str, Any] | None = None,
    encode: Callable[[np.ndarray], bytes] | None = None,
) -> None:
    """Write a radiograph as a Digital X-Ray image.

    :func:`~kneebundle.io.read_radiograph` reads the same greys from it.

    UIDs follow from the content and no time is written, so that the same input gives the same bytes (of a compressed
    file: with the same version of the compressing library).

    Args:
        path: the file; it is written whole or not at all.
        pixels: (rows, columns), or (frames, rows, columns), of whole greys from 0 to 2**bits_stored - 1, bone bright.
        spacing_mm: (row, column), written as PixelSpacing and ImagerPixelSpacing; None writes neither.
        side: the side, written as ImageLaterality; a bilateral view has both.
        view: the view, written as ViewPosition, its code and PatientOrientation.
        photometric: MONOCHROME1 is stored inverted.
        transfer_syntax: UID of the encoding, by default `ExplicitVRLittleEndian`. pydicom encodes what the plugins at
            hand can; for others give ``encode``.
        signed: store values from -2**(bits_stored - 1) on.
        bits_stored: 8 to 16; up to 8 take one byte a pixel.
        rescale: slope and intercept that take the stored values to the greys; by default 1, and the intercept that
            makes good for ``signed``.
        patient_id: ID and name of the patient.
        attributes: further attributes by DICOM keyword, set last; None removes one.
        encode: makes the compressed bytes of a frame of stored values.

    Raises:
        KneeBundleError: if greys do not fit into ``bits_stored`` after ``rescale``.
    """
    from pydicom.uid import UID, ExplicitVRLittleEndian

    path = Path(path)
    if rescale is None:
        rescale = (1.0, float(2 ** (bits_stored - 1)) if signed else 0.0)
    stored = _to_stored(pixels, photometric, signed, bits_stored, rescale, path)
    dataset = _make_dataset(stored, photometric, bits_stored, rescale)
    _identify(dataset, patient_id)
    _add_geometry(dataset, spacing_mm, side, view)
    for keyword, value in (attributes or {}).items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    _set_pixels(dataset, stored, UID(transfer_syntax or ExplicitVRLittleEndian), encode)
    _identify_instance(dataset)
    with write_atomically(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _to_stored(
    pixels: np.ndarray, photometric: str, signed: bool, bits: int, rescale: tuple[float, float], path: Path
) -> np.ndarray:
    """The values to store, such that `make_bone_bright` leads back from them."""
    slope, intercept = rescale
    offset = 2 ** (bits - 1) if signed else 0
    low, high = -offset, 2**bits - 1 - offset
    greys = np.asarray(pixels, dtype=np.float64)
    values = np.rint((greys - intercept) / slope)
    if photometric == "MONOCHROME1":
        values = low + high - values
    if values.min() < low or values.max() > high:
        raise KneeBundleError(
            f"the greys need stored values from {values.min():g} to {values.max():g}; "
            f"{bits} bits hold {low} to {high}, choose other bits_stored or rescale",
            path,
        )
    return values.astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")


def _make_dataset(stored: np.ndarray, photometric: str, bits_stored: int, rescale: tuple[float, float]) -> Dataset:
    """The image without identity and geometry."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation

    dataset = Dataset()
    dataset.file_meta, dataset.preamble = FileMetaDataset(), b"\0" * 128
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.Modality = "DX"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric
    if stored.ndim == 3:
        dataset.NumberOfFrames = stored.shape[0]
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated = 8 * stored.dtype.itemsize
    dataset.BitsStored = bits_stored
    dataset.HighBit = bits_stored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1 if photometric == "MONOCHROME1" else -1
    dataset.RescaleSlope, dataset.RescaleIntercept = rescale
    dataset.RescaleType = "US"
    dataset.PresentationLUTShape = "INVERSE" if photometric == "MONOCHROME1" else "IDENTITY"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    dataset.DetectorType = None
    dataset.AcquisitionContextSequence = []
    return dataset


def _identify(dataset: Dataset, patient_id: str) -> None:
    from pydicom.uid import generate_uid

    dataset.PatientID = dataset.PatientName = patient_id
    dataset.StudyID = dataset.AccessionNumber = "1"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    for keyword in (
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "Manufacturer",
    ):
        setattr(dataset, keyword, None)
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["kneebundle study", patient_id])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["kneebundle series", patient_id])


def _add_geometry(dataset: Dataset, spacing_mm: tuple[float, float] | None, side: str | None, view: str | None) -> None:
    dataset.BodyPartExamined = "KNEE"
    dataset.AnatomicRegionSequence = [_make_code("72696002", "Knee")]
    if spacing_mm is not None:
        dataset.PixelSpacing = [f"{value:.10g}" for value in spacing_mm]
        dataset.ImagerPixelSpacing = dataset.PixelSpacing
    if view is not None:
        position, code, orientation = _VIEWS[view]
        dataset.ViewPosition = position
        dataset.ViewCodeSequence = [_make_code(*code)]
        dataset.PatientOrientation = orientation
    shown = "B" if view == "pa-bilateral" else side
    if shown is not None:
        dataset.ImageLaterality = shown


def _make_code(value: str, meaning: str) -> Dataset:
    from pydicom import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    return code


def _set_pixels(
    dataset: Dataset, stored: np.ndarray, syntax: Any, encode: Callable[[np.ndarray], bytes] | None
) -> None:
    from pydicom.encaps import encapsulate
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless

    dataset.file_meta.TransferSyntaxUID = syntax
    if encode is not None:
        dataset.PixelData = encapsulate([encode(frame) for frame in (stored if stored.ndim == 3 else stored[None])])
    elif syntax.is_encapsulated:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        # of RLE's encoders pydicom's own is slower and cannot crash
        plugin = "pydicom" if syntax == RLELossless else ""
        dataset.compress(syntax, stored, encoding_plugin=plugin, generate_instance_uid=False)
    else:
        content = stored.astype(stored.dtype.newbyteorder("<" if syntax.is_little_endian else ">")).tobytes()
        dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if syntax.is_encapsulated or stored.dtype.itemsize == 1 else "OW"


def _identify_instance(dataset: Dataset) -> None:
    """The instance's UID from the content, and a file header that names no library's version."""
    from pydicom.uid import generate_uid

    if "SOPInstanceUID" not in dataset:
        header = [f"{element.tag} {element.value}" for element in dataset if element.keyword != "PixelData"]
        pixels = hashlib.sha256(dataset.PixelData).hexdigest()
        syntax = dataset.file_meta.TransferSyntaxUID
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=["kneebundle", syntax, pixels, *header])
    dataset.file_meta.ImplementationClassUID = generate_uid(entropy_srcs=["kneebundle implementation"])
    dataset.file_meta.ImplementationVersionName = "KNEEBUNDLE"
