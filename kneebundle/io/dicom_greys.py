"""From the stored values of a DICOM image to grey values with bone bright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from kneebundle.io.dicom_values import read_count, read_decimals, read_word

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["make_bone_bright"]

_MOST_CLIPPED = 0.5
_UNUSABLE = (ArithmeticError, AttributeError, IndexError, TypeError, ValueError)  # what a broken LUT or window raises


@dataclass(frozen=True)
class _Greys:
    """Grey values with the two ends of the range that they could take."""

    values: np.ndarray
    ends: tuple[float, float]

    def invert(self) -> _Greys:
        return _Greys(sum(self.ends) - self.values, self.ends)


def make_bone_bright(dataset: Dataset, stored: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Make the grey values of an image so that bone is bright.

    These are the steps of DICOM's grey pipeline that are more than a taste for display, so that a knee written in one
    way has the greys of the same knee written in another, up to a factor and an offset:

    - Rescale slope and intercept or the modality LUT are applied.
    - A linear window is not: it only scales, which a normalisation undoes, and clips, which may lose bone.
    - A VOI LUT (the first) or a sigmoid window changes contrast and is applied, unless it is a straight line, which is
      a window in another form, or would leave half of the pixels at an end of its range.
    - MONOCHROME1 is inverted. PresentationLUTShape repeats what PhotometricInterpretation says and is known to be wrong
      where the two differ, so it decides nothing.
    - Padding (PixelPaddingValue) that reaches the edge of the image takes the darkest grey of the rest.

    Args:
        dataset: header of the file.
        stored: (rows, columns) values as stored.

    Returns:
        (rows, columns) float32, and remarks on how the values were made.
    """
    notes: list[str] = []
    padding = _find_padding(dataset, stored)
    greys = _apply_voi(dataset, _apply_modality(dataset, stored, notes), ~padding, notes)
    is_monochrome1 = dataset.PhotometricInterpretation == "MONOCHROME1"
    if is_monochrome1:
        greys = greys.invert()
    shape = read_word(dataset, "PresentationLUTShape")
    if shape in ("IDENTITY", "INVERSE") and (shape == "INVERSE") != is_monochrome1:
        notes.append(
            f"PresentationLUTShape {shape} contradicts {dataset.PhotometricInterpretation}, which was followed"
        )
    if read_word(dataset, "PresentationIntentType") == "FOR PROCESSING":
        notes.append("the image is raw (FOR PROCESSING): its contrast is the detector's")
    pixels = greys.values.astype(np.float32)
    if padding.any() and not padding.all():
        pixels[padding] = pixels[~padding].min()
        notes.append(f"{100 * padding.mean():.0f} % of the image is padding (PixelPaddingValue)")
    return pixels, tuple(notes)


def _apply_modality(dataset: Dataset, stored: np.ndarray, notes: list[str]) -> _Greys:
    if dataset.get("ModalityLUTSequence"):
        try:
            return _apply_lut(dataset, dataset.ModalityLUTSequence[0], stored)
        except _UNUSABLE:
            notes.append("the modality LUT cannot be used and was not applied")
    low, high = _stored_range(dataset)
    slope = _read_number(dataset, "RescaleSlope", 1.0, notes)
    intercept = _read_number(dataset, "RescaleIntercept", 0.0, notes)
    if slope == 0:
        notes.append("RescaleSlope is 0 and was not applied")
        slope, intercept = 1.0, 0.0
    values = stored.astype(np.float64) if (slope, intercept) == (1.0, 0.0) else stored * slope + intercept
    return _Greys(values, (low * slope + intercept, high * slope + intercept))


def _read_number(dataset: Dataset, keyword: str, default: float, notes: list[str]) -> float:
    values = read_decimals(dataset, keyword)
    if values is None:
        return default
    if len(values) == 0 or len(set(values)) > 1:
        notes.append(f"{keyword} is not a number and was not applied")
        return default
    return values[0]


def _stored_range(dataset: Dataset) -> tuple[int, int]:
    bits = read_count(dataset, "BitsStored") or read_count(dataset, "BitsAllocated") or 16
    if read_count(dataset, "PixelRepresentation"):
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


