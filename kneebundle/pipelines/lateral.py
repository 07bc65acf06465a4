"""The bones and the Schoettle point on a lateral radiograph (Kordon 2019)."""

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

from kneebundle.bundles import find_bundle_root
from kneebundle.errors import KneeBundleError
from kneebundle.inferers.devices import choose_device
from kneebundle.io.dicom_spacing import DETECTOR_NOTE, FILM_NOTE
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import BONES, KNEE_LATERAL, Landmarks
from kneebundle.measurements.calibration_sphere import Sphere, calibrate, find_sphere
from kneebundle.measurements.outlines import keep_largest_part
from kneebundle.measurements.schoettle import SchoettlePlan, plan_schoettle
from kneebundle.networks.heatmaps import decode_heatmaps, peak_values
from kneebundle.networks.stacked_hourglass import PEAK_RADIUS_PX
from kneebundle.pipelines.lateral_check import check_lateral
from kneebundle.pipelines.planning_model import PlanningModel
from kneebundle.radiograph import Radiograph
from kneebundle.results import Flag, LateralResult, ModelInfo
from kneebundle.transforms.resample import pixel_spacing

__all__ = ["LateralPipeline", "MapModel", "make_bone_masks", "plan_on_radiograph"]

PLANNING_BUNDLE = "knee_surgical_planning"
LEAST_PEAK = 0.1
"""A landmark whose likelihood is below this everywhere was not found."""
LEAST_BONE_PX = 30
"""A bone of fewer pixels of the network's map was not found."""


class MapModel(Protocol):
    """What :class:`LateralPipeline` needs of a model; :class:`~kneebundle.pipelines.PlanningModel` has it."""

    info: ModelInfo

    def predict_maps(self, image: MetaTensor) -> MetaTensor:
        """(7, H, W) likelihoods for a radiograph (1, rows, columns), in the same mm."""
        ...


class LateralPipeline:
    """Finds the four bones of a lateral knee and plans where the medial patellofemoral ligament is fixed to the femur.

    Example::

        from kneebundle import LateralPipeline

        result = LateralPipeline.from_bundles().predict("lateral.dcm")
        result.plan.point_px  # pixels of the radiograph as displayed; None: see result.plan.refused

    Args:
        model: the planning network.
    """

    def __init__(self, model: MapModel) -> None:
        self.model = model

    @classmethod
    def from_bundles(
        cls,
        bundles: str | Path | None = None,
        device: str = "auto",
        runtime: str = "auto",
        precision: str | None = None,
    ) -> LateralPipeline:
        """Load the bundle that came with the package, or that of another folder.

        Args:
            bundles: a folder with bundles; None: those installed.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            runtime, precision: see :class:`~kneebundle.inferers.BundleNetworks`.

        Raises:
            KneeBundleError: if the bundle, its weights, the device or the runtime is not there.
        """
        root = find_bundle_root(PLANNING_BUNDLE, bundles)
        return cls(PlanningModel(root, choose_device(device), runtime=runtime, precision=precision))

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
        """Plan on several lateral radiographs, a result or an error for each."""
        results: list[LateralResult | KneeBundleError] = []
        for radiograph in radiographs:
            try:
                results.append(self._predict(radiograph))
            except KneeBundleError as error:
                results.append(error)
        return results

    def _predict(self, radiograph: Radiograph) -> LateralResult:
        film, sphere, flags = _calibrate(radiograph)
        maps = self.model.predict_maps(film.to_metatensor())
        values = maps.as_tensor().numpy()
        reason = check_lateral(values, pixel_spacing(maps))
        if reason is not None:
            nothing = {bone: np.zeros(film.pixels.shape, dtype=bool) for bone in BONES}
            plan = SchoettlePlan(film.spacing_mm, refused=reason)
            return LateralResult(film, nothing, None, plan, sphere, (self.model.info,), flags)
        landmarks, plan = plan_on_radiograph(maps, film)
        return LateralResult(film, make_bone_masks(maps, film), landmarks, plan, sphere, (self.model.info,), flags)


