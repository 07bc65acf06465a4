"""The pixels of a DICOM image as they are meant: whole, of the stated size, without the bits of something else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.compressed_frames import check_frame
from kneebundle.io.decoding import decode_in_worker
from kneebundle.io.dicom_decoders import check_decoder, decode_stored_pixels
from kneebundle.io.dicom_values import read_count
from kneebundle.io.limits import check_pixel_count

if TYPE_CHECKING:
    from pydicom import Dataset, FileDataset

__all__ = ["decode_dicom_frame", "decode_pixels"]

_MOST_EXCESS = 1.1
_WRAPPED = 0.5
_MOST_JUMPS = 0.001


def decode_pixels(dataset: FileDataset, frame: int, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Decode the pixels of one frame.

    - An image that is larger than can be read, cut off, or of another size than Rows and Columns say is an error.
    - Compressed frames are decoded in a process of their own (:func:`kneebundle.io.decode_in_worker`).
    - Pixels that are stored at the upper end of their cell (HighBit) are moved down.
    - Bits beyond BitsStored belong to an overlay and are taken away, unless they go on with the grey values: then
      BitsStored is wrong, and the whole value is read.
    - A sign that contradicts a JPEG 2000 code stream, or tears the grey values apart, is not believed.

    Args:
        dataset: of the file; BitsStored and PixelRepresentation are set to what was read.
        frame: counted from 0.
        path: the file, for the worker and the errors.

    Returns:
        (rows, columns) integers as stored, or (rows, columns, 3), and notes on what was not believed.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    samples = read_count(dataset, "SamplesPerPixel") or 1
    check_pixel_count(rows, columns * samples, path)
    notes: list[str] = []
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        check_decoder(dataset.file_meta.TransferSyntaxUID, path)
        _check_compressed(dataset, frame, path, notes)
        stored = decode_in_worker("dicom", path, frame)
    else:
        _check_length(dataset, samples, path)
        stored = decode_stored_pixels(dataset, frame)
    if stored.shape[:2] != (rows, columns):
        raise KneeBundleError(
            f"the image is {stored.shape[0]} x {stored.shape[1]} pixels, though its header says {rows} x {columns}; "
            "export it again",
            path,
        )
    if stored.ndim == 2 and stored.dtype.kind in "iu":
        stored = _take_bits(dataset, stored, notes)
    return stored, tuple(notes)


def decode_dicom_frame(path: Path, frame: int) -> np.ndarray:
    """Decode a frame of a compressed file in this process; for the worker."""
    from pydicom import dcmread

    dataset = dcmread(path, force=True)
    _believe_code_stream(dataset, frame)
    return decode_stored_pixels(dataset, frame)


def _check_length(dataset: Dataset, samples: int, path: Path) -> None:
    """An image with other sizes than its pixels fill would be read sheared."""
    if "PixelData" not in dataset:
        return
    cell = max(1, (read_count(dataset, "BitsAllocated") or 16) // 8)
    row = int(dataset.Columns) * samples * cell
    needed = int(dataset.Rows) * row * (read_count(dataset, "NumberOfFrames") or 1)
    found = len(dataset.PixelData)
    if found > _MOST_EXCESS * needed + 2 and "422" not in str(dataset.get("PhotometricInterpretation")):
        raise KneeBundleError(
            f"the pixels take {found} bytes, though {dataset.Rows} rows and {dataset.Columns} columns need {needed}; "
            "the size in the header is wrong, export it again",
            path,
        )


def _check_compressed(dataset: Dataset, frame: int, path: Path, notes: list[str]) -> None:
    head = check_frame(_get_frame(dataset, frame), path)
    if head is None:
        return
    if (head.rows, head.columns) != (int(dataset.Rows), int(dataset.Columns)):
        raise KneeBundleError(
            f"the compressed image is {head.rows} x {head.columns} pixels, though the header says {dataset.Rows} x "
            f"{dataset.Columns}; export it again",
            path,
        )
    if head.signed is not None and head.signed != bool(read_count(dataset, "PixelRepresentation")):
        notes.append(
            "PixelRepresentation contradicts the code stream, whose values are "
            f"{'signed' if head.signed else 'unsigned'}: the code stream was followed"
        )
        dataset.PixelRepresentation = int(head.signed)


def _believe_code_stream(dataset: Dataset, frame: int) -> None:
    head = check_frame(_get_frame(dataset, frame), Path())
    if head is not None and head.signed is not None:
        dataset.PixelRepresentation = int(head.signed)


def _get_frame(dataset: Dataset, frame: int) -> bytes:
    from pydicom.encaps import get_frame

    count = read_count(dataset, "NumberOfFrames") or 1
    return get_frame(dataset.PixelData, frame, number_of_frames=count)


def _take_bits(dataset: Dataset, stored: np.ndarray, notes: list[str]) -> np.ndarray:
    cell = stored.dtype.itemsize * 8
    bits = min(read_count(dataset, "BitsStored") or cell, cell)
    high = read_count(dataset, "HighBit")
    signed = bool(read_count(dataset, "PixelRepresentation"))
    unsigned = stored.view(stored.dtype.str.replace("i", "u"))
    values: np.ndarray = unsigned.astype(np.int64) if cell > 16 else unsigned.astype(np.int32)
    highest = int(values.max(initial=0))
    shift = 0 if high is None or high >= cell else max(0, high + 1 - bits)
    if shift and highest >> bits and not _is_sign_extended(stored, bits, signed):
        notes.append(f"the pixels lie in the bits {shift} to {high} of their cells and were moved down")
        values >>= shift
        highest >>= shift
    if highest >> bits and not (not shift and _is_sign_extended(stored, bits, signed)):
        if _goes_on(values, values >> bits, bits):
            bits = int(values.max()).bit_length()
            notes.append(
                f"BitsStored is {read_count(dataset, 'BitsStored')}, and the pixels have {bits} bits: all were read"
            )
            signed = False
        else:
            notes.append("bits above BitsStored were taken for an overlay and left out")
    if highest >> bits:
        values &= (1 << bits) - 1
    if signed:
        turned = np.where(values >= 1 << (bits - 1), values - (1 << bits), values)
        if _count_jumps(turned, bits) > 4 * _count_jumps(values, bits) + _MOST_JUMPS * values.size:
            notes.append(
                "the values are said to be signed (PixelRepresentation), which tears the image apart: read unsigned"
            )
            signed = False
        else:
            values = turned
    dataset.BitsStored, dataset.PixelRepresentation = bits, int(signed)
    return values.astype(np.int32, copy=False)


def _is_sign_extended(stored: np.ndarray, bits: int, signed: bool) -> bool:
    """Whether the bits above ``bits`` only repeat the sign."""
    if not signed:
        return False
    values = stored.view(stored.dtype.str.replace("u", "i"))
    return bool(values.min() >= -(1 << (bits - 1)) and values.max() < 1 << (bits - 1))


def _goes_on(values: np.ndarray, upper: np.ndarray, bits: int) -> bool:
    """Whether the upper bits are those of the same grey values: where they change, the whole value changes little."""
    changes = upper[:, 1:] != upper[:, :-1]
    if not changes.any():
        return False
    steps = np.abs(np.diff(values, axis=1))[changes]
    top = int(values.max()).bit_length()
    return float((steps < max(1 << (bits - 1), 1 << (top - 3))).mean()) > _WRAPPED


def _count_jumps(values: np.ndarray, bits: int) -> int:
    return int((np.abs(np.diff(values, axis=1)) > 1 << (bits - 1)).sum())
