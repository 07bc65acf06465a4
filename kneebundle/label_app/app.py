"""The app that MONAI Label starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from fastapi import HTTPException
from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.tasks.activelearning.first import First
from monailabel.tasks.activelearning.random import Random

import kneebundle
from kneebundle.dicom_node.web_settings import DicomwebServer
from kneebundle.label_app.datastore import RadiographDatastore, get_info
from kneebundle.label_app.folder import LANDMARKS, PLANNING, choose_models
from kneebundle.label_app.guard import GuardRules
from kneebundle.label_app.http_errors import NotFoundError, raise_http_errors
from kneebundle.label_app.image_facts import ImageFacts
from kneebundle.label_app.infer import LandmarkTask, PipelineTask, PlanningTask
from kneebundle.label_app.learning import STRATEGY, ConfidenceScoring, LeastConfident
from kneebundle.label_app.protection import protect
from kneebundle.label_app.sent_files import is_sent_file, list_folders
from kneebundle.label_app.train import LandmarkTraining
from kneebundle.label_app.web_datastore import WebDatastore
from kneebundle.label_app.weights import SHIPPED

__all__ = ["KneeLabelApp"]


class KneeLabelApp(MONAILabelApp):
    """Radiographs of knees: landmarks, planning, active learning, training.

    Args:
        app_dir: folder of :func:`kneebundle.label_app.folder.write_app`.
        studies: folder of radiographs, or the address of a DICOMweb server.
        conf: ``models`` (names joined by commas, or ``all``), ``weights`` (of requests that do not say: ``shipped``,
            ``trained`` or the name of a training), ``spacing_mm`` (of radiographs that state none), ``modalities`` (of
            the series of a DICOMweb server, joined by commas), and those of
            :class:`kneebundle.label_app.guard.GuardRules`.

    Raises:
        KneeBundleError: if ``conf`` names what is not there.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.bundles = Path(app_dir) / "model"
        self.trained = Path(app_dir) / "trained" / LANDMARKS
        self.models = choose_models(conf.get("models", "all"))
        self.known = {"spacing_mm": conf["spacing_mm"]} if conf.get("spacing_mm") else {}
        ImageFacts.from_mappings(self.known)
        self.rules = GuardRules.from_settings(conf, list_folders(app_dir, studies))
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name=f"kneebundle ({kneebundle.__version__})",
            description="Landmarks of knees on PA radiographs, planning on lateral ones",
            version=kneebundle.__version__,
        )

    def init_datastore(self) -> Datastore:
        """Open a folder of radiographs, or a DICOMweb server, with the user and password of MONAI Label's settings."""
        if not self.studies.startswith(("http://", "https://")):
            return RadiographDatastore(self.studies)
        user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
        server = DicomwebServer(self.studies, user or None, password or None)
        modalities = [name.strip() for name in self.conf.get("modalities", "DX,CR").split(",") if name.strip()]
        return WebDatastore(server, modalities, Path(self.app_dir) / "dicomweb")

    def on_init_complete(self) -> None:
        """Put the guard before the server that has started this app."""
        server = sys.modules.get("monailabel.app")  # not in the process of a training
        if server is not None:
            protect(server.app, self.rules)
        super().on_init_complete()

    def init_infers(self) -> dict[str, InferTask]:
        """Make the models that were asked for."""
        self.tasks: dict[str, PipelineTask] = {}
        if LANDMARKS in self.models:
            weights = self.conf.get("weights", SHIPPED)
            self.tasks[LANDMARKS] = LandmarkTask(self.bundles, self.trained, weights)
        if PLANNING in self.models:
            self.tasks[PLANNING] = PlanningTask(self.bundles)
        return dict(self.tasks)

    def init_trainers(self) -> dict[str, TrainTask]:
        """Make the trainer of the landmark network."""
        if LANDMARKS not in self.models:
            return {}
        return {LANDMARKS: LandmarkTraining(self.bundles / LANDMARKS, self.trained, self.known)}

    def init_strategies(self) -> dict[str, Strategy]:
        """Make the strategies: the least confident image first, at random, in order."""
        return {STRATEGY: LeastConfident(self.models[0]), "random": Random(), "first": First()}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """Make the scoring methods: the confidence of each model, under the name of the model."""
        return {model: ConfidenceScoring(model, task, self.known) for model, task in self.tasks.items()}

    @raise_http_errors
    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Predict on an image of the datastore or one that came with the request."""
        _check_known("model", request.get("model"), self.tasks)
        store = datastore or self.datastore()
        image = str(request.get("image") or "")
        facts: dict[str, Any] = {}
        if image in store.list_images():
            info = get_info(store, image)
            facts = {name: info[name] for name in ("spacing_mm", "side", "view") if name in info}
            facts["image_id"] = image
            if os.path.exists(image):  # noqa: PTH110, MONAI Label would take that file
                request = {**request, "image": store.get_image_uri(image)}
        elif not is_sent_file(image, self._sessions_folder()):
            raise NotFoundError(f"there is no image {image[:100]!r}; send it first, or with the request")
        return dict(super().infer({**self.known, **facts, **request}, datastore))

    @raise_http_errors
    def infer_wsi(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Predict; there are no slides of a microscope here."""
        return self.infer(request, datastore)

    def _sessions_folder(self) -> str | None:
        sessions = self.sessions()
        return None if sessions is None else str(sessions.store_path)

    @raise_http_errors
    def batch_infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> Any:
        """Predict on many images and keep the predictions as labels; one that fails gets ``refused``, the reason."""
        _check_known("model", request.get("model"), self.tasks)
        # MONAI Label divides by the number of GPUs where several may be used
        several = bool(request.get("multi_gpu", True)) and torch.cuda.device_count() > 0
        return self._batch_infer(
            {**request, "multi_gpu": several}, datastore or self.datastore(), self._infer_or_explain
        )

    def _infer_or_explain(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        try:
            return self.infer(request, datastore)
        except HTTPException as error:
            return {"refused": error.detail}

    @raise_http_errors
    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """Choose the image to label next."""
        _check_known("strategy", request.get("strategy") or "random", self._strategies)
        return dict(super().next_sample(request))

    @raise_http_errors
    def scoring(self, request: dict[str, Any], datastore: Datastore | None = None) -> Any:
        """Score the images without a label."""
        _check_known("scoring method", request.get("method"), self._scoring_methods)
        return super().scoring(request, datastore)

    def train(self, request: dict[str, Any]) -> Any:
        """Train; in the process that MONAI Label starts for it, an error is the last line of the log."""
        try:
            return self._train(request)
        except HTTPException as error:
            if self._server_mode:
                raise
            raise SystemExit(f"kneebundle: {error.detail}") from error

    @raise_http_errors
    def _train(self, request: dict[str, Any]) -> Any:
        _check_known("model to train", request.get("model"), self._trainers)
        return super().train(request)


def _check_known(what: str, name: Any, known: Mapping[str, Any]) -> None:
    if name not in known:
        raise NotFoundError(f"there is no {what} {name!r}; there are: {', '.join(known) or 'none'}")
