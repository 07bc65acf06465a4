"""Where things of a document lie on its page: in mm of the radiograph as displayed, from the centre of pixel (0, 0)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kneebundle.radiograph import Radiograph

__all__ = ["Box", "Frame", "join_points"]

_MARGIN_MM = 18.0
_DETAIL_MM = 70.0


@dataclass(frozen=True)
class Box:
    """A rectangle in mm.

    Attributes:
        x, y: its upper left corner.
        width, height: its size.
    """

    x: float
    y: float
    width: float
    height: float

    def __str__(self) -> str:
        return f"{self.x:.3f} {self.y:.3f} {self.width:.3f} {self.height:.3f}"


@dataclass(frozen=True)
class Frame:
    """The radiograph that a document is about, as the ground of its drawings.

    Attributes:
        radiograph: as displayed.
    """

    radiograph: Radiograph

    @property
    def _scale(self) -> np.ndarray:
        return np.array(self.radiograph.spacing_mm[::-1], dtype=np.float64)

    @property
    def film(self) -> Box:
        """The whole radiograph, from border to border."""
        width, height = np.array([self.radiograph.columns, self.radiograph.rows]) * self._scale
        x, y = -0.5 * self._scale
        return Box(float(x), float(y), float(width), float(height))

    def place(self, points_px: Any) -> np.ndarray:
        """Convert points (N, 2), x then y, from pixels of the stored file to mm of the page."""
        radiograph = self.radiograph
        points = np.asarray(points_px, dtype=np.float64).reshape(-1, 2)
        shown = radiograph.orientation.points_to_displayed(points, radiograph.rows, radiograph.columns)
        return shown * self._scale

    def place_displayed(self, points_px: np.ndarray) -> np.ndarray:
        """Convert points (N, 2) from pixels of the displayed radiograph to mm of the page."""
        return np.asarray(points_px, dtype=np.float64).reshape(-1, 2) * self._scale

    def place_points(self, points: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """Place landmarks of a document: (N, 2)."""
        return self.place([[point["x_px"], point["y_px"]] for point in points])

    def to_stored(self) -> list[list[float]]:
        """The way back, [[a, b, c], [d, e, f]]: stored x = a x + b y + c, y = d x + e y + f from mm of the page."""
        corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]) / self._scale
        origin, right, down = self.radiograph.to_stored_px(corners)
        return [[float(v) for v in row] for row in np.stack([right - origin, down - origin, origin], axis=1)]

    def frame_region(self, knee: Mapping[str, Any]) -> Box:
        """The region of interest of a knee."""
        (center,) = self.place([knee["center_px"]])
        edge = float(knee["roi_mm"])
        return Box(float(center[0] - edge / 2), float(center[1] - edge / 2), edge, edge)

    def frame_knee(self, knee: Mapping[str, Any]) -> Box:
        """A square around the landmarks of a knee; what there is of its region of interest, where it has none."""
        if not knee["landmarks"]:
            region = self.frame_region(knee)
            return self.clip(region) or region
        return self._frame_points(self.place_points(knee["landmarks"]), _MARGIN_MM)

    def frame_plan(self, planning: Mapping[str, Any]) -> Box | None:
        """The surroundings of the Schoettle point of a lateral radiograph; None where there is none."""
        if planning["schoettle_point"] is None:
            return None
        return self._frame_points(self.place_points([planning["schoettle_point"]]), _DETAIL_MM / 2)

    def clip(self, box: Box) -> Box | None:
        """What of a rectangle lies on the radiograph; None where nothing does."""
        film = self.film
        left, top = max(box.x, film.x), max(box.y, film.y)
        right = min(box.x + box.width, film.x + film.width)
        bottom = min(box.y + box.height, film.y + film.height)
        return None if right <= left or bottom <= top else Box(left, top, right - left, bottom - top)

    def _frame_points(self, points: np.ndarray, margin: float) -> Box:
        low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
        edge = float((high - low).max())
        x, y = ((low + high - edge) / 2).tolist()
        return Box(x, y, edge, edge)


def join_points(points: Any) -> str:
    """Write points (N, 2) as SVG does."""
    return " ".join(f"{x:.3f},{y:.3f}" for x, y in np.asarray(points))
