"""How a DICOM radiograph is turned for display, and which side and view it states."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from kneebundle.io.dicom_values import read_word
from kneebundle.orientation import Orientation

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["read_display_orientation", "read_laterality", "read_view"]

_FRONTAL_POSITIONS = frozenset({"AP", "PA"})
_LATERAL_POSITIONS = frozenset({"LL", "RL", "LAT", "LATERAL", "ML", "LM"})
_LATERALITIES: dict[str, Literal["R", "L", "B"]] = {"R": "R", "L": "L", "B": "B"}


def read_display_orientation(dataset: Dataset) -> Orientation:
    r"""Read how an image is turned for display: head up, and in a frontal image the patient facing the viewer.

    PatientOrientation names where the rows and where the columns lead: ``L\F`` is a frontal image as displayed,
    ``R\F`` one seen from behind, which is mirrored. Where the attribute is missing or names no upright image, nothing
    is turned.
    """
    directions = _read_directions(dataset)
    if directions is None:
        return Orientation()
    along_row, along_column = directions
    transpose = along_row in "HF"
    if transpose:
        along_row, along_column = along_column, along_row
    flip_rows, flip_columns = along_column == "H", along_row == "R"
    if not (transpose or flip_rows or flip_columns):
        return Orientation()
    words = [
        word
        for word, done in (("turned", transpose), ("put upright", flip_rows), ("mirrored left to right", flip_columns))
        if done
    ]
    note = f"{' and '.join(words)} for display (PatientOrientation {'/'.join(directions)}): pixels count as displayed"
    return Orientation(transpose, flip_rows, flip_columns, (note,))


def read_laterality(dataset: Dataset) -> Literal["R", "L", "B"] | None:
    """Read the side that the image (ImageLaterality), else its series (Laterality), states; ``"B"`` is both."""
    for keyword in ("ImageLaterality", "Laterality"):
        value = read_word(dataset, keyword)
        if value in _LATERALITIES:
            return _LATERALITIES[value]
    return None


def read_view(dataset: Dataset) -> Literal["pa-bilateral", "pa-single", "lateral"] | None:
    """Read the view: by ViewPosition, else the view's code, else the descriptions, else PatientOrientation.

    Whether a frontal radiograph shows both knees is told by its laterality, else its descriptions.

    Args:
        dataset: header of the file.

    Returns:
        None where nothing tells.
    """
    projection = _read_projection(dataset)
    if projection != "frontal":
        return projection
    side = read_laterality(dataset)
    if side is not None:
        return "pa-bilateral" if side == "B" else "pa-single"
    return "pa-bilateral" if re.search(r"\b(BILAT|BILATERAL|BOTH)\b", _read_descriptions(dataset)) else None


def _read_projection(dataset: Dataset) -> Literal["frontal", "lateral"] | None:
    position = read_word(dataset, "ViewPosition")
    if position in _FRONTAL_POSITIONS:
        return "frontal"
    if position in _LATERAL_POSITIONS:
        return "lateral"
    if position:
        return None
    text = _read_descriptions(dataset)
    is_frontal = re.search(r"\b(AP|PA|FRONTAL|(ANTERO|POSTERO)[- ]?(ANTERIOR|POSTERIOR))\b", text) is not None
    is_lateral = re.search(r"\b(LAT|LATERAL)\b", text) is not None
    if is_frontal != is_lateral:
        return "frontal" if is_frontal else "lateral"
    directions = _read_directions(dataset)
    if directions is None or is_frontal:
        return None
    return "frontal" if set(directions) & set("LR") else "lateral"


def _read_descriptions(dataset: Dataset) -> str:
    """The words of the view's code, the series and the protocol."""
    codes = dataset.get("ViewCodeSequence") or []
    words = [code.get("CodeMeaning") for code in codes]
    words += [
        dataset.get(keyword)
        for keyword in ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")
    ]
    return " ".join(str(word) for word in words if word).upper().replace("_", " ")


def _read_directions(dataset: Dataset) -> tuple[str, str] | None:
    """The main direction of a row and of a column, if one of them is head or foot and the other is not."""
    value = dataset.get("PatientOrientation")
    if value is None or isinstance(value, str) or len(value) != 2:
        return None
    first, second = (str(part).strip().upper()[:1] for part in value)
    is_upright = (first in set("LRAP") and second in set("HF")) or (first in set("HF") and second in set("LRAP"))
    return (first, second) if is_upright else None
