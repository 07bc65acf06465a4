"""From one radiograph to the landmarks of its knees (KNEEL Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.errors import KneeBundleError
from kneebundle.inference.bundle_model import BundleModel
from kneebundle.inference.devices import chosen_device
from kneebundle.inference.quality import border_flags, confidence_flag, metal_flag
from kneebundle.inference.registration_model import RegistrationModel
from kneebundle.inference.results import KneeResult, RadiographResult
from kneebundle.inference.views import find_view
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.radiograph import Radiograph, Side, View
from kneebundle.transforms.halves import film_half
from kneebundle.transforms.roi import image_center_mm
from kneebundle.zoo.installed import bundle_root

__all__ = ["KneePipeline"]

LANDMARK_BUNDLE = "knee_landmark_localization"
ROI_BUNDLE = "knee_roi_localization"
REGISTRATION_BUNDLE = "knee_parts_registration"
LARGEST_CROP_MM = 160.0
"""A single knee in a field up to this size is taken to lie in its middle; in a larger one it is looked for."""
SURE_OF_JOINT = 0.4
"""Where stage 1 is less sure of a half than this, the film is divided elsewhere than in the middle, too."""
OTHER_SPLITS = (0.4, 0.6, 0.3, 0.7)
LEAST_BETWEEN_KNEES_MM = 60.0


@dataclass
class _Knee:
    """A knee on its way through the pipeline; without landmarks where it was not found."""

    film: int
    image: MetaTensor
    side: Side
    center_mm: np.ndarray
    joint: np.ndarray = field(default_factory=lambda: np.zeros(3))
    answer: torch.Tensor | None = None
    flags: list[str] = field(default_factory=list)
    lost: bool = False


class KneePipeline:
    """Finds the knees of a radiograph and their landmarks.

    Example:
        >>> from kneebundle import KneePipeline
        >>> result = KneePipeline.from_bundles().predict("knee.dcm")
        >>> result.knees[0].landmarks.points  # (16, 2), pixels of the radiograph as displayed

    Args:
        landmarks: the bundle of the 16 landmarks (KNEEL stage 2).
        roi: the bundle of the joint centres (KNEEL stage 1); without it only crops of single knees can be answered.
        stages: 2: cut a second region around the tibial centre that the first pass found, and look again (KNEEL section
            4.5); 1: be content with the first pass.
        mirror: look for the joints in the mirrored film, too, and take the mean (test-time augmentation). The landmark network
            has only seen knees of one handedness, so it is not asked about mirrored ones.
        refine: the registration that moves each joint centre to where the reference's comes to lie, before the first region
            is cut; where it does not register, the centre stays.

    Raises:
        KneeBundleError: if ``stages`` is neither 1 nor 2.
    """

    def __init__(
        self,
        landmarks: BundleModel,
        roi: BundleModel | None = None,
        stages: int = 2,
        mirror: bool = False,
        refine: RegistrationModel | None = None,
    ) -> None:
        if stages not in (1, 2):
            raise KneeBundleError(f"stages is 1 or 2, got {stages}")
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
        place = chosen_device(device)

        def root(name: str) -> Path:
            return bundle_root(name) if bundles is None else Path(bundles) / name

        landmarks = BundleModel(root(landmark_bundle), place, weights, settings)
        roi = BundleModel(root(ROI_BUNDLE), place) if _is_complete(root(ROI_BUNDLE)) else None
        registration = RegistrationModel(root(REGISTRATION_BUNDLE), place) if refine else None
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
            radiograph = replace(radiograph, view=_checked_view(view))
        result = self.predict_batch([radiograph])[0]
        if isinstance(result, KneeBundleError):
            raise result
        return result

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[RadiographResult | KneeBundleError]:
        """Find the knees of several radiographs, a result or a refusal for each."""
        results: list[RadiographResult | KneeBundleError] = []
        knees: list[_Knee] = []
        for film, radiograph in enumerate(radiographs):
            try:
                shown = replace(radiograph, view=find_view(radiograph))
                knees += self._knees(film, shown)
                results.append(RadiographResult(shown, ()))
            except KneeBundleError as error:
                results.append(error)
        self._find_joints([k for k in knees if self._needs_search(k)], radiographs)
        self._choose_sides(knees, radiographs)
        self._refine([k for k in knees if not k.lost])
        self._find_landmarks([k for k in knees if not k.lost])
        for knee in knees:
            result = results[knee.film]
            assert isinstance(result, RadiographResult)
            found = (*result.knees, self._result(knee, result.radiograph))
            results[knee.film] = replace(result, knees=found, models=self._models(result.radiograph))
        return results

    def _knees(self, film: int, radiograph: Radiograph) -> list[_Knee]:
        """The knees that a film should show, at the middle of where each should be."""
        image = radiograph.to_metatensor()
        if radiograph.view == "lateral":
            raise KneeBundleError(
                "a lateral film; this pipeline finds landmarks on PA films, give it to LateralPipeline", radiograph.path
            )
        if radiograph.view == "pa-single":
            if self.roi is None and _field_mm(radiograph) > LARGEST_CROP_MM:
                raise KneeBundleError(_NO_ROI_BUNDLE, radiograph.path)
            return [_Knee(film, image, radiograph.side or "R", image_center_mm(image))]
        if self.roi is None:
            raise KneeBundleError(_NO_ROI_BUNDLE, radiograph.path)
        sides: tuple[Side, Side] = ("R", "L")
        halves = {side: film_half(image, side) for side in sides}
        return [_Knee(film, halves[side], side, image_center_mm(halves[side])) for side in sides]

    def _needs_search(self, knee: _Knee) -> bool:
        affine = np.asarray(knee.image.affine)
        return max(knee.image.shape[1] * affine[0, 0], knee.image.shape[2] * affine[1, 1]) > LARGEST_CROP_MM

    def _find_joints(self, knees: Sequence[_Knee], films: Sequence[Radiograph]) -> None:
        """Stage 1: move each knee's centre to where the joint is."""
        if self.roi is None:
            return
        for knee, answer in zip(knees, self.roi.locate([_item(k) for k in knees], mirror=self.mirror), strict=True):
            knee.joint = answer[0].numpy()
        for film in {k.film for k in knees}:
            pair = [k for k in knees if k.film == film]
            if len(pair) == 2 and min(k.joint[2] for k in pair) < SURE_OF_JOINT:
                self._split_elsewhere(pair, films[film].to_metatensor())
        for knee in knees:
            flag = confidence_flag(knee.joint[2:], "joint", knee.side)
            if flag:
                knee.flags.append(flag)
                knee.lost = True
            knee.center_mm = knee.joint[:2]

    def _split_elsewhere(self, pair: Sequence[_Knee], image: MetaTensor) -> None:
        """Both knees of a patient who stood off the middle may lie in one half: divide the film where both are found."""
        assert self.roi is not None
        least = SURE_OF_JOINT
        for split in OTHER_SPLITS:
            halves = [film_half(image, k.side, split) for k in pair]
            items = [
                {"image": h, "center_mm": image_center_mm(h), "side": k.side} for h, k in zip(halves, pair, strict=True)
            ]
            joints = [answer[0].numpy() for answer in self.roi.locate(items, mirror=self.mirror)]
            apart = float(np.linalg.norm(joints[0][:2] - joints[1][:2]))
            if min(j[2] for j in joints) > least and apart > LEAST_BETWEEN_KNEES_MM:
                least = min(j[2] for j in joints)
                for knee, half, joint in zip(pair, halves, joints, strict=True):
                    knee.image, knee.joint = half, joint

    def _choose_sides(self, knees: Sequence[_Knee], radiographs: Sequence[Radiograph]) -> None:
        """For single knees of unknown side: the one, of two tried, for which the network is surer of its landmarks."""
        unknown = [k for k in knees if radiographs[k.film].side is None and not _is_half(k, radiographs[k.film])]
        if not unknown:
            return
        tried = {
            side: self.landmarks.locate([{**_item(k), "side": side} for k in unknown], quick=True)
            for side in ("R", "L")
        }
        for knee, right, left in zip(unknown, tried["R"], tried["L"], strict=True):
            knee.side = "R" if float(right[:, 2].mean()) >= float(left[:, 2].mean()) else "L"
            knee.flags.append(
                "the side was not given: it is the one of which the network was surer; give --side to be safe"
            )

    def _refine(self, knees: Sequence[_Knee]) -> None:
        """Between the stages: move each knee's centre to where its registration onto the reference puts the joint."""
        if self.refine is None:
            return
        for knee, center in zip(knees, self.refine.joint_centers_mm([_item(k) for k in knees]), strict=True):
            if center is not None:
                knee.center_mm = center

    def _find_landmarks(self, knees: Sequence[_Knee]) -> None:
        """Stage 2, once or twice; where the second region lies, one network of an ensemble can tell."""
        for stage in range(self.stages):
            if stage > 0:
                for knee in knees:
                    assert knee.answer is not None
                    knee.center_mm = knee.answer[KNEE_PA.center, :2].numpy()
            answers = self.landmarks.locate([_item(k) for k in knees], quick=stage + 1 < self.stages)
            for knee, answer in zip(knees, answers, strict=True):
                knee.answer = answer

    def _result(self, knee: _Knee, radiograph: Radiograph) -> KneeResult:
        center = radiograph.mm_to_px(knee.center_mm[None])[0]
        landmarks = None
        flags = list(knee.flags)
        if knee.answer is not None:
            landmarks = Landmarks(
                radiograph.mm_to_px(knee.answer[:, :2].numpy()), "px", KNEE_PA, knee.answer[:, 2].numpy()
            )
            flags += border_flags(landmarks, radiograph)
            doubt = confidence_flag(knee.answer[:, 2].numpy(), "landmarks", knee.side)
            metal = metal_flag(landmarks, radiograph)
            flags += [flag for flag in (doubt, metal) if flag]
            if doubt or metal:
                landmarks = None
        return KneeResult(
            side=knee.side,
            center_px=(float(center[0]), float(center[1])),
            roi_mm=float(self.landmarks.region_mm),
            landmarks=landmarks,
            flags=tuple(flags),
        )

    def _models(self, radiograph: Radiograph) -> tuple:
        searched = self.roi is not None and _field_mm(radiograph) > LARGEST_CROP_MM
        return (self.roi.info, self.landmarks.info) if searched and self.roi else (self.landmarks.info,)


_NO_ROI_BUNDLE = (
    "the film shows more than a crop of one knee, and the bundle knee_roi_localization, which looks for the joints, "
    "is not installed; install it or give crops of single knees with --view pa-single"
)


def _is_complete(root: Path) -> bool:
    return (root / "configs" / "inference.json").is_file() and any((root / "models").glob("model*.pt"))


def _is_half(knee: _Knee, radiograph: Radiograph) -> bool:
    return knee.image.shape[2] < radiograph.columns


def _field_mm(radiograph: Radiograph) -> float:
    """The longer side of a film."""
    return max(radiograph.rows * radiograph.spacing_mm[0], radiograph.columns * radiograph.spacing_mm[1])


def _item(knee: _Knee) -> dict:
    return {"image": knee.image, "center_mm": knee.center_mm, "side": knee.side}


def _checked_view(view: str) -> View:
    if view == "pa-bilateral":
        return "pa-bilateral"
    if view == "pa-single":
        return "pa-single"
    raise KneeBundleError(f"view is auto, pa-bilateral or pa-single, got {view!r}")
