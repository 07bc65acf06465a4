"""Bilateral PA fixed-flexion radiographs made from two single knees, at physical scale.

Each knee (a real crop or a phantom) is set into a leg of its own (``legs``), the legs stand side by side on a film,
and the film gets what films have: implants, scatter, an uneven exposure, a tone curve, noise, collimation and letters.
As displayed, the patient faces the viewer: the right knee is in the left half, its lateral side on the image's left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.artefacts import add_markers, collimate
from kneebundle.phantoms.collection import Phantoms
from kneebundle.phantoms.exposure import expose
from kneebundle.phantoms.pa.implants import add_implants
from kneebundle.phantoms.pa.legs import Canvas, continue_leg
from kneebundle.radiograph import Radiograph, Side
from kneebundle.transforms.crop_edges import hide_edges
from kneebundle.transforms.grid_size import count_pixels

__all__ = ["Absent", "BilateralFilms", "FilmTruth", "KneeImage", "make_bilateral"]

Absent = Literal["empty", "amputated"]
_REACH_MM = 150.0


class KneeImage(NamedTuple):
    """One knee: (h, w) grey values as displayed, bone bright; mm of its square pixels; (16, 2) landmarks; its side."""

    pixels: np.ndarray
    spacing_mm: float | Sequence[float]
    landmarks_px: np.ndarray
    side: str


class FilmTruth(NamedTuple):
    """What is known of a made film; the keys of the dictionaries are the sides that have a knee.

    Attributes:
        centers_px: (2,) the tibial centre (landmark 4) of each knee, x and y in pixels of the film.
        landmarks_px: (16, 2) landmarks of each knee, in pixels of the film.
        implants: names of what was put into each leg.
        inverted: whether the film's grey values are inverted (bone dark).
    """

    centers_px: dict[str, np.ndarray]
    landmarks_px: dict[str, np.ndarray]
    implants: dict[str, tuple[str, ...]]
    inverted: bool


@dataclass(frozen=True)
class _Placement:
    """Film mm = center + magnification * rotation * (crop mm - pivot); the pivot is landmark 4."""

    pivot_mm: np.ndarray
    center_mm: np.ndarray
    magnification: float
    angle_deg: float

    @property
    def matrix(self) -> np.ndarray:
        angle = np.deg2rad(self.angle_deg)
        return self.magnification * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def to_film(self, points_mm: np.ndarray) -> np.ndarray:
        return (np.asarray(points_mm, dtype=np.float64) - self.pivot_mm) @ self.matrix.T + self.center_mm

    def to_crop(self, points_mm: np.ndarray) -> np.ndarray:
        return (np.asarray(points_mm, dtype=np.float64) - self.center_mm) @ np.linalg.inv(self.matrix).T + self.pivot_mm


def make_bilateral(
    right: KneeImage | tuple | None,
    left: KneeImage | tuple | None,
    rng: np.random.Generator,
    *,
    spacing_mm: float = 1.0,
    size_mm: tuple[float, float] | None = None,
    implants: float = 0.15,
    absent: Absent = "empty",
    inverted: bool = False,
) -> tuple[Radiograph, FilmTruth]:
    """Make a bilateral film of two knees.

    Args:
        right, left: the knees; one of another side is mirrored; None for a knee that is not there.
        rng: draws everything that is random: the same generator state gives the same film.
        spacing_mm: pixel size of the film.
        size_mm: width and height of the film; drawn (300..450 by 260..430 mm) if None.
        implants: chance that a leg carries metal.
        absent: in place of a knee that is not there: nothing, or the stump of a thigh.
        inverted: bone dark, as a MONOCHROME1 file read the wrong way.

    Returns:
        The film, grey values 0..4095, and where its knees are.

    Raises:
        KneeBundleError: if both knees are None, a knee's arrays cannot be used, or the film is too small or has very
            many pixels.
    """
    knees = {"R": _as_side(right, "R"), "L": _as_side(left, "L")}
    if all(knee is None for knee in knees.values()):
        raise KneeBundleError("both knees are None; a film needs at least one")
    if size_mm is not None and (size_mm[0] < 280 or size_mm[1] < 220):
        raise KneeBundleError(f"the film's size is {size_mm} mm; two legs need at least 280 x 220 mm")
    width, height = size_mm or (rng.uniform(300, 450), rng.uniform(260, 430))
    shape = count_pixels((height, width), (spacing_mm, spacing_mm), "the film")
    placements, gap = _place(knees, width, height, rng)

    film = np.zeros(shape, dtype=np.float32)
    points: dict[str, np.ndarray] = {}
    for side in ("R", "L"):
        knee, placement = knees[side], placements[side]
        if knee is not None:
            points[side] = placement.to_film(_points_mm(knee)) / spacing_mm
            film = _overlay(film, *_leg(knee, placement, shape, spacing_mm, gap, rng))
        elif absent == "amputated":
            other = _mirrored(_present(knees))
            film = _overlay(film, *_stump(other, placement, shape, spacing_mm, gap, rng))
    metal: dict[str, tuple[str, ...]] = {}
    for side, landmarks in points.items():
        metal[side] = add_implants(film, landmarks, spacing_mm, implants, rng)
    centers = {side: landmarks[4] for side, landmarks in points.items()}

    film = expose(film, spacing_mm, rng)
    film = collimate(film, spacing_mm, list(centers.values()), rng)
    film = add_markers(film, spacing_mm, list(points.values()), rng)
    pixels = np.clip(film, 0, 1) * 4095
    radiograph = Radiograph(4095 - pixels if inverted else pixels, (spacing_mm, spacing_mm), view="pa-bilateral")
    return radiograph, FilmTruth(centers, points, metal, inverted)


class BilateralFilms(Phantoms[tuple[Radiograph, FilmTruth]]):
    """A data set of bilateral films made of single knees: film ``i`` is made when it is asked for, always the same.

    An item is the film and what is known of it.

    Args:
        knees: items of (pixels, spacing_mm, landmarks_px, side), as :class:`KneeImage`. Where all are of one side, the
            other is made by mirroring.
        count: number of films.
        seed: another seed, other films.
        spacing_mm: pixel size of the films.
        implants: as in :func:`make_bilateral`.
        missing: share of films with one knee only, half of them with an amputation.
        inverted: share of inverted films.
        sides: of the knees, if they are known; else each knee is asked for once.

    Raises:
        KneeBundleError: if there are no knees.
    """

    def __init__(
        self,
        knees: Sequence[KneeImage | tuple],
        count: int,
        seed: int,
        spacing_mm: float = 1.0,
        *,
        implants: float = 0.15,
        missing: float = 0.0,
        inverted: float = 0.0,
        sides: Sequence[str] | None = None,
    ) -> None:
        if len(knees) == 0:
            raise KneeBundleError("there are no knees to make films of; give at least one")
        super().__init__(count, seed)
        self.knees, self.spacing_mm = knees, spacing_mm
        self.implants, self.missing, self.inverted = implants, missing, inverted
        sides = [KneeImage(*knees[i]).side for i in range(len(knees))] if sides is None else sides
        everyone = np.arange(len(knees))
        by_side = {side: np.flatnonzero(np.asarray(sides) == side) for side in ("R", "L")}
        self._of_side = {side: found if len(found) else everyone for side, found in by_side.items()}

    def draw(self, index: int, rng: np.random.Generator) -> tuple[Radiograph, FilmTruth]:
        """Make one film."""
        pair = {side: self.knees[int(rng.choice(self._of_side[side]))] for side in ("R", "L")}
        gone = ("R", "L")[int(rng.integers(2))] if rng.random() < self.missing else ""
        absent: Absent = "amputated" if rng.random() < 0.5 else "empty"
        return make_bilateral(
            None if gone == "R" else pair["R"],
            None if gone == "L" else pair["L"],
            rng,
            spacing_mm=self.spacing_mm,
            implants=self.implants,
            absent=absent,
            inverted=bool(rng.random() < self.inverted),
        )


def _as_side(knee: KneeImage | tuple | None, side: Side) -> KneeImage | None:
    if knee is None:
        return None
    knee = KneeImage(*knee)
    spacing = _spacing(knee)
    pixels = np.asarray(knee.pixels, dtype=np.float32)
    knee = KneeImage(pixels, spacing, np.asarray(knee.landmarks_px, dtype=np.float64), knee.side)
    if pixels.ndim != 2 or knee.landmarks_px.shape != (16, 2):
        raise KneeBundleError(
            f"the {side} knee has pixels {pixels.shape} and landmarks {knee.landmarks_px.shape};"
            " one grey image and (16, 2) points are needed"
        )
    return knee if knee.side == side else _mirrored(knee)


def _mirrored(knee: KneeImage) -> KneeImage:
    points = np.stack([knee.pixels.shape[1] - 1 - knee.landmarks_px[:, 0], knee.landmarks_px[:, 1]], axis=1)
    return KneeImage(
        np.ascontiguousarray(knee.pixels[:, ::-1]), knee.spacing_mm, points, "L" if knee.side == "R" else "R"
    )


def _present(knees: dict[str, KneeImage | None]) -> KneeImage:
    return next(knee for knee in knees.values() if knee is not None)


def _points_mm(knee: KneeImage) -> np.ndarray:
    return knee.landmarks_px * _spacing(knee)


def _spacing(knee: KneeImage) -> float:
    return float(np.atleast_1d(knee.spacing_mm)[0])


def _place(
    knees: dict[str, KneeImage | None], width: float, height: float, rng: np.random.Generator
) -> tuple[dict[str, _Placement], float]:
    """Where each knee stands, and half the distance between the two."""
    apart = rng.uniform(min(122, 0.42 * width), min(230, width - 120))
    middle = width / 2 + rng.uniform(-1, 1) * max(0, (width - apart) / 2 - 62)
    level = height / 2 + rng.uniform(-1, 1) * min(55, height / 2 - 90)
    magnification, turn = rng.uniform(0.86, 1.18), rng.normal(0, 1.5)
    placements = {}
    for side, sign in (("R", -1), ("L", 1)):
        center = np.array([middle + sign * apart / 2, level + float(np.clip(rng.normal(0, 7), -20, 20))])
        angle = float(np.clip(turn + rng.normal(0, 3), -8, 8))
        knee = knees[side]
        pivot = np.zeros(2) if knee is None else _points_mm(knee)[4]
        placements[side] = _Placement(pivot, center, float(magnification * rng.uniform(0.98, 1.02)), angle)
    return placements, float(apart / 2)


def _leg(
    knee: KneeImage,
    placement: _Placement,
    shape: tuple[int, int],
    spacing: float,
    half_gap: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, slice]:
    """A leg on its columns of the film, air 0 and bone about 1."""
    reach = _REACH_MM * placement.magnification
    first = max(0, int((placement.center_mm[0] - reach) / spacing))
    last = min(shape[1], int((placement.center_mm[0] + reach) / spacing) + 1)
    corners = np.array([[x, y] for x in (first, last) for y in (0, shape[0])]) * spacing
    in_crop = placement.to_crop(corners)
    step = spacing / placement.magnification
    low, high = in_crop.min(axis=0) - 2 * step, in_crop.max(axis=0) + 2 * step
    columns, rows = (int(v) for v in np.ceil((high - low) / step) + 1)
    pixels, shift = hide_edges(knee.pixels, knee.landmarks_px, _spacing(knee), 6.0, rng)
    corner = low - shift * _spacing(knee)
    canvas = Canvas(float(corner[0]), float(corner[1]), step, rows, columns)
    medial_reach = half_gap / placement.magnification + rng.uniform(-6, 8)
    leg = continue_leg(pixels, knee.landmarks_px - shift, _spacing(knee), canvas, rng=rng, medial_reach_mm=medial_reach)
    thickness = (leg.pixels - leg.air) / max(leg.bone - leg.air, 1e-6)
    window = slice(first, last)
    return _turned(thickness, low, step, placement, shape[0], window, spacing) * rng.uniform(0.9, 1.1), window


def _turned(
    image: np.ndarray,
    corner_mm: np.ndarray,
    step: float,
    placement: _Placement,
    rows: int,
    window: slice,
    spacing: float,
) -> np.ndarray:
    """A leg's image, its pixel (0, 0) at ``corner_mm`` of the crop, as it lies on the film's columns in ``window``."""
    inverse = np.linalg.inv(placement.matrix)
    origin = placement.to_crop(np.array([window.start * spacing, 0.0])) - corner_mm
    x = np.arange(window.stop - window.start, dtype=np.float32)[None, :] * spacing
    y = np.arange(rows, dtype=np.float32)[:, None] * spacing
    grid = np.empty((1, rows, x.size, 2), dtype=np.float32)
    for axis, count in ((0, image.shape[1]), (1, image.shape[0])):
        position = (origin[axis] + inverse[axis, 0] * x + inverse[axis, 1] * y) / step
        grid[0, ..., axis] = position * (2 / (count - 1)) - 1
    source = torch.from_numpy(np.ascontiguousarray(image))[None, None]
    turned = torch.nn.functional.grid_sample(
        source, torch.from_numpy(grid), mode="bicubic", padding_mode="border", align_corners=True
    )
    return np.asarray(turned[0, 0].numpy())


def _stump(
    other: KneeImage,
    placement: _Placement,
    shape: tuple[int, int],
    spacing: float,
    half_gap: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, slice]:
    """The thigh of a leg that was amputated above the knee: the other leg's, mirrored, down to a rounded end."""
    placed = _Placement(_points_mm(other)[4], placement.center_mm, placement.magnification, placement.angle_deg)
    image, window = _leg(other, placed, shape, spacing, half_gap, rng)
    above = rng.uniform(70, 110) * placed.magnification
    x = (np.arange(window.start, window.stop) * spacing - placed.center_mm[0])[None, :]
    y = (np.arange(shape[0]) * spacing - placed.center_mm[1])[:, None]
    end = -above - (x / rng.uniform(9, 13)) ** 2
    fade = np.sqrt(np.clip((end - y) / rng.uniform(12, 30), 0, 1)).astype(np.float32)
    return image * fade, window


def _overlay(film: np.ndarray, leg: np.ndarray, window: slice) -> np.ndarray:
    """Two legs on one film: the thicker counts, and where they overlap a part of the thinner too."""
    part = film[:, window]
    film[:, window] = np.maximum(part, leg) + 0.3 * np.maximum(np.minimum(part, leg), 0)
    return film
