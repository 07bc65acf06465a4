"""Results without paths and identities: nothing of an image's name or header is in any file, nor can be guessed."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from kneebundle.batch.engine import FORMATS, RunOptions
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.run import RunSummary, predict_images, register_images
from kneebundle.batch.standardized import RecordedPipeline, find_records, list_recorded, standardize_images
from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.radiograph import Radiograph
from tests.batch.fakes import FakePipeline
from tests.batch.test_standardized import SETTINGS, DrawnKnees
from tests.registration.crops import register_by_theta
from tests.reports.lateral_results import lateral_result
from tests.reports.test_dicom_seg import dicom_errors
from tests.reports.test_dicom_source import fill_with_canaries

OPTIONS = RunOptions(formats=FORMATS, workers=1, deidentify=True, progress=True)
REGISTERED_UID = "1.2.840.99999.4711"
"""Root of the films' UIDs."""
BIRTH, DAY = "19410203", "20190405"


class BothViews(FakePipeline):
    """Lateral films get the plan of :func:`lateral_result`."""

    def __init__(self, sources: Sequence[Path] = ()) -> None:
        super().__init__()
        self.sources = sources

    def predict_one(self, radiograph: Radiograph) -> Any:
        if radiograph.view != "lateral":
            return super().predict_one(radiograph)
        return replace(lateral_result(self.sources[0]), radiograph=radiograph)


def write_film(path: Path, number: int, view: Any = "pa-single") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(20, 200, (60, 40)).astype(np.uint16)
    write_dicom(path, pixels, (1.0, 1.0), side="L", view=view)
    dataset = dcmread(path)
    fill_with_canaries(dataset)
    dataset.PatientID = "CANARY-patient"
    dataset.PatientBirthDate, dataset.StudyDate = BIRTH, DAY
    for keyword, last in (("StudyInstanceUID", 1), ("SeriesInstanceUID", 2), ("SOPInstanceUID", 10 + number)):
        setattr(dataset, keyword, UID(f"{REGISTERED_UID}.{last}"))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path)
    return path


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """One knee from the front, one lateral, and one that cannot be read; all paths have names in them."""
    folder = tmp_path / "CANARYdir" / "CANARY sub"
    made = [write_film(folder / "CANARY1.dcm", 1), write_film(folder / "CANARY2.dcm", 2, "lateral")]
    broken = dcmread(write_film(folder / "CANARY3.dcm", 3))
    broken.Rows = 30000
    broken.save_as(folder / "CANARY3.dcm")
    return [*made, folder / "CANARY3.dcm", folder / "CANARY4.dcm"]  # the last is not there


def run(films: Sequence[Path], out: Path, options: RunOptions = OPTIONS) -> RunSummary:
    return predict_images(list(map(ImageRequest, films)), out, lambda: BothViews(films[1:2]), options)


def list_written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def find_traces(out: Path, films: Sequence[Path]) -> Iterator[str]:
    """What tells of the films: in names and contents of files, hidden ones too, also by a hash without a salt."""
    texts = ["CANARY", BIRTH, DAY, REGISTERED_UID]
    for film in films:
        parts = (str(film), film.name, film.stem, f"{REGISTERED_UID}.11")
        texts += [hashlib.sha256(part.encode()).hexdigest()[:20] for part in parts]
        texts += [hashlib.sha256(film.read_bytes()).hexdigest()[:20]] if film.exists() else []
    for path in list_written(out):
        content = path.read_bytes()
        yield from (f"{text} in {path.name}" for text in texts if text.encode() in content or text in str(path))


def list_uids(dataset: Dataset) -> set[str]:
    return {str(element.value) for element in dataset.iterall() if element.VR == "UI"}


