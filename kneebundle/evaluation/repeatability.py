"""How well measurements repeat: the same radiograph a little moved, turned, scaled or noisier, predicted anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.text_tables import format_table
from kneebundle.io.tables import write_table
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from kneebundle.results import RadiographResult

__all__ = ["KINDS", "Repeatability", "format_repeatability", "measure_repeatability", "vary", "write_repeatability"]

KINDS = ("shift", "turn", "scale", "noise")
"""What is done to a radiograph: moved by up to 5 mm, turned by up to 3 degrees, its pixels made up to 10 % larger or
smaller (its knee stays as large), noise of 1 % of its range of grey values."""
SHIFT_MM, TURN_DEG, SCALE, NOISE = 5.0, 3.0, 0.1, 0.01

Predict = Callable[[Sequence[Radiograph]], Sequence[RadiographResult | KneeBundleError]]


@dataclass(frozen=True)
class Repeatability:
    """How well one measurement repeats.

    Attributes:
        name, unit: of the measurement.
        deviation: by kind, and ``"all"``: the standard deviation within a knee, pooled over knees; NaN for too few.
        stated: root mean square of the uncertainty that the measurements state; NaN where they state none.
        count: number of values.
        missing: share of predictions with landmarks in which it has no value.
    """

    name: str
    unit: str
    deviation: Mapping[str, float]
    stated: float
    count: int
    missing: float


def vary(radiograph: Radiograph, kind: str, rng: np.random.Generator) -> tuple[Radiograph, float]:
    """Change a radiograph a little.

    Args:
        radiograph: what to change.
        kind: one of :data:`KINDS`.
        rng: draws by how much.

    Returns:
        The radiograph, and by how many degrees it was turned, clockwise as displayed.

    Raises:
        ValueError: for another kind.
    """
    pixels, spacing = radiograph.pixels, np.array(radiograph.spacing_mm)
    if kind == "noise":
        low, high = np.percentile(pixels, [1, 99])
        noise = rng.standard_normal(pixels.shape, dtype=np.float32) * float(NOISE * (high - low))
        return replace(radiograph, pixels=pixels + noise), 0.0
    if kind == "shift":
        moved = ndimage.shift(pixels, rng.uniform(-SHIFT_MM, SHIFT_MM, 2) / spacing, order=3, mode="nearest")
        return replace(radiograph, pixels=moved), 0.0
    if kind == "scale":
        factor = 1.0 + rng.uniform(-SCALE, SCALE)
        shape = np.maximum(np.rint(np.array(pixels.shape) / factor), 8).astype(int)
        zoomed = ndimage.affine_transform(pixels, [factor, factor], output_shape=tuple(shape), order=3, mode="nearest")
        row_mm, column_mm = (float(s) for s in spacing * factor)
        return replace(radiograph, pixels=zoomed, spacing_mm=(row_mm, column_mm)), 0.0
    if kind == "turn":
        angle = float(rng.uniform(-TURN_DEG, TURN_DEG))
        return replace(radiograph, pixels=_turn(pixels, angle, spacing)), angle
    raise ValueError(f"a kind is one of {', '.join(KINDS)}, got {kind!r}")


def _turn(pixels: np.ndarray, degrees: float, spacing: np.ndarray) -> np.ndarray:
    """Turn clockwise about the middle."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.array([[c, -s], [s, c]]) * spacing[None] / spacing[:, None]
    middle = (np.array(pixels.shape) - 1) / 2
    return ndimage.affine_transform(pixels, matrix, middle - matrix @ middle, order=3, mode="nearest")


