"""What a radiograph shows, with networks that know where its knees are."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from kneebundle.pipelines.film_content import (
    FilmContent,
    choose_of_halves,
    choose_of_two,
    find_candidates,
    read_content,
    shrink_radiograph,
    turn_radiograph,
)
from kneebundle.radiograph import Radiograph
from tests.pipelines.content_fakes import IMPLANT, LEFT, RIGHT, FakeCheck, FakeRoi


def film(width: int, height: int) -> Radiograph:
    return Radiograph(np.random.default_rng(0).random((height // 2, width // 2)), (2.0, 2.0))


def read(radiograph: Radiograph, joints: Any, *knees: Any) -> FilmContent:
    roi: Any = FakeRoi(*joints)
    check: Any = FakeCheck(*knees)
    return read_content(find_candidates(radiograph.to_metatensor(), roi, check))


def places(content: FilmContent) -> list[tuple[float, ...]]:
    return [tuple(knee.center_mm) for knee in content.knees]


def test_two_knees_from_left_to_right_whatever_their_order() -> None:
    joints = ((300.0, 150.0), (110.0, 160.0))
    content = read(film(400, 300), joints, (*joints[0], LEFT), (*joints[1], IMPLANT))
    assert places(content) == [joints[1], joints[0]]
    assert content.knees[0].region.implant == 0.9


@pytest.mark.parametrize("x", [70.0, 200.0, 340.0])
def test_one_knee_on_a_wide_film_is_one_knee(x: float) -> None:
    content = read(film(430, 350), [(x, 170.0)], (x, 170.0, LEFT))
    assert places(content) == [(x, 170.0)]
    assert content.knees[0].region.side == "L"


def test_one_knee_seen_at_two_places_is_not_two() -> None:
    joints = ((200.0, 150.0), (245.0, 150.0))
    content = read(film(400, 300), joints, (*joints[0], RIGHT), (*joints[1], RIGHT))
    assert len(content.knees) == 1


def test_two_joints_above_each_other_are_not_two_knees() -> None:
    joints = ((200.0, 150.0), (210.0, 500.0))
    content = read(film(400, 700), joints, (*joints[0], RIGHT), (*joints[1], RIGHT))
    assert len(content.knees) == 1


def test_both_knees_of_a_whole_leg_film() -> None:
    joints = ((120.0, 640.0), (310.0, 650.0))
    content = read(film(430, 1250), joints, (*joints[0], RIGHT), (*joints[1], LEFT))
    assert places(content) == [*joints]


def test_of_a_film_without_a_knee_the_likeliest_place_is_told() -> None:
    content = read(film(400, 300), ())
    assert content.knees == ()
    assert content.candidates[0].region.none == 1.0


def test_each_half_has_its_likeliest_place_or_its_middle() -> None:
    radiograph = film(400, 300)
    check: Any = FakeCheck((300.0, 150.0, LEFT))
    roi: Any = FakeRoi((300.0, 150.0))
    found = tuple(c for c in find_candidates(radiograph.to_metatensor(), roi, check) if c.center_mm[0] > 200)
    right, left = choose_of_halves(FilmContent(found[:1], found), radiograph.to_metatensor(), check)
    assert tuple(right.center_mm) == (99.0, 149.0) and right.region.none == 1.0 and right.confidence == 0.0
    assert tuple(left.center_mm) == (300.0, 150.0)


def test_a_crop_is_looked_at_in_its_middle() -> None:
    radiograph = Radiograph(np.random.default_rng(0).random((100, 100)), (1.0, 1.0))
    check: Any = FakeCheck((50.0, 50.0, RIGHT))
    found = find_candidates(radiograph.to_metatensor(), None, check)
    assert [tuple(c.center_mm) for c in found] == [(49.5, 49.5)]
    assert found[0].region.native == 1.0


def test_a_quarter_turn_exchanges_the_spacings() -> None:
    turned = turn_radiograph(Radiograph(np.arange(6.0).reshape(2, 3), (0.5, 0.2)), 1)
    assert turned.pixels.tolist() == [[2, 5], [1, 4], [0, 3]]
    assert turned.spacing_mm == (0.2, 0.5)


class CountingRoi(FakeRoi):
    """Counts the windows that are looked at."""

    windows = 0

    def locate(self, items: Any, **options: Any) -> Any:
        self.windows += len(items)
        return super().locate(items, **options)


def test_where_each_half_clearly_shows_a_knee_the_film_as_a_whole_is_not_searched() -> None:
    joints = ((100.0, 150.0), (300.0, 150.0))
    image = film(400, 300).to_metatensor()
    clear, doubtful = CountingRoi(*joints), CountingRoi(*joints)
    check: Any = FakeCheck((*joints[0], RIGHT), (*joints[1], LEFT))
    unsure: Any = FakeCheck((*joints[0], RIGHT), (*joints[1], (0.0, 0.6, 0.0, 0.4)))
    found = find_candidates(image, cast(Any, clear), check)
    again = find_candidates(image, cast(Any, doubtful), unsure)
    assert clear.windows == 2 < doubtful.windows
    for candidates in (found, again):
        assert sorted(tuple(c.center_mm) for c in candidates if c.region.knee > 0.5) == [*joints]


def test_a_joint_beside_its_place_is_looked_at_again() -> None:
    roi: Any = FakeRoi((110.0, 150.0))
    check: Any = FakeCheck((100.0, 150.0, RIGHT))  # 10 mm beside where stage 1 sees it
    found = find_candidates(film(150, 300).to_metatensor(), roi, check)
    assert tuple(found[0].center_mm) == (110.0, 150.0)  # no likelier there: it stays


def test_a_radiograph_is_shrunk_to_half_a_millimetre_and_never_enlarged() -> None:
    fine = Radiograph(np.random.default_rng(0).random((400, 300)), (0.1, 0.25))
    small = shrink_radiograph(fine)
    assert small.spacing_mm == (0.5, 0.5) and small.pixels.shape == (80, 150)
    assert shrink_radiograph(film(400, 300)).pixels.shape == (150, 200)


@pytest.mark.parametrize(("side", "x"), [("R", 110.0), ("L", 300.0), (None, 250.0)])
def test_of_two_knees_the_stated_side_counts_or_the_middle(side: Any, x: float) -> None:
    joints = ((110.0, 150.0), (250.0 if side is None else 300.0, 150.0))
    content = read(film(400, 300), joints, (*joints[0], RIGHT), (*joints[1], LEFT))
    radiograph = replace(film(400, 300), side=side)
    assert choose_of_two(content, radiograph).center_mm[0] == x


@pytest.mark.parametrize(("there", "x"), [(0.9, 212.0), (0.3, 200.0)])
def test_a_place_beside_a_joint_is_moved_onto_it_where_that_looks_more_like_a_knee(there: float, x: float) -> None:
    class Sees(FakeCheck):
        def classify(self, image: Any, centers_mm: Any) -> Any:
            shares = [there if center[0] > 205 else 0.6 for center in centers_mm]
            regions = super().classify(image, centers_mm)
            return [r._replace(right=share, none=1 - share) for r, share in zip(regions, shares, strict=True)]

    roi: Any = FakeRoi((200.0, 170.0))
    check: Any = Sees((212.0, 170.0, RIGHT))
    assert find_candidates(film(430, 350).to_metatensor(), roi, check)[0].center_mm[0] == x
