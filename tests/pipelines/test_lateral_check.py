"""The maps of a lateral knee are believed; other arrangements of bones are not."""

from __future__ import annotations

import numpy as np
import pytest

from kneebundle.pipelines.lateral_check import check_lateral

SPACING_MM = (1.0, 1.0)
Y, X = np.indices((220, 200), dtype=float)
FEMUR, PATELLA, TIBIA, FIBULA, P_BLUM, P_TMC, ROI = range(7)


def ellipse(x: float, y: float, a: float, b: float) -> np.ndarray:
    return np.clip((1 - np.hypot((X - x) / a, (Y - y) / b)) * 2 * min(a, b) + 0.5, 0, 1)


def peak(x: float, y: float) -> np.ndarray:
    return np.exp(-0.5 * ((X - x) ** 2 + (Y - y) ** 2) / 36)


def lateral() -> np.ndarray:
    """(7, H, W) of a knee that faces right: the posterior cortex is column 80."""
    shaft = ((X >= 80) & (X < 110) & (Y < 90)).astype(float)
    line = np.exp(-0.5 * ((X - 80) ** 2 + (Y - np.clip(Y, 20, 65)) ** 2) / 36)
    return np.stack(
        [
            np.maximum(shaft, ellipse(95, 100, 32, 25)),
            ellipse(145, 90, 9, 18),
            ((X >= 70) & (X < 120) & (Y >= 128)).astype(float),
            ((X >= 60) & (X < 72) & (Y >= 145)).astype(float),
            peak(92, 84),
            peak(79, 78),
            line,
        ]
    )


def test_a_lateral_knee_is_believed_facing_either_way() -> None:
    maps = lateral()
    assert check_lateral(maps, SPACING_MM) is None
    assert check_lateral(maps[:, :, ::-1], SPACING_MM) is None
    assert check_lateral(np.swapaxes(maps, 1, 2), SPACING_MM) is None


def moved(channel: int, dx: int, dy: int = 0) -> np.ndarray:
    maps = lateral()
    maps[channel] = np.roll(maps[channel], (dy, dx), axis=(0, 1))
    return maps


def scaled(channel: int, factor: float) -> np.ndarray:
    maps = lateral()
    maps[channel] *= factor
    return maps


@pytest.mark.parametrize(
    ("maps", "reason"),
    [
        (scaled(FEMUR, 0.0), "no femur was found (0 mm2"),
        (scaled(PATELLA, 0.4), "no patella was found"),
        (scaled(TIBIA, 0.0), "no tibia was found"),
        (moved(PATELLA, -50), "of the patella lie before the femur"),
        (moved(TIBIA, 0, -70), "of the tibia lie before the femur"),
        (scaled(P_BLUM, 0.1), "p_blum was not found (likelihood 0.10"),
        (scaled(P_TMC, 0.1), "p_tmc was not found"),
        (scaled(ROI, 0.3), "the posterior cortex was not found (likelihood 0.30"),
        (scaled(FEMUR, 0.7), "the bones are uncertain (on 0."),
        (moved(ROI, 60), "the posterior cortex was not found on the femur"),
        (moved(PATELLA, -112), "the patella does not lie in front of the femur"),
        (moved(PATELLA, 0, -70), "the patella does not lie beside the joint"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_no_lateral_knee_looks_like_is_an_error(maps: np.ndarray, reason: str) -> None:
    found = check_lateral(maps, SPACING_MM)
    assert found is not None
    assert reason in found
    assert found.endswith("; a lateral film is needed")


def test_areas_are_mm() -> None:
    assert "no femur was found" in str(check_lateral(lateral(), (0.3, 0.3)))


def test_nothing_at_all_is_an_error() -> None:
    assert "no femur was found" in str(check_lateral(np.zeros((7, 64, 64)), SPACING_MM))
