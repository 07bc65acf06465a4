"""From the stored values of a DICOM image to grey values with bone bright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["make_bone_bright"]

_MOST_CLIPPED = 0.5


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
    greys = _apply_voi(dataset, _apply_modality(dataset, stored), ~padding, notes)
    is_monochrome1 = dataset.PhotometricInterpretation == "MONOCHROME1"
    if is_monochrome1:
        greys = greys.invert()
    shape = str(dataset.get("PresentationLUTShape") or "").upper()
    if shape in ("IDENTITY", "INVERSE") and (shape == "INVERSE") != is_monochrome1:
        notes.append(
            f"PresentationLUTShape {shape} contradicts {dataset.PhotometricInterpretation}, which was followed"
        )
    if str(dataset.get("PresentationIntentType") or "").upper() == "FOR PROCESSING":
        notes.append("the image is raw (FOR PROCESSING): its contrast is the detector's")
    pixels = greys.values.astype(np.float32)
    if padding.any() and not padding.all():
        pixels[padding] = pixels[~padding].min()
        notes.append(f"{100 * padding.mean():.0f} % of the image is padding (PixelPaddingValue)")
    return pixels, tuple(notes)


def _apply_modality(dataset: Dataset, stored: np.ndarray) -> _Greys:
    if dataset.get("ModalityLUTSequence"):
        return _apply_lut(dataset, dataset.ModalityLUTSequence[0], stored)
    low, high = _stored_range(dataset)
    slope = float(dataset.get("RescaleSlope") or 1)
    intercept = float(dataset.get("RescaleIntercept") or 0)
    return _Greys(stored * slope + intercept, (low * slope + intercept, high * slope + intercept))


def _stored_range(dataset: Dataset) -> tuple[int, int]:
    bits = int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 16)
    if int(dataset.get("PixelRepresentation") or 0):
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


def _apply_voi(dataset: Dataset, greys: _Greys, kept: np.ndarray, notes: list[str]) -> _Greys:
    if dataset.get("VOILUTSequence"):
        item = dataset.VOILUTSequence[0]
        table = _read_lut(dataset, item)
        if _is_straight(table):
            return greys if table[-1] >= table[0] else greys.invert()
        name, curved = "VOI LUT", _apply_lut(dataset, item, greys.values)
    elif str(dataset.get("VOILUTFunction") or "").upper() == "SIGMOID" and dataset.get("WindowWidth"):
        name, curved = "sigmoid window", _sigmoid(dataset, greys)
    else:
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
    center, width = (float(np.atleast_1d(dataset[key].value)[0]) for key in ("WindowCenter", "WindowWidth"))
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
    if dataset.get("PixelPaddingValue") is None:
        return np.zeros(stored.shape, dtype=bool)
    first = _convert_to_stored(dataset, int(dataset.PixelPaddingValue))
    last = _convert_to_stored(dataset, int(dataset.get("PixelPaddingRangeLimit", dataset.PixelPaddingValue)))
    labels, _ = ndimage.label((stored >= min(first, last)) & (stored <= max(first, last)))
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, edge[edge > 0])


def _convert_to_stored(dataset: Dataset, value: int) -> int:
    """A value that was written without a sign, as the signed pixels have it."""
    bits = int(dataset.BitsAllocated)
    return value - 2**bits if int(dataset.get("PixelRepresentation") or 0) and value >= 2 ** (bits - 1) else value
