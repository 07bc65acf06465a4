"""Which pixel spacing is believed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kneebundle.errors import KneeBundleError
from kneebundle.io.decoded import DecodedImage

__all__ = ["check_spacing", "resolve_spacing"]

_PIXEL_MM = (0.02, 2.0)
_FIELD_MM = (10.0, 1500.0)
_MOST_OBLONG = 2.0


def check_spacing(spacing_mm: Sequence[float], shape: Sequence[int]) -> str | None:
    """Check whether a pixel spacing can be that of a radiograph.

    That is 0.02 to 2 mm, no pixel more than twice as long as wide, and the whole image 10 to 1500 mm.

    Args:
        spacing_mm: (row, column).
        shape: (rows, columns).

    Returns:
        What is wrong with it; None: nothing.

    Example:
        >>> check_spacing((0.2, 0.2), (2000, 1500)) is None
        True
        >>> check_spacing((7, 7), (2000, 1500))
        'a pixel spacing of 7 x 7 mm, which no radiograph has'
    """
    text = " x ".join(f"{value:g}" for value in spacing_mm)
    if len(spacing_mm) != 2 or not all(math.isfinite(value) and value > 0 for value in spacing_mm):
        return f"a pixel spacing of {text} mm, which is not two positive numbers"
    if not all(_PIXEL_MM[0] <= value <= _PIXEL_MM[1] for value in spacing_mm):
        return f"a pixel spacing of {text} mm, which no radiograph has"
    if max(spacing_mm) > _MOST_OBLONG * min(spacing_mm):
        return f"a pixel spacing of {text} mm, whose pixels are far from square"
    field = [value * length for value, length in zip(spacing_mm, shape, strict=True)]
    if not all(_FIELD_MM[0] <= length <= _FIELD_MM[1] for length in field):
        return f"a pixel spacing of {text} mm, which would make a radiograph of {field[0]:.0f} x {field[1]:.0f} mm"
    return None


def resolve_spacing(
    image: DecodedImage, argument: float | Sequence[float] | None, path: str
) -> tuple[tuple[float, float], str, tuple[str, ...]]:
    """Decide which spacing an image has.

    The spacing of the file is used where it states one in a trusted way; ``argument`` is for images that do not.

    Args:
        image: what the reader found.
        argument: mm of a square pixel, or (row, column).
        path: the file, for the error.

    Returns:
        The (row, column) spacing in mm, its source and remarks.

    Raises:
        KneeBundleError: if neither gives a spacing, or ``argument`` is not plausible.
    """
    given = None if argument is None else _make_pair(argument)
    if image.spacing_mm is not None:
        notes: tuple[str, ...] = ()
        if given is not None and not all(
            math.isclose(a, b, rel_tol=1e-3) for a, b in zip(given, image.spacing_mm, strict=True)
        ):
            stated = " x ".join(f"{value:g}" for value in image.spacing_mm)
            notes = (f"the given spacing is not used: the file states {stated} mm ({image.spacing_source})",)
        return image.spacing_mm, image.spacing_source, notes
    if given is None:
        raise KneeBundleError(f"{image.spacing_source}; the size of a pixel in mm is needed", path, "spacing_mm")
    problem = check_spacing(given, image.pixels.shape)
    if problem:
        raise KneeBundleError(
            f"the spacing was given as {problem}; the size of one pixel in mm is needed, often 0.1 to 0.3",
            path,
            "spacing_mm",
        )
    return given, "argument", ()


def _make_pair(argument: float | Sequence[float]) -> tuple[float, float]:
    values = tuple(float(value) for value in argument) if isinstance(argument, Sequence) else (float(argument),) * 2
    if len(values) != 2:
        raise KneeBundleError(
            f"a spacing is one number or (row, column), got {len(values)} numbers", field="spacing_mm"
        )
    return values[0], values[1]
