"""Each film to the pipeline of its view."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from kneebundle.errors import KneeBundleError
from kneebundle.inference.devices import chosen_device
from kneebundle.inference.results import Answer
from kneebundle.inference.views import find_view
from kneebundle.radiograph import Radiograph

__all__ = ["PipelinesByView", "pipelines_from_bundles"]


class _Pipeline(Protocol):
    def predict_batch(self, radiographs: Sequence[Radiograph]) -> Sequence[Answer | KneeBundleError]: ...


class PipelinesByView:
    """Answers films of any view; a pipeline's networks are loaded when its first film comes.

    Args:
        frontal: makes the pipeline for films from the front.
        lateral: makes the one for lateral films.
    """

    def __init__(self, frontal: Callable[[], _Pipeline], lateral: Callable[[], _Pipeline]) -> None:
        self._makers = {"frontal": frontal, "lateral": lateral}
        self._made: dict[str, _Pipeline] = {}

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[Answer | KneeBundleError]:
        """An answer or a refusal for each radiograph, in their order.

        Where the networks for a view cannot be loaded, its films are refused and the others answered.
        """
        views = ["lateral" if find_view(radiograph) == "lateral" else "frontal" for radiograph in radiographs]
        answers: dict[int, Answer | KneeBundleError] = {}
        for view in dict.fromkeys(views):
            places = [place for place, other in enumerate(views) if other == view]
            answers.update(zip(places, self._ask(view, [radiographs[place] for place in places]), strict=True))
        return [answers[place] for place in range(len(radiographs))]

    def load(self, view: str) -> _Pipeline:
        """The pipeline for ``"frontal"`` or ``"lateral"`` films, made if it was not.

        Raises:
            KneeBundleError: if its networks cannot be loaded.
        """
        if view not in self._made:
            self._made[view] = self._makers[view]()
        return self._made[view]

    def _ask(self, view: str, films: Sequence[Radiograph]) -> Sequence[Answer | KneeBundleError]:
        try:
            pipeline = self.load(view)
        except KneeBundleError as error:
            return [KneeBundleError(f"a {view} film; {error}", film.path) for film in films]
        return pipeline.predict_batch(films)


def pipelines_from_bundles(
    bundles: Path | None = None,
    device: str = "auto",
    stages: int = 2,
    mirror: bool = False,
    views: Collection[str | None] = (None,),
    landmark_bundle: str = "knee_landmark_localization",
    refine: bool = False,
) -> PipelinesByView:
    """The pipelines over the bundles that came with the package, or those of another folder.

    Args:
        bundles: a folder with bundles; None: those installed.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        stages, mirror: see :class:`~kneebundle.inference.pipeline.KneePipeline`.
        views: that the films to come are said to have, None for those that do not say; where all are frontal, or all lateral,
            the networks are loaded at once.
        landmark_bundle: name of the bundle that finds the 16 landmarks of PA films.
        refine: register the knees of PA films by parts between the stages.

    Raises:
        KneeBundleError: if the device is not there, or networks that are loaded at once cannot be.
    """
    from kneebundle.inference.lateral_pipeline import LateralPipeline
    from kneebundle.inference.pipeline import KneePipeline

    chosen_device(device)
    pipelines = PipelinesByView(
        lambda: KneePipeline.from_bundles(
            bundles, device=device, stages=stages, mirror=mirror, landmark_bundle=landmark_bundle, refine=refine
        ),
        lambda: LateralPipeline.from_bundles(bundles, device=device),
    )
    if None not in views and len({view == "lateral" for view in views}) == 1:
        pipelines.load("lateral" if "lateral" in views else "frontal")
    return pipelines
