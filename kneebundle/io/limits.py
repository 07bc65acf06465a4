"""How large an image may be, said before memory is taken for it."""

from __future__ import annotations

from pathlib import Path

from kneebundle.errors import KneeBundleError

__all__ = ["MOST_PIXELS", "check_pixel_count"]

MOST_PIXELS = 100_000_000
"""More than any radiograph has: a film of 43 x 130 cm at 0.08 mm."""


def check_pixel_count(rows: int, columns: int, path: Path, count: int = 1) -> None:
    """Check that an image is not too large to be read.

    Args:
        rows, columns: its size.
        path: the file, for the error.
        count: of such images that are decoded together.

    Raises:
        KneeBundleError: if it has more than :data:`MOST_PIXELS` pixels.

    Example:
        >>> check_pixel_count(4000, 3000, Path("knee.png"))
    """
    if rows * columns * count > MOST_PIXELS:
        frames = "" if count == 1 else f"{count} x "
        most = MOST_PIXELS // 10**6
        raise KneeBundleError(
            f"the file says that the image has {frames}{rows} x {columns} pixels; at most {most} million can be read, "
            "export it in its real size",
            path,
        )
