"""How an image was turned between its file and its display."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Orientation"]


@dataclass(frozen=True)
class Orientation:
    """Transposition, then mirroring, from the stored image to the displayed one.

    Attributes:
        transpose: rows and columns change places.
        flip_rows: top and bottom change places, after that.
        flip_columns: left and right change places, after that.
        notes: the same in words.

    Example:
        >>> import numpy as np
        >>> upside_down = Orientation(flip_rows=True)
        >>> upside_down.apply(np.array([[1, 2], [3, 4]])).tolist()
        [[3, 4], [1, 2]]
        >>> upside_down.points_to_stored([[0, 0]], rows=2, columns=2).tolist()
        [[0.0, 1.0]]
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    notes: tuple[str, ...] = ()

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Turn (rows, columns) as stored to (rows, columns) as displayed."""
        turned = image.T if self.transpose else image
        return turned[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def undo(self, image: np.ndarray) -> np.ndarray:
        """Turn (rows, columns) as displayed back to (rows, columns) as stored."""
        turned = image[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]
        return turned.T if self.transpose else turned

    def pair(self, row_and_column: tuple) -> tuple:
        """Convert a (row, column) pair, such as size or spacing, of the stored image to the displayed one, or back."""
        return row_and_column[::-1] if self.transpose else row_and_column

    def points_to_stored(self, points: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """Convert points (N, 2), x then y, from pixels of the displayed image to pixels of the stored one.

        Args:
            points: in pixels of the displayed image.
            rows, columns: size of the displayed image.
        """
        x, y = np.asarray(points, dtype=np.float64).T
        x = columns - 1 - x if self.flip_columns else x
        y = rows - 1 - y if self.flip_rows else y
        return np.stack([y, x] if self.transpose else [x, y], axis=1)

    def points_to_displayed(self, points: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """Convert points back from :meth:`points_to_stored`; ``rows`` and ``columns`` are of the displayed image."""
        x, y = np.asarray(points, dtype=np.float64).T
        x, y = (y, x) if self.transpose else (x, y)
        x = columns - 1 - x if self.flip_columns else x
        y = rows - 1 - y if self.flip_rows else y
        return np.stack([x, y], axis=1)
