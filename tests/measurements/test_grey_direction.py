"""Whether bone is bright or dark is read where bone and joint space are known to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.grey_direction import is_bone_dark
from kneebundle.measurements.knee_frame import KneeFrame
from kneebundle.radiograph import Radiograph
from tests.measurements.drawn_joints import draw_joint, right_knee


def looks_dark(radiograph: Radiograph, landmarks: Landmarks) -> bool:
    points = landmarks.to_mm(radiograph.spacing_mm)
    return is_bone_dark(radiograph, points, KneeFrame.place(points))


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize(("spacing", "turn"), [((0.5, 0.5), 0.0), ((0.6, 0.4), 0.0), ((0.5, 0.5), 30.0)])
def test_a_negative_is_told_from_a_positive(left: bool, spacing: tuple[float, float], turn: float) -> None:
    radiograph, landmarks = draw_joint(spacing, left=left, turn_deg=turn)
    assert not looks_dark(radiograph, landmarks)
    assert looks_dark(replace(radiograph, pixels=-radiograph.pixels), landmarks)


@pytest.mark.parametrize(("medial_gap", "dark"), [(4.0, False), (8.0, True)])
def test_the_wider_of_the_two_joint_spaces_tells(medial_gap: float, dark: bool) -> None:
    """The lateral space is 6 mm wide; the medial half of the film is made a negative."""
    radiograph, landmarks = draw_joint((0.5, 0.5), medial_gap=medial_gap)
    points = landmarks.points.copy()
    points[14, 1] = points[7, 1] - medial_gap / 0.5
    points[[0, 2, 6, 8], 1] += 80.0  # the neighbours of the two points have no part in it
    pixels = radiograph.pixels.copy()
    pixels[:, 200:] = 1.2 - pixels[:, 200:]
    assert looks_dark(replace(radiograph, pixels=pixels), Landmarks(points)) == dark


def column(values: dict[tuple[float, float], float]) -> Radiograph:
    """An image of 0.5 mm pixels, grey 0.5, with other greys between heights y in mm."""
    pixels = np.full((420, 420), 0.5)
    for (top, bottom), value in values.items():
        pixels[round(2 * top) : round(2 * bottom) + 1] = value
    return Radiograph(pixels, (0.5, 0.5))


def test_it_looks_7_mm_into_each_bone_and_at_the_middle_of_the_space() -> None:
    """The lateral space is the wider one: the femur ends at y = 114, the tibia begins at y = 120."""
    landmarks = Landmarks(right_knee(), "mm").to_px((0.5, 0.5))
    assert not looks_dark(column({(106.5, 107.5): 0.9, (126.5, 127.5): 0.9}), landmarks)
    assert looks_dark(column({(106.5, 107.5): 0.1, (126.5, 127.5): 0.4}), landmarks)
    assert looks_dark(column({(116.5, 117.5): 0.9}), landmarks)
    assert not looks_dark(column({(116.5, 117.5): 0.1}), landmarks)
    assert not looks_dark(column({}), landmarks), "no difference is no negative"


@pytest.mark.parametrize(("away_mm", "seen"), [(-2.8, True), (2.8, True), (-3.8, False), (3.8, False), (0.0, True)])
@pytest.mark.parametrize("height_mm", [117.0, 107.0, 127.0])
def test_it_looks_3_mm_to_either_side(height_mm: float, away_mm: float, seen: bool) -> None:
    """A spot in the lateral space, in the femur or in the tibia; around it all is grey."""
    landmarks = Landmarks(right_knee(), "mm").to_px((0.5, 0.5))
    pixels = np.full((420, 420), 0.5)
    row, column = round(height_mm / 0.5), round((70.0 + away_mm) / 0.5)
    pixels[row - 1 : row + 2, column - 1 : column + 2] = 0.9 if height_mm == 117.0 else 0.1
    assert looks_dark(Radiograph(pixels, (0.5, 0.5)), landmarks) == seen


@pytest.mark.parametrize("row", [292, 293])
def test_between_two_pixels_both_count(row: int) -> None:
    """The middle of the space is at y = 117 mm, row 292.5."""
    pixels = np.full((525, 525), 0.5)
    pixels[row] = 0.9
    assert looks_dark(Radiograph(pixels, (0.4, 0.4)), Landmarks(right_knee(), "mm").to_px((0.4, 0.4)))


def test_both_bones_count_alike() -> None:
    landmarks = Landmarks(right_knee(), "mm").to_px((0.5, 0.5))
    assert not looks_dark(column({(106.5, 107.5): 0.9, (126.5, 127.5): 0.2}), landmarks)
    assert looks_dark(column({(106.5, 107.5): 0.1, (126.5, 127.5): 0.8}), landmarks)
    assert not looks_dark(column({(106.5, 107.5): 0.2, (126.5, 127.5): 0.9}), landmarks)


def test_beyond_the_border_its_pixels_go_on() -> None:
    """A film that ends 3 mm above the femur's end still tells."""
    radiograph, landmarks = draw_joint((0.5, 0.5))
    cut = round(111.0 / 0.5)
    cut_off = replace(radiograph, pixels=radiograph.pixels[cut:])
    assert not looks_dark(cut_off, Landmarks(landmarks.points - [0, cut]))
