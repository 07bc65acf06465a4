"""Pictures of knees and the points in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.datasets.knee_pictures import cut_around, landmark_columns, write_picture
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.resample import pixel_spacing


def film_with_a_spot(row: int, column: int, spacing_mm: tuple[float, float]) -> Radiograph:
    pixels = np.random.default_rng(0).uniform(10, 20, (200, 300)).astype(np.float32)
    pixels[row - 5 : row + 6, column - 5 : column + 6] = 100
    return Radiograph(pixels, spacing_mm)


def test_a_point_stays_on_what_it_marks(tmp_path: Path) -> None:
    for spacing_mm in ((0.5, 0.5), (0.6, 0.4)):
        film = film_with_a_spot(80, 150, spacing_mm)
        points_mm = film.px_to_mm(np.array([[150.0, 80.0], [130.0, 60.0]]))
        picture = cut_around(film.to_metatensor(), points_mm, 60.0)
        (x, y), _ = write_picture(tmp_path / "knee.png", picture, points_mm)
        pixels = np.asarray(Image.open(tmp_path / "knee.png")).astype(float)
        rows, columns = np.nonzero(pixels > 200)
        np.testing.assert_allclose([columns.mean(), rows.mean()], [x, y], atol=0.5)
        assert pixel_spacing(picture)[0] == pixel_spacing(picture)[1] == min(spacing_mm)
        np.testing.assert_allclose(np.array(pixels.shape) * min(spacing_mm), 60, atol=1.5)


def test_the_cut_ends_where_the_film_ends() -> None:
    film = film_with_a_spot(10, 290, (0.5, 0.5))
    picture = cut_around(film.to_metatensor(), film.px_to_mm(np.array([[290.0, 10.0]])), 40.0)
    assert picture.shape == (1, 10 + 41, 9 + 41)
    assert np.isfinite(picture.numpy()).all()
    np.testing.assert_allclose(picture.numpy()[0, 10, 40], 100)


def test_columns_name_x_and_y_of_each_landmark() -> None:
    assert landmark_columns(1) == ["image", "subject_id", "side", "kl", "spacing_mm", "inverted", "x0", "y0"]
    assert len(landmark_columns()) == 6 + 32
