"""The DICOM image that a DICOM report refers to, and what all such reports say of their maker."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kneebundle.errors import KneeBundleError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["CODING_SCHEME", "MAKER", "read_source", "why_no_source", "without_warnings"]

MAKER = "kneebundle"
CODING_SCHEME = "99KNEEBUNDLE"
"""Coding scheme of the landmarks, lines and measurements that no standard names."""

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_MAY_BE_EMPTY = (
    "PatientID PatientName PatientBirthDate PatientSex AccessionNumber StudyID StudyDate StudyTime ReferringPhysicianName"
).split()


def why_no_source(sop_instance_uid: str | None) -> str | None:
    """One line that says why no DICOM report can be made of an image; None: it can."""
    if sop_instance_uid:
        return None
    return (
        "the formats seg and sr refer to the DICOM image that they were made from, and this file is none or has no "
        "SOPInstanceUID; leave them out of --formats, or give the DICOM image"
    )


def read_source(path: Path) -> Dataset:
    """The header of a DICOM image, with empty values where the patient and study modules lack an attribute.

    Raises:
        KneeBundleError: if the file does not say which image of which series and study it is.
    """
    from pydicom import dcmread

    with without_warnings():
        dataset = dcmread(path, force=True, stop_before_pixels=True)
    missing = [keyword for keyword in _NEEDED if not dataset.get(keyword)]
    if missing:
        raise KneeBundleError(
            f"the DICOM file has no {', '.join(missing)}, which a SEG or SR must refer to; "
            "leave them out of --formats, or export the image again",
            path,
        )
    for keyword in _MAY_BE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    if str(dataset.PatientSex or "").upper() not in ("M", "F", "O"):
        dataset.PatientSex = None
    return dataset


@contextmanager
def without_warnings() -> Iterator[None]:
    """Without remarks of pydicom and highdicom on what a hospital's file has as the patient's name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
