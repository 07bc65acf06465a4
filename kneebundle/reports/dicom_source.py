"""The DICOM image that a DICOM report refers to, and what all reports say of their maker."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kneebundle.errors import KneeBundleError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["CODING_SCHEME", "MAKER", "check_source", "read_source", "suppress_warnings"]

MAKER = "kneebundle"
CODING_SCHEME = "99KNEEBUNDLE"
"""Coding scheme of the landmarks, lines and measurements that no standard names."""

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_MAY_BE_EMPTY = (
    "PatientID PatientName PatientBirthDate PatientSex AccessionNumber StudyID StudyDate StudyTime "
    "ReferringPhysicianName"
).split()


def check_source(sop_instance_uid: str | None) -> str | None:
    """Check whether a DICOM report can refer to an image.

    Returns:
        One line that says why it cannot, an error about the field ``"formats"``; None: it can.
    """
    if sop_instance_uid:
        return None
    return (
        "the formats seg and sr refer to the DICOM image that they were made from, and this file is none or has no "
        "SOPInstanceUID; the DICOM image is needed"
    )


def read_source(path: Path) -> Dataset:
    """Read the header of a DICOM image, with empty values where the patient and study modules lack an attribute.

    Raises:
        KneeBundleError: if the file does not say which image of which series and study it is.
    """
    from pydicom import dcmread

    with suppress_warnings():
        dataset = dcmread(path, force=True, stop_before_pixels=True)
    missing = [keyword for keyword in _NEEDED if not dataset.get(keyword)]
    if missing:
        raise KneeBundleError(
            f"the DICOM file has no {', '.join(missing)}, which the formats seg and sr refer to; "
            "export the image again",
            path,
            "formats",
        )
    for keyword in _MAY_BE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    if str(dataset.PatientSex or "").upper() not in ("M", "F", "O"):
        dataset.PatientSex = None
    return dataset


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """Suppress the warnings of pydicom and highdicom about the patient's name in a hospital's file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
