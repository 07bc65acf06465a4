"""What the pictures of results share."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from kneebundle.reports.drawing import (
    FINE,
    LINE_HEIGHT,
    lay_over,
    open_layer,
    wrap_remarks,
    write_picture,
    write_remarks,
)


@pytest.mark.parametrize("has_imagecodecs", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (640, 333)])
def test_a_picture_is_read_as_it_was_written(
    tmp_path: Path, size: tuple[int, int], has_imagecodecs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_imagecodecs:
        monkeypatch.setitem(sys.modules, "imagecodecs", None)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    write_picture(Image.fromarray(pixels), tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as image:
        image.verify()
    with Image.open(tmp_path / "picture.png") as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("size", [(300, 200), (301, 277)])
def test_a_layer_in_pieces_is_the_layer_as_a_whole(size: tuple[int, int]) -> None:
    layer = Image.new("RGBA", (size[0] * FINE, size[1] * FINE))
    pen = ImageDraw.Draw(layer)
    pen.line([(0, 0), layer.size], fill=(255, 60, 0, 130), width=9)
    pen.ellipse([240, 200, 290, 270], outline=(0, 255, 0, 255), width=3)
    pictures = [Image.new("RGB", (size[0] + 5, size[1] + 9), (50, 60, 70)) for _ in range(2)]
    lay_over(pictures[0], layer, (5, 9))
    whole = layer.reduce(FINE)
    pictures[1].paste(whole, (5, 9), mask=whole)
    np.testing.assert_array_equal(np.asarray(pictures[0]), np.asarray(pictures[1]))


@pytest.mark.parametrize("low", [(20.3, 10.6), (-7.0, -3.2)])
def test_what_is_drawn_on_a_small_layer_lies_where_it_would_on_a_large_one(low: tuple[float, float]) -> None:
    """And what lies beyond the picture is cut off."""
    pictures = [Image.new("RGB", (60, 40), (50, 60, 70)) for _ in range(2)]
    places = (np.array(low), np.array(low) + (30.0, 20.0))
    for picture, (start, end) in zip(pictures, (places, ((0, 0), (60, 40))), strict=True):
        with open_layer(picture, np.array(start), np.array(end)) as (pen, first):
            box = [*(np.array(low) * FINE - first + 8), *(np.array(low) * FINE - first + 32)]
            pen.ellipse([round(v) for v in box], fill=(255, 0, 0, 200))
    np.testing.assert_array_equal(np.asarray(pictures[0]), np.asarray(pictures[1]))
    assert (np.asarray(pictures[0])[..., 0] > 150).any()


def test_remarks_are_broken_between_words_and_none_is_lost() -> None:
    remarks = [
        "the knee is cut off by the border of the radiograph",
        "",
        "a-word-that-is-wider-than-the-picture",
        "R: low",
    ]
    lines = wrap_remarks(remarks, 120)
    assert " ".join(lines).split() == " ".join(remarks).split()
    assert len(lines) > len(remarks) and lines[-1] == "R: low"
    canvas = Image.new("RGB", (400, LINE_HEIGHT * len(lines)))
    with open_layer(canvas, np.zeros(2), np.array(canvas.size)) as (pen, _):
        write_remarks(pen, [line for line in lines if not line.startswith("a-word")])
    assert not np.asarray(canvas)[:, 120:].any(), "the lines fit the width they were made for"
    assert wrap_remarks(remarks, 2000) == remarks
