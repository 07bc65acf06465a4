"""The picture of a lateral film: bones in their colours, lines and the point where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.radiograph import Radiograph
from kneebundle.reports.lateral_overlay import draw_lateral_overlay, write_lateral_overlay
from kneebundle.results import LateralResult
from tests.reports.lateral_results import POINT, lateral_result, write_source


def result_on_grey(tmp_path: Path) -> LateralResult:
    result = lateral_result(write_source(tmp_path / "a.dcm"))
    pixels = np.random.default_rng(0).normal(100, 1, result.radiograph.pixels.shape)
    film = replace(result.radiograph, pixels=pixels)
    return replace(result, radiograph=film, flags=())


def colours(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_bones_are_tinted_where_they_are_and_the_point_is_marked(tmp_path: Path) -> None:
    result = result_on_grey(tmp_path)
    picture = colours(draw_lateral_overlay(result))
    scale = 960 / 60.0  # the film is 60 mm high and wide
    green, red = picture[..., 1] - picture[..., 0], picture[..., 0] - picture[..., 1]

    def at(x: float, y: float) -> tuple[int, int]:
        return round((y + 0.5) * 1.0 * scale), round((x + 0.5) * 1.5 * scale)

    assert green[at(18, 8)] > 20 and red[at(16.5, 36)] > 20
    assert abs(green[at(35, 55)]) < 5, "no tint where no bone is"
    assert (picture[at(*POINT)] > 230).all(), "a white dot on the Schoettle point"
    assert picture[at(12, 3)][2] - picture[at(12, 3)][0] > 60, "LM1 is blue"


def test_a_detail_stands_beside_the_film_only_where_there_is_a_point(tmp_path: Path) -> None:
    result = result_on_grey(tmp_path)
    planned = draw_lateral_overlay(result)
    refused = replace(result.plan, point_px=None, radius_mm=None, lines={}, refused="the region is too short")
    plain = draw_lateral_overlay(replace(result, plan=refused))
    assert planned.size == (960 + 4 + 640, 960)
    assert plain.size == (960, 960 + 22), "the reason stands in a line below"


def test_the_file_holds_no_text_of_the_input(tmp_path: Path) -> None:
    write_lateral_overlay(result_on_grey(tmp_path), tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").info == {}
    assert b"Mustermann" not in (tmp_path / "x.png").read_bytes()


def test_nothing_found_still_makes_a_picture() -> None:
    film = Radiograph(np.random.default_rng(0).normal(100, 1, (50, 40)), (0.5, 0.5), view="lateral")
    from kneebundle.measurements.schoettle import SchoettlePlan

    nothing = LateralResult(film, {"femur": np.zeros((50, 40), bool)}, None, SchoettlePlan((0.5, 0.5), refused="no"))
    assert draw_lateral_overlay(nothing).size == (768, 982)
