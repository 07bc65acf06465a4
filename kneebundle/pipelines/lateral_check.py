"""Whether an image shows a lateral knee, by the maps of the planning network.

A network that has seen nothing but lateral knees finds bones in anything. A radiograph from the front is told by how
uncertain the network is over large areas, and by where it finds the bones: in a lateral knee the patella lies in front
of the femur and hardly over it, the tibia beyond it, and the posterior cortex on the other side of the shaft than the
patella.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kneebundle.landmarks import BONES
from kneebundle.measurements.outlines import keep_largest_part

__all__ = ["check_lateral"]

LEAST_AREA_MM2 = {"femur": 1000.0, "patella": 150.0, "tibia": 500.0}
"""A fibula may be hidden or cut off."""
LARGEST_OVERLAP = {"patella": 0.5, "tibia": 0.35}
"""Share of the bone that lies before the femur."""
LEAST_PEAK = {"p_blum": 0.25, "p_tmc": 0.25, "the posterior cortex": 0.5}
"""Largest value of the heatmap."""
DOUBTFUL = (0.1, 0.9)
"""Probabilities between these are doubtful."""
LARGEST_DOUBT = 0.28
"""Area where a bone is doubtful, as a part of the bones' area: femur, patella and tibia together. At the edge of a bone
there is always some."""
PATELLA_IN_FRONT_MM = 10.0
"""Distance of the patella's middle from the posterior cortex."""


def check_lateral(maps: np.ndarray, spacing_mm: tuple[float, float]) -> str | None:
    """Check whether an image looks like a lateral knee.

    Args:
        maps: (7, H, W) of the planning network: probabilities of femur, patella, tibia and fibula in [0, 1],
            heatmaps of ``p_blum`` and ``p_tmc`` (1 at a sure peak), region of interest of LM1.
        spacing_mm: (row, column) of the maps.

    Returns:
        One line that says why it does not; None: it does.
    """
    parts = {bone: keep_largest_part(maps[number]) for number, bone in enumerate(BONES)}
    problem = next(_find_problems(maps, parts, spacing_mm), None)
    return None if problem is None else f"this does not look like a lateral knee: {problem}; a lateral film is needed"


def _find_problems(maps: np.ndarray, parts: dict[str, np.ndarray], spacing_mm: tuple[float, float]) -> Iterator[str]:
    for bone, least in LEAST_AREA_MM2.items():
        area = float(parts[bone].sum() * np.prod(spacing_mm))
        if area < least:
            yield f"no {bone} was found ({area:.0f} mm2, at least {least:.0f} mm2 are needed)"
    for bone, most in LARGEST_OVERLAP.items():
        share = float(parts["femur"][parts[bone]].mean())
        if share > most:
            yield f"{100 * share:.0f} % of the {bone} lie before the femur, at most {100 * most:.0f} % are plausible"
    for name, height in zip(LEAST_PEAK, maps[4:].max(axis=(1, 2)), strict=True):
        if height < LEAST_PEAK[name]:
            shown = np.floor(100 * height) / 100
            yield f"{name} was not found (likelihood {shown:.2f}, at least {LEAST_PEAK[name]:.2f} is needed)"
    doubt = _measure_doubt(maps, parts)
    if doubt > LARGEST_DOUBT:
        yield f"the bones are uncertain (on {doubt:.2f} of their area, at most {LARGEST_DOUBT:.2f} is plausible)"
    yield from _find_misplaced(maps[6], parts, spacing_mm)


def _measure_doubt(maps: np.ndarray, parts: dict[str, np.ndarray]) -> float:
    doubtful = (maps[:3] > DOUBTFUL[0]) & (maps[:3] < DOUBTFUL[1])
    return float(doubtful.sum() / sum(parts[bone].sum() for bone in BONES[:3]))


def _find_misplaced(roi: np.ndarray, parts: dict[str, np.ndarray], spacing_mm: tuple[float, float]) -> Iterator[str]:
    """Whether patella and tibia lie in front of and beyond the piece of the shaft at the posterior cortex."""
    mm = np.array(spacing_mm[::-1])
    cortex = np.argwhere((roi >= LEAST_PEAK["the posterior cortex"]) & parts["femur"])[:, ::-1] * mm
    if len(cortex) < 3:
        yield "the posterior cortex was not found on the femur"
        return
    middle = cortex.mean(axis=0)
    along = np.linalg.svd(cortex - middle, full_matrices=False)[2][0]
    femur, patella, tibia = (np.argwhere(parts[bone])[:, ::-1] * mm - middle for bone in BONES[:3])
    along = along * np.sign(tibia.mean(axis=0) @ along or 1.0)
    reach = np.ptp((cortex - middle) @ along) / 2
    beside = femur[np.abs(femur @ along) <= reach]
    ahead = np.array([-along[1], along[0]])
    ahead = ahead * np.sign(beside.mean(axis=0) @ ahead or 1.0)
    if patella.mean(axis=0) @ ahead < PATELLA_IN_FRONT_MM:
        yield "the patella does not lie in front of the femur"
    if patella.mean(axis=0) @ along < 0:
        yield "the patella does not lie beside the joint"
