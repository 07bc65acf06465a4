"""Which view a radiograph shows, where nobody says so."""

from __future__ import annotations

from kneebundle.radiograph import Radiograph, View

__all__ = ["BILATERAL_FROM_MM", "SINGLE_UP_TO_MM", "find_view"]

BILATERAL_FROM_MM = 260.0
"""A film this wide shows both knees: cassettes for one knee are 180 to 240 mm wide, those for both 350 to 430 mm."""
SINGLE_UP_TO_MM = 200.0
"""Two knees beside each other do not fit into this width."""


def find_view(radiograph: Radiograph) -> View:
    """The view that the file or the user states, or else the one that fits the film's size.

    Between the two limits a landscape film is taken to show both knees. A stated side means a single knee. A lateral film
    that does not say so cannot be told from a frontal one here.
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
