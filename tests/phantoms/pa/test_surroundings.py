"""Surroundings of a crop: it stays in place, its frame cannot be seen, either side works, seeds repeat."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.pa.knee import draw_knee
from kneebundle.phantoms.pa.legs import Canvas, continue_leg
from kneebundle.phantoms.pa.surroundings import surround
from kneebundle.radiograph import Side
from kneebundle.transforms.crop_edges import remove_edge_shading

SPACING = 0.45


def knee(seed: int = 0, side: Side = "R") -> tuple[np.ndarray, np.ndarray]:
    """A drawn crop of about 105 mm and its landmarks."""
    film, landmarks = draw_knee(np.random.default_rng(seed), side=side, kl=1, size_mm=105.3, spacing_mm=SPACING)
    return film.pixels, landmarks.points


def around(crop: np.ndarray, points: np.ndarray, seed: int = 0, **options: Any) -> np.ndarray:
    return surround(crop, points, SPACING, rng=np.random.default_rng(seed), **options)


def find_in_region(points: np.ndarray, center: np.ndarray, spacing: float, out_spacing: float = 0.3) -> np.ndarray:
    """Where points of the crop lie in a region of 140 mm, whose middle is the crop's point ``center``."""
    size = round(140.0 / out_spacing)
    return (points - center) * (spacing / out_spacing) + (size - 1) / 2


def blob_center(image: np.ndarray, near: np.ndarray, radius: int = 12) -> np.ndarray:
    """Centre of mass, x then y, of what is bright around a point."""
    x0, y0 = np.round(near).astype(int)
    window = image[y0 - radius : y0 + radius + 1, x0 - radius : x0 + radius + 1].astype(float)
    weight = np.clip(window - 0.1 * window.max(), 0, None)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.array([x0 + (weight * x).sum() / weight.sum(), y0 + (weight * y).sum() / weight.sum()])


def dot_on_flat_grey(shape: tuple[int, ...], at: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return 100 + 400 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 1.5**2)).astype(np.float32)


def test_region_has_the_size_asked_for_and_landmark_4_in_its_middle() -> None:
    crop, points = knee()
    assert around(crop, points).shape == (467, 467)  # 140 mm in pixels of 0.3 mm
    dotted = around(dot_on_flat_grey(crop.shape, points[4]), points, size_mm=120, out_spacing_mm=0.5)
    assert dotted.shape == (240, 240)
    assert np.abs(blob_center(dotted - 100, np.array([119.5, 119.5])) - 119.5).max() < 0.15


@pytest.mark.parametrize("side", ["R", "L"])
@pytest.mark.parametrize("out_spacing", [0.3, 1.0])
@pytest.mark.parametrize("landmark", [4, 0])
def test_landmarks_lie_where_scale_and_centre_put_them(side: Side, out_spacing: float, landmark: int) -> None:
    crop, points = knee(3, side)
    center = points[4] + (7.3, -4.6)
    options: dict[str, Any] = {"size_mm": 140.0, "out_spacing_mm": out_spacing, "center_px": center}
    dotted = around(dot_on_flat_grey(crop.shape, points[landmark]), points, **options)
    expected = find_in_region(points[landmark], center, SPACING, out_spacing)
    found = blob_center(dotted - 100, expected, radius=int(5 / out_spacing))
    assert np.abs(found - expected).max() < 0.15


def test_center_is_landmark_4_by_default() -> None:
    crop, points = knee(3)
    dotted = around(dot_on_flat_grey(crop.shape, points[4]), points)
    assert np.abs(blob_center(dotted - 100, np.array([233, 233])) - 233).max() < 0.15


def test_pixels_well_inside_the_crop_are_the_crops() -> None:
    crop, points = knee(1)
    points = points - points[4] + np.round(points[4])
    region = around(crop, points, out_spacing_mm=SPACING, size_mm=311 * SPACING)
    x0, y0 = np.round(points[4]).astype(int) - 155
    margin = int(np.ceil(12 / SPACING))
    inside = (slice(margin, crop.shape[0] - margin), slice(margin, crop.shape[1] - margin))
    rows, columns = (slice(s.start - start, s.stop - start) for s, start in zip(inside, (y0, x0), strict=True))
    assert np.allclose(region[rows, columns], crop[inside], atol=1e-3 * np.ptp(crop))


def test_same_seed_same_region_other_seed_other_surroundings() -> None:
    crop, points = knee()
    first, again, other = around(crop, points, 5), around(crop, points, 5), around(crop, points, 6)
    assert np.array_equal(first, again)
    assert np.abs(first[:20] - other[:20]).mean() > 0.01 * np.ptp(crop)


def test_nothing_outside_the_crop_is_left_empty() -> None:
    crop, points = knee(2)
    region = around(crop, points)
    assert np.isfinite(region).all()
    assert all(np.std(strip) > 0 for strip in (region[:25], region[-25:], region[:, :25], region[:, -25:]))


