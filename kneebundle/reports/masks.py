"""The bones of a lateral film as pictures of the film's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.inference.results import LateralResult
from kneebundle.io.writing import write_whole

__all__ = ["mask_name", "stored_masks", "write_masks"]


def mask_name(name: str, bone: str) -> str:
    """The file that holds the mask of a bone of the image ``name``."""
    return f"{name}_{bone}.png"


def stored_masks(result: LateralResult) -> dict[str, np.ndarray]:
    """(rows, columns) bool of each bone that was found, in pixels of the file as it is stored."""
    return {bone: result.radiograph.turn.undo(result.masks[bone]) for bone in result.bones}


def write_masks(result: LateralResult, folder: Path, name: str) -> dict[str, str]:
    """Write ``<name>_<bone>.png``, 255 on the bone and 0 elsewhere, for each bone that was found; each whole or not at all.

    Returns:
        The file names by bone.
    """
    files = {}
    for bone, mask in stored_masks(result).items():
        files[bone] = mask_name(name, bone)
        with write_whole(folder / files[bone]) as temporary:
            Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(temporary, format="PNG")
    return files
