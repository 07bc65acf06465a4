"""What a run is told of one image. Nothing here is slow to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kneebundle.radiograph import Side, View

__all__ = ["SIDES", "VIEWS", "ImageRequest"]

SIDES = ("R", "L")
VIEWS = ("auto", "pa-bilateral", "pa-single", "lateral")


@dataclass(frozen=True)
class ImageRequest:
    """An image of a run, with what the user knows of it.

    Attributes:
        path: of the file, as it will stand in the results.
        side: of the one knee it shows; None: from the file.
        spacing_mm: size of a pixel where the file states none.
        spacing_source: what the spacing is ascribed to, ``"argument"`` or ``"manifest"``.
        view: None: to be found.
        basis: what else the result rests on, such as the hash of an earlier prediction.

    Example:
        >>> from pathlib import Path
        >>> ImageRequest(Path("knee.png"), side="L", spacing_mm=0.2).spacing_source
        'argument'
    """

    path: Path
    side: Side | None = None
    spacing_mm: float | None = None
    spacing_source: str = "argument"
    view: View | None = None
    basis: str = ""
