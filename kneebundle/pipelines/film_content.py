"""What a radiograph from the front shows: one knee or two, where, and of which side.

Stage 1 looks for a joint in windows all over the radiograph. Each place that it names is a candidate, and the knee
check says of each whether it is a native knee and of which side, a replacement, or no knee. The size of the radiograph
decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from monai.data import MetaTensor

from kneebundle.pipelines.knee_check import CheckedRegion, KneeCheck
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.radiograph import Radiograph, Side
from kneebundle.transforms.halves import crop_half
from kneebundle.transforms.resample import resample_to_spacing
from kneebundle.transforms.roi import image_center_mm

__all__ = [
    "LEAST_BETWEEN_KNEES_MM",
    "SMALL_FIELD_MM",
    "TURNS",
    "Candidate",
    "FilmContent",
    "choose_of_halves",
    "choose_of_two",
    "find_candidates",
    "longer_side_mm",
    "read_content",
    "shrink_radiograph",
    "turn_radiograph",
]

LEAST_BETWEEN_KNEES_MM = 60.0
"""Two joints nearer to each other are not two knees."""
PRESENT = 0.5
"""Probability of a knee, native or replaced, from which a candidate counts as one."""
SMALL_FIELD_MM = 160.0
"""A radiograph up to this size is a crop: its middle is a candidate, too."""
TURNS = {2: "stands on its head", 1: "lies on its side", 3: "lies on its side"}
"""Quarters by which a radiograph is turned to look whether a knee comes upright, and what it is called."""

_CLEAR = 0.9  # probability of a knee in each half from which the film as a whole need not be searched
_TURNED_SPACING_MM = 0.5
_SIDES: tuple[Side, Side] = ("R", "L")
_SAME_PLACE_MM = 15.0
_HALVED_FROM_MM = 200.0  # two knees beside each other do not fit into less
_WINDOW_MM = (384.0, 256.0)  # height and width of what stage 1 sees


@dataclass(frozen=True)
class Candidate:
    """A place where there may be a knee.

    Attributes:
        center_mm: (2,) of the joint, x and y.
        confidence: of stage 1; 1 for the middle of a crop, 0 where nothing was found.
        region: what the knee check says of it.
    """

    center_mm: np.ndarray
    confidence: float
    region: CheckedRegion


@dataclass(frozen=True)
class FilmContent:
    """What was found on a radiograph.

    Attributes:
        knees: the one or two candidates that count as knees, from left to right; empty: there is none.
        candidates: all places that were looked at, the likeliest first.
    """

    knees: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]


def find_candidates(
    image: MetaTensor, roi: LandmarkModel | None, check: KneeCheck, mirror: bool = False
) -> list[Candidate]:
    """Find places where there may be a knee, no two within :data:`LEAST_BETWEEN_KNEES_MM`.

    On a radiograph wide enough for two knees its halves are searched first, and where each clearly shows a knee,
    nothing else is.

    Args:
        image: the radiograph, (1, H, W).
        roi: stage 1; None: only the middle of the radiograph is looked at.
        check: the knee check.
        mirror: as of :meth:`LandmarkModel.locate`.

    Returns:
        At least one place, the likeliest first.
    """
    height, width = _size_mm(image)
    places: list[tuple[np.ndarray, float]] = []
    if roi is not None and width > _HALVED_FROM_MM:
        places += _locate(roi, [crop_half(image, side) for side in _SIDES], mirror)
        found = _check_places(image, _merge(places), check)
        if _are_clearly_two(found):
            return found
    if roi is None or max(height, width) <= SMALL_FIELD_MM:
        places.append((image_center_mm(image), 1.0))
    if roi is not None:
        places += _locate(roi, [image], mirror)
    return _check_places(image, _merge(places), check)


def _locate(roi: LandmarkModel, parts: Sequence[MetaTensor], mirror: bool) -> list[tuple[np.ndarray, float]]:
    """The joint that stage 1 sees in each window of some parts of a radiograph, and how sure it is."""
    items = [{"image": part, "center_mm": center, "side": "R"} for part in parts for center in _list_windows(part)]
    found = (located[0].tolist() for located in roi.locate(items, mirror=mirror))
    return [(np.array([x, y]), confidence) for x, y, confidence in found]


def _are_clearly_two(candidates: Sequence[Candidate]) -> bool:
    present = [candidate for candidate in candidates if candidate.region.knee >= PRESENT]
    knees = read_content(candidates).knees
    return len(present) == len(knees) == 2 and min(knee.region.knee for knee in knees) >= _CLEAR


def read_content(candidates: Sequence[Candidate]) -> FilmContent:
    """Decide which candidates are the knees of a radiograph.

    Two candidates are two knees if both count as knees and lie at least :data:`LEAST_BETWEEN_KNEES_MM` apart from side
    to side; of more than two the likeliest pair.

    Args:
        candidates: of :func:`find_candidates`.
    """
    present = [candidate for candidate in candidates if candidate.region.knee >= PRESENT]
    pairs = [(a, b) for i, a in enumerate(present) for b in present[i + 1 :] if _are_beside_each_other(a, b)]
    if not pairs:
        return FilmContent(tuple(present[:1]), tuple(candidates))
    best = max(pairs, key=lambda pair: pair[0].region.knee + pair[1].region.knee)
    return FilmContent(tuple(sorted(best, key=lambda c: float(c.center_mm[0]))), tuple(candidates))


def choose_of_two(content: FilmContent, radiograph: Radiograph) -> Candidate:
    """Choose one of two knees: that of the stated side, or else the one nearer to the middle."""
    if radiograph.side is not None:
        return content.knees[_SIDES.index(radiograph.side)]
    middle = image_center_mm(radiograph.to_metatensor())[0]
    return min(content.knees, key=lambda knee: abs(float(knee.center_mm[0]) - middle))


def choose_of_halves(content: FilmContent, image: MetaTensor, check: KneeCheck) -> tuple[Candidate, Candidate]:
    """Choose the likeliest candidate of each half, the right knee's first; the half's middle where it has none."""
    right, left = (_choose_of_half(content, image, side, check) for side in _SIDES)
    return right, left


def turn_radiograph(radiograph: Radiograph, quarters: int) -> Radiograph:
    """Turn a radiograph by some quarters, counter-clockwise."""
    row, column = radiograph.spacing_mm
    pixels = np.ascontiguousarray(np.rot90(radiograph.pixels, quarters))
    return replace(radiograph, pixels=pixels, spacing_mm=(row, column) if quarters % 2 == 0 else (column, row))


def shrink_radiograph(radiograph: Radiograph) -> Radiograph:
    """Shrink a radiograph to pixels of 0.5 mm, enough for stage 1 and the knee check; a coarser one stays."""
    row, column = (max(spacing, _TURNED_SPACING_MM) for spacing in radiograph.spacing_mm)
    if (row, column) == radiograph.spacing_mm:
        return radiograph
    small = resample_to_spacing(radiograph.to_metatensor(), (row, column))
    return replace(radiograph, pixels=np.nan_to_num(small.numpy()[0]), spacing_mm=(row, column))


def longer_side_mm(radiograph: Radiograph) -> float:
    """The longer side of a radiograph in mm."""
    return max(radiograph.rows * radiograph.spacing_mm[0], radiograph.columns * radiograph.spacing_mm[1])


def _choose_of_half(content: FilmContent, image: MetaTensor, side: Side, check: KneeCheck) -> Candidate:
    middle = image_center_mm(image)[0]
    of_half = [c for c in content.candidates if (c.center_mm[0] < middle) == (side == "R")]
    if of_half:
        return max(of_half, key=lambda c: c.region.knee)
    center = image_center_mm(crop_half(image, side))
    return Candidate(center, 0.0, check.classify(image, [center])[0])


def _size_mm(image: MetaTensor) -> tuple[float, float]:
    affine = np.asarray(image.affine)
    return float(image.shape[1] * affine[0, 0]), float(image.shape[2] * affine[1, 1])


def _list_windows(image: MetaTensor) -> list[np.ndarray]:
    """Middles of windows that cover an image, overlapping by more than half."""
    height, width = _size_mm(image)
    middle = image_center_mm(image)
    return [
        np.array([middle[0] + dx, middle[1] + dy])
        for dy in _list_offsets(height, _WINDOW_MM[0], 420.0, 170.0)
        for dx in _list_offsets(width, _WINDOW_MM[1], 280.0, 100.0)
    ]


def _list_offsets(length: float, window: float, whole: float, step: float) -> np.ndarray:
    """Offsets from the middle; one window where the image is at most ``whole`` long."""
    if length <= whole:
        return np.zeros(1)
    reach = (length - window * 0.75) / 2
    return np.linspace(-reach, reach, max(2, int(np.ceil(2 * reach / step)) + 1))


def _merge(places: Sequence[tuple[np.ndarray, float]]) -> list[tuple[np.ndarray, float]]:
    """The surest of those that mean the same place."""
    kept: list[tuple[np.ndarray, float]] = []
    for center, confidence in sorted(places, key=lambda place: -place[1]):
        if all(np.linalg.norm(center - other) > _SAME_PLACE_MM for other, _ in kept):
            kept.append((center, confidence))
    return kept


def _check_places(image: MetaTensor, places: Sequence[tuple[np.ndarray, float]], check: KneeCheck) -> list[Candidate]:
    """Check each place; one that lies beside a joint is moved onto it, where that looks more like a knee."""
    regions = check.classify(image, [center for center, _ in places])
    found = [
        Candidate(center, confidence, region) for (center, confidence), region in zip(places, regions, strict=True)
    ]
    beside = [number for number, candidate in enumerate(found) if _is_beside_its_joint(candidate)]
    again = check.classify(image, [found[number].region.joint_mm for number in beside])
    for number, there in zip(beside, again, strict=True):
        here = found[number].region
        if there.knee > here.knee:
            found[number] = Candidate(here.joint_mm, found[number].confidence, there)
    found.sort(key=lambda candidate: -(candidate.region.knee + 0.2 * candidate.confidence))
    kept: list[Candidate] = []
    for candidate in found:
        distances = [float(np.linalg.norm(candidate.center_mm - other.center_mm)) for other in kept]
        if min(distances, default=np.inf) >= LEAST_BETWEEN_KNEES_MM:
            kept.append(candidate)
    return kept


def _is_beside_its_joint(candidate: Candidate) -> bool:
    away = float(np.linalg.norm(candidate.region.joint_mm - candidate.center_mm))
    return candidate.region.knee > 0.2 and away > 8.0


def _are_beside_each_other(a: Candidate, b: Candidate) -> bool:
    across, along = np.abs(a.center_mm - b.center_mm)
    return bool(across >= max(LEAST_BETWEEN_KNEES_MM, 0.7 * along))
