"""Read PNG and JPEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.io.decoded import DecodedImage, choose_frame
from kneebundle.io.limits import check_pixel_count
from kneebundle.io.near_grey import convert_near_grey

__all__ = ["read_picture"]

_GREY_MODES = frozenset({"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_GREY_ALPHA_MODES = frozenset({"LA", "La"})


def read_picture(path: Path, frame: int | None = None) -> DecodedImage:
    """Read a PNG or JPEG of 8 or 16 bits; colour images whose channels are equal, or nearly, count as grey.

    These files carry no spacing that can be trusted: pHYs of a PNG is the resolution for printing, and most programs
    write a default there. The EXIF orientation of a JPEG is applied.

    Raises:
        KneeBundleError: if the file cannot be decoded or is coloured.
    """
    choose_frame(1, frame, path)
    pixels, notes = _convert(_decode(path), path)
    return DecodedImage(
        pixels=pixels,
        spacing_mm=None,
        spacing_source="a PNG or JPEG states no pixel spacing that can be trusted",
        notes=notes,
    )


def _decode(path: Path) -> np.ndarray:
    """(rows, columns) or (rows, columns, channels)."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=("PNG", "JPEG")) as opened:
            check_pixel_count(opened.height, opened.width, path)
            picture = ImageOps.exif_transpose(opened)
            if picture.mode in _GREY_ALPHA_MODES:
                return np.asarray(picture.convert("LA"))[..., 0]
            return np.asarray(picture if picture.mode in _GREY_MODES else picture.convert("RGB"))
    except KneeBundleError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, DecompressionBombError, ...
        problem = in_brief(error)
        raise KneeBundleError(f"the picture cannot be decoded ({problem}); export it again as PNG", path) from error


def _convert(decoded: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    return (decoded.astype(np.float32), ()) if decoded.ndim == 2 else convert_near_grey(decoded, path)
