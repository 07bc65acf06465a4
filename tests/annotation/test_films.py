"""The radiographs of an output folder: found, opened, and named where something is wrong with one."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.annotation import films as films_module
from kneebundle.annotation.films import PredictedFilms, grey_window, render_png
from kneebundle.errors import KneeBundleError
from kneebundle.radiograph import Radiograph
from tests.annotation.studies import NAMES, get_film, make_study


def open_film(films: PredictedFilms, name: str) -> Radiograph:
    return films.open(films.scan()[name])


def test_records_are_found_and_other_json_is_not(tmp_path: Path) -> None:
    out = make_study(tmp_path)
    (out / "evaluation.json").write_text('{"all": {}}')
    (out / "broken.json").write_text("{")
    (out / ".records").mkdir()
    shutil.move(out / "none.json", out / ".records" / "none.json")
    films = PredictedFilms(out)
    assert list(films.scan()) == NAMES
    shutil.copy(out / "both.json", out / "later.json")  # a run that goes on
    assert "later" in films.scan()
    (out / "later.json").unlink()
    assert films.find("later") is None
    assert films.find("../images/both") is None


def test_a_folder_without_predictions_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="no predictions"):
        PredictedFilms(tmp_path)


def test_an_image_that_is_gone_or_another_one_is_named(tmp_path: Path) -> None:
    out = make_study(tmp_path)
    films = PredictedFilms(out)
    with pytest.raises(KneeBundleError, match=r"gone\.png: the image is no longer there"):
        open_film(films, "gone")
    Image.fromarray(np.eye(90, dtype=np.uint8)).save(tmp_path / "images" / "both.png")
    with pytest.raises(KneeBundleError, match="90 x 90 pixels .* 300 x 400"):
        open_film(films, "both")
    record = json.loads((out / "turned.json").read_text())
    record["image"]["sop_instance_uid"] = "1.2.3"
    (out / "turned.json").write_text(json.dumps(record))
    with pytest.raises(KneeBundleError, match="another DICOM image"):
        open_film(films, "turned")


def test_moved_images_are_found_in_the_folder_that_is_named(tmp_path: Path) -> None:
    out = make_study(tmp_path)
    moved = tmp_path / "elsewhere" / "images"
    shutil.move(tmp_path / "images", moved)
    with pytest.raises(KneeBundleError, match="no longer there"):
        open_film(PredictedFilms(out), "both")
    for folder in (moved, moved.parent):
        assert open_film(PredictedFilms(out, folder), "both").rows == 300
    with pytest.raises(KneeBundleError, match="no such folder"):
        PredictedFilms(out, tmp_path / "nowhere")


def test_a_picture_is_as_displayed_with_these_greys(tmp_path: Path) -> None:
    _, radiograph = get_film(make_study(tmp_path), "turned")
    picture = np.asarray(Image.open(io.BytesIO(render_png(radiograph, 50, 150))))
    assert picture.dtype == np.uint8 and picture.shape == radiograph.pixels.shape
    expected = np.clip((radiograph.pixels - 50) * 2.55, 0, 255)
    np.testing.assert_allclose(picture, expected, atol=0.51)
    low, high = grey_window(radiograph)
    assert radiograph.pixels.min() <= low < high <= radiograph.pixels.max()


def test_a_picture_of_very_many_pixels_is_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(films_module, "_LARGEST_PICTURE_PX", 5000)
    radiograph = Radiograph(np.tile(np.arange(200.0), (100, 1)), (1, 1))
    picture = Image.open(io.BytesIO(render_png(radiograph, 0, 200)))
    assert picture.size == (100, 50)


def test_records_that_lack_something_are_not_shown(tmp_path: Path) -> None:
    out = make_study(tmp_path)
    for name, lacks in (("both", "knees"), ("none", "image"), ("implant", "schema")):
        content = json.loads((out / f"{name}.json").read_text())
        del content[lacks]
        (out / f"{name}.json").write_text(json.dumps(content))
    content = json.loads((out / "turned.json").read_text())
    del content["image"]["spacing_mm"]
    (out / "turned.json").write_text(json.dumps(content))
    (out / "gone.json").write_text("[" * 100_000)
    assert list(PredictedFilms(out).scan()) == ["side"]


def test_the_last_images_are_kept_and_the_oldest_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films = PredictedFilms(make_study(tmp_path))
    monkeypatch.setattr(films_module, "_KEPT_IMAGES", 2)
    first = open_film(films, "both")
    second = open_film(films, "none")
    assert open_film(films, "both") is first
    open_film(films, "turned")
    assert open_film(films, "both") is first and open_film(films, "none") is not second


def test_no_image_is_looked_for_above_the_folder_that_is_named(tmp_path: Path) -> None:
    out = make_study(tmp_path)
    (tmp_path / "moved" / "here").mkdir(parents=True)
    shutil.move(tmp_path / "images" / "both.png", tmp_path / "moved" / "both.png")
    content = json.loads((out / "both.json").read_text())
    content["image"]["path"] = "../both.png"
    (out / "both.json").write_text(json.dumps(content))
    with pytest.raises(KneeBundleError, match="no longer there"):
        open_film(PredictedFilms(out, tmp_path / "moved" / "here"), "both")
