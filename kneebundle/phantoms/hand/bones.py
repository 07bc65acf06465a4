"""Outlines of the bones of a drawn hand, laid around its 37 landmarks.

In mm, the wrist's two ends 50 mm apart. Widths and gaps were read off radiographs of the Digital Hand Atlas.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Bone", "draw_hand_bones"]

# Half widths of a bone as (part of its length, mm), for the middle finger; the ends are round.
_METACARPAL = ((0.0, 4.5), (0.06, 6.6), (0.2, 5.2), (0.5, 4.0), (0.75, 5.0), (0.9, 7.2), (1.0, 5.0))
_PROXIMAL = ((0.0, 6.4), (0.06, 7.6), (0.2, 6.0), (0.5, 4.6), (0.8, 4.6), (0.94, 5.3), (1.0, 4.2))
_MIDDLE = ((0.0, 5.4), (0.07, 6.4), (0.22, 5.0), (0.55, 3.7), (0.82, 4.0), (0.94, 4.8), (1.0, 3.8))
_DISTAL = ((0.0, 4.0), (0.1, 5.2), (0.25, 4.0), (0.55, 2.6), (0.85, 3.6), (0.95, 3.3), (1.0, 1.6))
_FINGER_WIDTH = {"thumb": 1.08, "index": 0.97, "middle": 1.0, "ring": 0.93, "little": 0.8}
_RAYS = {
    "thumb": (17, 18, 19, 20),
    "index": (16, 21, 22, 23, 24),
    "middle": (15, 25, 26, 27, 28),
    "ring": (14, 29, 30, 31, 32),
    "little": (13, 33, 34, 35, 36),
}
_BASE_DEPTH_MM = 1.4  # the base's landmark lies this far inside the bone
_JOINT_MM = 2.2  # from one bone to the next
_CARPAL_FULL_GROWN = 0.55  # maturity at which the carpal bones have their full size


@dataclass(frozen=True)
class Bone:
    """One bone of the hand.

    Attributes:
        outline: (N, 2) mm, closed.
        depth_mm: distance from the edge at which it has its full thickness.
        cortex_mm: thickness of its wall.
        strength: attenuation of its middle.
        plates: growth plates as (point on it, direction of the bone's axis, darkness); darkness below 0 is a bright
            scar.
    """

    outline: np.ndarray
    depth_mm: float
    cortex_mm: float
    strength: float
    plates: tuple[tuple[np.ndarray, np.ndarray, float], ...] = field(default=())


def draw_hand_bones(points: np.ndarray, maturity: float, rng: np.random.Generator) -> list[Bone]:
    """The bones of a hand: five rays, the carpals, the ends of radius and ulna.

    Args:
        points: (37, 2) mm.
        maturity: 0 for an infant, whose growth plates are open and whose carpals are specks, to 1 for an adult.
        rng: for everything that the landmarks leave open.
    """
    size = rng.uniform(0.88, 1.1)
    bones = _forearm(points, maturity, rng) + _carpals(points, maturity, rng)
    for finger, ids in _RAYS.items():
        bones += _ray(points[list(ids)], finger, size * _FINGER_WIDTH[finger], maturity, rng)
    return bones


def _ray(points: np.ndarray, finger: str, width: float, maturity: float, rng: np.random.Generator) -> list[Bone]:
    """Metacarpal and phalanges along a ray: base of the metacarpal, base of the proximal phalanx, joints, tip."""
    profiles = [_METACARPAL, _PROXIMAL, _MIDDLE, _DISTAL]
    if finger == "thumb":
        profiles = [_METACARPAL, _PROXIMAL, _DISTAL]
    bones = []
    for number, profile in enumerate(profiles):
        start, end = points[number], points[number + 1]
        axis = (end - start) / np.linalg.norm(end - start)
        joint = _JOINT_MM * rng.uniform(0.6, 1.3)
        if number == 0:
            end = end - axis * (_BASE_DEPTH_MM + joint)
        elif number == 1:
            start = start - axis * _BASE_DEPTH_MM * rng.uniform(0.6, 1.3)
        else:
            start = start + axis * joint * 0.7
        wide = width * rng.uniform(0.93, 1.07) * (1.12 if finger == "thumb" and number else 1.0)
        # the metacarpals of the fingers grow at their heads, all other bones of the hand at their bases
        at_head = number == 0 and finger != "thumb"
        plate = end - axis * rng.uniform(7.5, 9.0) * width if at_head else start + axis * rng.uniform(3.4, 4.8)
        bones.append(
            Bone(
                _rod(start, end, profile, wide, rng),
                depth_mm=5.0 * wide,
                cortex_mm=float(np.interp(maturity, (0, 1), (0.9, 1.7))) * rng.uniform(0.8, 1.2),
                strength=rng.uniform(0.75, 1.0) * (1.0, 0.85, 0.7, 0.55)[number],
                plates=((plate, axis, _openness(maturity, rng)),),
            )
        )
    return bones


def _rod(
    start: np.ndarray,
    end: np.ndarray,
    profile: tuple[tuple[float, float], ...],
    width: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Outline of a long bone from start to end, its axis bent a little and its sides unlike."""
    length = float(np.linalg.norm(end - start))
    axis = (end - start) / length
    across = np.array([-axis[1], axis[0]])
    place, half = np.array(profile).T
    t = (1 - np.cos(np.linspace(0, np.pi, 41))) / 2
    bend = rng.normal(0, 0.35) * np.sin(np.pi * t)
    sides = []
    for sign in (1, -1):
        edge = width * np.interp(t, place, half * rng.normal(1, 0.04, len(half)))
        edge = np.convolve(np.pad(edge, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        edge *= np.minimum(1, np.sqrt(np.minimum(t, 1 - t) * length / 1.2))  # rounded corners, closed ends
        sides.append(start + np.outer(t * length, axis) + np.outer(sign * edge + bend, across))
    return np.concatenate([sides[0], sides[1][::-1]])


def _openness(maturity: float, rng: np.random.Generator) -> float:
    """Darkness of a growth plate: open in children, a faint bright scar in adults."""
    if maturity < rng.uniform(0.7, 0.85):
        return float(rng.uniform(0.55, 0.95))
    return -float(rng.uniform(0.0, 0.15))


def _carpals(points: np.ndarray, maturity: float, rng: np.random.Generator) -> list[Bone]:
    """The eight carpals, each grown from its landmark at the proximal border; in children they are smaller."""
    p = points
    # proximal border, distal border, width over length
    shapes = [
        (p[9], 0.9 * (p[13] + p[14]) / 2 + 0.1 * p[9], 1.05),  # hamate
        (p[10], 0.95 * p[15] + 0.05 * p[10], 0.78),  # capitate
        (p[11], 0.9 * p[16] + 0.1 * p[11], 1.15),  # trapezoid
        (p[12], p[12] + 0.75 * (0.6 * p[17] + 0.4 * p[16] - p[12]), 1.15),  # trapezium
        (p[7], p[7] + 0.8 * (p[10] - p[7]) + np.array([-1.0, 0.0]), 1.5),  # lunate
        (p[8], p[8] + 0.85 * ((p[11] + p[12]) / 2 - p[8]), 0.75),  # scaphoid
        (p[6], p[6] + 0.62 * (p[13] - p[6]), 0.95),  # triquetrum
    ]
    bones = []
    for start, end, ratio in shapes:
        grown = float(np.clip(maturity / _CARPAL_FULL_GROWN + rng.normal(0, 0.08), 0.25, 1.0))
        bones.append(_pebble(start, start + grown * (end - start), ratio * rng.uniform(0.85, 1.15), rng))
    if maturity > 0.5:
        centre = p[6] + np.array([rng.normal(0, 2), -7 + rng.normal(0, 2)])
        bones.append(_pebble(centre, centre + np.array([0.0, -9.0]), 0.8, rng))  # pisiform, before the triquetrum
    return bones


def _pebble(start: np.ndarray, end: np.ndarray, ratio: float, rng: np.random.Generator) -> Bone:
    """A rounded bone between two points of its border, uneven but through the first of them."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.ones_like(angle)
    for k in (2, 3, 4):
        radius += rng.normal(0, 0.05 / k) * np.cos(k * angle + rng.uniform(0, 6.3))
    radius /= radius[0]
    half = (end - start) / 2
    across = np.array([-half[1], half[0]]) * ratio
    cosine, sine = (np.sign(f) * np.abs(f) ** 0.8 for f in (np.cos(angle), np.sin(angle)))  # squarer than an ellipse
    outline = (start + end) / 2 - np.outer(radius * cosine, half) + np.outer(radius * sine, across)
    return Bone(outline, depth_mm=6.0, cortex_mm=rng.uniform(0.7, 1.1), strength=rng.uniform(0.65, 0.95))


def _forearm(points: np.ndarray, maturity: float, rng: np.random.Generator) -> list[Bone]:
    """The ends of radius and ulna: epiphysis, growth plate at the wrist's landmarks, shaft down to beyond the image."""
    wrist = points[4] - points[0]
    along = np.array([-wrist[1], wrist[0]]) / np.linalg.norm(wrist)  # towards the elbow
    lean = along + rng.normal(0, 0.05) * wrist / np.linalg.norm(wrist)
    dark = _openness(maturity, rng)
    ulna, radius = points[[0, 1, 2]], points[[3, 5, 4]]
    bones = []
    for (left, tip, right), notch, name in ((ulna, 0.55, "ulna"), (radius, 0.75, "radius")):
        middle = (left + right) / 2
        narrow = (right - left) * rng.uniform(0.36, 0.44 if name == "radius" else 0.46)
        height = float((middle - tip) @ along)
        inner = right if name == "ulna" else left
        shoulder = inner - along * max(height * notch, 3.0)
        top = [tip, (tip + shoulder) / 2 + along * rng.uniform(0, 1.5), shoulder]
        corners = [right, shoulder, top[1], tip, left] if name == "ulna" else [right, tip, top[1], shoulder, left]
        shaft = [
            left + 0.3 * (middle - left) + lean * 14,
            middle - narrow + lean * 32,
            middle - narrow + lean * 140,
            middle + narrow + lean * 140,
            middle + narrow + lean * 32,
            right + 0.3 * (middle - right) + lean * 14,
        ]
        outline = _smooth(np.array([*corners, *shaft]))
        plate = middle - along * rng.uniform(0.5, 2.5)
        bones.append(
            Bone(
                outline,
                depth_mm=7.0,
                cortex_mm=rng.uniform(1.2, 2.2),
                strength=rng.uniform(0.95, 1.25),
                plates=((plate, along, dark),),
            )
        )
    return bones


def _smooth(corners: np.ndarray, points: int = 160) -> np.ndarray:
    """A closed curve through corners, rounded a little."""
    closed = np.vstack([corners, corners[:1]])
    place = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, place[-1], points, endpoint=False)
    curve = np.stack([np.interp(at, place, closed[:, axis]) for axis in (0, 1)], axis=1)
    step = place[-1] / points
    reach = max(1, round(1.2 / step))
    kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
    return np.stack(
        [np.convolve(np.pad(curve[:, axis], reach, mode="wrap"), kernel, mode="valid") for axis in (0, 1)], axis=1
    )
