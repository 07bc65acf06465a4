from __future__ import annotations

import numpy as np

from kneebundle.reports.standardized import RegionSizes, place_regions
from tests.reports.html.films import place_landmarks


def test_boxes_lie_under_the_middle_of_each_plateau() -> None:
    points = place_landmarks("R", (70.0, 70.0)) / 0.2
    regions = {region.name: region for region in place_regions(points, 0.2, RegionSizes(14.0, 6.0))}
    medial, below = regions["medial_subchondral"], regions["medial_trabecular"]
    assert (medial.width, medial.height) == (70, 30) and (below.width, below.height) == (70, 70)
    assert abs(medial.x + 34.5 - points[[6, 7], 0].mean()) <= 0.5
    # the outline's lowest point over the box is that of landmark 6, one mm below the plateau line
    inside = [y for x, y in points[5:9] if medial.x <= x < medial.x + medial.width]
    assert medial.y >= max(inside, default=350.0) and medial.y <= points[6, 1] + 1
    assert below.y == medial.y + 30 and below.x == medial.x
    assert regions["lateral_subchondral"].x < medial.x


def test_a_box_knows_whether_it_is_in_the_picture() -> None:
    points = place_landmarks("R", (70.0, 70.0)) / 0.2
    (region, *_) = place_regions(points, 0.2, RegionSizes())
    assert region.is_inside((700, 700)) and not region.is_inside((360, 700)) and not region.is_inside((700, 460))
    picture = np.arange(700 * 700).reshape(700, 700)
    assert region.cut(picture)[0, 0] == picture[region.y, region.x]
