"""Colour pictures that are grey in truth: scans and exports with a cast or a few tinted pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["convert_near_grey"]

_EQUAL = 4  # levels by which the channels of a grey image differ after JPEG
_FAINT = 24  # a cast up to this many levels over the whole picture, as scanners leave it, counts as grey
_FEW = 0.01  # share of pixels that may be tinted more than that: JPEG's edges of letters, a stamp


def convert_near_grey(channels: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Convert a picture whose colours are equal, or nearly, to grey values.

    A picture is grey if all but one pixel in a hundred have channels within 4 levels, or within 24 levels of a cast
    that is the same everywhere: then the luminance (0.299, 0.587, 0.114) is read, and a note says so. Levels are of
    255; 16-bit pictures are scaled.

    Args:
        channels: (..., 1 to 4), the axes of the image and its channels; a fourth channel is ignored.
        path: the file, for the error.

    Returns:
        (...) float32, and the notes: none where all channels are equal.

    Raises:
        KneeBundleError: if the image is truly coloured.
    """
    colours = channels[..., :3].astype(np.float32)
    if channels.shape[-1] < 3:
        return colours[..., 0], ()
    unit = 257.0 if channels.dtype == np.uint16 else 1.0
    chroma = (colours.max(axis=-1) - colours.min(axis=-1)) / unit
    if float(chroma.max(initial=0)) <= _EQUAL:
        return colours[..., 1], ()
    tinted = float((chroma > _EQUAL).mean())
    strongly = float((chroma > _FAINT).mean())
    even = (
        float(np.std(colours - colours.mean(axis=-1, keepdims=True), axis=tuple(range(colours.ndim - 1))).max()) / unit
    )
    if tinted > _FEW and not (strongly <= _FEW and even <= _FAINT / 4):
        raise KneeBundleError("the image is coloured; a radiograph is grey: export it without colour or markings", path)
    note = f"the picture is not quite grey ({100 * tinted:.2g} % of its pixels are tinted): its luminance was read"
    return colours @ np.array([0.299, 0.587, 0.114], dtype=np.float32), (note,)
