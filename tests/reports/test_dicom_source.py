"""What a DICOM report takes over from its image, however that image is written."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from kneebundle.errors import KneeBundleError
from kneebundle.exchange import write_gsps
from kneebundle.reports.dicom_seg import write_segmentation
from kneebundle.reports.dicom_source import read_source
from kneebundle.reports.dicom_sr import write_structured_report
from kneebundle.reports.json_report import to_document
from tests.reports.lateral_results import lateral_result, write_source
from tests.reports.test_dicom_seg import dicom_errors

_NAME, _BIRTH, _TIME, _AGE, _CLASS, _CHARSET = 0x00100010, 0x00100030, 0x00080030, 0x00101010, 0x00080016, 0x00080005
JAPANESE = "Yamada^Tarou=山田^太郎"


def source(tmp_path: Path, *elements: tuple[int, str, bytes]) -> Path:
    """A film whose file holds these bytes, lawful or not."""
    path = write_source(tmp_path / "a.dcm")
    dataset = dcmread(path)
    dataset.pop(_CHARSET, None)
    if _CHARSET in [tag for tag, _, _ in elements]:
        del dataset.PatientName
    for tag, kind, value in elements:
        dataset._dict[Tag(tag)] = RawDataElement(Tag(tag), kind, len(value), value, 0, False, True)
    original: Any = dataset
    original.set_original_encoding(False, True, original._character_set)  # bytes are written as they are
    dataset.save_as(path)
    return path


def charset(term: str, name: bytes) -> tuple[tuple[int, str, bytes], ...]:
    return (_CHARSET, "CS", term.encode()), (_NAME, "PN", name)


@pytest.mark.parametrize(
    ("elements", "name"),
    [
        (charset("ISO_IR 100", "Müller^Änne".encode("latin1")), "Müller^Änne"),
        (charset("\\ISO 2022 IR 87", JAPANESE.encode("iso2022_jp")), JAPANESE),
        (charset("ISO 2022 IR 100", "Müller^Änne".encode("latin1")), "Müller^Änne"),
        (charset("", b"Plain^Name"), "Plain^Name"),
        (charset("ISO_2022_IR_6", b"Plain^Name"), "Plain^Name"),
        (((_BIRTH, "DA", b"1950"),), "Mustermann^Erika"),
        (((_TIME, "TM", b"ab"),), "Mustermann^Erika"),
        (((_AGE, "AS", b"12"),), "Mustermann^Erika"),
    ],
    ids=["latin", "japanese", "extended", "empty", "oai", "year", "time", "age"],
)
def test_any_character_set_and_broken_date_is_taken_over_as_the_standard_has_it(
    tmp_path: Path, elements: tuple[Any, ...], name: str
) -> None:
    path = source(tmp_path, *elements)
    document = to_document(lateral_result(path))
    for write, target in ((write_structured_report, tmp_path / "sr.dcm"), (write_gsps, tmp_path / "gsps.dcm")):
        write(document, path, target)
        assert str(dcmread(target).PatientName) == name
        assert dicom_errors(target) == []


def test_an_image_of_no_standard_kind_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match=r"SOP class 1\.3\.6\.1\.4\.1\.9590\.100\.1 is none of the standard's"):
        read_source(source(tmp_path, (_CLASS, "UI", b"1.3.6.1.4.1.9590.100.1")))


def fill_with_canaries(dataset: Any) -> set[str]:
    """Give every attribute of people, places and devices a text of its own; those that may be taken over."""
    taken = {"PatientName", "PatientID", "AccessionNumber", "StudyID"}
    for number, tag in enumerate(tag for tag in DicomDictionary if 0x00080000 <= tag < 0x00280000 or tag > 0x00300000):
        kind, count, _, retired, keyword = DicomDictionary[tag]
        if kind in ("LO", "LT", "PN", "SH", "ST", "UT", "UC") and keyword and not retired and tag >> 16 < 0x4000:
            with contextlib.suppress(ValueError, TypeError):
                setattr(dataset, keyword, f"CANARY{number}")
    dataset.add_new(0x00091001, "LO", "CANARY-private")
    dataset.add_new(0x00090010, "LO", "CANARY-creator")
    dataset.OtherPatientIDsSequence = [Dataset()]
    dataset.OtherPatientIDsSequence[0].PatientID = "CANARY-other"
    return {str(dataset[keyword].value) for keyword in taken}


def test_only_what_the_standard_asks_for_is_taken_over(tmp_path: Path) -> None:
    path = write_source(tmp_path / "a.dcm")
    dataset = dcmread(path)
    taken = fill_with_canaries(dataset)
    assert len([element for element in dataset if "CANARY" in str(element.value)]) > 100
    dataset.save_as(path)
    result = lateral_result(path)
    write_structured_report(to_document(result), path, tmp_path / "sr.dcm")
    write_gsps(to_document(result), path, tmp_path / "gsps.dcm")
    write_segmentation(result, path, tmp_path / "seg.dcm")
    for name in ("sr.dcm", "gsps.dcm", "seg.dcm"):
        written = dcmread(tmp_path / name)
        found = {
            str(element.value) for element in written.iterall() if "CANARY" in str(element.value) and element.VR != "SQ"
        }
        assert found == taken, name
        assert (tmp_path / name).read_bytes().count(b"CANARY") == len(taken), name
        assert written.ReferringPhysicianName in (None, "")
        assert dicom_errors(tmp_path / name) == []
