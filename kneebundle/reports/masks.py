"""Write the bones of a lateral film as pictures of its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.io.writing import write_atomically
from kneebundle.results import LateralResult

__all__ = ["mask_name", "get_stored_masks", "write_masks"]


def mask_name(name: str, bone: str) -> str:
    """Name of the file with the mask of a bone of the image ``name``."""
    return f"{name}_{bone}.png"


def get_stored_masks(result: LateralResult) -> dict[str, np.ndarray]:
    """Get the masks of the bones that were found, (rows, columns) bool, in pixels of the file as it is stored."""
    return {bone: result.radiograph.orientation.undo(result.masks[bone]) for bone in result.bones}


def write_masks(result: LateralResult, folder: Path, name: str) -> dict[str, str]:
    """Write ``<name>_<bone>.png``, 255 on the bone and 0 elsewhere, for each bone that was found; each atomically.

    Returns:
        The file names by bone.
    """
    files = {}
    for bone, mask in get_stored_masks(result).items():
        files[bone] = mask_name(name, bone)
        with write_atomically(folder / files[bone]) as temporary:
            Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(temporary, format="PNG")
    return files
