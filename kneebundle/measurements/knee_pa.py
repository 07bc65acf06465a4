"""All measurements of a PA knee radiograph, in the order of docs/measurements.md, which defines them."""

from __future__ import annotations

from dataclasses import replace

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.grey_direction import is_bone_dark
from kneebundle.measurements.joint_space import measure_joint_space
from kneebundle.measurements.knee_frame import KneeFrame
from kneebundle.measurements.landmark_measurements import measure_landmarks
from kneebundle.measurements.measurement import Measurement
from kneebundle.measurements.shaft_axes import measure_tibiofemoral_angle
from kneebundle.radiograph import Radiograph

__all__ = ["measure_knee_pa"]


def measure_knee_pa(radiograph: Radiograph, landmarks: Landmarks) -> dict[str, Measurement]:
    """Measure one knee.

    Joint space widths and the tibiofemoral angle come from bone edges in the image, found near the landmarks; where
    the edges are not clear they have no value. The others come from the landmarks.

    Args:
        radiograph: the image that the landmarks lie on; bone may be bright or dark.
        landmarks: the 16 points of ``KNEE_PA``, in pixels of that image or in mm.

    Returns:
        Every measurement by its name, those without a value too.

    Raises:
        KneeBundleError: for another landmark set, or landmarks that are missing.
    """
    points = landmarks.to_mm(radiograph.spacing_mm)
    frame = KneeFrame.place(points)
    if is_bone_dark(radiograph, points, frame):
        radiograph = replace(radiograph, pixels=-radiograph.pixels)
    return {
        **measure_joint_space(radiograph, points, frame),
        **measure_landmarks(points, radiograph.spacing_mm),
        "anatomical_tibiofemoral_angle": measure_tibiofemoral_angle(radiograph, points, frame),
    }
