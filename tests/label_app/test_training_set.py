"""Labelled films become a data set that train.json reads, its points on the same anatomy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kneebundle.datasets.knees import read_knees
from kneebundle.errors import KneeBundleError
from kneebundle.label_app.image_facts import ImageFacts
from kneebundle.label_app.training_set import LabelledImage, write_training_set
from tests.label_app.points import predict_exactly, write_film, write_label


def labelled(folder: Path, name: str = "film", subject: str | None = None, **attributes: Any) -> LabelledImage:
    film = write_film(folder / f"{name}.dcm", **attributes)
    label = write_label(folder / f"{name}.json", predict_exactly(film))
    return LabelledImage(name, film, label, ImageFacts(subject_id=subject))


@pytest.mark.parametrize("orientation", [["L", "F"], ["R", "F"], ["F", "R"]], ids=["as shown", "mirrored", "turned"])
def test_points_stay_on_their_spots(tmp_path: Path, orientation: list[str]) -> None:
    """The film's landmarks are bright spots; those of the data set lie on them, however the file is turned."""
    film = labelled(tmp_path, PatientOrientation=orientation)
    data = write_training_set([film], tmp_path / "set")
    assert (data.knees, data.subjects, data.skipped) == (2, 1, ())
    records = read_knees(data.folder, "training", -1)
    assert [record["side"] for record in records] == ["R", "L"]
    for record in records:
        pixels = np.asarray(Image.open(record["image"])).astype(float)
        for x, y in record["landmarks"].round().astype(int):
            assert pixels[y - 1 : y + 2, x - 1 : x + 2].min() > 200
        assert np.median(pixels) < 100
        width_mm = np.ptp(record["landmarks"][:9, 0]) * record["spacing_mm"]
        assert width_mm == pytest.approx(160 * 0.4, abs=0.05)


def test_films_of_a_subject_stay_together(tmp_path: Path) -> None:
    films = [labelled(tmp_path, "f1", "A"), labelled(tmp_path, "f2", "A"), labelled(tmp_path, "f3")]
    data = write_training_set(films, tmp_path / "set")
    assert (data.knees, data.subjects) == (6, 2)
    records = read_knees(data.folder, "training", -1)
    assert [record["subject_id"] for record in records] == ["A"] * 4 + ["f3"] * 2


def test_a_film_that_cannot_be_used_costs_only_itself(tmp_path: Path) -> None:
    good, broken, elsewhere = labelled(tmp_path, "good"), labelled(tmp_path, "broken"), labelled(tmp_path, "elsewhere")
    broken.image.write_bytes(broken.image.read_bytes()[:2000])
    document = predict_exactly(elsewhere.image)
    document["knees"][0]["landmarks"][0]["x_px"] = -3.0
    write_label(elsewhere.label, document)
    data = write_training_set([broken, good, elsewhere], tmp_path / "set")
    assert data.knees == 2
    assert [name for name, _ in data.skipped] == ["broken", "elsewhere"]
    assert "1 landmarks of knee R lie outside the image of 500 x 400 pixels" in data.skipped[1][1]
    assert (data.folder / "errors.csv").read_text().count("\n") == 3


def test_without_usable_labels_there_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(
        KneeBundleError, match="there are no labels to train on; save corrected points with the tag final"
    ):
        write_training_set([], tmp_path / "set")
    film = labelled(tmp_path)
    film.label.write_text("{}")
    with pytest.raises(KneeBundleError, match="none of the 1 labels can be used; the first, film: .*neither 'knees'"):
        write_training_set([film], tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_picture_takes_the_spacing_that_its_prediction_rests_on(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 300)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    points = [{"id": i, "x_px": 100 + i, "y_px": 150} for i in range(16)]
    content = {"image": {"spacing_mm": [0.25, 0.25]}, "knees": [{"side": "R", "landmarks": points}]}
    film = LabelledImage("film", tmp_path / "film.png", write_label(tmp_path / "film.json", content))
    (record,) = read_knees(write_training_set([film], tmp_path / "set").folder, "training", -1)
    assert record["spacing_mm"] == 0.25
    del content["image"]
    write_label(tmp_path / "film.json", content)
    with pytest.raises(KneeBundleError, match="states no pixel spacing"):
        write_training_set([film], tmp_path / "other")
