"""The DICOM segmentation, read back."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from kneebundle.errors import KneeBundleError
from kneebundle.reports.dicom_seg import write_segmentation
from tests.reports.lateral_results import lateral_result, write_source


def dicom_errors(path: Path) -> list[str]:
    """What dciodvfy of dicom3tools calls an error."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("needs dciodvfy of the Debian package dicom3tools")
    said = subprocess.run([program, str(path)], capture_output=True, text=True).stderr
    return [line for line in said.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("orientation", [["A", "F"], ["A", "H"], ["F", "A"]])
def test_each_segment_is_its_bone_on_the_pixels_of_the_source(tmp_path: Path, orientation: list[str]) -> None:
    import highdicom as hd

    source = write_source(tmp_path / "a.dcm", orientation)
    result = lateral_result(source)
    write_segmentation(result, source, tmp_path / "a_seg.dcm")
    read = hd.seg.segread(tmp_path / "a_seg.dcm")
    image = dcmread(source)
    pixels = read.get_pixels_by_source_instance([image.SOPInstanceUID])
    assert [read.get_segment_description(n).segment_label for n in read.segment_numbers] == ["femur", "tibia"]
    for number, bone in enumerate(result.bones):
        expected = result.radiograph.orientation.undo(result.masks[bone])
        np.testing.assert_array_equal(pixels[0, :, :, number].astype(bool), expected)
    assert (pixels.sum(axis=-1) == 2).any(), "bones overlap"


def test_it_belongs_to_the_patient_and_study_of_the_source(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.dcm")
    write_segmentation(lateral_result(source), source, tmp_path / "a_seg.dcm")
    image, read = dcmread(source), dcmread(tmp_path / "a_seg.dcm")
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "PatientOrientation"):
        assert read[keyword].value == image[keyword].value, keyword
    assert read.SeriesInstanceUID != image.SeriesInstanceUID
    assert (
        read.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    )
    types = [segment.SegmentedPropertyTypeCodeSequence[0].CodeValue for segment in read.SegmentSequence]
    assert types == ["71341001", "12611008"], "femur and tibia in SNOMED CT"
    assert (read.SegmentationType, read.SegmentsOverlap) == ("BINARY", "YES")


def test_the_standard_is_kept(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.dcm")
    write_segmentation(lateral_result(source), source, tmp_path / "a_seg.dcm")
    assert dicom_errors(tmp_path / "a_seg.dcm") == []


def test_a_source_that_lacks_patient_attributes_is_enough_and_one_without_study_is_an_error(tmp_path: Path) -> None:
    anonymous = write_source(tmp_path / "a.dcm", PatientName=None, PatientID=None, StudyDate=None, PatientSex=None)
    write_segmentation(lateral_result(anonymous), anonymous, tmp_path / "a_seg.dcm")
    assert not dcmread(tmp_path / "a_seg.dcm").PatientName
    homeless = write_source(tmp_path / "b.dcm", StudyInstanceUID=None)
    with pytest.raises(KneeBundleError, match="no valid StudyInstanceUID"):
        write_segmentation(lateral_result(homeless), homeless, tmp_path / "b_seg.dcm")
    assert not (tmp_path / "b_seg.dcm").exists()
