"""Joint space widths of drawn knees, whose bone outlines are known, against those that are measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kneebundle.evaluation.text_tables import format_table
from kneebundle.landmarks import Landmarks
from kneebundle.measurements.joint_edges import COMPARTMENTS
from kneebundle.measurements.joint_space import FIXED_PLACES, MINIMUM_RANGES
from kneebundle.measurements.knee_frame import KneeFrame
from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.measurements.landmark_measurements import RADIUS_DEVIATIONS
from kneebundle.phantoms.pa.knee import draw_knee_and_bones
from kneebundle.radiograph import Side

__all__ = ["Agreement", "compare_drawn_knees", "format_agreement", "true_joint_space"]

_STEP_MM = 0.1
_SEEN_MM = 25.0


def true_joint_space(
    landmarks: Landmarks, outlines: dict[str, np.ndarray], spacing_mm: tuple[float, float]
) -> dict[str, float]:
    """Compute the widths of :mod:`kneebundle.measurements.joint_space` from the outlines.

    Args:
        landmarks: the 16 points in pixels.
        outlines: of ``femur`` and ``tibia``, (M, 2) in pixels.
        spacing_mm: of a pixel, (row, column).
    """
    frame = KneeFrame.place(landmarks.to_mm(spacing_mm))
    curves = {bone: frame.to_knee(line * np.array(spacing_mm[::-1])) for bone, line in outlines.items()}
    curves = {bone: line[np.abs(line[:, 1]) < _SEEN_MM] for bone, line in curves.items()}
    return dict(_list_widths(frame, curves))


def _list_widths(frame: KneeFrame, curves: dict[str, np.ndarray]) -> Iterator[tuple[str, float]]:
    for name, places in FIXED_PLACES.items():
        u = np.array(places) * frame.width
        for place, width in zip(places, _widths(curves, u), strict=True):
            yield f"joint_space_width_{name}_{round(1000 * place)}", float(width)
        stretch = np.arange(u[0], u[-1], _STEP_MM)
        yield f"joint_space_width_{name}", float(_widths(curves, stretch).mean())
        low, high = (part * frame.width for part in MINIMUM_RANGES[name])
        femur = curves["femur"][(curves["femur"][:, 0] >= low) & (curves["femur"][:, 0] <= high)]
        first, last = (part * frame.width for part in COMPARTMENTS[name])
        tibia = curves["tibia"][(curves["tibia"][:, 0] >= first) & (curves["tibia"][:, 0] <= last)]
        distance = np.linalg.norm(femur[:, None] - tibia, axis=-1).min()
        touches = (_widths(curves, np.arange(low, high, _STEP_MM)) <= 0).any()
        yield f"joint_space_width_{name}_minimum", 0.0 if touches else float(distance)


def _widths(curves: dict[str, np.ndarray], u: np.ndarray) -> np.ndarray:
    """Across the plateau at each u, from the lowest point of the femur to the highest of the tibia."""
    bins = np.abs(curves["femur"][:, None, 0] - u) < _STEP_MM
    femur = np.where(bins, curves["femur"][:, None, 1], np.inf).min(axis=0)
    bins = np.abs(curves["tibia"][:, None, 0] - u) < _STEP_MM
    tibia = np.where(bins, curves["tibia"][:, None, 1], -np.inf).max(axis=0)
    return np.maximum(femur - tibia, 0.0)


@dataclass(frozen=True)
class Agreement:
    """How a measured width agrees with the true one.

    Attributes:
        name: of the measurement.
        bias_mm: mean of measured minus true.
        deviation_mm: standard deviation of that difference.
        ratio: root mean square of (difference minus bias) over the stated uncertainty; 1 where it is well stated.
        count: number of knees.
        missing: share that could not be measured.
    """

    name: str
    bias_mm: float
    deviation_mm: float
    ratio: float
    count: int
    missing: float


def compare_drawn_knees(
    count: int = 100, seed: int = 0, spacings_mm: Sequence[float] = (0.15, 0.2, 0.3), jitter_mm: float = 0.7
) -> list[Agreement]:
    """Measure drawn knees and compare with their outlines.

    Args:
        count: number of knees, all grades and both sides in turn.
        seed: another seed, other knees.
        spacings_mm: sizes of a pixel, in turn.
        jitter_mm: standard deviation of x and y of the landmarks that the joint is found by, about the true ones.
    """
    differences: dict[str, list[float]] = {}
    stated: dict[str, list[float]] = {}
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        spacing = float(spacings_mm[number % len(spacings_mm)])
        side: Side = "R" if number % 2 == 0 else "L"
        radiograph, landmarks, outlines = draw_knee_and_bones(
            rng, side=side, kl=number // 2 % 5, size_mm=110.0, spacing_mm=spacing
        )
        truth = true_joint_space(landmarks, outlines, radiograph.spacing_mm)
        moved = landmarks.points + rng.normal(0.0, jitter_mm, landmarks.points.shape) / spacing
        radius = np.full(len(moved), jitter_mm * RADIUS_DEVIATIONS)
        found = measure_knee_pa(radiograph, Landmarks(moved, radius_mm=radius))
        for name, width in truth.items():
            differences.setdefault(name, [])
            value, uncertainty = found[name].value, found[name].uncertainty
            if value is not None and uncertainty is not None:
                differences[name].append(value - width)
                stated.setdefault(name, []).append(uncertainty)
    return [
        _summarize(name, np.array(differences[name]), np.array(stated.get(name, [])), count) for name in differences
    ]


def _summarize(name: str, differences: np.ndarray, stated: np.ndarray, count: int) -> Agreement:
    if len(differences) == 0:
        return Agreement(name, np.nan, np.nan, np.nan, 0, 1.0)
    bias = float(differences.mean())
    ratio = float(np.sqrt(np.mean(((differences - bias) / stated) ** 2)))
    return Agreement(name, bias, float(differences.std()), ratio, len(differences), 1.0 - len(differences) / count)


def format_agreement(rows: Sequence[Agreement]) -> str:
    """Format the table for a terminal."""
    header = ["measurement", "bias mm", "SD mm", "SD / stated", "missing %"]
    cells = [
        [r.name, f"{r.bias_mm:+.2f}", f"{r.deviation_mm:.2f}", f"{r.ratio:.2f}", f"{100 * r.missing:.1f}"] for r in rows
    ]
    return format_table(header, cells)