def test_left_leg_is_the_mirror_image_of_the_right() -> None:
    crop, points = knee(4)
    width = crop.shape[1]
    mirrored_points = np.stack([width - 1 - points[:, 0], points[:, 1]], axis=1)
    left = -15.0
    right_edge = (width - 1) * SPACING + 15.0
    canvas = Canvas(left, -20.0, 0.5, 300, int((right_edge - left) / 0.5) + 1)
    shifted = Canvas((width - 1) * SPACING - (left + (canvas.columns - 1) * 0.5), -20.0, 0.5, 300, canvas.columns)
    right = continue_leg(crop, points, SPACING, canvas, rng=np.random.default_rng(0)).pixels
    other = continue_leg(crop[:, ::-1], mirrored_points, SPACING, shifted, rng=np.random.default_rng(0)).pixels
    assert np.allclose(right, other[:, ::-1], atol=1e-2 * np.ptp(crop))


def test_inverted_crop_is_turned_bone_bright() -> None:
    crop, points = knee(5)
    inverted = crop.max() + crop.min() - crop
    region, other = around(crop, points), around(inverted, points, inverted=True)
    assert np.allclose(region, other, atol=1e-2 * np.ptp(crop))


def steps_across(region: np.ndarray, frame: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Mean absolute step between neighbouring lines at the frame's four borders, and in the 4..9 mm inside of them."""
    left, top, right, bottom = frame
    rows, columns = slice(int(top) + 30, int(bottom) - 30), slice(int(left) + 30, int(right) - 30)
    across, along = (
        np.abs(np.diff(region[rows], axis=1)).mean(axis=0),
        np.abs(np.diff(region[:, columns], axis=0)).mean(axis=1),
    )
    at, inside = [], []
    for steps, place, inwards in ((across, left, 1), (across, right, -1), (along, top, 1), (along, bottom, -1)):
        border = int(round(place))
        at.append(steps[border - 2 : border + 2].max())
        near = np.array([border + inwards * d for d in range(13, 30)])
        inside.append(steps[near].mean())
    return np.array(at), np.array(inside)


def frame_of(crop: np.ndarray, points: np.ndarray, spacing: float) -> tuple[float, float, float, float]:
    corners = np.array([[0, 0], [crop.shape[1] - 1, crop.shape[0] - 1]])
    left, top, right, bottom = find_in_region(corners, points[4], spacing).ravel().tolist()
    return left, top, right, bottom


def test_grey_does_not_jump_at_the_crops_frame() -> None:
    ratios, naive = [], []
    sides: tuple[Side, Side] = ("R", "L")
    for seed in range(6):
        crop, points = knee(seed, sides[seed % 2])
        frame = frame_of(crop, points, SPACING)
        region = around(crop, points, seed, max_inset_mm=0)
        at, inside = steps_across(region, frame)
        ratios.append(at / inside)
        pasted = np.full_like(region, region.min())
        box = tuple(slice(int(np.ceil(a)), int(b) + 1) for a, b in ((frame[1], frame[3]), (frame[0], frame[2])))
        pasted[box] = region[box]
        naive.append(np.divide(*steps_across(pasted, frame)))
    assert np.median(ratios) < 1.15
    assert np.median(naive) > 2


def test_real_crops_do_not_show_their_frame(shared_data: Path) -> None:
    folder = shared_data / "oai_knees"
    with (folder / "landmarks.csv").open() as file:
        records = [row for row in csv.DictReader(file) if row["inverted"] == "0"][:80:10]
    ratios = []
    for row in records:
        crop = np.asarray(Image.open(folder / "images" / row["image"]), dtype=np.float32)
        points = np.array([[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(16)])
        spacing = float(row["spacing_mm"])
        region = surround(crop, points, spacing, rng=np.random.default_rng(0), shading_px=14, max_inset_mm=0)
        ratios.append(np.divide(*steps_across(region, frame_of(crop, points, spacing))))
    assert np.median(ratios) < 1.15


def test_edge_shading_is_taken_out() -> None:
    ramp = np.minimum(np.arange(64) / 14, 1)
    shade = np.minimum(ramp, ramp[::-1])
    flat = np.full((64, 64), 120.0)
    darkened = flat * (0.3 + 0.7 * shade)[None, :]
    assert np.abs(remove_edge_shading(darkened, 14) - flat).max() < 5
    assert np.abs(darkened - flat).max() > 80
    assert np.array_equal(remove_edge_shading(darkened, 0), darkened.astype(np.float32))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"crop": np.zeros((3, 64, 64))}, "shape"),
        ({"crop": np.zeros((10, 10))}, "32 x 32"),
        ({"landmarks_px": np.zeros((15, 2))}, "landmarks"),
        ({"landmarks_px": np.full((16, 2), np.nan)}, "finite"),
        ({"spacing_mm": 0.0}, "spacing"),
        ({"spacing_mm": (0.3, 0.5)}, "spacing"),
    ],
)
def test_unusable_input_is_an_error_in_one_line(change: dict, word: str) -> None:
    crop, points = knee()
    arguments = {"crop": crop, "landmarks_px": points, "spacing_mm": SPACING, **change}
    with pytest.raises(KneeBundleError, match=word) as caught:
        surround(**arguments, rng=np.random.default_rng(0))
    assert "\n" not in str(caught.value)
