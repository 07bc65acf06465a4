from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset

from kneebundle.io.dicom_spacing import DETECTOR_NOTE, FILM_NOTE, read_spacing

FACTOR = "EstimatedRadiographicMagnificationFactor"


def _dataset(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("attributes", "spacing", "source"),
    [
        ({"PixelSpacing": [0.2, 0.3]}, (0.2, 0.3), "PixelSpacing"),
        ({"ImagerPixelSpacing": [0.2, 0.3]}, (0.2, 0.3), "ImagerPixelSpacing"),
        ({"PixelSpacing": [0.18, 0.18], "ImagerPixelSpacing": [0.2, 0.2], FACTOR: 1.25}, (0.18, 0.18), "PixelSpacing"),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "PixelSpacing"),
        ({"ImagerPixelSpacing": [0.2, 0.3], FACTOR: 1.25}, (0.16, 0.24), f"ImagerPixelSpacing/{FACTOR}"),
        (
            {"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2], FACTOR: 1.25},
            (0.16, 0.16),
            f"ImagerPixelSpacing/{FACTOR}",
        ),
        (
            {
                "PixelSpacing": [0.2, 0.2],
                "ImagerPixelSpacing": [0.2, 0.2],
                FACTOR: 1.25,
                "PixelSpacingCalibrationType": "FIDUCIAL",
            },
            (0.2, 0.2),
            "PixelSpacing",
        ),
        ({"ImagerPixelSpacing": [0.2, 0.2], FACTOR: 0}, (0.2, 0.2), "ImagerPixelSpacing"),
        ({"ImagerPixelSpacing": [0.2, 0.2], FACTOR: 110}, (0.2, 0.2), "ImagerPixelSpacing"),
        ({"PixelSpacing": [1, 1], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "ImagerPixelSpacing"),
        ({"NominalScannedPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "NominalScannedPixelSpacing"),
    ],
)
def test_the_most_trustworthy_spacing_is_used_and_named(
    attributes: dict[str, Any], spacing: tuple[float, float], source: str
) -> None:
    stated, stated_source, _ = read_spacing(_dataset(**attributes), (2000, 2400))
    assert stated == pytest.approx(spacing)
    assert stated_source == source


def test_a_spacing_on_the_detector_is_noted_as_such() -> None:
    assert "detector" in read_spacing(_dataset(ImagerPixelSpacing=[0.2, 0.2]), (2000, 2400))[2][0]
    assert read_spacing(_dataset(PixelSpacing=[0.2, 0.2]), (2000, 2400))[2] == ()


@pytest.mark.parametrize("value", [[0, 0], [-0.2, 0.2], [0.0002, 0.0002], [168, 168]])
def test_nonsense_is_no_spacing(value: list[float]) -> None:
    spacing, found, _ = read_spacing(_dataset(PixelSpacing=value), (2000, 2400))
    assert spacing is None
    assert "PixelSpacing" in found


def test_no_spacing_is_said_so() -> None:
    assert read_spacing(Dataset(), (2000, 2400))[:2] == (
        None,
        "the DICOM file states neither PixelSpacing nor ImagerPixelSpacing",
    )


SHAPE = (2000, 2400)


@pytest.mark.parametrize(
    ("factor", "spacing", "source"),
    [
        (1, (0.2, 0.2), f"ImagerPixelSpacing/{FACTOR}"),
        (2, (0.1, 0.1), f"ImagerPixelSpacing/{FACTOR}"),
        (0.99, (0.2, 0.2), "ImagerPixelSpacing"),
        (2.01, (0.2, 0.2), "ImagerPixelSpacing"),
    ],
)
def test_a_magnification_is_1_to_2(factor: float, spacing: tuple[float, float], source: str) -> None:
    found = read_spacing(_dataset(ImagerPixelSpacing=[0.2, 0.2], **{FACTOR: factor}), SHAPE)
    assert found[:2] == (pytest.approx(spacing), source)


@pytest.mark.parametrize(("patient", "repeats"), [(0.2, True), (0.20001, True), (0.2001, False), (0.1999, False)])
def test_a_spacing_of_the_patient_that_only_repeats_that_of_the_detector_is_the_detectors(
    patient: float, repeats: bool
) -> None:
    dataset = _dataset(PixelSpacing=[0.2, patient], ImagerPixelSpacing=[0.2, 0.2])
    spacing, source, notes = read_spacing(dataset, SHAPE)
    assert (spacing, source) == ((0.2, 0.2 if repeats else patient), "PixelSpacing")
    assert notes == ((DETECTOR_NOTE,) if repeats else ())


@pytest.mark.parametrize(
    ("patient", "contradicts"),
    [
        ((0.265, 0.265), False),
        ((0.275, 0.275), False),
        ((0.28, 0.28), True),
        ((0.25, 0.28), True),
        ((0.13, 0.13), False),
        ((0.125, 0.125), False),
        ((0.12, 0.12), True),
    ],
)
def test_a_patient_larger_than_its_image_is_noted(patient: tuple[float, float], contradicts: bool) -> None:
    """What lies before the detector is shown 1 to 2 times as large as it is; a tenth is left for rounding."""
    spacing, _, notes = read_spacing(_dataset(PixelSpacing=list(patient), ImagerPixelSpacing=[0.25, 0.25]), SHAPE)
    assert spacing == patient
    assert [note for note in notes if "does not go with ImagerPixelSpacing (0.25 x 0.25)" in note] == list(notes)
    assert len(notes) == contradicts


def test_one_millimetre_is_believed_where_nothing_speaks_against_it() -> None:
    calibrated = _dataset(PixelSpacing=[1, 1], ImagerPixelSpacing=[0.8, 0.8], PixelSpacingCalibrationType="GEOMETRY")
    assert read_spacing(calibrated, (300, 200))[:2] == ((1.0, 1.0), "PixelSpacing")
    assert read_spacing(_dataset(PixelSpacing=[1, 1]), (300, 200)) == ((1.0, 1.0), "PixelSpacing", ())
    both = _dataset(PixelSpacing=[1, 1], ImagerPixelSpacing=[1, 1])
    assert read_spacing(both, (300, 200)) == ((1.0, 1.0), "PixelSpacing", (DETECTOR_NOTE,))
    against = read_spacing(_dataset(PixelSpacing=[1, 1], ImagerPixelSpacing=[0.2, 0.2]), (300, 200))
    assert against[:2] == ((0.2, 0.2), "ImagerPixelSpacing")
    assert len(against[2]) == 2 and "1 x 1 mm, which a program that does not know it writes" in against[2][0]


def test_the_first_value_that_was_not_believed_is_named() -> None:
    dataset = _dataset(PixelSpacing=[168, 168], ImagerPixelSpacing=[0.0002, 0.0002])
    spacing, found, notes = read_spacing(dataset, SHAPE)
    assert (spacing, notes) == (None, ())
    assert found == "the DICOM file states a pixel spacing of 168 x 168 mm, which no radiograph has (PixelSpacing)"
    dataset.NominalScannedPixelSpacing = [0.2, 0.2]
    spacing, source, notes = read_spacing(dataset, SHAPE)
    assert (spacing, source) == ((0.2, 0.2), "NominalScannedPixelSpacing")
    assert [note.rpartition("(")[2] for note in notes[:2]] == [
        "PixelSpacing): it was not believed",
        "ImagerPixelSpacing): it was not believed",
    ]
    assert notes[2:] == (FILM_NOTE,)


@pytest.mark.parametrize(("value", "found"), [([0.2], "0.2"), ([0.2, 0.2, 0.3], "0.2 x 0.2 x 0.3")])
def test_one_number_or_three_are_no_spacing(value: list[float], found: str) -> None:
    spacing, problem, _ = read_spacing(_dataset(PixelSpacing=value), SHAPE)
    assert (spacing, problem) == (None, f"the DICOM file states a PixelSpacing that is not two numbers ({found})")


def test_a_spacing_that_is_text_is_said_to_be_text() -> None:
    dataset = Dataset()
    dataset.add_new("PixelSpacing", "LO", "JANE DOE")
    spacing, problem, _ = read_spacing(dataset, SHAPE)
    assert (spacing, problem) == (None, "the DICOM file states a PixelSpacing that is not two numbers (text)")


def test_two_magnifications_are_none() -> None:
    found = read_spacing(_dataset(ImagerPixelSpacing=[0.2, 0.2], **{FACTOR: [1.25, 1.5]}), SHAPE)
    assert found == ((0.2, 0.2), "ImagerPixelSpacing", (DETECTOR_NOTE,))
