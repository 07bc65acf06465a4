"""Haar-like features against boxes added up pixel by pixel."""

import numpy as np

from kneebundle.shape_models import draw_boxes, integrate, measure_boxes


def mean_of_box(pixels: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> float:
    rows, columns = pixels.shape
    x0, y0 = min(max(x0, 0), columns - 1), min(max(y0, 0), rows - 1)
    x1, y1 = max(min(x1, columns), x0 + 1), max(min(y1, rows), y0 + 1)
    return float(np.rint(pixels[y0:y1, x0:x1] * 40).mean())


def test_features_are_differences_of_means_also_across_the_border() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.normal(size=(30, 40))
    boxes = draw_boxes(rng, 60, 9)
    x, y = rng.integers(-3, 43, 25), rng.integers(-3, 33, 25)
    measured = measure_boxes(integrate(pixels), x[:, None], y[:, None], boxes)
    for place, (column, row) in enumerate(zip(x, y, strict=True)):
        for number, box in enumerate(boxes.astype(int)):
            corners = box + np.tile([column, row], 4)
            wanted = mean_of_box(pixels, *corners[:4]) - mean_of_box(pixels, *corners[4:])
            assert abs(measured[place, number] - 8 * wanted) <= 0.5 + 1e-6


def test_boxes_stay_within_their_reach_and_are_not_empty() -> None:
    boxes = draw_boxes(np.random.default_rng(2), 500, 12).astype(int).reshape(-1, 2, 4)
    assert boxes.min() >= -12 and boxes.max() <= 13
    assert ((boxes[..., 2:] - boxes[..., :2]) > 0).all()
    assert len(np.unique(boxes.reshape(500, 8), axis=0)) > 450
