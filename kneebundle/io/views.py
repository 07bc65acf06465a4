"""Which view a radiograph shows, where nobody says so."""

from __future__ import annotations

from dataclasses import replace

from kneebundle.radiograph import Radiograph, View

__all__ = ["BILATERAL_FROM_MM", "SINGLE_UP_TO_MM", "find_view", "settle_view"]

BILATERAL_FROM_MM = 260.0
"""A radiograph this wide shows both knees: cassettes for one are 180 to 240 mm wide, those for both 350 to 430 mm."""
SINGLE_UP_TO_MM = 200.0
"""Two knees beside each other do not fit into this width."""


def settle_view(radiograph: Radiograph) -> Radiograph:
    """The radiograph with its view, found by :func:`find_view` if it is not known.

    Example:
        >>> import numpy as np
        >>> from kneebundle.radiograph import Radiograph
        >>> settle_view(Radiograph(np.zeros((350, 430)), spacing_mm=(1.0, 1.0))).view
        'pa-bilateral'
    """
    return radiograph if radiograph.view is not None else replace(radiograph, view=find_view(radiograph))


def find_view(radiograph: Radiograph) -> View:
    """The view that the file or the user states, or else the one that fits the size of the radiograph.

    Between the two limits a landscape radiograph is taken to show both knees. A stated side means a single knee. A
    lateral film that does not say so cannot be told from a radiograph from the front here.
    """
    if radiograph.view is not None:
        return radiograph.view
    if radiograph.side is not None:
        return "pa-single"
    width = radiograph.columns * radiograph.spacing_mm[1]
    height = radiograph.rows * radiograph.spacing_mm[0]
    if width >= BILATERAL_FROM_MM:
        return "pa-bilateral"
    if width <= SINGLE_UP_TO_MM or width <= 1.15 * height:
        return "pa-single"
    return "pa-bilateral"
