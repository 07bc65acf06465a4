"""How the bones stand to one another and to the film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kneebundle.phantoms.lateral.femur import Femur
from kneebundle.phantoms.lateral.patella import Patella
from kneebundle.phantoms.lateral.solids import Points, Rigid, rotation
from kneebundle.phantoms.lateral.tibia import Tibia

__all__ = ["make_film_pose", "place_patella", "place_tibia"]

_STRAIGHT_DEG = 38.0
"""Proximal of this angle the patella no longer follows the trochlea's round but the front of the shaft."""


def make_film_pose(
    tilt_deg: float, turn_deg: float, lean_deg: float, lateral_to_source: bool, shift: np.ndarray
) -> Rigid:
    """The femur in the film's frame, its front to the right.

    Args:
        tilt_deg: turn in the film's plane; positive takes the shaft's upper end backwards.
        turn_deg: turn about the shaft's axis; positive takes the front towards the source.
        lean_deg: turn about the line from back to front; positive takes the shaft's upper end away from the source.
        lateral_to_source: whether the lateral side lies nearer to the source than the medial one; a left knee then
            looks as a right one seen from its other side does.
        shift: (3,) mm of the femur's origin in the film's frame.
    """
    side = np.diag([1.0, 1.0, 1.0 if lateral_to_source else -1.0])
    return Rigid(rotation(-tilt_deg, 2) @ rotation(lean_deg, 0) @ rotation(turn_deg, 1) @ side, np.asarray(shift))


def place_tibia(femur: Femur, flexion_deg: float) -> Rigid:
    """The tibia in the femur's frame: the joint space away from the condyles; flexion moves their contact back."""
    turn = rotation(flexion_deg, 2)
    slope = np.deg2rad(np.mean(femur.sizes.slopes))
    down = turn[:2, :2] @ np.array([np.sin(slope), np.cos(slope)])
    forward = np.array([down[1], -down[0]])
    contact = 1.0 - 0.11 * flexion_deg
    origin = femur.lowest(down) + femur.sizes.joint_space * down - contact * forward
    return Rigid(turn, np.array([*origin, 0.0]))


@dataclass(frozen=True)
class _Track:
    """Where the patella's middle can be: on a circle before the trochlea, then up along the shaft."""

    center: np.ndarray
    radius: float

    def at(self, way: float) -> tuple[np.ndarray, float]:
        """Middle (2,) and turn in degrees of the patella ``way`` mm up from the foremost point of the circle."""
        angle = np.deg2rad(min(np.rad2deg(way / self.radius), _STRAIGHT_DEG))
        out, up = np.array([np.cos(angle), -np.sin(angle)]), np.array([-np.sin(angle), -np.cos(angle)])
        beyond = max(way - self.radius * np.deg2rad(_STRAIGHT_DEG), 0.0)
        steer = up + (np.array([0.0, -1.0]) - up) * min(beyond / 30, 1)
        return self.center + self.radius * out + beyond * steer, float(np.rad2deg(angle))


def place_patella(femur: Femur, tibia: Rigid, shin: Tibia, patella: Patella) -> Rigid:
    """The patella in the femur's frame: its tendon as long as the Insall-Salvati ratio says, its back free."""
    sizes = femur.sizes
    center = np.array([sizes.femur_depth - 2.14 * femur.radius, -0.35 * femur.radius])
    track = _Track(center, 0.87 * femur.radius + sizes.patella_gap + 0.55 * patella.thickness)
    insertion = tibia(shin.tuberosity[None])[0, :2]
    length = sizes.tendon_ratio * patella.height
    low, high = -60.0, 110.0
    pose = _cleared(femur, patella, _moved(track, 0.0))
    for _ in range(12):
        way = (low + high) / 2
        pose = _cleared(femur, patella, _moved(track, way))
        pole = pose(patella.lower_pole[None])[0, :2]
        low, high = (way, high) if np.linalg.norm(pole - insertion) < length else (low, way)
    return pose


def _moved(track: _Track, way: float) -> Rigid:
    middle, turn = track.at(way)
    return Rigid(rotation(-0.8 * turn, 2), np.array([*middle, 0.0]))


def _cleared(femur: Femur, patella: Patella, pose: Rigid) -> Rigid:
    """Moved along its own front until the ridge on the patella's back keeps its gap to the femur."""
    down, aside = np.meshgrid(np.linspace(-0.4, 0.45, 7) * patella.height, np.linspace(-0.12, 0.12, 3) * patella.width)
    back = -0.58 * patella.thickness * np.sqrt(1 - (down / (0.56 * patella.height)) ** 2)
    surface = np.stack([back, down, aside], -1).reshape(-1, 3)
    for _ in range(4):
        nearest = float(femur.level(Points(*pose(surface).T)).max())
        if nearest <= -femur.sizes.patella_gap:
            break
        pose = Rigid(pose.rotation, pose.shift + (nearest + femur.sizes.patella_gap) * pose.rotation[:, 0])
    return pose
