"""Sizes that nobody means are an error before memory is taken for them."""

from __future__ import annotations

import math

from kneebundle.errors import KneeBundleError

__all__ = ["MOST_PIXELS", "count_pixels"]

MOST_PIXELS = 50_000_000
"""More than any radiograph has: a film of both legs, 43 x 125 cm at 0.14 mm, has 28 million pixels."""


def count_pixels(
    size_mm: tuple[float, float], spacing_mm: tuple[float, float], what: str, most: int = MOST_PIXELS
) -> tuple[int, int]:
    """Count the rows and columns of an image that is to be made.

    Args:
        size_mm: (height, width).
        spacing_mm: of a pixel, (row, column).
        what: what is made, for the message: ``"the region"``.
        most: largest number of pixels.

    Returns:
        (rows, columns), each at least 1.

    Raises:
        KneeBundleError: if the size or the spacing is not a positive number, or the image would have more pixels than
            that or none.

    Example:
        >>> count_pixels((140.0, 70.0), (0.5, 0.5), "the region")
        (280, 140)
    """
    numbers = (*size_mm, *spacing_mm)
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        raise KneeBundleError(
            f"{what} would be {_pair(size_mm)} mm in pixels of {_pair(spacing_mm)} mm; both must be positive numbers",
            field="drawn_size",
        )
    rows, columns = (length / step for length, step in zip(size_mm, spacing_mm, strict=True))
    if rows * columns > most:
        raise KneeBundleError(
            f"{what} of {_pair(size_mm)} mm in pixels of {_pair(spacing_mm)} mm would have "
            f"{rows:.6g} x {columns:.6g} pixels; at most {most / 1e6:g} million are made, choose a smaller size or "
            "larger pixels",
            field="drawn_size",
        )
    if round(rows) < 1 or round(columns) < 1:
        raise KneeBundleError(
            f"{what} of {_pair(size_mm)} mm is smaller than one pixel of {_pair(spacing_mm)} mm", field="drawn_size"
        )
    return round(rows), round(columns)


def _pair(values: tuple[float, float]) -> str:
    first, second = values
    return f"{first:g}" if first == second else f"{first:g} x {second:g}"
