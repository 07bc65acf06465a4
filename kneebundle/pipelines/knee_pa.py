"""Landmarks of the knees on a radiograph from the front (KNEEL Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.bundles import find_installed_bundle
from kneebundle.errors import KneeBundleError
from kneebundle.inferers.devices import choose_device
from kneebundle.io.reading import read_radiograph
from kneebundle.io.views import settle_view
from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.pipelines.quality import check_border, check_implant, check_joint, check_landmarks
from kneebundle.radiograph import Radiograph, Side, View
from kneebundle.registration.model import REGISTRATION_BUNDLE, RegistrationModel
from kneebundle.results import Flag, KneeResult, ModelInfo, RadiographResult
from kneebundle.transforms.halves import crop_half
from kneebundle.transforms.roi import image_center_mm

__all__ = ["KneePipeline"]

LANDMARK_BUNDLE = "knee_landmark_localization"
ROI_BUNDLE = "knee_roi_localization"
LARGEST_CROP_MM = 160.0
"""A single knee in a field up to this size is taken to lie in its middle; in a larger one it is looked for."""
SURE_OF_JOINT = 0.4
"""Where stage 1 is less sure of a half than this, the film is also divided elsewhere than in the middle."""
OTHER_SPLITS = (0.4, 0.6, 0.3, 0.7)
LEAST_BETWEEN_KNEES_MM = 60.0


@dataclass
class _Knee:
    """A knee on its way through the pipeline.

    Attributes:
        number: of its radiograph in the batch.
        image: the radiograph or the half of it that shows the knee, (1, H, W).
        side: ``"R"`` or ``"L"``.
        center_mm: (2,) where the next region is cut.
        joint: (3,) the joint centre in mm and its confidence, from stage 1.
        points: (16, 3) the landmarks in mm and their confidence, from stage 2.
        flags: what was found against it so far.
        found: False where stage 1 saw no joint; there is no stage 2 then.
    """

    number: int
    image: MetaTensor
    side: Side
    center_mm: np.ndarray
    joint: np.ndarray = field(default_factory=lambda: np.zeros(3))
    points: torch.Tensor | None = None
    flags: list[Flag] = field(default_factory=list)
    found: bool = True


class KneePipeline:
    """Finds the knees of a radiograph and their landmarks.

    Example::

        from kneebundle import KneePipeline

        result = KneePipeline.from_bundles().predict("knee.dcm")
        result.knees[0].landmarks.points  # (16, 2), pixels of the radiograph as displayed

    Args:
        landmarks: the bundle of the 16 landmarks (KNEEL stage 2).
        roi: the bundle of the joint centres (KNEEL stage 1); without it only crops of single knees can be used.
        stages: 2: cut a second region around the tibial centre that the first pass found, and predict again (KNEEL
            section 4.5); 1: the first pass only.
        mirror: look for the joints in the mirrored radiograph, too, and take the mean (test-time augmentation). The
            landmark network has only seen knees of one handedness, so it is never given mirrored ones.
        refine: the registration that moves each joint centre to where the reference's comes to lie, before the first
            region is cut; where it does not register, the centre stays.

    Raises:
        KneeBundleError: if ``stages`` is neither 1 nor 2.
    """

    def __init__(
        self,
        landmarks: LandmarkModel,
        roi: LandmarkModel | None = None,
        stages: int = 2,
        mirror: bool = False,
        refine: RegistrationModel | None = None,
    ) -> None:
        if stages not in (1, 2):
            raise KneeBundleError(f"stages is 1 or 2, got {stages}", field="stages")
        self.landmarks = landmarks
        self.roi = roi
        self.stages = stages
        self.mirror = mirror
        self.refine = refine

    @classmethod
    def from_bundles(
        cls,
        bundles: str | Path | None = None,
        device: str = "auto",
        stages: int = 2,
        weights: Sequence[Path] | None = None,
        mirror: bool = False,
        landmark_bundle: str = LANDMARK_BUNDLE,
        settings: Mapping[str, Any] | None = None,
        refine: bool = False,
    ) -> KneePipeline:
        """Load the bundles that came with the package, or those of another folder.

        Args:
            bundles: a folder with bundles; None: those installed.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            stages, mirror: see the class.
            weights: other weights for the landmark bundle, several for an ensemble.
            landmark_bundle: name of the bundle that finds the 16 landmarks.
            settings: other values for keys of its inference.json.
            refine: with the bundle ``knee_parts_registration`` between the stages.

        Raises:
            KneeBundleError: if a bundle, its weights or the device is not there.
        """
        chosen = choose_device(device)

        def root(name: str) -> Path:
            return find_installed_bundle(name) if bundles is None else Path(bundles) / name

        landmarks = LandmarkModel(root(landmark_bundle), chosen, weights, settings)
        roi = LandmarkModel(root(ROI_BUNDLE), chosen) if _is_complete(root(ROI_BUNDLE)) else None
        registration = RegistrationModel(root(REGISTRATION_BUNDLE), chosen) if refine else None
        return cls(landmarks, roi, stages, mirror, registration)

    def predict(
        self,
        source: str | Path | Radiograph,
        *,
        view: str = "auto",
        spacing_mm: float | None = None,
        side: Side | None = None,
    ) -> RadiographResult:
        """Find the knees of one radiograph.

        Args:
            source: a file, or a radiograph already read.
            view: ``"auto"``, ``"pa-bilateral"`` or ``"pa-single"``.
            spacing_mm: pixel size for a file that carries none.
            side: of a single knee.

        Raises:
            KneeBundleError: if the file or its content cannot be used.
        """
        if isinstance(source, Radiograph):
            radiograph = source
        else:
            radiograph = read_radiograph(Path(source), spacing_mm=spacing_mm, side=side)
        if view != "auto":
            radiograph = replace(radiograph, view=_check_view(view))
        result = self.predict_batch([radiograph])[0]
        if isinstance(result, KneeBundleError):
            raise result
        return result

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[RadiographResult | KneeBundleError]:
        """Find the knees of several radiographs, a result or an error for each."""
        results: list[RadiographResult | KneeBundleError] = []
        knees: list[_Knee] = []
        for number, radiograph in enumerate(radiographs):
            try:
                shown = settle_view(radiograph)
                knees += self._expect_knees(number, shown)
                results.append(RadiographResult(shown, ()))
            except KneeBundleError as error:
                results.append(error)
        self._find_joints([knee for knee in knees if _needs_search(knee)], radiographs)
        self._choose_sides(knees, radiographs)
        self._refine_centers([knee for knee in knees if knee.found])
        self._find_landmarks([knee for knee in knees if knee.found])
        for knee in knees:
            result = results[knee.number]
            assert isinstance(result, RadiographResult)
            found = (*result.knees, self._make_result(knee, result.radiograph))
            results[knee.number] = replace(result, knees=found, models=self._list_models(result.radiograph))
        return results

    def _expect_knees(self, number: int, radiograph: Radiograph) -> list[_Knee]:
        """The knees that a radiograph should show, each in the middle of its half or of the whole."""
        image = radiograph.to_metatensor()
        if radiograph.view == "lateral":
            raise KneeBundleError(
                "a lateral film; KneePipeline needs a radiograph from the front, LateralPipeline takes this one",
                radiograph.path,
                "view",
            )
        if radiograph.view == "pa-single":
            if self.roi is None and _longer_side_mm(radiograph) > LARGEST_CROP_MM:
                raise KneeBundleError(_NO_ROI_BUNDLE, radiograph.path, "view")
            return [_Knee(number, image, radiograph.side or "R", image_center_mm(image))]
        if self.roi is None:
            raise KneeBundleError(_NO_ROI_BUNDLE, radiograph.path, "view")
        sides: tuple[Side, Side] = ("R", "L")
        halves = {side: crop_half(image, side) for side in sides}
        return [_Knee(number, halves[side], side, image_center_mm(halves[side])) for side in sides]

    def _find_joints(self, knees: Sequence[_Knee], radiographs: Sequence[Radiograph]) -> None:
        """Stage 1: move the centre of each knee to the joint."""
        if self.roi is None:
            return
        located = self.roi.locate([_make_item(knee) for knee in knees], mirror=self.mirror)
        for knee, joint in zip(knees, located, strict=True):
            knee.joint = joint[0].numpy()
        for number in {knee.number for knee in knees}:
            pair = [knee for knee in knees if knee.number == number]
            if len(pair) == 2 and min(knee.joint[2] for knee in pair) < SURE_OF_JOINT:
                self._split_elsewhere(pair, radiographs[number].to_metatensor())
        for knee in knees:
            flag = check_joint(knee.joint[2:], knee.side)
            if flag is not None:
                knee.flags.append(flag)
                knee.found = False
            knee.center_mm = knee.joint[:2]

    def _split_elsewhere(self, pair: Sequence[_Knee], image: MetaTensor) -> None:
        """Divide a film elsewhere than in the middle, where a patient who stood off it has both knees in one half."""
        assert self.roi is not None
        least = SURE_OF_JOINT
        for split in OTHER_SPLITS:
            halves = [crop_half(image, k.side, split) for k in pair]
            items = [
                {"image": h, "center_mm": image_center_mm(h), "side": k.side} for h, k in zip(halves, pair, strict=True)
            ]
            joints = [joint[0].numpy() for joint in self.roi.locate(items, mirror=self.mirror)]
            apart = float(np.linalg.norm(joints[0][:2] - joints[1][:2]))
            if min(j[2] for j in joints) > least and apart > LEAST_BETWEEN_KNEES_MM:
                least = min(j[2] for j in joints)
                for knee, half, joint in zip(pair, halves, joints, strict=True):
                    knee.image, knee.joint = half, joint

    def _choose_sides(self, knees: Sequence[_Knee], radiographs: Sequence[Radiograph]) -> None:
        """For single knees of unknown side: the one, of two tried, for which the network is surer of its landmarks."""
        unknown = [k for k in knees if radiographs[k.number].side is None and not _is_half(k, radiographs[k.number])]
        if not unknown:
            return
        tried = {
            side: self.landmarks.locate([{**_make_item(knee), "side": side} for knee in unknown], quick=True)
            for side in ("R", "L")
        }
        for knee, right, left in zip(unknown, tried["R"], tried["L"], strict=True):
            knee.side = "R" if float(right[:, 2].mean()) >= float(left[:, 2].mean()) else "L"
            message = "the side was not given: it is the one of which the network was surer"
            knee.flags.append(Flag("side_guessed", message))

    def _refine_centers(self, knees: Sequence[_Knee]) -> None:
        """Between the stages: move the centre of each knee to where its registration puts the reference's joint."""
        if self.refine is None:
            return
        centers = self.refine.find_joint_centers([_make_item(knee) for knee in knees])
        for knee, center in zip(knees, centers, strict=True):
            if center is not None:
                knee.center_mm = center

    def _find_landmarks(self, knees: Sequence[_Knee]) -> None:
        """Stage 2, once or twice; one network of an ensemble is enough to tell where the second region lies."""
        for stage in range(self.stages):
            if stage > 0:
                for knee in knees:
                    assert knee.points is not None
                    knee.center_mm = knee.points[KNEE_PA.center, :2].numpy()
            located = self.landmarks.locate([_make_item(knee) for knee in knees], quick=stage + 1 < self.stages)
            for knee, points in zip(knees, located, strict=True):
                knee.points = points

    def _make_result(self, knee: _Knee, radiograph: Radiograph) -> KneeResult:
        center = radiograph.mm_to_px(knee.center_mm[None])[0]
        landmarks = None
        flags: list[Flag | None] = list(knee.flags)
        if knee.points is not None:
            points, confidence = radiograph.mm_to_px(knee.points[:, :2].numpy()), knee.points[:, 2].numpy()
            landmarks = Landmarks(points, "px", KNEE_PA, confidence)
            unsure, implant = check_landmarks(confidence, knee.side), check_implant(landmarks, radiograph)
            flags += [check_border(landmarks, radiograph), unsure, implant]
            if unsure or implant:
                landmarks = None
        return KneeResult(
            side=knee.side,
            center_px=(float(center[0]), float(center[1])),
            roi_mm=float(self.landmarks.region_mm),
            landmarks=landmarks,
            flags=tuple(flag for flag in flags if flag is not None),
        )

    def _list_models(self, radiograph: Radiograph) -> tuple[ModelInfo, ...]:
        searched = self.roi is not None and _longer_side_mm(radiograph) > LARGEST_CROP_MM
        return (self.roi.info, self.landmarks.info) if searched and self.roi else (self.landmarks.info,)