def measure_repeatability(
    predict: Predict, radiographs: Iterable[Radiograph], variants: int = 2, seed: int = 0
) -> list[Repeatability]:
    """Predict radiographs and changed ones, and compare what is measured.

    Args:
        predict: the pipeline, as :meth:`kneebundle.KneePipeline.predict_batch`.
        radiographs: from the front.
        variants: how many changed ones of each kind.
        seed: of the changes.

    Returns:
        A row a measurement; none where no knee was found twice.
    """
    values: dict[str, list[dict[str, list[float]]]] = {}
    stated: dict[str, list[float]] = {}
    units: dict[str, str] = {}
    tried: dict[str, int] = {}
    for number, radiograph in enumerate(radiographs):
        rng = np.random.default_rng([seed, number])
        kinds = ["same", *(kind for kind in KINDS for _ in range(variants))]
        changed = [(radiograph, 0.0), *(vary(radiograph, kind, rng) for kind in kinds[1:])]
        results = predict([image for image, _ in changed])
        knees: dict[str, dict[str, dict[str, list[float]]]] = {}
        for kind, (_, turned), result in zip(kinds, changed, results, strict=True):
            if isinstance(result, KneeBundleError):
                continue
            for knee in result.knees:
                for name, found in knee.measurements.items():
                    units[name] = found.unit
                    tried[name] = tried.get(name, 0) + 1
                    if found.value is None:
                        continue
                    value = found.value - _expected_change(found, turned, knee.side)
                    knees.setdefault(name, {}).setdefault(knee.side, {}).setdefault(kind, []).append(value)
                    if found.uncertainty is not None:
                        stated.setdefault(name, []).append(found.uncertainty)
        for name, sides in knees.items():
            values.setdefault(name, []).extend(sides.values())
    return [_summarize(name, units[name], values.get(name, []), stated.get(name, []), tried[name]) for name in units]


def _expected_change(measurement: Measurement, turned_deg: float, side: str) -> float:
    """The plateau's tilt is against the rows of the image: it turns with the image."""
    if measurement.name != "tibial_plateau_tilt":
        return 0.0
    return -turned_deg if side == "R" else turned_deg


def _summarize(
    name: str, unit: str, knees: Sequence[Mapping[str, Sequence[float]]], stated: Sequence[float], tried: int
) -> Repeatability:
    deviation = {kind: _pool([[*knee.get("same", []), *knee.get(kind, [])] for knee in knees]) for kind in KINDS}
    every = [[value for values in knee.values() for value in values] for knee in knees]
    count = sum(map(len, every))
    uncertainty = float(np.sqrt(np.mean(np.square(stated)))) if stated else float("nan")
    return Repeatability(name, unit, {**deviation, "all": _pool(every)}, uncertainty, count, 1.0 - count / tried)


def _pool(groups: Sequence[Sequence[float]]) -> float:
    """Standard deviation within groups."""
    squares = sum(float(np.var(group)) * len(group) for group in groups if len(group) > 1)
    freedom = sum(len(group) - 1 for group in groups if len(group) > 1)
    return float(np.sqrt(squares / freedom)) if freedom else float("nan")


def format_repeatability(rows: Sequence[Repeatability]) -> str:
    """Format the table for a terminal."""
    header = ["measurement", "unit", *KINDS, "all", "stated", "missing %"]
    return format_table(header, [_list_cells(row) for row in rows])


def write_repeatability(rows: Sequence[Repeatability], path: Path) -> None:
    """Write the table as CSV, atomically; what is not known is empty."""
    columns = ["name", "unit", *(f"sd_{kind}" for kind in (*KINDS, "all")), "stated_sd", "values", "missing"]
    write_table(path, columns, [[r.name, r.unit, *_list_numbers(r), r.count, round(r.missing, 4)] for r in rows])


def _list_numbers(row: Repeatability) -> list[float | None]:
    numbers = [*(row.deviation[kind] for kind in (*KINDS, "all")), row.stated]
    return [round(number, 4) if np.isfinite(number) else None for number in numbers]


def _list_cells(row: Repeatability) -> list[str]:
    numbers = ["" if number is None else f"{number:.2f}" for number in _list_numbers(row)]
    return [row.name, row.unit, *numbers, f"{100 * row.missing:.1f}"]
