"""Predictions in the formats of other programs: written beside the record, and what they say is the prediction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from kneebundle.batch.engine import FORMATS, RunOptions
from kneebundle.batch.names import output_names
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.run import RunSummary, predict_images
from kneebundle.exchange import FORMATS as EXCHANGED
from kneebundle.exchange import Context, Images, list_marks, read_file
from kneebundle.io.dicom_writing import write_dicom
from tests.batch.fakes import FakePipeline, write_picture
from tests.reports.test_dicom_source import fill_with_canaries

FORMS = ("json", "gsps", "slicer", "pts", "via", "coco", "label-studio")
FILES = ["a.json", "a.mrk.json", "a_L.pts", "a_gsps.dcm", "coco.json", "errors.csv", "label_studio.json", "via.csv"]


def write_film(path: Path) -> Path:
    path.parent.mkdir()
    write_dicom(path, np.eye(40, 60, dtype=np.uint16) * 4000, (0.5, 0.25), side="L", view="pa-single")
    return path


def run(paths: list[Path], folder: Path, formats: tuple[str, ...] = FORMS) -> RunSummary:
    requests = [ImageRequest(path, "L", 0.5) for path in paths]
    return predict_images(requests, folder, FakePipeline, RunOptions(formats=formats, workers=1))


def test_each_says_what_the_record_says(tmp_path: Path) -> None:
    film = write_film(tmp_path / "in" / "a.dcm")
    assert run([film], tmp_path / "out").errors == ()
    assert sorted(file.name for file in (tmp_path / "out").iterdir() if file.is_file()) == FILES
    expected = list_marks(json.loads((tmp_path / "out" / "a.json").read_text()))
    context = Context(Images([film.parent]))
    for name, file in zip(
        FORMS[1:], ("a_gsps.dcm", "a.mrk.json", "a_L.pts", "via.csv", "coco.json", "label_studio.json"), strict=True
    ):
        (read,) = read_file(tmp_path / "out" / file, name, context)
        places = [(mark.side, mark.name, mark.x, mark.y) for mark in list_marks(read)]
        assert places == [(mark.side, mark.name, mark.x, mark.y) for mark in expected], name
        assert read["image"]["path"] == str(film)


def test_a_file_that_is_gone_is_made_again(tmp_path: Path) -> None:
    film = write_film(tmp_path / "in" / "a.dcm")
    run([film], tmp_path / "out")
    assert run([film], tmp_path / "out").skipped == 1
    for name in ("a_gsps.dcm", "a.mrk.json", "a_L.pts"):
        (tmp_path / "out" / name).unlink()
        assert run([film], tmp_path / "out").done == 1
        assert (tmp_path / "out" / name).is_file()


def test_a_presentation_state_of_a_picture_is_an_error_that_costs_no_other_format(tmp_path: Path) -> None:
    ((_, reason),) = run([write_picture(tmp_path / "in" / "a.png", 100)], tmp_path / "out", ("json", "gsps")).errors
    assert reason.startswith("without gsps: the formats seg, sr and gsps refer to the DICOM image")
    assert (tmp_path / "out" / "a.json").is_file()


def test_what_highdicom_cannot_write_costs_that_format_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a value that nobody expected")

    film = write_film(tmp_path / "in" / "a.dcm")
    with monkeypatch.context() as patched:
        patched.setattr("kneebundle.batch.image_files.write_structured_report", fail)
        for _ in range(2):
            ((_, reason),) = run([film], tmp_path / "out", ("json", "csv", "sr")).errors
            assert "without sr: the format sr could not be written (ValueError: a value that nobody" in reason
            assert len((tmp_path / "out" / "landmarks.csv").read_text().splitlines()) > 16
            assert not (tmp_path / "out" / "a_sr.dcm").exists()
    assert run([film], tmp_path / "out", ("json", "csv", "sr")).errors == ()
    assert (tmp_path / "out" / "a_sr.dcm").is_file()


def test_no_image_is_called_like_a_file_about_all(tmp_path: Path) -> None:
    names = output_names([Path(f"{name}.png") for name in ("coco", "via", "label_studio", "knee", "knee_gsps")])
    assert names == ["coco-2", "via-2", "label_studio-2", "knee", "knee_gsps-2"]


@pytest.mark.parametrize("name", sorted(set(FORMS) - {"json"}))
def test_what_predict_writes_can_be_converted(name: str) -> None:
    assert name in FORMATS
    assert name in EXCHANGED


def test_no_file_but_dicom_says_anything_about_the_patient(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every attribute that can hold a text, private ones too, has one of its own."""
    film = write_film(tmp_path / "in" / "a.dcm")
    dataset = dcmread(film)
    fill_with_canaries(dataset)
    dataset.save_as(film)
    formats = tuple(name for name in FORMATS if name not in ("seg", "sr", "gsps"))
    assert run([film], tmp_path / "out", formats).errors == ()
    dataset.Rows = 30000
    dataset.save_as(film.with_name("b.dcm"))
    assert len(run([film.with_name("b.dcm")], tmp_path / "out", formats).errors) == 1
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) > 10
    assert [path.name for path in written if b"CANARY" in path.read_bytes()] == []
    assert "CANARY" not in caplog.text
