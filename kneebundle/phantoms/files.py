"""Files of drawn images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically

__all__ = ["make_folder", "write_png"]


def make_folder(folder: str | Path) -> Path:
    """Make a folder, if it is not there.

    Raises:
        KneeBundleError: if it cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KneeBundleError(f"the folder cannot be made ({error.strerror})", folder, field="output") from error
    return folder


def write_png(path: Path, pixels: np.ndarray, compress_level: int = -1) -> None:
    """Write grey values (H, W) from 0 to 255 as a PNG of 8 bits, whole or not at all.

    Args:
        path: of the file.
        pixels: parts of a grey value are cut off.
        compress_level: of zlib, 0 to 9; -1: its default.
    """
    with write_atomically(path) as temporary:
        Image.fromarray(pixels.astype(np.uint8)).save(temporary, compress_level=compress_level)
