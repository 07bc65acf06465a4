"""The app that MONAI Label starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from fastapi import HTTPException
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.tasks.activelearning.first import First
from monailabel.tasks.activelearning.random import Random

import kneebundle
from kneebundle.label_app.datastore import FilmDatastore, info_of
from kneebundle.label_app.films import FilmFacts
from kneebundle.label_app.folder import LANDMARKS, PLANNING, chosen_models
from kneebundle.label_app.infer import FilmTask, LandmarkTask, PlanningTask
from kneebundle.label_app.learning import STRATEGY, ConfidenceScoring, LeastConfident
from kneebundle.label_app.refusals import NotFound, answered_over_http
from kneebundle.label_app.train import LandmarkTraining
from kneebundle.label_app.weights import SHIPPED

__all__ = ["KneeLabelApp"]


class KneeLabelApp(MONAILabelApp):
    """Films of knees: landmarks, planning, active learning, training.

    Args:
        app_dir: folder of :func:`kneebundle.label_app.folder.write_app`.
        studies: folder of films, or the address of a DICOMweb server.
        conf: ``models`` (names joined by commas, or ``all``), ``weights`` (of requests that do not say: ``shipped``,
            ``trained`` or a training's name), ``spacing_mm`` (of films that state none).

    Raises:
        KneeBundleError: if ``conf`` names what is not there.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.bundles = Path(app_dir) / "model"
        self.trained = Path(app_dir) / "trained" / LANDMARKS
        self.models = chosen_models(conf.get("models", "all"))
        self.known = {"spacing_mm": conf["spacing_mm"]} if conf.get("spacing_mm") else {}
        FilmFacts.of(self.known)
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name=f"kneebundle ({kneebundle.__version__})",
            description="Landmarks of knees on PA radiographs, planning on lateral ones",
            version=kneebundle.__version__,
        )

    def init_datastore(self) -> Datastore:
        """A folder with the formats of radiographs, or what MONAI Label makes of an address."""
        if self.studies.startswith(("http://", "https://")):
            return super().init_datastore()
        return FilmDatastore(self.studies)

    def init_infers(self) -> dict[str, InferTask]:
        """The models that were asked for."""
        self.tasks: dict[str, FilmTask] = {}
        if LANDMARKS in self.models:
            weights = self.conf.get("weights", SHIPPED)
            self.tasks[LANDMARKS] = LandmarkTask(self.bundles, self.trained, weights)
        if PLANNING in self.models:
            self.tasks[PLANNING] = PlanningTask(self.bundles)
        return dict(self.tasks)

    def init_trainers(self) -> dict[str, TrainTask]:
        """Of the landmark network."""
        if LANDMARKS not in self.models:
            return {}
        return {LANDMARKS: LandmarkTraining(self.bundles / LANDMARKS, self.trained, self.known)}

    def init_strategies(self) -> dict[str, Strategy]:
        """The least sure film first; at random and in order, too."""
        return {STRATEGY: LeastConfident(self.models[0]), "random": Random(), "first": First()}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """The confidence of each model, under the model's name."""
        return {model: ConfidenceScoring(model, task, self.known) for model, task in self.tasks.items()}

    @answered_over_http
    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Answer a film of the datastore or one that came with the request."""
        _check_known("model", request.get("model"), self.tasks)
        image = str(request.get("image") or "")
        info = info_of(datastore or self.datastore(), image)
        if not info and not (image and Path(image).exists()):
            raise NotFound(f"there is no image {image!r}; send it first, or with the request")
        facts: dict[str, Any] = {name: info[name] for name in ("spacing_mm", "side", "view") if name in info}
        if info:
            facts["image_id"] = image
        return dict(super().infer({**self.known, **facts, **request}, datastore))

    @answered_over_http
    def batch_infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> Any:
        """Answer many films and keep the answers as labels; of a film that is refused, the reason is answered."""
        _check_known("model", request.get("model"), self.tasks)
        # MONAI Label divides by the number of GPUs where several may be used
        several = bool(request.get("multi_gpu", True)) and torch.cuda.device_count() > 0
        return self._batch_infer(
            {**request, "multi_gpu": several}, datastore or self.datastore(), self._infer_or_reason
        )

    def _infer_or_reason(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        try:
            return self.infer(request, datastore)
        except HTTPException as refusal:
            return {"refused": refusal.detail}

    @answered_over_http
    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """The film to label next."""
        _check_known("strategy", request.get("strategy") or "random", self._strategies)
        return dict(super().next_sample(request))

    @answered_over_http
    def scoring(self, request: dict[str, Any], datastore: Datastore | None = None) -> Any:
        """Score the films without a label."""
        _check_known("scoring method", request.get("method"), self._scoring_methods)
        return super().scoring(request, datastore)

    def train(self, request: dict[str, Any]) -> Any:
        """Train; in the process that MONAI Label starts for it, a refusal is the last line of the log."""
        try:
            return self._train(request)
        except HTTPException as refusal:
            if self._server_mode:
                raise
            raise SystemExit(f"kneebundle: {refusal.detail}") from refusal

    @answered_over_http
    def _train(self, request: dict[str, Any]) -> Any:
        _check_known("model to train", request.get("model"), self._trainers)
        return super().train(request)


def _check_known(what: str, name: Any, known: Mapping[str, Any]) -> None:
    if name not in known:
        raise NotFound(f"there is no {what} {name!r}; there are: {', '.join(known) or 'none'}")