_NO_ROI_BUNDLE = (
    "the radiograph shows more than a crop of one knee, and the bundle knee_roi_localization, which looks for the "
    "joints, is not installed; that bundle is needed, or crops of single knees"
)


def _is_complete(root: Path) -> bool:
    return (root / "configs" / "inference.json").is_file() and any((root / "models").glob("model*.pt"))


def _is_half(knee: _Knee, radiograph: Radiograph) -> bool:
    return knee.image.shape[2] < radiograph.columns


def _needs_search(knee: _Knee) -> bool:
    affine = np.asarray(knee.image.affine)
    return max(knee.image.shape[1] * affine[0, 0], knee.image.shape[2] * affine[1, 1]) > LARGEST_CROP_MM


def _longer_side_mm(radiograph: Radiograph) -> float:
    return max(radiograph.rows * radiograph.spacing_mm[0], radiograph.columns * radiograph.spacing_mm[1])


def _make_item(knee: _Knee) -> dict[str, Any]:
    """What the networks are given of a knee."""
    return {"image": knee.image, "center_mm": knee.center_mm, "side": knee.side}


def _check_view(view: str) -> View:
    if view == "pa-bilateral":
        return "pa-bilateral"
    if view == "pa-single":
        return "pa-single"
    raise KneeBundleError(f"view is auto, pa-bilateral or pa-single, got {view!r}", field="view")
