from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, uid

from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless, uid.DeflatedExplicitVRLittleEndian])
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, knee: np.ndarray, syntax: str) -> None:
    for name in ("first", "second"):
        write_dicom(tmp_path / name, knee, (0.2, 0.2), side="R", view="pa-single", transfer_syntax=syntax)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_other_content_has_another_identity(tmp_path: Path, knee: np.ndarray) -> None:
    write_dicom(tmp_path / "knee", knee, (0.2, 0.2))
    write_dicom(tmp_path / "brighter", knee + 1, (0.2, 0.2))
    write_dicom(tmp_path / "finer", knee, (0.1, 0.1))
    uids = {dcmread(tmp_path / name).SOPInstanceUID for name in ("knee", "brighter", "finer")}
    assert len(uids) == 3


def test_the_header_says_what_was_asked_for(tmp_path: Path, knee: np.ndarray) -> None:
    write_dicom(
        tmp_path / "x",
        knee,
        (0.168, 0.2),
        side="L",
        view="pa-single",
        photometric="MONOCHROME1",
        patient_id="SAMPLE",
        attributes={"WindowCenter": 2048, "ImagerPixelSpacing": None},
    )
    dataset = dcmread(tmp_path / "x")
    assert dataset.file_meta.MediaStorageSOPClassUID == uid.DigitalXRayImageStorageForPresentation
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert (dataset.ViewPosition, dataset.ImageLaterality, list(dataset.PatientOrientation)) == ("PA", "L", ["L", "F"])
    assert (dataset.PhotometricInterpretation, dataset.PresentationLUTShape) == ("MONOCHROME1", "INVERSE")
    assert (dataset.PatientID, dataset.WindowCenter, list(dataset.PixelSpacing)) == ("SAMPLE", 2048, [0.168, 0.2])
    assert "ImagerPixelSpacing" not in dataset
    np.testing.assert_array_equal(dataset.pixel_array, 4095 - knee)


def test_greys_that_do_not_fit_are_errors(tmp_path: Path, knee: np.ndarray) -> None:
    with pytest.raises(
        KneeBundleError, match=r"x\.dcm: the greys need .* 8 bits hold 0 to 255, choose other bits_stored"
    ):
        write_dicom(tmp_path / "x.dcm", knee, (0.2, 0.2), bits_stored=8)
    assert list(tmp_path.iterdir()) == []
