"""The secondary capture, read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import dcmread

from kneebundle.dicom_node.secondary_capture import write_secondary_capture
from tests.reports.lateral_results import write_source
from tests.reports.test_dicom_seg import dicom_errors


def write_capture(tmp_path: Path, shape: tuple[int, int] = (31, 21), **attributes: Any) -> Path:
    source = write_source(tmp_path / "a.dcm", **attributes)
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    write_secondary_capture(tmp_path / "a.png", source, tmp_path / "a_sc.dcm")
    return tmp_path / "a_sc.dcm"


def test_it_holds_the_picture_and_belongs_to_the_study_of_the_film(tmp_path: Path) -> None:
    capture, source = dcmread(write_capture(tmp_path)), dcmread(tmp_path / "a.dcm")
    np.testing.assert_array_equal(capture.pixel_array, np.asarray(Image.open(tmp_path / "a.png")))
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate"):
        assert capture[keyword].value == source[keyword].value
    assert capture.SeriesInstanceUID != source.SeriesInstanceUID
    assert capture.ImageType[0] == "DERIVED"
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "PixelSpacing" not in capture  # nobody is to measure on it


def test_what_the_film_says_of_loss_and_of_names_in_it_is_kept(tmp_path: Path) -> None:
    lossy: dict[str, Any] = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "12.5"}
    capture = dcmread(write_capture(tmp_path, BurnedInAnnotation="YES", **lossy))
    assert (capture.LossyImageCompression, capture.LossyImageCompressionRatio) == ("01", 12.5)
    assert capture.BurnedInAnnotation == "YES"


def test_it_is_lawful_dicom(tmp_path: Path) -> None:
    assert dicom_errors(write_capture(tmp_path)) == []
