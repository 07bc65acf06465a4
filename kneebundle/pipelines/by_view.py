"""Each radiograph to the pipeline of its view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from kneebundle.errors import KneeBundleError
from kneebundle.inferers.devices import choose_device
from kneebundle.radiograph import Radiograph, View
from kneebundle.results import Prediction

__all__ = ["Pipeline", "PipelineOptions", "PipelinesByView"]

ResultT = TypeVar("ResultT", covariant=True)


class Pipeline(Protocol[ResultT]):
    """What makes a result of each radiograph: the pipelines of this package, and the registration of crops."""

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> Sequence[ResultT | KneeBundleError]:
        """A result or an error for each radiograph, in their order."""
        ...


@dataclass(frozen=True)
class PipelineOptions:
    """Which networks predict, where and how; plain values, so that other processes can be given them.

    Attributes:
        bundles: a folder with bundles; None: those installed.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        stages, mirror: see :class:`~kneebundle.pipelines.knee_pa.KneePipeline`.
        landmark_bundle: name of the bundle that finds the 16 landmarks of PA radiographs.
        refine: register the knees of PA radiographs by parts between the stages.
        runtime, precision: see :class:`~kneebundle.inferers.BundleNetworks`.
        views: that the radiographs to come are said to have, None for those that do not say; where all are frontal, or
            all lateral, the networks are loaded at once.
    """

    bundles: Path | None = None
    device: str = "auto"
    stages: int = 2
    mirror: bool = False
    landmark_bundle: str = "knee_landmark_localization"
    refine: bool = False
    runtime: str = "auto"
    precision: str | None = None
    views: frozenset[View | None] = frozenset({None})


class PipelinesByView:
    """Predicts for radiographs of any view; the networks of a view are loaded when its first radiograph comes.

    Args:
        frontal: makes the pipeline for radiographs from the front.
        lateral: makes the one for lateral films.
    """

    def __init__(
        self, frontal: Callable[[], Pipeline[Prediction]], lateral: Callable[[], Pipeline[Prediction]]
    ) -> None:
        self._makers = {"frontal": frontal, "lateral": lateral}
        self._made: dict[str, Pipeline[Prediction]] = {}

    @classmethod
    def from_bundles(cls, options: PipelineOptions) -> PipelinesByView:
        """The pipelines over the bundles that came with the package, or those of another folder.

        Raises:
            KneeBundleError: if the device is not there, or networks that are loaded at once cannot be.
        """
        from kneebundle.pipelines.knee_pa import KneePipeline
        from kneebundle.pipelines.lateral import LateralPipeline

        choose_device(options.device)
        pipelines = cls(
            lambda: KneePipeline.from_bundles(
                options.bundles,
                device=options.device,
                stages=options.stages,
                mirror=options.mirror,
                landmark_bundle=options.landmark_bundle,
                refine=options.refine,
                runtime=options.runtime,
                precision=options.precision,
            ),
            lambda: LateralPipeline.from_bundles(
                options.bundles, device=options.device, runtime=options.runtime, precision=options.precision
            ),
        )
        if None not in options.views and len({view == "lateral" for view in options.views}) == 1:
            pipelines.load("lateral" if "lateral" in options.views else "frontal")
        return pipelines

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[Prediction | KneeBundleError]:
        """A prediction or an error for each radiograph, in their order.

        Where the networks for a view cannot be loaded, its radiographs get that error and the others are predicted.
        """
        kinds = ["lateral" if radiograph.view == "lateral" else "frontal" for radiograph in radiographs]
        results: dict[int, Prediction | KneeBundleError] = {}
        for kind in dict.fromkeys(kinds):
            places = [place for place, other in enumerate(kinds) if other == kind]
            results.update(zip(places, self._predict(kind, [radiographs[place] for place in places]), strict=True))
        return [results[place] for place in range(len(radiographs))]

    def load(self, kind: str) -> Pipeline[Prediction]:
        """The pipeline for ``"frontal"`` or ``"lateral"`` radiographs, made if it was not.

        Raises:
            KneeBundleError: if its networks cannot be loaded.
        """
        if kind not in self._made:
            self._made[kind] = self._makers[kind]()
        return self._made[kind]

    def _predict(self, kind: str, radiographs: Sequence[Radiograph]) -> Sequence[Prediction | KneeBundleError]:
        try:
            pipeline = self.load(kind)
        except KneeBundleError as error:
            reason = f"a {kind} film; {error}"
            return [KneeBundleError(reason, radiograph.path, error.field) for radiograph in radiographs]
        return pipeline.predict_batch(radiographs)
