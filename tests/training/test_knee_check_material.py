"""What the knee check learns from: crops at 1 mm, replaced knees, knees without landmarks, other radiographs."""

from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import write_table
from kneebundle.phantoms.files import make_folder, write_png
from kneebundle.phantoms.pa.data_set import synthesize_knees
from kneebundle.training import knee_check_material
from kneebundle.training.film_windows import TrainingFilm
from kneebundle.training.knee_check_films import read_check_films
from kneebundle.training.knee_check_material import (
    draw_other_films,
    list_crops,
    read_other_films,
    read_rough_knees,
    replace_joints,
)
from kneebundle.training.made_films import knee_images


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingFilm]:
    folder = tmp_path_factory.mktemp("crops")
    synthesize_knees(folder, 2, size_mm=110.0, spacing_mm=0.5)
    return list_crops(knee_images(str(folder), "training", -1, folds=2))


def _write_spot(path: Path, x: int, y: int) -> None:
    pixels = np.full((120, 100), 20.0)
    pixels[y - 4 : y + 5, x - 4 : x + 5] = 250
    write_png(path, pixels)


def test_crops_are_at_one_mm_with_their_landmarks(crops: list[TrainingFilm]) -> None:
    assert [film.knees[0].side for film in crops] == ["R", "L"]
    for film in crops:
        assert film.pixels.shape == (110, 110) and film.knees[0].points.shape == (16, 2)
        assert np.abs(film.knees[0].joint - 54.5).max() < 12


def test_a_replacement_covers_the_joint_and_leaves_the_landmarks(crops: list[TrainingFilm]) -> None:
    replaced = replace_joints(crops, seed=0, replaced=1.0)
    assert {knee.kind for film in replaced for knee in film.knees} == {"implant"}
    for before, after in zip(crops, replaced, strict=True):
        assert np.array_equal(before.knees[0].points, after.knees[0].points)
        x, y = np.round(before.knees[0].joint).astype(int)
        there = np.s_[y - 25 : y + 25, x - 40 : x + 40]
        assert (after.pixels[there] > 240).mean() > (before.pixels[there] > 240).mean() + 0.02
    again = replace_joints(crops, seed=0, replaced=1.0)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(replaced, again, strict=True))


def test_knees_of_which_only_the_joint_is_known_get_no_replacement(crops: list[TrainingFilm]) -> None:
    rough = TrainingFilm(crops[0].pixels, (crops[0].knees[0]._replace(points=crops[0].knees[0].points[4:5]),))
    assert replace_joints([rough, TrainingFilm(crops[0].pixels, ())], seed=0) == []


def test_rough_knees_lie_where_the_table_says_or_in_the_middle(tmp_path: Path) -> None:
    make_folder(tmp_path / "images")
    _write_spot(tmp_path / "images/a.png", 70, 30)
    _write_spot(tmp_path / "images/b.png", 50, 60)
    rows = [["a.png", "R", 0.5, 70, 30], ["b.png", "", 0.5, "", ""]]
    write_table(tmp_path / "knees.csv", ["image", "side", "spacing_mm", "x_px", "y_px"], rows)
    first, second = read_rough_knees(tmp_path)
    assert (first.knees[0].side, second.knees[0].side) == ("R", "?") and first.knees[0].kind == "rough"
    x, y = first.knees[0].joint
    assert first.pixels[round(y), round(x)] > 200 and first.pixels.shape == (60, 50)
    assert second.knees[0].joint == pytest.approx([24.5, 29.5])


def test_films_with_landmarks_keep_them(tmp_path: Path) -> None:
    make_folder(tmp_path / "images")
    _write_spot(tmp_path / "images/a.png", 70, 30)
    points = np.tile([10.0, 20.0], (16, 1))
    points[4] = 70, 30
    names = [f"{axis}{i}" for i in range(16) for axis in "xy"]
    columns = ["image", "subject_id", "spacing_mm", "kind", "side", "x_px", "y_px", *names]
    rows = [["a.png", "a", 0.5, "native", "R", 70, 30, *points.ravel()], ["a.png", "b", 0.5, "native", "L", 5, 6]]
    write_table(tmp_path / "films.csv", columns, [[*row, *[""] * (len(columns) - len(row))] for row in rows])
    (film,) = read_check_films(tmp_path, "training", -1, 2)
    assert [len(knee.points) for knee in film.knees] == [16, 1]
    assert film.knees[0].joint == pytest.approx([34.75, 14.75])


def test_other_films_have_no_knees_and_several_sizes(tmp_path: Path) -> None:
    _write_spot(tmp_path / "hand.png", 40, 40)
    films = read_other_films(tmp_path)
    assert len({film.pixels.shape for film in films}) == 3 and not any(film.knees for film in films)
    assert len(draw_other_films(1, 1, seed=0)) == 2
    make_folder(tmp_path / "empty")
    with pytest.raises(KneeBundleError):
        read_other_films(tmp_path / "empty")


def test_of_other_metal_a_replacement_counts_as_one_and_a_plate_does_not(
    crops: list[TrainingFilm], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, kinds in (("plate", {"native"}), ("knee replacement", {"native", "implant"})):
        monkeypatch.setattr(knee_check_material, "add_implants", lambda *_, name=name: (name,))
        films = [film for seed in range(6) for film in replace_joints(crops, seed=seed, replaced=0.0)]
        assert {knee.kind for film in films for knee in film.knees} == kinds


def test_a_kind_that_is_none_of_those_known_is_an_error(tmp_path: Path) -> None:
    make_folder(tmp_path / "images")
    _write_spot(tmp_path / "images/a.png", 70, 30)
    columns = ["image", "subject_id", "spacing_mm", "kind", "side", "x_px", "y_px"]
    write_table(tmp_path / "films.csv", columns, [["a.png", "a", 0.5, "elbow", "R", 70, 30]])
    with pytest.raises(KneeBundleError, match="kind is 'elbow'; native, implant or none is needed"):
        read_check_films(tmp_path, "training", -1, 2)
