"""Landmarks of the knees on a radiograph from the front (KNEEL Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.bundles import find_bundle_root
from kneebundle.errors import KneeBundleError
from kneebundle.inferers.devices import choose_device
from kneebundle.io.reading import read_radiograph
from kneebundle.io.views import settle_view
from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.measurements.plausibility import measure_plausibility
from kneebundle.pipelines.film_content import (
    SMALL_FIELD_MM,
    TURNS,
    Candidate,
    choose_of_halves,
    choose_of_two,
    find_candidates,
    longer_side_mm,
    read_content,
    shrink_radiograph,
    turn_radiograph,
)
from kneebundle.pipelines.knee_check import CheckedRegion, KneeCheck
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.pipelines.quality import (
    DEFAULT_THRESHOLDS,
    UNMEASURED,
    KnownBy,
    Thresholds,
    check_border,
    check_landmarks,
    check_position,
    check_region,
    check_shape,
    check_side,
)
from kneebundle.radiograph import Radiograph, Side, View
from kneebundle.registration.model import REGISTRATION_BUNDLE, RegistrationModel
from kneebundle.results import Flag, KneeResult, ModelInfo, RadiographResult

__all__ = ["KneePipeline"]

LANDMARK_BUNDLE = "knee_landmark_localization"
ROI_BUNDLE = "knee_roi_localization"
CHECK_BUNDLE = "knee_quality_check"
SIDES: tuple[Side, Side] = ("R", "L")
NEAR_MM = 4.0
"""A region whose middle is that near to the joint needs no second pass."""
CLEAR = 0.9
"""Probability of a native knee from which a place that near need not be checked again."""


@dataclass
class _Knee:
    """A knee on its way through the pipeline.

    Attributes:
        number: of its radiograph in the batch.
        image: the radiograph, (1, H, W).
        side: ``"R"`` or ``"L"``.
        known_by: how the side is known.
        center_mm: (2,) where the next region is cut.
        region: what the knee check saw at ``checked_mm``.
        confidence: of stage 1.
        points: (16, 3) the landmarks in mm and their confidence, from stage 2.
        flags: what was found against it so far.
        scores: what was measured so far.
        checked_mm: (2,) the middle of that region.
    """

    number: int
    image: MetaTensor
    side: Side
    known_by: KnownBy
    center_mm: np.ndarray
    region: CheckedRegion
    confidence: float
    points: torch.Tensor | None = None
    flags: list[Flag] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    checked_mm: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.checked_mm = self.center_mm

    @property
    def is_measured(self) -> bool:
        """Whether nothing was found for which it gets no landmarks."""
        return not any(flag.code in UNMEASURED for flag in self.flags)

    def add(self, *flags: Flag | None) -> None:
        """Add flags, each code once."""
        for flag in flags:
            if flag is not None and flag.code not in {other.code for other in self.flags}:
                self.flags.append(flag)


class KneePipeline:
    """Finds the knees of a radiograph and their landmarks.

    What the radiograph shows, one knee or two and of which side, is what the file or the user states, or else read
    from the image (:mod:`kneebundle.pipelines.film_content`). A knee that should not be measured
    (:mod:`kneebundle.pipelines.quality`) gets flags and no landmarks.

    Example::

        from kneebundle import KneePipeline

        result = KneePipeline.from_bundles().predict("knee.dcm")
        result.knees[0].landmarks.points  # (16, 2), pixels of the radiograph as displayed

    Args:
        landmarks: the bundle of the 16 landmarks (KNEEL stage 2).
        check: the bundle that tells native knees, their side, replacements and what is no knee.
        roi: the bundle of the joint centres (KNEEL stage 1); without it only crops of single knees can be used.
        stages: 2: where the first pass finds the tibial centre beside the middle of the region, cut a second one around
            it and predict again (KNEEL section 4.5, which does so for every knee); 1: the first pass only.
        mirror: look for the joints in the mirrored radiograph, too, and take the mean (test-time augmentation). The
            landmark network has only seen knees of one handedness, so it is never given mirrored ones.
        refine: the registration that moves each joint centre to where the reference's comes to lie, before the first
            region is cut; where it does not register, the centre stays.
        thresholds: what decides whether a knee is measured.

    Raises:
        KneeBundleError: if ``stages`` is neither 1 nor 2.
    """

    def __init__(
        self,
        landmarks: LandmarkModel,
        check: KneeCheck,
        roi: LandmarkModel | None = None,
        stages: int = 2,
        mirror: bool = False,
        refine: RegistrationModel | None = None,
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> None:
        if stages not in (1, 2):
            raise KneeBundleError(f"stages is 1 or 2, got {stages}", field="stages")
        self.landmarks = landmarks
        self.check = check
        self.roi = roi
        self.stages = stages
        self.mirror = mirror
        self.refine = refine
        self.thresholds = thresholds

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
        roi_weights: Sequence[Path] | None = None,
        check_weights: Sequence[Path] | None = None,
        runtime: str = "auto",
        precision: str | None = None,
    ) -> KneePipeline:
        """Load the bundles that came with the package, or those of another folder.

        Args:
            bundles: a folder with bundles, which go before those installed; None: those installed.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            stages, mirror: see the class.
            weights: other weights for the landmark bundle, several for an ensemble.
            landmark_bundle: name of the bundle that finds the 16 landmarks.
            settings: other values for keys of its inference.json.
            refine: with the bundle ``knee_parts_registration`` between the stages.
            roi_weights: other weights for the bundle of the joint centres.
            check_weights: other weights for the bundle of the knee check.
            runtime, precision: see :class:`~kneebundle.inferers.BundleNetworks`.

        Raises:
            KneeBundleError: if a bundle, its weights, the device or the runtime is not there.
        """
        chosen = choose_device(device)

        def root(name: str) -> Path:
            return find_bundle_root(name, bundles)

        landmarks = LandmarkModel(root(landmark_bundle), chosen, weights, settings, runtime, precision)
        check = KneeCheck(root(CHECK_BUNDLE), chosen, check_weights, runtime, precision)
        has_roi = roi_weights is not None or _is_complete(root(ROI_BUNDLE))
        roi = LandmarkModel(root(ROI_BUNDLE), chosen, roi_weights, None, runtime, precision) if has_roi else None
        registration = RegistrationModel(root(REGISTRATION_BUNDLE), chosen) if refine else None
        least = landmarks.least_confidence
        thresholds = DEFAULT_THRESHOLDS if least is None else replace(DEFAULT_THRESHOLDS, landmarks=least)
        return cls(landmarks, check, roi, stages, mirror, registration, thresholds)

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
            side: of a single knee; goes before what the file or the radiograph says.

        Raises:
            KneeBundleError: if the file or its content cannot be used.
        """
        if isinstance(source, Radiograph):
            radiograph = replace(source, side=side or source.side)
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
                shown, found, flags = self._find_knees(number, settle_view(radiograph))
                knees += found
                results.append(RadiographResult(shown, (), self._list_models(), tuple(flags)))
            except KneeBundleError as error:
                results.append(error)
        measured = [knee for knee in knees if knee.is_measured]
        self._refine_centers(measured)
        self._find_landmarks(measured)
        for knee in knees:
            result = results[knee.number]
            assert isinstance(result, RadiographResult)
            self._check_landmarks(knee, result.radiograph)
            found_knees = (*result.knees, self._make_result(knee, result.radiograph))
            results[knee.number] = replace(result, knees=found_knees)
        return results

    def _find_knees(self, number: int, radiograph: Radiograph) -> tuple[Radiograph, list[_Knee], list[Flag]]:
        """Decide what a radiograph shows: the radiograph with its view, its knees from the right on, flags."""
        if radiograph.view == "lateral":
            raise KneeBundleError(
                "a lateral film; KneePipeline needs a radiograph from the front, LateralPipeline takes this one",
                radiograph.path,
                "view",
            )
        if self.roi is None and longer_side_mm(radiograph) > SMALL_FIELD_MM:
            raise KneeBundleError(_NO_ROI_BUNDLE, radiograph.path, "view")
        image = radiograph.to_metatensor()
        content = read_content(find_candidates(image, self.roi, self.check, mirror=self.mirror))
        flags: list[Flag] = []
        chosen: list[tuple[Side, KnownBy, Candidate]]
        if radiograph.view == "pa-bilateral":
            known: KnownBy = "statement"
            pair = content.knees if len(content.knees) == 2 else choose_of_halves(content, image, self.check)
            chosen = [(side, known, candidate) for side, candidate in zip(SIDES, pair, strict=True)]
        elif radiograph.view is None and len(content.knees) == 2:
            chosen = [(side, "place", candidate) for side, candidate in zip(SIDES, content.knees, strict=True)]
        else:
            candidate = content.knees[0] if content.knees else content.candidates[0]
            if len(content.knees) == 2:
                candidate = choose_of_two(content, radiograph)
                flags.append(Flag("view_contradiction", _TWO_KNEES[radiograph.side is not None]))
            known = "image" if radiograph.side is None else "statement"
            chosen = [(radiograph.side or candidate.region.side, known, candidate)]
        knees = [_Knee(number, image, s, known, c.center_mm, c.region, c.confidence) for s, known, c in chosen]
        turned = None if content.knees else self._find_turned(radiograph)
        for knee in knees:
            knee.add(turned)
            self._check_region(knee)
        view: View = "pa-bilateral" if len(knees) == 2 else "pa-single"
        return replace(radiograph, view=view), knees, flags

    def _find_turned(self, radiograph: Radiograph) -> Flag | None:
        """Flag a radiograph that shows a knee once it is turned by a half or a quarter."""
        small = shrink_radiograph(radiograph)
        for quarters, how in TURNS.items():
            image = turn_radiograph(small, quarters).to_metatensor()
            score = find_candidates(image, self.roi, self.check)[0].region.knee
            if score >= self.thresholds.turned:
                message = f"the knee {how}: turn the radiograph and give it again"
                return Flag("turned", message, score, self.thresholds.turned)
        return None

    def _check_region(self, knee: _Knee) -> None:
        """What the knee check says of the place where landmarks will be looked for."""
        region = knee.region
        knee.scores.update(native=region.native, implant=region.implant, not_a_knee=region.none)
        knee.scores.update(side=region.probability_of(knee.side), joint=knee.confidence)
        knee.add(check_region(region, knee.side, self.thresholds) if knee.is_measured else None)
        if not {"not_a_knee", "turned"} & {flag.code for flag in knee.flags}:
            knee.add(check_side(region, knee.side, knee.known_by, self.thresholds))

    def _refine_centers(self, knees: Sequence[_Knee]) -> None:
        """Between the stages: move the centre of each knee to where its registration puts the reference's joint."""
        if self.refine is None:
            return
        centers = self.refine.find_joint_centers([_make_item(knee) for knee in knees])
        for knee, center in zip(knees, centers, strict=True):
            if center is not None:
                knee.center_mm = center

    def _find_landmarks(self, knees: Sequence[_Knee]) -> None:
        """Stage 2: once, and for knees that lie beside the middle of their region once more.

        A second region around the joint changes nothing for the better where the first one was less than
        :data:`NEAR_MM` off: networks are trained on regions shifted by more. One network of an ensemble is enough to
        tell where the second region lies, so that an ensemble always gets two passes.
        """
        twice, several = self.stages > 1, len(self.landmarks.networks) > 1
        self._locate(knees, quick=twice and several)
        if not twice:
            return
        again = []
        for knee in knees:
            assert knee.points is not None
            center = knee.points[KNEE_PA.center, :2].numpy()
            if several or float(np.linalg.norm(center - knee.center_mm)) > NEAR_MM:
                knee.center_mm = center
                again.append(knee)
        if again:
            self._locate(again, quick=False)

    def _locate(self, knees: Sequence[_Knee], quick: bool) -> None:
        located = self.landmarks.locate([_make_item(knee) for knee in knees], quick=quick)
        for knee, points in zip(knees, located, strict=True):
            knee.points = points

    def _check_landmarks(self, knee: _Knee, radiograph: Radiograph) -> None:
        """What speaks against the landmarks that were found, and against the place where they are."""
        if knee.points is None:
            return
        mm, confidence = knee.points[:, :2].numpy(), knee.points[:, 2].numpy()
        region = self._check_joint(knee, mm[KNEE_PA.center])
        shape = measure_plausibility(mm, knee.side)
        knee.scores["native"] = min(knee.scores["native"], region.native)
        knee.scores["implant"] = max(knee.scores["implant"], region.implant)
        knee.scores["not_a_knee"] = max(knee.scores["not_a_knee"], region.none)
        knee.scores.update(landmarks=float(confidence.mean()), **{f"shape_{k}": v for k, v in shape._asdict().items()})
        knee.scores["joint_mm"] = float(np.linalg.norm(mm[KNEE_PA.center] - region.joint_mm))
        knee.add(
            check_region(region, knee.side, self.thresholds),
            check_border(Landmarks(radiograph.mm_to_px(mm), "px", KNEE_PA), radiograph),
            check_landmarks(confidence, knee.side, self.thresholds),
            check_shape(shape, self.thresholds),
            check_position(mm, region, self.thresholds),
        )

    def _check_joint(self, knee: _Knee, joint_mm: np.ndarray) -> CheckedRegion:
        """What the knee check sees around a joint: what it saw before, where that was clear and beside it."""
        away = float(np.linalg.norm(joint_mm - knee.checked_mm))
        if away <= NEAR_MM and knee.region.native >= CLEAR:
            return knee.region
        return self.check.classify(knee.image, [joint_mm])[0]

    def _make_result(self, knee: _Knee, radiograph: Radiograph) -> KneeResult:
        landmarks = None
        if knee.points is not None and knee.is_measured:
            points, confidence = radiograph.mm_to_px(knee.points[:, :2].numpy()), knee.points[:, 2].numpy()
            radii = self.landmarks.estimate_radii(confidence)
            landmarks = Landmarks(points, "px", KNEE_PA, confidence, radii)
        x, y = radiograph.mm_to_px(knee.center_mm[None])[0]
        return KneeResult(
            side=knee.side,
            center_px=(float(x), float(y)),
            roi_mm=float(self.landmarks.region_mm),
            landmarks=landmarks,
            flags=tuple(knee.flags),
            scores=dict(knee.scores),
            measurements={} if landmarks is None else measure_knee_pa(radiograph, landmarks),
        )

    def _list_models(self) -> tuple[ModelInfo, ...]:
        return tuple(model.info for model in (self.roi, self.landmarks, self.check) if model is not None)


_NO_ROI_BUNDLE = (
    "the radiograph shows more than a crop of one knee, and the bundle knee_roi_localization, which looks for the "
    "joints, is not installed; that bundle is needed, or crops of single knees"
)
_TWO_KNEES = {
    True: "the radiograph shows two knees, but one was asked for: the one of the stated side is taken",
    False: "the radiograph shows two knees, but one was asked for: the one nearer to the middle is taken",
}


def _is_complete(root: Path) -> bool:
    return (root / "configs" / "inference.json").is_file() and any((root / "models").glob("model*.pt"))


def _make_item(knee: _Knee) -> dict[str, Any]:
    """What the networks are given of a knee."""
    return {"image": knee.image, "center_mm": knee.center_mm, "side": knee.side}


def _check_view(view: str) -> View:
    if view == "pa-bilateral":
        return "pa-bilateral"
    if view == "pa-single":
        return "pa-single"
    raise KneeBundleError(f"view is auto, pa-bilateral or pa-single, got {view!r}", field="view")
