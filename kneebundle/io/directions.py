"""How an image whose header gives directions in the patient is turned for display."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kneebundle.orientation import Orientation

__all__ = ["orient_by_directions"]

_OBLIQUE = 0.8  # cosine; about 37 degrees
_NAMES = ("LR", "PA", "SI")


def orient_by_directions(along_x: ArrayLike, along_y: ArrayLike, header: str) -> Orientation:
    """Decide how an image is turned for display: head up, patient facing the viewer.

    A radiograph has no depth, so programs put it into any plane: with its columns along L and its rows along P (ITK and
    what is built on it), or along S and I where they know better. In each, left is on the right of the picture, and
    the rows run towards P or I.

    Args:
        along_x: (3,) direction from a column to the next in the patient's L, P, S.
        along_y: (3,) from a row to the next.
        header: what states them, for the note.

    Returns:
        The orientation, with a note where something is turned or the directions do not tell.
    """
    x, y = (_name_axis(np.asarray(direction, dtype=np.float64)) for direction in (along_x, along_y))
    if x is None or y is None or x[0] == y[0]:
        return Orientation(notes=(f"the directions in the {header} are oblique: the image was left as it is stored",))
    transpose = x[0] == "SI" or (x[0], y[0]) == ("PA", "LR")
    if transpose:
        x, y = y, x
    flip_columns = x == ("LR", False)
    flip_rows = y[1] if y[0] == "SI" else not y[1]
    turns = ((transpose, "turned"), (flip_rows, "put upright"), (flip_columns, "mirrored left to right"))
    words = [word for turned, word in turns if turned]
    if not words:
        return Orientation()
    note = f"{' and '.join(words)} for display (directions in the {header}): pixels count as displayed"
    return Orientation(transpose, flip_rows, flip_columns, (note,))


def _name_axis(direction: np.ndarray) -> tuple[str, bool] | None:
    """The axis of the patient that a direction goes along, and whether towards L, P or S; None if along none."""
    length = float(np.linalg.norm(direction))
    if not np.isfinite(length) or length == 0:
        return None
    main = int(np.argmax(np.abs(direction)))
    return (_NAMES[main], bool(direction[main] > 0)) if abs(direction[main]) >= _OBLIQUE * length else None
