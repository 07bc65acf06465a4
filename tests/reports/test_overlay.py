"""The picture of a result: bones in their colours where the points are, in the film and in each knee's panel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph, Side
from kneebundle.reports.overlay import draw_overlay, write_overlay
from kneebundle.results import Flag, KneeResult, RadiographResult

POINTS = np.array([[20 + 20 * i, 130] for i in range(9)] + [[20 + 26 * i, 90] for i in range(7)], dtype=float)


def single(spacing: tuple[float, float] = (0.5, 0.5), confidence: float = 1.0) -> RadiographResult:
    points = POINTS * [0.5 / spacing[1], 0.5 / spacing[0]]
    pixels = np.random.default_rng(0).normal(100, 1, (round(110 / spacing[0]), round(110 / spacing[1])))
    knee = KneeResult("R", (110, 110), 140.0, Landmarks(points, "px", confidence=np.full(16, confidence)))
    return RadiographResult(Radiograph(pixels, spacing, "NAME_OF_PATIENT.dcm"), (knee,))


def bilateral(flags: tuple[Flag, ...] = ()) -> RadiographResult:
    pixels = np.random.default_rng(0).normal(100, 1, (600, 800))
    sides: tuple[tuple[Side, int], ...] = (("R", 80), ("L", 480))
    knees = tuple(KneeResult(s, (x + 90, 300), 140.0, Landmarks(POINTS + [x, 190], "px"), flags) for s, x in sides)
    return RadiographResult(Radiograph(pixels, (0.5, 0.5)), knees)


def redness(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image).astype(int)
    return pixels[..., 0] - pixels[..., 1]


def test_tibia_is_red_and_femur_green_at_their_points() -> None:
    image = draw_overlay(single())
    assert image.size == (960, 960)
    scale = 960 / 220
    red = redness(image)
    for i, (x, y) in enumerate((POINTS + 0.5) * scale):
        assert (red[round(y), round(x)] > 40) == (i < 9)
        assert (red[round(y), round(x)] < -80) == (i >= 9)


def test_pixels_that_are_not_square_do_not_move_the_points() -> None:
    square, flat = (redness(draw_overlay(single(spacing))) > 80 for spacing in ((0.5, 0.5), (0.25, 0.5)))
    centre = [np.argwhere(mask).mean(axis=0) for mask in (square, flat)]
    assert np.abs(centre[0] - centre[1]).max() < 1.5  # half a pixel of either film


def test_uncertain_points_have_wider_rings() -> None:
    sure, unsure = ((np.abs(redness(draw_overlay(single(confidence=c)))) > 30).sum() for c in (1.0, 0.2))
    assert unsure > 2 * sure


def test_a_known_radius_is_drawn_to_scale() -> None:
    """A ring of 8 mm crosses the picture 8 mm from the point; without it nothing is there."""
    plain = single()
    knee = plain.knees[0]
    assert knee.landmarks is not None
    known = replace(knee, landmarks=replace(knee.landmarks, radius_mm=np.full(16, 8.0)))
    scale = 960 / 220
    x, y = (POINTS[4] + 0.5) * scale
    below = round(y + 8.0 / 0.5 * scale)
    for result, drawn in ((plain, False), (replace(plain, knees=(known,)), True)):
        red = redness(draw_overlay(result))[below - 2 : below + 3, round(x)] > 40
        assert bool(red.any()) == drawn


def test_a_large_film_gets_a_panel_for_each_knee_below_it() -> None:
    image = draw_overlay(bilateral())
    assert image.size == (1280, 960 + 4 + 636)  # the film of 3:4, a gap, and two panels of 636 side by side
    red = redness(image) > 60
    film, right, left = red[:960], red[964:, :640], red[964:, 644:]
    assert film[:, :640].any() and film[:, 640:].any()
    assert right.sum() > film[:, :640].sum() and left.sum() > film[:, 640:].sum()


def test_flags_are_written_below() -> None:
    plain, flagged = draw_overlay(bilateral()), draw_overlay(bilateral((Flag("cut_off", "cut by the border"),)))
    assert flagged.size[1] - plain.size[1] == 44  # a line for each knee
    assert (redness(flagged)[plain.size[1] :] > 30).any()


def test_nothing_found_and_nothing_measured_still_make_a_picture() -> None:
    film = bilateral().radiograph
    unmeasured = RadiographResult(
        film, (KneeResult("L", (799, 0), 140.0, None, (Flag("implant", "an arthroplasty"),)),)
    )
    empty = RadiographResult(film, (), flags=(Flag("not_a_knee", "no knee was found"),))
    # the film of 3:4, a gap of 4 and 70.25 of 140 mm of the knee in the corner; the film alone; a line for the flag
    for result, size in ((unmeasured, (1280, 960 + 4 + 640 + 22)), (empty, (960, 720 + 22))):
        image = draw_overlay(result)
        assert image.size == size
        assert (redness(image)[-22:] > 30).any() and not (redness(image)[:-22] > 30).any(), "only the flag is red"


def test_the_file_holds_no_text_of_the_input(tmp_path: Path) -> None:
    write_overlay(single(), tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").info == {}
    assert b"NAME_OF_PATIENT" not in (tmp_path / "x.png").read_bytes()
