"""Read DICOM radiographs."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.io.decoded import DecodedImage, choose_frame
from kneebundle.io.dicom_display import read_display_orientation, read_laterality, read_view
from kneebundle.io.dicom_greys import make_bone_bright
from kneebundle.io.dicom_pixels import decode_pixels
from kneebundle.io.dicom_spacing import read_spacing
from kneebundle.io.dicom_values import quote_value, read_count, read_word
from kneebundle.io.near_grey import convert_near_grey

if TYPE_CHECKING:
    from pydicom import FileDataset
    from pydicom.uid import UID

__all__ = ["read_dicom"]

_RADIOGRAPHS = frozenset({"", "CR", "DX", "DR", "RG", "RF", "XA", "OT", "SC"})
_GREYS = ("MONOCHROME1", "MONOCHROME2")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


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
            stored, notes = decode_pixels(
                dataset, choose_frame(read_count(dataset, "NumberOfFrames") or 1, frame, path), path
            )
            if stored.ndim == 3:
                stored, colour_notes = convert_near_grey(stored, path)
                notes = (*notes, *colour_notes)
                return _prepare(_without_greys(dataset), stored, notes)
            return _prepare(dataset, stored, notes)
        except KneeBundleError:
            raise
        except Exception as error:  # pydicom and its plugins raise many kinds for a broken file
            reason = f"the DICOM file cannot be decoded ({_explain(error)}); export it again, uncompressed if possible"
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
    modality = read_word(dataset, "Modality")
    if not (read_count(dataset, "Rows") and read_count(dataset, "Columns")):
        raise KneeBundleError(
            f"the DICOM file holds no image, or is cut off before it (modality {quote_value(modality)}); "
            "give the radiograph itself",
            path,
        )
    if modality not in _RADIOGRAPHS:
        raise KneeBundleError(
            f"the image is of modality {quote_value(modality)}; a plain radiograph (CR, DX) is needed", path
        )
    samples = read_count(dataset, "SamplesPerPixel") or 1
    kind = read_word(dataset, "PhotometricInterpretation")
    if not kind and samples == 1:
        kind = "MONOCHROME2"
    if (samples, kind) not in [(1, grey) for grey in _GREYS] + [(3, colour) for colour in _COLOURS]:
        raise KneeBundleError(
            f"the image is coloured or a screen capture ({quote_value(kind)}, {samples} values a pixel); give the grey "
            "original (MONOCHROME1 or MONOCHROME2)",
            path,
        )
    dataset.PhotometricInterpretation = kind
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise KneeBundleError("the DICOM file has no pixels, or is cut off before them; copy or export it again", path)


def _without_greys(dataset: FileDataset) -> FileDataset:
    """The header without what is said of grey values, for an image that was coloured."""
    for keyword in ("ModalityLUTSequence", "VOILUTSequence", "RescaleSlope", "RescaleIntercept", "PixelPaddingValue"):
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.PhotometricInterpretation = "MONOCHROME2"
    return dataset


def _explain(error: Exception) -> str:
    """What a decoder says, without what it quotes of the file."""
    said = re.sub(r"'[^']*'|\"[^\"]*\"|\[[^]]*\]", "...", str(error).encode("ascii", "replace").decode())
    return in_brief(Exception(said)) if said.strip() else type(error).__name__


def _prepare(dataset: FileDataset, stored: np.ndarray, notes: tuple[str, ...]) -> DecodedImage:
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
        notes=(*notes, *grey_notes, *spacing_notes, *orientation.notes),
    )