def test_no_file_and_no_line_tells_of_the_image_or_the_patient(
    tmp_path: Path, films: list[Path], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = run(films, tmp_path / "out")
    assert (summary.done, len(summary.errors)) == (2, 2), summary.errors
    names = {path.name for path in list_written(tmp_path / "out")}
    assert {"_seg.dcm", "_sr.dcm", "_gsps.dcm", ".mrk.json", ".png", ".html", "_L.pts"} <= {name[20:] for name in names}
    assert list(find_traces(tmp_path / "out", films)) == []
    said = caplog.text + "".join(capsys.readouterr()) + str(summary)
    assert "CANARY" not in said and REGISTERED_UID not in said
    assert all(len(path) == 20 and int(path, 16) for path, _ in summary.errors)


def test_dicom_files_of_one_film_stay_together_and_are_valid(tmp_path: Path, films: list[Path]) -> None:
    run(films, tmp_path / "out")
    (lateral,) = (tmp_path / "out").glob("*_seg.dcm")
    record = json.loads((tmp_path / "out" / lateral.name.replace("_seg.dcm", ".json")).read_text())
    written = [dcmread(path) for path in (tmp_path / "out").glob("*.dcm")]
    assert len(written) == 5  # SR and GSPS of both, SEG of one
    assert len({dataset.StudyInstanceUID for dataset in written}) == 1
    assert {(str(d.PatientID), d.PatientIdentityRemoved) for d in written} == {(str(written[0].PatientID), "YES")}
    assert len(written[0].PatientID) == 20
    assert record["image"]["sop_instance_uid"] in list_uids(dcmread(lateral))
    assert UID(record["image"]["sop_instance_uid"]).is_valid
    for path in (tmp_path / "out").glob("*.dcm"):
        assert dicom_errors(path) == [], path.name


def test_it_resumes_and_the_salt_lies_elsewhere(tmp_path: Path, films: list[Path]) -> None:
    run(films[:2], tmp_path / "out")
    assert run(films[:2], tmp_path / "out").skipped == 2
    (salt,) = list_written(tmp_path / "settings")
    assert stat.S_IMODE(salt.stat().st_mode) == 0o600
    assert not any(salt.read_bytes().strip() in path.read_bytes() for path in list_written(tmp_path / "out"))
    name = Pseudonyms(bytes.fromhex(salt.read_text())).name_path(films[0])
    assert (tmp_path / "out" / f"{name}.json").is_file()
    write_film(films[0], 7)
    assert run(films[:2], tmp_path / "out").again == {"whose image changed": 1}
    salt.unlink()
    with pytest.raises(KneeBundleError, match="the salt of its pseudonyms is not on this account"):
        run(films[:2], tmp_path / "out")


def test_another_folder_has_other_names_unless_the_salt_is_given(tmp_path: Path, films: list[Path]) -> None:
    def list_names(out: str, salt: Path | None) -> set[str]:
        run(films[:1], tmp_path / out, replace(OPTIONS, salt=salt))
        return {path.name for path in (tmp_path / out).glob("*.json")} - {"coco.json", "label_studio.json"}

    own = tmp_path / "keys" / "salt"
    assert list_names("a", None) != list_names("b", None)
    assert list_names("c", own) == list_names("d", own)
    with pytest.raises(KneeBundleError, match="made with another salt"):
        run(films[:1], tmp_path / "a", replace(OPTIONS, salt=own))
    with pytest.raises(KneeBundleError, match="must not lie in the output folder"):
        run(films[:1], tmp_path / "e", replace(OPTIONS, salt=tmp_path / "e" / "salt"))
    own.write_text("secret")
    with pytest.raises(KneeBundleError, match="64 hexadecimal digits"):
        run(films[:1], tmp_path / "f", replace(OPTIONS, salt=own))


def test_a_folder_holds_paths_or_pseudonyms(tmp_path: Path, films: list[Path]) -> None:
    run(films[:1], tmp_path / "open", RunOptions(workers=1))
    with pytest.raises(KneeBundleError, match="its results are under paths"):
        run(films[:1], tmp_path / "open")
    run(films[:1], tmp_path / "closed")
    with pytest.raises(KneeBundleError, match="its results are under pseudonyms"):
        run(films[:1], tmp_path / "closed", RunOptions(workers=1))


def test_rows_and_times_do_not_tell_the_order_of_the_names(tmp_path: Path) -> None:
    films = [write_film(tmp_path / "in" / f"{number}.dcm", number) for number in range(6)]
    run(films, tmp_path / "out", replace(OPTIONS, formats=("json", "csv"), batch_size=1))
    rows = [line.split(",")[0] for line in (tmp_path / "out" / "images.csv").read_text().splitlines()[1:]]
    assert rows == sorted(rows) and len(rows) == 6
    made = sorted((tmp_path / "out").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    assert [path.stem for path in made] == rows


def test_an_error_does_not_name_the_file(tmp_path: Path) -> None:
    film = tmp_path / "DOE" / "JANE.mhd"
    text = (
        f"{film}: the pixels are in 'DOE_JANE.raw', and JANE.mhd of {film.parent} has UID 1.3.6.1.4.1.99.5; correct it"
    )
    said = Pseudonyms(bytes(32)).clean(text, film)
    assert "DOE" not in said and "JANE" not in said and "1.3.6.1.4.1.99.5" not in said
    assert said.endswith("; correct it")


class Crops:
    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[Any]:
        return [register_by_theta(radiograph) for radiograph in radiographs]


def test_registered_crops_have_pseudonyms_too(tmp_path: Path, films: list[Path]) -> None:
    summary = register_images([ImageRequest(film, "R") for film in films], tmp_path / "out", Crops, OPTIONS)
    assert summary.done == 2
    assert list(find_traces(tmp_path / "out", films)) == []


@pytest.mark.parametrize("recorded", [True, False])
def test_standardised_knees_have_pseudonyms_too(tmp_path: Path, recorded: bool) -> None:
    film = tmp_path / "CANARYdir" / "clean.dcm"
    film.parent.mkdir()
    known = {"PatientName": "CANARY^A", "PatientBirthDate": BIRTH, "StudyDate": DAY, "PatientID": "CANARY"}
    pixels = np.random.default_rng(0).integers(300, 3000, (320, 520)).astype(np.uint16)
    write_dicom(film, pixels, (0.5, 0.5), view="pa-bilateral", attributes=known)
    requests, pipeline = [ImageRequest(film)], cast(Callable[[], Any], DrawnKnees)
    settings = replace(SETTINGS, formats=("png", "nifti", "dicom"))
    if recorded:
        predict_images(requests, tmp_path / "pred", DrawnKnees, RunOptions(("json",)))
        records = find_records(tmp_path / "pred")
        requests, pipeline = list_recorded(records), lambda: RecordedPipeline(records)
    summary = standardize_images(requests, tmp_path / "std", pipeline, settings, OPTIONS)
    assert (summary.done, summary.errors) == (1, ())
    assert list((tmp_path / "std").glob("*_R.dcm"))
    source = dcmread(film)
    assert list(find_traces(tmp_path / "std", [film])) == []
    uids = (str(source.SOPInstanceUID), str(source.StudyInstanceUID))
    assert not [path for path in list_written(tmp_path / "std") for uid in uids if uid.encode() in path.read_bytes()]
