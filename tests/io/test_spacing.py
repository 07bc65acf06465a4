"""Which pixel spacing is believed: that of the file before that of the call, and neither blindly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.decoded import DecodedImage
from kneebundle.io.spacing import check_spacing, resolve_spacing


@pytest.mark.parametrize(
    ("spacing", "shape", "problem"),
    [
        ((0.02, 0.02), (2000, 1500), None),
        ((0.0199, 0.02), (2000, 1500), "which no radiograph has"),
        ((2.0, 2.0), (300, 200), None),
        ((2.0, 2.01), (300, 200), "which no radiograph has"),
        ((7.0, 0.2), (300, 200), "7 x 0.2 mm, which no radiograph has"),
        ((0.2, 0.4), (300, 200), None),
        ((0.4, 0.2), (300, 200), None),
        ((0.2, 0.41), (300, 200), "far from square"),
        ((0.41, 0.2), (300, 200), "far from square"),
        ((0.5, 0.5), (3000, 20), None),
        ((0.5, 0.5), (20, 3000), None),
        ((0.5, 0.5), (3001, 100), "a radiograph of 1500 x 50 mm"),
        ((0.5, 0.5), (100, 3001), "a radiograph of 50 x 1500 mm"),
        ((0.5, 0.5), (19, 100), "a radiograph of 10 x 50 mm"),
        ((0.2, 0.25), (5000, 39), "a radiograph of 1000 x 10 mm"),
        ((0.2,), (300, 200), "not two positive numbers"),
        ((0.2, 0.2, 1.0), (300, 200), "not two positive numbers"),
        ((0.0, 0.0), (300, 200), "0 x 0 mm, which is not two positive numbers"),
        ((0.2, -0.2), (300, 200), "not two positive numbers"),
        ((float("inf"), 0.2), (300, 200), "not two positive numbers"),
        ((0.2, float("nan")), (300, 200), "not two positive numbers"),
    ],
)
def test_a_spacing_that_no_radiograph_has_is_named(
    spacing: Sequence[float], shape: tuple[int, int], problem: str | None
) -> None:
    found = check_spacing(spacing, shape)
    assert (found is None) == (problem is None)
    assert problem is None or problem in str(found)


def decoded(spacing_mm: tuple[float, float] | None) -> DecodedImage:
    source = "the file states no spacing" if spacing_mm is None else "PixelSpacing"
    return DecodedImage(np.zeros((300, 200), dtype=np.float32), spacing_mm, source)


@pytest.mark.parametrize(
    ("argument", "noted"),
    [
        (None, False),
        (0.3, True),
        ((0.25, 0.2), False),
        ((0.25, 0.20019), False),
        ((0.25, 0.201), True),
        ([0.2, 0.25], True),
        (0.25, True),
    ],
)
def test_the_spacing_of_the_file_goes_before_the_given_one_and_that_is_said(
    argument: float | Sequence[float] | None, noted: bool
) -> None:
    spacing, source, notes = resolve_spacing(decoded((0.25, 0.2)), argument, "a.dcm")
    assert (spacing, source) == ((0.25, 0.2), "PixelSpacing")
    assert notes == (("the given spacing is not used: the file states 0.25 x 0.2 mm (PixelSpacing)",) if noted else ())


@pytest.mark.parametrize(
    ("argument", "spacing"), [(0.2, (0.2, 0.2)), ((0.3, 0.2), (0.3, 0.2)), ([0.3, 0.2], (0.3, 0.2))]
)
def test_the_given_spacing_is_used_where_the_file_has_none(
    argument: float | Sequence[float], spacing: tuple[float, float]
) -> None:
    assert resolve_spacing(decoded(None), argument, "a.png") == (spacing, "argument", ())


@pytest.mark.parametrize(
    ("argument", "message", "path"),
    [
        (None, "the file states no spacing; the size of a pixel in mm is needed", "a.png"),
        (7.0, "the spacing was given as a pixel spacing of 7 x 7 mm", "a.png"),
        ((0.2, 0.2, 0.2), "one number or (row, column), got 3 numbers", None),
        ([0.2], "one number or (row, column), got 1 numbers", None),
    ],
)
def test_no_usable_spacing_is_one_error_about_it(
    argument: float | Sequence[float] | None, message: str, path: str | None
) -> None:
    with pytest.raises(KneeBundleError) as caught:
        resolve_spacing(decoded(None), argument, "a.png")
    assert message in str(caught.value)
    assert (caught.value.field, caught.value.path) == ("spacing_mm", path)
