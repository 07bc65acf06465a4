"""Read DICOM radiographs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.decoded import DecodedImage, choose_frame
from kneebundle.io.dicom_display import read_display_orientation, read_laterality, read_view
from kneebundle.io.dicom_greys import make_bone_bright
from kneebundle.io.dicom_spacing import read_spacing

if TYPE_CHECKING:
    from pydicom import FileDataset
    from pydicom.uid import UID

__all__ = ["read_dicom"]

_RADIOGRAPHS = frozenset({"", "CR", "DX", "RG", "RF", "XA", "OT", "SC"})


def read_dicom(path: Path, frame: int | None = None) -> DecodedImage:
    """Read a DICOM radiograph of any transfer syntax that pydicom and its plugins decode, with or without preamble.

    Grey values are made bone bright (:func:`~kneebundle.io.make_bone_bright`), the image is turned so that the patient
    faces the viewer (:func:`~kneebundle.io.read_display_orientation`), the spacing is the most trustworthy one of the
    file (:func:`~kneebundle.io.read_spacing`). Overlays are graphics of their own and are not drawn.

    Args:
        path: the file.
        frame: the frame to read of a file that has several, counted from 0.

    Raises:
        KneeBundleError: if the file is no DICOM file, holds no image or cannot be decoded; if the image is coloured, is
            no radiograph by its modality, or has several frames and none is chosen.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = _load(path)
            _check_kind(dataset, path)
            stored = _decode_pixels(dataset, choose_frame(int(dataset.get("NumberOfFrames") or 1), frame, path))
            return _prepare(dataset, stored)
        except KneeBundleError:
            raise
        except Exception as error:  # pydicom and its plugins raise many kinds for a broken file
            reason = f"the DICOM file cannot be decoded ({error}); export it again, uncompressed if possible"
            raise KneeBundleError(reason, path) from error


def _load(path: Path) -> FileDataset:
    from pydicom import dcmread

    dataset = dcmread(path, force=True)
    if not dataset or not (dataset.file_meta or "Rows" in dataset or "SOPClassUID" in dataset):
        raise KneeBundleError("this is no DICOM file, or it is cut off in its header; copy or export it again", path)
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _guess_transfer_syntax(dataset)
    return dataset


def _guess_transfer_syntax(dataset: FileDataset) -> UID:
    """The transfer syntax of a file that does not name one: uncompressed, as its first element is written."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    is_implicit, is_little_endian = dataset.original_encoding
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian


def _check_kind(dataset: FileDataset, path: Path) -> None:
    modality = str(dataset.get("Modality") or "").upper()
    if "Rows" not in dataset or "Columns" not in dataset:
        raise KneeBundleError(
            f"the DICOM file holds no image, or is cut off before it (modality {modality or 'not stated'}); "
            "give the radiograph itself",
            path,
        )
    if modality not in _RADIOGRAPHS:
        raise KneeBundleError(f"the image is of modality {modality}; a plain radiograph (CR, DX) is needed", path)
    colours = str(dataset.get("PhotometricInterpretation") or "").upper()
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or colours not in ("MONOCHROME1", "MONOCHROME2"):
        raise KneeBundleError(
            f"the image is coloured or a screen capture ({colours or 'no photometric interpretation'}); "
            "give the grey original (MONOCHROME1 or MONOCHROME2)",
            path,
        )
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise KneeBundleError("the DICOM file has no pixels, or is cut off before them; copy or export it again", path)


def _decode_pixels(dataset: FileDataset, frame: int) -> np.ndarray:
    """(rows, columns) values as stored, signed or not, without the bits that are not the image's."""
    from pydicom.pixels import pixel_array

    return pixel_array(dataset, index=frame)


def _prepare(dataset: FileDataset, stored: np.ndarray) -> DecodedImage:
    pixels, grey_notes = make_bone_bright(dataset, stored)
    spacing, source, spacing_notes = read_spacing(dataset, (stored.shape[0], stored.shape[1]))
    orientation = read_display_orientation(dataset)
    pixels = orientation.apply(pixels)
    spacing = None if spacing is None else orientation.pair(spacing)
    view = read_view(dataset)
    side = read_laterality(dataset)
    uid = dataset.get("SOPInstanceUID")
    return DecodedImage(
        pixels=pixels,
        spacing_mm=spacing,
        spacing_source=source,
        side=side if side != "B" and view != "pa-bilateral" else None,
        view=view,
        sop_instance_uid=str(uid) if uid else None,
        orientation=orientation,
        notes=(*grey_notes, *spacing_notes, *orientation.notes),
    )
