"""Which pixel spacing is believed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kneebundle.errors import KneeBundleError
from kneebundle.io.decoded import DecodedImage

__all__ = ["implausible_spacing", "resolve_spacing"]

_PIXEL_MM = (0.02, 2.0)
_FIELD_MM = (10.0, 1500.0)


def implausible_spacing(spacing_mm: Sequence[float], shape: Sequence[int]) -> str | None:
    """Why ``spacing_mm`` (row, column) cannot be that of a radiograph of ``shape`` (rows, columns), or None if it can.

    A pixel is between 0.02 and 2 mm, the whole field between 10 and 1500 mm.
    """
    text = " x ".join(f"{value:g}" for value in spacing_mm)
    if len(spacing_mm) != 2 or not all(math.isfinite(value) and value > 0 for value in spacing_mm):
        return f"a pixel spacing of {text} mm, which is not two positive numbers"
    if not all(_PIXEL_MM[0] <= value <= _PIXEL_MM[1] for value in spacing_mm):
        return f"a pixel spacing of {text} mm, which no radiograph has"
    field = [value * length for value, length in zip(spacing_mm, shape, strict=True)]
    if not all(_FIELD_MM[0] <= length <= _FIELD_MM[1] for length in field):
        return f"a pixel spacing of {text} mm, which would make a film of {field[0]:.0f} x {field[1]:.0f} mm"
    return None


def resolve_spacing(
    image: DecodedImage, argument: float | Sequence[float] | None, path: str
) -> tuple[tuple[float, float], str, tuple[str, ...]]:
    """The spacing of ``image``, its source and remarks.

    The file's own spacing is used where it states one in a trusted way; ``argument`` is for images that do not.

    Args:
        image: what the reader found.
        argument: mm of a square pixel, or (row, column).
        path: the file, for the refusal.

    Raises:
        KneeBundleError: if neither gives a spacing, or ``argument`` is not plausible.
    """
    given = None if argument is None else _pair(argument)
    if image.spacing_mm is not None:
        notes: tuple[str, ...] = ()
        if given is not None and not all(
            math.isclose(a, b, rel_tol=1e-3) for a, b in zip(given, image.spacing_mm, strict=True)
        ):
            stated = " x ".join(f"{value:g}" for value in image.spacing_mm)
            notes = (f"the given spacing is not used: the file states {stated} mm ({image.spacing_source})",)
        return image.spacing_mm, image.spacing_source, notes
    if given is None:
        raise KneeBundleError(
            f"{image.spacing_source}; give the size of a pixel with --spacing MM or in a manifest column spacing_mm",
            path,
        )
    problem = implausible_spacing(given, image.pixels.shape)
    if problem:
        raise KneeBundleError(f"--spacing gives {problem}; give the size of one pixel in mm, often 0.1 to 0.3", path)
    return given, "argument", ()


def _pair(argument: float | Sequence[float]) -> tuple[float, float]:
    values = tuple(float(value) for value in argument) if isinstance(argument, Sequence) else (float(argument),) * 2
    if len(values) != 2:
        raise KneeBundleError(f"a spacing is one number or (row, column), got {len(values)} numbers")
    return values[0], values[1]
