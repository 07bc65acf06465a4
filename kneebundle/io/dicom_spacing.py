"""Which of the spacings in a DICOM file holds for the knee."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kneebundle.io.dicom_values import has_comma, quote_value, read_decimals, read_word
from kneebundle.io.spacing import check_spacing

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["DETECTOR_NOTE", "FILM_NOTE", "read_spacing"]

Spacing = tuple[float, float]

_MAGNIFICATION = (1.0, 2.0)
_SMALLEST_RATIO, _LARGEST_RATIO = 0.5, 1.1
DETECTOR_NOTE = "the spacing is that of the detector: lengths are as projected on it, larger than in the knee"
FILM_NOTE = DETECTOR_NOTE.replace("detector", "film")


def read_spacing(dataset: Dataset, shape: tuple[int, int]) -> tuple[Spacing | None, str, tuple[str, ...]]:
    """Read the most trustworthy pixel spacing that a DICOM file states.

    In this order, after DICOM PS3.3 section 10.7 (basic pixel spacing calibration):

    1. PixelSpacing, if it says how it was calibrated (PixelSpacingCalibrationType), or differs from ImagerPixelSpacing,
       or stands alone: the size in the patient.
    2. ImagerPixelSpacing divided by EstimatedRadiographicMagnificationFactor, if that lies between 1 and 2.
    3. ImagerPixelSpacing, or a PixelSpacing that only repeats it: the size on the detector.
    4. NominalScannedPixelSpacing, of digitised film.

    A value that no radiograph has (:func:`~kneebundle.io.check_spacing`) counts as not stated, and so does an
    uncalibrated PixelSpacing of 1 mm beside another ImagerPixelSpacing: programs write it that do not know the size. A
    note says which value was not believed.

    Args:
        dataset: header of the file.
        shape: (rows, columns) of the image as stored.

    Returns:
        The (row, column) spacing in mm, the attribute it rests on, and remarks. If no value can be used, the spacing is
        None and the second item says what was found.
    """
    problems: list[str] = []
    patient = _read_plausible(dataset, "PixelSpacing", shape, problems)
    detector = _read_plausible(dataset, "ImagerPixelSpacing", shape, problems)
    if patient == (1.0, 1.0) and detector not in (None, patient) and not _is_calibrated(dataset):
        patient = None
        problems.append("a pixel spacing of 1 x 1 mm, which a program that does not know it writes (PixelSpacing)")
    remarks = tuple(f"the file states {problem}: it was not believed" for problem in problems)
    remarks += tuple(
        f"{keyword} is written with a comma, read as {value[0]:g} x {value[1]:g}"
        for keyword, value in (("PixelSpacing", patient), ("ImagerPixelSpacing", detector))
        if value and has_comma(dataset, keyword)
    )
    if patient and (_is_calibrated(dataset) or detector is None or not _equal(patient, detector)):
        return patient, "PixelSpacing", (*remarks, *_note_contradiction(patient, detector))
    if detector:
        factor = _read_magnification(dataset)
        if factor:
            corrected = (detector[0] / factor, detector[1] / factor)
            return corrected, "ImagerPixelSpacing/EstimatedRadiographicMagnificationFactor", remarks
        return detector, "PixelSpacing" if patient else "ImagerPixelSpacing", (*remarks, DETECTOR_NOTE)
    scanned = _read_plausible(dataset, "NominalScannedPixelSpacing", shape, problems)
    if scanned:
        return scanned, "NominalScannedPixelSpacing", (*remarks, FILM_NOTE)
    if problems:
        return None, f"the DICOM file states {problems[0]}", ()
    return None, "the DICOM file states neither PixelSpacing nor ImagerPixelSpacing", ()


def _read_plausible(dataset: Dataset, keyword: str, shape: tuple[int, int], problems: list[str]) -> Spacing | None:
    """The value of an attribute that holds a spacing; what is wrong with it goes to ``problems``."""
    values = read_decimals(dataset, keyword)
    if values is None:
        return None
    if len(values) != 2:
        found = " x ".join(f"{value:g}" for value in values) or "text"
        problems.append(f"a {keyword} that is not two numbers ({quote_value(found)})")
        return None
    problem = check_spacing(values, shape)
    if problem:
        problems.append(f"{problem} ({keyword})")
        return None
    return values[0], values[1]


def _note_contradiction(patient: Spacing, detector: Spacing | None) -> tuple[str, ...]:
    """A knee is 1 to 2 times larger on the detector than it is, so that its pixels are smaller by that."""
    if detector is None or all(
        _SMALLEST_RATIO <= p / d <= _LARGEST_RATIO for p, d in zip(patient, detector, strict=True)
    ):
        return ()
    return (
        f"PixelSpacing ({patient[0]:g} x {patient[1]:g}), which was followed, does not go with ImagerPixelSpacing "
        f"({detector[0]:g} x {detector[1]:g})",
    )


def _is_calibrated(dataset: Dataset) -> bool:
    return read_word(dataset, "PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL")


def _equal(first: Spacing, second: Spacing) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(first, second, strict=True))


def _read_magnification(dataset: Dataset) -> float | None:
    factors = read_decimals(dataset, "EstimatedRadiographicMagnificationFactor")
    if factors is None or len(factors) != 1:
        return None
    (factor,) = factors
    return factor if _MAGNIFICATION[0] <= factor <= _MAGNIFICATION[1] else None