def plan_on_radiograph(maps: MetaTensor, film: Radiograph) -> tuple[Landmarks, SchoettlePlan]:
    """Draw the plan on the network's maps, and take it back to the pixels of the film through the affine.

    Args:
        maps: (7, H, W), in the mm of the film.
        film: the lateral film as displayed.

    Returns:
        The landmarks and the plan, in pixels of the film.
    """
    values = maps.as_tensor()
    heatmaps = values[None, 4:6]
    heights = peak_values(heatmaps)[0].double().numpy()
    points = decode_heatmaps(heatmaps, "centroid", radius=PEAK_RADIUS_PX)[0][0].double().numpy()
    points = points * [values.shape[2], values.shape[1]] - 0.5
    points[heights < LEAST_PEAK] = np.nan
    on_map = plan_schoettle(values[0].numpy(), points, values[6].numpy(), pixel_spacing(maps))
    scale, shift = _find_scale_and_shift(maps, film)
    landmarks = Landmarks(points * scale + shift, "px", KNEE_LATERAL, np.clip(heights, 0.0, 1.0))
    return landmarks, on_map.to_grid((float(scale[0]), float(scale[1])), (float(shift[0]), float(shift[1])))


def make_bone_masks(maps: MetaTensor, film: Radiograph) -> dict[str, np.ndarray]:
    """Make a mask of each bone: where its probability, resampled to the pixels of the film, is at least 0.5.

    Only the largest part of a bone counts, and none that is hardly a spot.

    Args:
        maps: (7, H, W), in the mm of the film.
        film: the lateral film as displayed.

    Returns:
        By bone (rows, columns) bool.
    """
    kept = torch.stack([torch.from_numpy(_keep_largest(bone)) for bone in maps.as_tensor().numpy()[: len(BONES)]])
    image = film.to_metatensor()
    to_film = SpatialResample(mode="bilinear", padding_mode="border", align_corners=False, dtype=np.float32)
    fine = to_film(MetaTensor(kept, affine=maps.affine), dst_affine=image.affine, spatial_size=image.shape[1:])
    return {bone: fine[number].numpy() >= 0.5 for number, bone in enumerate(BONES)}


def _keep_largest(probability: np.ndarray) -> np.ndarray:
    """The probability in and right beside its largest part; 0 elsewhere."""
    part = keep_largest_part(probability)
    if part.sum() < LEAST_BONE_PX:
        return np.zeros_like(probability)
    return np.where(ndimage.binary_dilation(part, np.ones((3, 3))), probability, 0.0).astype(np.float32)


def _find_scale_and_shift(maps: MetaTensor, film: Radiograph) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift, (x, y) each, from pixels of the maps to pixels of the film; their axes are parallel."""
    affine = np.asarray(maps.affine, dtype=np.float64)
    spacing = np.array(film.spacing_mm[::-1])
    return np.array([affine[1, 1], affine[0, 0]]) / spacing, np.array([affine[1, 3], affine[0, 3]]) / spacing


def _calibrate(radiograph: Radiograph) -> tuple[Radiograph, Sphere | None, tuple[Flag, ...]]:
    """The radiograph with the spacing that holds in the knee, the sphere that it rests on, and flags."""
    stated = radiograph.spacing_mm if radiograph.is_calibrated else None
    sphere = find_sphere(radiograph.pixels, stated)
    calibration = calibrate(sphere, stated, radiograph.spacing_source)
    if calibration is None:
        raise KneeBundleError(
            "the film states no pixel spacing, and no measuring sphere of 30 mm was found on it; "
            "the size of a pixel in mm is needed",
            radiograph.path,
            "spacing_mm",
        )
    notes = radiograph.notes
    if calibration.source == "sphere":  # what the file's spacing lacks no longer matters
        notes = tuple(note for note in notes if note not in (DETECTOR_NOTE, FILM_NOTE))
    film = replace(
        radiograph, spacing_mm=calibration.spacing_mm, spacing_source=calibration.source, view="lateral", notes=notes
    )
    flags: tuple[Flag, ...] = ()
    if calibration.disagreement is not None:
        believed = calibration.source == "sphere"
        code = "spacing_from_sphere" if believed else "sphere_contradicts_spacing"
        flags = (Flag(code, calibration.disagreement),)
    return film, sphere, flags
