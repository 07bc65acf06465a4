"""Labels are read as the models write and as 3D Slicer saves; others are an error with the reason."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.placement import read_placement
from kneebundle.label_app.labels import parse_label, read_label, read_label_spacing
from kneebundle.reports.slicer_markups import to_markups
from tests.label_app.points import CENTERS, SPACING_MM, knee_points, predict_exactly, write_film, write_label


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "film.dcm")


def parsed(content: Any, film: Path, folder: Path) -> dict[str, np.ndarray]:
    path = write_label(folder / "label.json", content)
    return {k.side: k.points_px for k in parse_label(read_label(path), read_placement(film), path)}


def test_a_prediction_and_its_markups_are_labels(film: Path, tmp_path: Path) -> None:
    document = predict_exactly(film)
    assert read_label_spacing(document) == SPACING_MM
    for content in (document, to_markups(document, read_placement(film))):
        found = parsed(content, film, tmp_path)
        assert list(found) == ["R", "L"]
        for side, center in CENTERS.items():
            np.testing.assert_allclose(found[side], knee_points(center), atol=1e-3)


def test_a_label_may_be_short_and_of_one_knee(film: Path, tmp_path: Path) -> None:
    points = [{"id": i, "x_px": 10 * i, "y_px": 7} for i in reversed(range(16))]
    content = {"knees": [{"side": "L", "landmarks": points}, {"side": "R", "landmarks": []}]}
    found = parsed(content, film, tmp_path)
    assert list(found) == ["L"]
    np.testing.assert_allclose(found["L"], [[10 * i, 7] for i in range(16)])
    assert read_label_spacing(content) is None


def drop_a_point(document: dict[str, Any]) -> None:
    del document["knees"][1]["landmarks"][4]


def double_a_point(document: dict[str, Any]) -> None:
    document["knees"][0]["landmarks"].append(document["knees"][0]["landmarks"][0])


def rename_a_point(document: dict[str, Any]) -> None:
    document["knees"][0]["landmarks"][0]["name"] = "patella"


def lose_a_coordinate(document: dict[str, Any]) -> None:
    del document["knees"][0]["landmarks"][3]["y_px"]


def take_another_side(document: dict[str, Any]) -> None:
    document["knees"][0]["side"] = "both"


def take_all_points(document: dict[str, Any]) -> None:
    for knee in document["knees"]:
        knee["landmarks"] = []


def make_lateral(document: dict[str, Any]) -> None:
    document["planning"] = {}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (drop_a_point, "knee L has 15 of 16 landmarks, tibia_center is missing"),
        (double_a_point, "knee R has tibia_lateral_edge twice"),
        (rename_a_point, "knee R has a landmark 'patella', which is none of tibia_lateral_edge"),
        (lose_a_coordinate, "a landmark is not as in a prediction .*y_px"),
        (take_another_side, "the side of a knee is 'both'; R or L"),
        (take_all_points, "the label has no landmarks"),
        (make_lateral, "the label is of a lateral film"),
    ],
)
def test_what_cannot_be_trained_on_is_an_error(
    film: Path, tmp_path: Path, spoil: Callable[[dict[str, Any]], None], reason: str
) -> None:
    document = copy.deepcopy(predict_exactly(film))
    spoil(document)
    with pytest.raises(KneeBundleError, match=f"label.json: {reason}"):
        parsed(document, film, tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"), [("{", "cannot be read as JSON"), ("[1]", "neither 'knees' nor 'markups'")]
)
def test_a_file_of_another_kind_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "label.json").write_text(text)
    with pytest.raises(KneeBundleError, match=reason):
        read_label(tmp_path / "label.json")
