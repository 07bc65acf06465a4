"""The DICOM image that a DICOM report refers to, and what all reports say of their maker."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kneebundle.errors import KneeBundleError
from kneebundle.io.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["CODING_SCHEME", "MAKER", "check_source", "read_source", "suppress_warnings"]

MAKER = "kneebundle"
CODING_SCHEME = "99KNEEBUNDLE"
"""Coding scheme of the landmarks, lines and measurements that no standard names."""

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_IMAGE = frozenset(
    "SpecificCharacterSet Modality FrameOfReferenceUID PositionReferenceIndicator ImagerPixelSpacing "
    "EstimatedRadiographicMagnificationFactor NominalScannedPixelSpacing ImageLaterality Laterality PatientOrientation "
    "ViewPosition BodyPartExamined RescaleType".split()
)
"""What reports need to know of the image, besides the attributes of its pixels."""
_PIXELS_GROUP = 0x0028
_TEXTS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT", "UN"})
_CHECKED = frozenset({"AS", "CS", "DA", "DT", "TM", "UI"})
"""Kinds of attributes whose values are checked before another object takes them over."""
_NAMED = frozenset(
    "PatientID PatientName PatientBirthDate PatientSex AccessionNumber StudyID StudyDate StudyTime".split()
)
"""What the standard's modules of patient and study ask every object for; it ties the object to the right patient."""
_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_METHOD = "kneebundle: keyed hashes for UIDs and PatientID"
_MAY_BE_EMPTY = (*sorted(_NAMED), "ReferringPhysicianName")


def check_source(sop_instance_uid: str | None) -> str | None:
    """Check whether a DICOM report can refer to an image.

    Returns:
        One line that says why it cannot, an error about the field ``"formats"``; None: it can.
    """
    if sop_instance_uid:
        return None
    return (
        "the formats seg, sr and gsps refer to the DICOM image that they were made from, and this file is none or has "
        "no SOPInstanceUID; the DICOM image is needed"
    )


def read_source(path: Path, pseudonyms: Pseudonyms | None = None) -> Dataset:
    """Read of a DICOM image what an object that refers to it may take over.

    Of the patient and the study that is what the standard asks every object for, and nothing else: no comments,
    physicians, institutions, devices or private attributes; empty where the image does not say it.

    Texts are in UTF-8, whatever character set the file has, for an object that refers to the image to take over. What
    no attribute of its kind may hold, such as a year for a date, is empty: the new object would break the standard.

    Args:
        path: of the DICOM file.
        pseudonyms: that stand for its UIDs and the number of its patient; the rest of the identity is then empty.

    Raises:
        KneeBundleError: if the file does not say which image of which series and study it is.
    """
    from pydicom import dcmread

    with suppress_warnings():
        dataset = dcmread(path, force=True, stop_before_pixels=True)
    _demand_identity(dataset, path)
    if "Storage" not in dataset.SOPClassUID.name:
        raise KneeBundleError(
            f"its SOP class {dataset.SOPClassUID} is none of the standard's images, which the formats seg, sr and gsps "
            "refer to; export the image as standard DICOM",
            path,
            "formats",
        )
    _drop_others(dataset)
    _clean_values(dataset)
    _demand_identity(dataset, path)  # some of it may not have been valid
    for keyword in _MAY_BE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    if str(dataset.PatientSex or "").upper() not in ("M", "F", "O"):
        dataset.PatientSex = None
    if pseudonyms is not None:
        _deidentify(dataset, pseudonyms)
    return dataset


def _demand_identity(dataset: Dataset, path: Path) -> None:
    missing = [keyword for keyword in _NEEDED if not dataset.get(keyword)]
    if missing:
        raise KneeBundleError(
            f"the DICOM file has no valid {', '.join(missing)}, which the formats seg, sr and gsps refer to; "
            "export the image again",
            path,
            "formats",
        )


def _deidentify(dataset: Dataset, pseudonyms: Pseudonyms) -> None:
    """Put pseudonyms in place of identities; images of one patient, study or series stay together."""
    for keyword in _UIDS:
        if dataset.get(keyword):
            setattr(dataset, keyword, pseudonyms.name_uid(dataset[keyword].value))
    patient = pseudonyms.name_patient(str(dataset.PatientID or ""))
    for keyword in _NAMED:
        setattr(dataset, keyword, None)
    dataset.PatientID = dataset.PatientName = patient
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethod = "YES", _METHOD


def _drop_others(dataset: Dataset) -> None:
    """Drop what no report needs; of the pixels' attributes the texts."""
    from pydicom.datadict import dictionary_VR, keyword_for_tag

    kept = {*_NEEDED, *_NAMED, *_IMAGE}
    for tag in list(dataset.keys()):
        keyword = keyword_for_tag(tag)
        of_pixels = tag.group == _PIXELS_GROUP and keyword != "" and dictionary_VR(tag) not in _TEXTS
        if keyword not in kept and not of_pixels:
            del dataset[tag]


def _clean_values(dataset: Dataset) -> None:
    """Decode all texts, and empty what is not valid for its kind of attribute."""
    from pydicom.config import RAISE
    from pydicom.valuerep import validate_value

    with suppress_warnings():
        for tag in list(dataset.keys()):
            try:
                element = dataset[tag]
                if element.VR in _CHECKED:
                    values = element.value if element.VM > 1 else [element.value]
                    for value in values:
                        validate_value(element.VR, None if value is None else str(value), RAISE)
            except Exception:  # whatever a broken element raises: it is not taken over
                del dataset[tag]
        try:
            dataset.decode()
        except (LookupError, UnicodeError, ValueError, AttributeError):
            dataset.SpecificCharacterSet = "ISO_IR 100"  # each byte is a character
            dataset.decode()
        dataset.SpecificCharacterSet = "ISO_IR 192"


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """Suppress the warnings of pydicom and highdicom about the patient's name in a hospital's file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