def _apply_voi(dataset: Dataset, greys: _Greys, kept: np.ndarray, notes: list[str]) -> _Greys:
    name = "VOI LUT" if dataset.get("VOILUTSequence") else "sigmoid window"
    try:
        if name == "VOI LUT":
            item = dataset.VOILUTSequence[0]
            table = _read_lut(dataset, item)
            if _is_straight(table):
                return greys if table[-1] >= table[0] else greys.invert()
            curved = _apply_lut(dataset, item, greys.values)
        elif read_word(dataset, "VOILUTFunction") == "SIGMOID" and read_decimals(dataset, "WindowWidth"):
            curved = _sigmoid(dataset, greys)
        else:
            return greys
    except _UNUSABLE:
        notes.append(f"the {name} cannot be used and was not applied")
        return greys
    if _measure_clipping(curved, kept) > _MOST_CLIPPED:
        notes.append(f"the {name} was not applied: it leaves most of the image without contrast")
        return greys
    notes.append(f"the {name} was applied")
    return curved


def _read_lut(dataset: Dataset, item: Dataset) -> np.ndarray:
    """The entries of a LUT.

    pydicom's apply_voi is not used: it counts the entries of an 8-bit LUT in 8 bits, so that 12-bit images wrap around.
    """
    count = int(item.LUTDescriptor[0]) or 2**16
    data = item.LUTData
    if not isinstance(data, bytes):
        return np.atleast_1d(np.asarray(data, dtype=np.float64))[:count]
    order = "<" if dataset.original_encoding[1] in (True, None) else ">"
    return np.frombuffer(data, dtype=np.uint8 if len(data) < 2 * count else f"{order}u2")[:count].astype(np.float64)


def _apply_lut(dataset: Dataset, item: Dataset, values: np.ndarray) -> _Greys:
    table = _read_lut(dataset, item)
    first, bits = _read_first_value(dataset, item, values), int(item.LUTDescriptor[2])
    places = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
    return _Greys(table[places], (0, 2**bits - 1))


def _read_first_value(dataset: Dataset, item: Dataset, values: np.ndarray) -> int:
    """The value that the first entry is for; signed where the values are, even if the file writes it without a sign."""
    first = int(item.LUTDescriptor[1])
    return first - 2**16 if first >= 2**15 and values.min() < 0 else first


def _is_straight(table: np.ndarray) -> bool:
    line = np.linspace(table[0], table[-1], len(table))
    return bool(np.abs(table - line).max() <= 1)


def _sigmoid(dataset: Dataset, greys: _Greys) -> _Greys:
    """DICOM PS3.3 C.11.2.1.3.1, the first window."""
    center, width = ((read_decimals(dataset, keyword) or ())[0] for keyword in ("WindowCenter", "WindowWidth"))
    low, high = sorted(greys.ends)
    steep = np.clip(-4 * (greys.values - center) / width, -500, 500)
    return _Greys(low + (high - low) / (1 + np.exp(steep)), (low, high))


def _measure_clipping(greys: _Greys, kept: np.ndarray) -> float:
    """The share of the kept pixels that lie within 1/256 of an end of the range."""
    low, high = sorted(greys.ends)
    step = (high - low) / 256
    values = greys.values[kept]
    return float(np.mean((values <= low + step) | (values >= high - step))) if values.size else 0.0


def _find_padding(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """The pixels, (rows, columns) bool, of the padding value, or of its range, that are connected to the edge."""
    padding = read_count(dataset, "PixelPaddingValue")
    if padding is None:
        return np.zeros(stored.shape, dtype=bool)
    limit = read_count(dataset, "PixelPaddingRangeLimit")
    first = _convert_to_stored(dataset, padding)
    last = first if limit is None else _convert_to_stored(dataset, limit)
    labels, _ = ndimage.label((stored >= min(first, last)) & (stored <= max(first, last)))
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, edge[edge > 0])


def _convert_to_stored(dataset: Dataset, value: int) -> int:
    """A value that was written without a sign, as the signed pixels have it."""
    bits = read_count(dataset, "BitsAllocated") or 16
    signed = read_count(dataset, "PixelRepresentation")
    return value - 2**bits if signed and value >= 2 ** (bits - 1) else value
