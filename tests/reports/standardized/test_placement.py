"""Where standardised knees lie: level, in the middle, of the right size, and the way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import Landmarks
from kneebundle.orientation import Orientation
from kneebundle.radiograph import Radiograph, Side
from kneebundle.reports.json_report import to_document
from kneebundle.reports.standardized import StandardGrid, place_knee, place_lateral
from kneebundle.results import KneeResult, RadiographResult
from kneebundle.transforms.affine import resample_affine
from tests.reports.html.films import place_landmarks
from tests.reports.lateral_results import lateral_result, write_source

SPACING = (0.25, 0.2)
TURNED = (Orientation(), Orientation(flip_rows=True), Orientation(transpose=True, flip_columns=True))


def make_film(side: Side, tilt_deg: float, orientation: Orientation) -> tuple[Radiograph, dict]:
    """A radiograph whose knee is tilted, with a soft dot on each landmark, and its document's knee."""
    points = place_landmarks(side, (90.0, 80.0), tilt_deg) / SPACING[::-1]
    rows, columns = np.mgrid[:640, :900]
    pixels = np.zeros((640, 900))
    for x, y in points[[0, 8, 12]]:
        pixels += 1000 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 128)
    radiograph = Radiograph(pixels, SPACING, "knee.png", view="pa-single", orientation=orientation)
    knee = KneeResult(side, (450.0, 320.0), 100.0, Landmarks(points))
    (document,) = to_document(RadiographResult(radiograph, (knee,)))["knees"]
    return radiograph, document


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize(("side", "tilt"), [("R", 0.0), ("R", 13.0), ("L", -21.0), ("R", 178.0)])
def test_the_plateau_is_level_in_the_middle_and_medial_on_the_right(
    side: Side, tilt: float, orientation: Orientation
) -> None:
    radiograph, knee = make_film(side, tilt, orientation)
    grid = StandardGrid(0.3, (90.0, 120.0))
    placement = place_knee(knee, radiograph, grid)
    points = placement.to_picture([[p["x_px"], p["y_px"]] for p in knee["landmarks"]])
    lateral, medial = points[1], points[7]
    np.testing.assert_allclose((lateral + medial) / 2, [(400 - 1) / 2, (300 - 1) / 2], atol=0.01)
    np.testing.assert_allclose(medial - lateral, [56 / 0.3, 0], atol=0.01)
    assert points[12, 1] < points[4, 1]  # the femur is above
    assert placement.mirrored is (side == "L")
    assert abs((placement.turned_deg + tilt + 180) % 360 - 180) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("side", ["R", "L"])
def test_a_knee_that_is_not_mirrored_is_only_turned(side: Side) -> None:
    radiograph, knee = make_film(side, 10.0, Orientation())
    placement = place_knee(knee, radiograph, StandardGrid(mirror=False))
    assert np.linalg.det(placement.to_displayed[:2, :2]) > 0 and not placement.mirrored
    points = placement.to_picture([[p["x_px"], p["y_px"]] for p in knee["landmarks"]])
    assert bool(points[7, 0] > points[1, 0]) is (side == "R")
    assert points[7, 1] == pytest.approx(points[1, 1], abs=0.01)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("side", ["R", "L"])
def test_the_way_back_lands_within_a_hundredth_of_a_pixel(side: Side, orientation: Orientation) -> None:
    """Dots are found in the picture by their centre of mass, and taken back to the stored file."""
    radiograph, knee = make_film(side, 9.0, orientation)
    placement = place_knee(knee, radiograph, StandardGrid(0.2, (120.0, 120.0)))
    picture = np.nan_to_num(resample_affine(radiograph.pixels, placement.to_displayed, placement.grid.shape))
    for index in (0, 8, 12):
        stored = knee["landmarks"][index]
        x, y = np.rint(placement.to_picture([[stored["x_px"], stored["y_px"]]])[0]).astype(int)
        weights = picture[y - 50 : y + 51, x - 50 : x + 51].astype(float)
        rows, columns = np.mgrid[y - 50 : y + 51, x - 50 : x + 51]
        center = [(columns * weights).sum() / weights.sum(), (rows * weights).sum() / weights.sum(), 1.0]
        back = (placement.to_stored @ center)[:2]
        np.testing.assert_allclose(back, [stored["x_px"], stored["y_px"]], atol=0.01)


def test_a_lateral_knee_stands_on_its_cortex_with_the_front_on_the_right(tmp_path: Path) -> None:
    result = lateral_result(write_source(tmp_path / "lateral.dcm"))
    planning = to_document(result)["planning"]
    placement = place_lateral(planning, result.radiograph, StandardGrid(0.5, (60.0, 60.0)))
    line = planning["lines"]["LM1"]
    ends = placement.to_picture([line["point_px"], np.add(line["point_px"], line["direction"])])
    assert ends[1, 0] - ends[0, 0] == pytest.approx(0, abs=1e-6) and ends[1, 1] > ends[0, 1]
    front = planning["lines"]["LM2"]
    ends = placement.to_picture([front["point_px"], np.add(front["point_px"], front["direction"])])
    assert ends[1, 0] > ends[0, 0]
    point = planning["schoettle_point"]
    np.testing.assert_allclose(placement.to_picture([[point["x_px"], point["y_px"]]])[0], [59.5, 59.5], atol=1e-6)
    assert placement.orientation == ("A", "F")


def test_a_picture_of_too_few_pixels_is_an_error() -> None:
    with pytest.raises(KneeBundleError, match="5 x 5 mm at 0.5 mm a pixel are 10 x 10 pixels; 32 to 8192"):
        StandardGrid(0.5, (5.0, 5.0))
