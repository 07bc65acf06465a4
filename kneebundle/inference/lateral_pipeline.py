"""From one lateral radiograph to its bones and the Schoettle point (Kordon 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import SpatialResample
from scipy import ndimage

from kneebundle.errors import KneeBundleError
from kneebundle.inference.devices import chosen_device
from kneebundle.inference.lateral_check import why_not_lateral
from kneebundle.inference.planning_model import BONES, PlanningModel
from kneebundle.inference.results import LateralResult, ModelInfo
from kneebundle.io.dicom_spacing import DETECTOR_NOTE, FILM_NOTE
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import KNEE_LATERAL, Landmarks
from kneebundle.measurements.calibration_sphere import Sphere, calibrate, find_sphere
from kneebundle.measurements.outlines import largest_part
from kneebundle.measurements.schoettle import SchoettlePlan, plan_schoettle
from kneebundle.networks.heatmaps import decode_heatmaps, peak_values
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.resample import pixel_spacing
from kneebundle.zoo.installed import bundle_root

__all__ = ["LateralPipeline", "MapModel", "bone_masks", "plan_on_film"]

PLANNING_BUNDLE = "knee_surgical_planning"
LEAST_PEAK = 0.1
"""A landmark whose likelihood is below this everywhere was not found."""
LEAST_BONE_PX = 30
"""Pixels of the network's map that a bone has at least."""
PEAK_RADIUS_PX = 12
"""Reach of the window around the peak of a landmark's map, twice the sigma of the targets."""


class MapModel(Protocol):
    """What the pipeline asks of :class:`kneebundle.inference.planning_model.PlanningModel`."""

    info: ModelInfo

    def maps(self, image: MetaTensor) -> MetaTensor:
        """(7, H, W) likelihoods for a film (1, rows, columns), in the same mm."""
        ...


class LateralPipeline:
    """Finds the four bones of a lateral knee and plans where the medial patellofemoral ligament is fixed to the femur.

    Example:
        >>> from kneebundle import LateralPipeline
        >>> result = LateralPipeline.from_bundles().predict("lateral.dcm")
        >>> result.plan.point_px  # pixels of the radiograph as displayed; None: see result.plan.refused

    Args:
        model: the planning network.
    """

    def __init__(self, model: MapModel) -> None:
        self.model = model

    @classmethod
    def from_bundles(cls, bundles: str | Path | None = None, device: str = "auto") -> LateralPipeline:
        """Load the bundle that came with the package, or that of another folder.

        Args:
            bundles: a folder with bundles; None: those installed.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

        Raises:
            KneeBundleError: if the bundle, its weights or the device is not there.
        """
        root = bundle_root(PLANNING_BUNDLE) if bundles is None else Path(bundles) / PLANNING_BUNDLE
        return cls(PlanningModel(root, chosen_device(device)))

    def predict(self, source: str | Path | Radiograph, *, spacing_mm: float | None = None) -> LateralResult:
        """Plan on one lateral radiograph.

        Args:
            source: a file, or a radiograph already read.
            spacing_mm: pixel size for a file that carries none; not needed where a measuring sphere is seen.

        Raises:
            KneeBundleError: if the file cannot be used, or the size of its pixels is not known.
        """
        if isinstance(source, Radiograph):
            radiograph = source
        else:
            radiograph = read_radiograph(Path(source), spacing_mm=spacing_mm, view="lateral", uncalibrated=True)
        result = self.predict_batch([radiograph])[0]
        if isinstance(result, KneeBundleError):
            raise result
        return result

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[LateralResult | KneeBundleError]:
        """Plan on several lateral radiographs, a result or a refusal for each."""
        answers: list[LateralResult | KneeBundleError] = []
        for radiograph in radiographs:
            try:
                answers.append(self._answer(radiograph))
            except KneeBundleError as error:
                answers.append(error)
        return answers

    def _answer(self, radiograph: Radiograph) -> LateralResult:
        film, sphere, flags = _calibrated(radiograph)
        maps = self.model.maps(film.to_metatensor())
        values = maps.as_tensor().numpy()
        reason = why_not_lateral(values, pixel_spacing(maps))
        if reason is not None:
            nothing = {bone: np.zeros(film.pixels.shape, dtype=bool) for bone in BONES}
            plan = SchoettlePlan(film.spacing_mm, refused=reason)
            return LateralResult(film, nothing, None, plan, sphere, (self.model.info,), flags)
        landmarks, plan = plan_on_film(maps, film)
        return LateralResult(film, bone_masks(maps, film), landmarks, plan, sphere, (self.model.info,), flags)


