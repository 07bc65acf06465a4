from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset

from kneebundle.io.dicom_spacing import read_spacing

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
