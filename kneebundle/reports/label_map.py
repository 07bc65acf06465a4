"""Write the bones of a lateral film as one label map that 3D Slicer lays over the film."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kneebundle.io.placement import read_placement
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import BONES
from kneebundle.reports.masks import get_stored_masks
from kneebundle.results import LateralResult

__all__ = ["write_label_map"]


def write_label_map(result: LateralResult, source: Path, path: Path) -> None:
    """Write an image of the film's size, atomically: 1 on the first of :data:`BONES` and so on, 0 elsewhere.

    Where bones overlap, the later one counts; the masks of :func:`kneebundle.reports.masks.write_masks` keep both.

    Args:
        result: of a lateral film.
        source: file of the film; the map takes over its place in space.
        path: its suffix chooses the format: ``.nrrd``, ``.nii.gz``, ``.mha``.
    """
    import itk

    film = result.radiograph
    values = np.zeros(film.orientation.pair((film.rows, film.columns)), dtype=np.uint8)
    for bone, mask in get_stored_masks(result).items():
        values[mask] = BONES.index(bone) + 1
    row_mm, column_mm = film.orientation.pair(film.spacing_mm)
    placement = read_placement(source, (row_mm, column_mm))
    steps = [placement.columns, placement.rows]
    spacing = [float(np.linalg.norm(step)) for step in steps]
    axes = [step / length for step, length in zip(steps, spacing, strict=True)]
    image = itk.image_from_array(values[None])
    image.SetSpacing([*spacing, 1.0])
    image.SetOrigin([float(value) for value in placement.origin])
    image.SetDirection(itk.matrix_from_array(np.stack([*axes, np.cross(axes[0], axes[1])], axis=1)))
    with write_atomically(path) as temporary:
        itk.imwrite(image, str(temporary), compression=True)