def plan_on_film(maps: MetaTensor, film: Radiograph) -> tuple[Landmarks, SchoettlePlan]:
    """The landmarks and the plan, drawn on the network's maps and taken back to the film's pixels through the affine.

    Args:
        maps: (7, H, W), in the mm of the film.
        film: the film as displayed.
    """
    values = maps.as_tensor()
    heatmaps = values[None, 4:6]
    heights = peak_values(heatmaps)[0].double().numpy()
    points = decode_heatmaps(heatmaps, "centroid", radius=PEAK_RADIUS_PX)[0][0].double().numpy()
    points = points * [values.shape[2], values.shape[1]] - 0.5
    points[heights < LEAST_PEAK] = np.nan
    on_map = plan_schoettle(values[0].numpy(), points, values[6].numpy(), pixel_spacing(maps))
    scale, shift = _to_film(maps, film)
    landmarks = Landmarks(points * scale + shift, "px", KNEE_LATERAL, np.clip(heights, 0.0, 1.0))
    return landmarks, on_map.to_grid((float(scale[0]), float(scale[1])), (float(shift[0]), float(shift[1])))


def bone_masks(maps: MetaTensor, film: Radiograph) -> dict[str, np.ndarray]:
    """For each bone (rows, columns) bool: where its probability, resampled to the film's pixels, is at least 0.5.

    Only the largest part of a bone counts, and none that is hardly a spot.
    """
    kept = torch.stack([torch.from_numpy(_largest(bone)) for bone in maps.as_tensor().numpy()[: len(BONES)]])
    image = film.to_metatensor()
    to_film = SpatialResample(mode="bilinear", padding_mode="border", align_corners=False, dtype=np.float32)
    fine = to_film(MetaTensor(kept, affine=maps.affine), dst_affine=image.affine, spatial_size=image.shape[1:])
    return {bone: fine[number].numpy() >= 0.5 for number, bone in enumerate(BONES)}


def _largest(probability: np.ndarray) -> np.ndarray:
    """The probability in and right beside its largest part; 0 elsewhere."""
    part = largest_part(probability)
    if part.sum() < LEAST_BONE_PX:
        return np.zeros_like(probability)
    return np.where(ndimage.binary_dilation(part, np.ones((3, 3))), probability, 0.0).astype(np.float32)


def _to_film(maps: MetaTensor, film: Radiograph) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift, (x, y) each, from pixels of the maps to pixels of the film; their axes are parallel."""
    affine = np.asarray(maps.affine, dtype=np.float64)
    spacing = np.array(film.spacing_mm[::-1])
    return np.array([affine[1, 1], affine[0, 0]]) / spacing, np.array([affine[1, 3], affine[0, 3]]) / spacing


def _calibrated(radiograph: Radiograph) -> tuple[Radiograph, Sphere | None, tuple[str, ...]]:
    """The film with the spacing that holds in the knee, what it rests on, and remarks."""
    stated = radiograph.spacing_mm if radiograph.is_calibrated else None
    sphere = find_sphere(radiograph.pixels, stated)
    calibration = calibrate(sphere, stated, radiograph.spacing_source)
    if calibration is None:
        raise KneeBundleError(
            "the film states no pixel spacing, and no measuring sphere of 30 mm was found on it; give the size of a pixel "
            "with --spacing MM or in a manifest column spacing_mm",
            radiograph.path,
        )
    notes = radiograph.notes
    if calibration.source == "sphere":  # what the file's spacing lacks no longer matters
        notes = tuple(note for note in notes if note not in (DETECTOR_NOTE, FILM_NOTE))
    film = replace(
        radiograph, spacing_mm=calibration.spacing_mm, spacing_source=calibration.source, view="lateral", notes=notes
    )
    return film, sphere, calibration.flags
