"""Landmark sets as their papers number them, and points that know their frame."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import HAND, KNEE_LATERAL, KNEE_PA, LANDMARK_SETS, WRIST, Landmarks, LandmarkSet


def test_the_knee_is_numbered_as_in_figure_1_of_kneel() -> None:
    """Each bone from its lateral to its medial edge; the spines stand on either side of the centre."""
    assert [KNEE_PA.names[i] for i in KNEE_PA.report] == [
        "tibia_lateral_edge",
        "tibia_medial_edge",
        "femur_lateral_edge",
        "femur_medial_edge",
    ]
    assert KNEE_PA.outlines == (("tibia", (0, 1, 2, 3, 4, 5, 6, 7, 8)), ("femur", (9, 10, 11, 12, 13, 14, 15)))
    for bone, ids in KNEE_PA.outlines:
        names = [KNEE_PA.names[i] for i in ids]
        assert all(name.startswith(bone) for name in names)
        assert names[0].split("_")[1] == "lateral"
        swapped = {"lateral": "medial", "medial": "lateral"}
        mirrored = ["_".join(swapped.get(part, part) for part in name.split("_")) for name in reversed(names)]
        assert mirrored == names
    assert KNEE_PA.names[KNEE_PA.center] == "tibia_center"


def test_the_points_of_a_lateral_knee() -> None:
    assert KNEE_LATERAL.names[KNEE_LATERAL.center] == "p_tmc"
    assert [KNEE_LATERAL.names[i] for i in KNEE_LATERAL.report] == ["p_blum", "p_tmc"]


def test_every_finger_of_a_hand_is_a_line_from_the_wrist_to_the_tip() -> None:
    lines = {name: [HAND.names[i] for i in ids] for name, ids in HAND.outlines}
    places = ("proximal_base", "middle_joint", "distal_joint", "tip")
    for finger in ("index", "middle", "ring", "little"):
        assert lines[finger] == [f"{finger}_metacarpal_base", *(f"{finger}_{place}" for place in places)]
    assert lines["thumb"] == [f"thumb_{place}" for place in ("metacarpal_base", "proximal_base", "distal_joint", "tip")]
    assert lines["ulna"] == ["ulna_ulnar_edge", "ulna_styloid", "ulna_radial_edge"]
    assert lines["radius"] == ["radius_ulnar_edge", "radius_styloid", "radius_radial_edge"]
    assert lines["proximal_carpals"] == [f"{bone}_proximal" for bone in ("triquetrum", "lunate", "scaphoid")]
    assert lines["distal_carpals"] == [f"{b}_proximal" for b in ("hamate", "capitate", "trapezoid", "trapezium")]
    assert sorted(i for _, ids in HAND.outlines for i in ids) == list(range(37))
    assert HAND.report == tuple(range(37))
    assert HAND.names[HAND.center] == "capitate_proximal"
    assert [HAND.names[i] for i in WRIST] == ["ulna_ulnar_edge", "radius_radial_edge"]


def test_a_set_is_found_by_its_key_and_names_its_columns() -> None:
    assert {key: found.key for key, found in LANDMARK_SETS.items()} == {
        "knee_pa": "knee_pa",
        "knee_lateral": "knee_lateral",
        "hand": "hand",
    }
    assert KNEE_LATERAL.columns == ["x0", "y0", "x1", "y1"]
    assert len({KNEE_PA, KNEE_LATERAL, LandmarkSet("knee_lateral", ("p_blum", "p_tmc"), (), 1, (0, 1))}) == 2


@pytest.mark.parametrize("shape", [(15, 2), (16, 3), (32,), (1, 16, 2)])
def test_points_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(KneeBundleError, match=r"knee_pa has 16 landmarks, each x and y"):
        Landmarks(np.zeros(shape))


def test_a_frame_is_pixels_or_millimetres() -> None:
    with pytest.raises(KneeBundleError, match="'px' or 'mm', got 'cm'"):
        Landmarks(np.zeros((16, 2)), "cm")


def test_pixels_that_are_not_square_go_to_mm_and_back() -> None:
    confidence = np.linspace(0, 1, 16)
    points = Landmarks(np.arange(32.0).reshape(16, 2), "px", confidence=confidence)
    in_mm = points.to_mm((0.5, 0.2))
    assert in_mm.frame == "mm" and in_mm.landmark_set == KNEE_PA
    np.testing.assert_allclose(in_mm.points, points.points * [0.2, 0.5])
    np.testing.assert_array_equal(in_mm.confidence, confidence)
    assert in_mm.to_mm((9.0, 9.0)) is in_mm and points.to_px((9.0, 9.0)) is points
    back = in_mm.to_px((0.5, 0.2))
    assert back.frame == "px"
    np.testing.assert_allclose(back.points, points.points)


def test_landmarks_and_their_sets_cannot_be_changed_by_accident() -> None:
    for thing, name in ((Landmarks(np.zeros((16, 2))), "frame"), (KNEE_PA, "center")):
        with pytest.raises(FrozenInstanceError):
            setattr(thing, name, "mm")
