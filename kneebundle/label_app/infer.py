"""The models: a radiograph in; its JSON document and, as a file, 3D Slicer's markups or the masks of the bones out."""

from __future__ import annotations

import tempfile
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.utils.others.generic import device_list, name_to_device

from kneebundle.errors import KneeBundleError
from kneebundle.inferers.devices import choose_device
from kneebundle.label_app.folder import LANDMARKS, PLANNING
from kneebundle.label_app.image_facts import ImageFacts, find_image_file
from kneebundle.label_app.weights import NEWEST, SHIPPED, choose_weights, list_trained_weights
from kneebundle.landmarks import BONES, KNEE_PA
from kneebundle.pipelines.by_view import Pipeline
from kneebundle.pipelines.knee_pa import KneePipeline
from kneebundle.pipelines.lateral import LateralPipeline
from kneebundle.reports.json_report import to_document
from kneebundle.reports.label_map import write_label_map
from kneebundle.reports.slicer_markups import write_markups
from kneebundle.results import LateralResult, Prediction

__all__ = ["LandmarkTask", "PipelineTask", "PlanningTask"]

MOST_IN_MEMORY = 4
"""Sets of weights that a model keeps loaded."""


class PipelineTask(InferTask):
    """A pipeline as a model of MONAI Label.

    Requests may say ``spacing_mm``, ``side`` and ``view`` of the image, ``device``, and what the model's ``info``
    lists.

    Args:
        bundle: folder of the bundle in the app.
        kind: by which the plugin of 3D Slicer decides in which box it offers the model.
        labels: value of each segment of a mask.
        description: a line for people.
    """

    uncalibrated: ClassVar[bool] = False

    def __init__(self, bundle: Path, kind: InferType, labels: Mapping[str, int], description: str) -> None:
        super().__init__(type=kind, labels=dict(labels), dimension=2, description=description, config={})
        self.bundle = bundle
        self._pipelines: dict[Any, Pipeline[Prediction]] = {}
        self._lock = threading.Lock()

    def is_valid(self) -> bool:
        """Whether the bundle is there."""
        return (self.bundle / "configs" / "inference.json").is_file()

    def get_path(self, validate: bool = True) -> str | None:
        """Get the file of the shipped weights, which ``GET /model/<name>`` sends."""
        file = self.bundle / "models" / "model.pt"
        return str(file) if file.is_file() or not validate else None

    def config(self) -> dict[str, Any]:
        """List what a client may choose from; the first of a list is the default."""
        return {"device": device_list()}

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Predict on one image.

        Returns:
            A temporary file with the prediction, and the document.

        Raises:
            KneeBundleError: if the image or the request cannot be used.
        """
        start = time.perf_counter()
        source = find_image_file(Path(request["image"]))
        prediction = self.predict(source, request)
        document = to_document(prediction)
        document["image"]["path"] = str(request.get("image_id") or source.name)
        document["weights"] = self.get_weights_name(request)
        file = self.write(prediction, document, source, request)
        document["label_names"] = self.labels
        document["latencies"] = {"total": round(time.perf_counter() - start, 2)}
        return str(file), document

    def predict(self, source: Path, request: Mapping[str, Any]) -> Prediction:
        """Predict on a file; ``request`` says what is known of it.

        Raises:
            KneeBundleError: if the image or the request cannot be used.
        """
        radiograph = ImageFacts.from_mappings(request).read(source, uncalibrated=self.uncalibrated)
        with self._lock:
            (prediction,) = self.get_pipeline(request).predict_batch([radiograph])
        if isinstance(prediction, KneeBundleError):
            raise prediction
        return prediction

    @abstractmethod
    def get_pipeline(self, request: Mapping[str, Any]) -> Pipeline[Prediction]:
        """Get the pipeline for the device and the weights of a request."""

    def get_weights_name(self, request: Mapping[str, Any]) -> str:
        """Get the name of the weights that a request asks for."""
        return SHIPPED

    def get_weights_digest(self) -> str:
        """Get what changes when a request that names no weights would be predicted with others."""
        return SHIPPED

    def write(
        self, prediction: Prediction, document: Mapping[str, Any], source: Path, request: Mapping[str, Any]
    ) -> Path:
        """Write the file of a prediction."""
        return _write_temporary(".mrk.json", lambda file: write_markups(document, source, file))

    def _load(self, key: Any, make: Callable[[], Pipeline[Prediction]]) -> Pipeline[Prediction]:
        if key not in self._pipelines:
            if len(self._pipelines) >= MOST_IN_MEMORY:
                self._pipelines.clear()
            self._pipelines[key] = make()
        return self._pipelines[key]


class LandmarkTask(PipelineTask):
    """16 landmarks a knee on radiographs of one or both knees from the front, found in two stages.

    Requests may say ``weights``: ``"shipped"``, ``"trained"`` (the newest training) or the name of a training.

    Args:
        bundles: folder of the app's bundles.
        trained: folder of the trainings.
        weights: for requests that do not say.

    Raises:
        KneeBundleError: if there are no such weights.
    """

    def __init__(self, bundles: Path, trained: Path, weights: str = SHIPPED) -> None:
        super().__init__(bundles / LANDMARKS, InferType.DETECTION, {}, "16 landmarks of each knee on PA radiographs")
        self.trained = trained
        self.weights = weights
        choose_weights(trained, weights)

    def info(self) -> dict[str, Any]:
        """Add the names of the landmarks; as ``labels`` 3D Slicer would make a segment of each."""
        return {**super().info(), "landmarks": list(KNEE_PA.names)}

    def config(self) -> dict[str, Any]:
        """List device, weights, view and side."""
        trainings = [training.name for training in list_trained_weights(self.trained)]
        names = [self.weights, SHIPPED, *([NEWEST] if trainings else []), *reversed(trainings)]
        views = ["auto", "pa-bilateral", "pa-single"]
        return {**super().config(), "weights": list(dict.fromkeys(names)), "view": views, "side": ["", "R", "L"]}

    def get_pipeline(self, request: Mapping[str, Any]) -> KneePipeline:
        """Get the two-stage pipeline."""
        device = _choose_device(request)
        chosen = choose_weights(self.trained, str(_take_one(request.get("weights")) or self.weights))
        made = self._load(
            (device, chosen and chosen.name),
            lambda: KneePipeline.from_bundles(
                self.bundle.parent,
                device=device,
                weights=None if chosen is None else [chosen.file],
                settings=None if chosen is None else chosen.settings,
            ),
        )
        assert isinstance(made, KneePipeline)
        return made

    def get_weights_name(self, request: Mapping[str, Any]) -> str:
        """Get ``"shipped"`` or the name of the training."""
        chosen = choose_weights(self.trained, str(_take_one(request.get("weights")) or self.weights))
        return SHIPPED if chosen is None else chosen.name

    def get_weights_digest(self) -> str:
        """Get the sha256 of the weights for requests that do not name others."""
        return self.get_pipeline({}).landmarks.info.sha256


class PlanningTask(PipelineTask):
    """Bones, landmarks and the Schoettle point on lateral films.

    Requests may say ``result``: ``"markups"`` or ``"masks"``, a label map of the bones as ``.nrrd``. OHIF, which knows
    masks alone, says ``result_extension`` in its place.

    Args:
        bundles: folder of the app's bundles.
    """

    uncalibrated = True

    def __init__(self, bundles: Path) -> None:
        segments = {bone: value for value, bone in enumerate(BONES, start=1)}
        description = "Bones and the Schoettle point on lateral radiographs"
        super().__init__(bundles / PLANNING, InferType.SEGMENTATION, segments, description)

    def config(self) -> dict[str, Any]:
        """List device and kind of file."""
        return {**super().config(), "result": ["markups", "masks"]}

    def predict(self, source: Path, request: Mapping[str, Any]) -> Prediction:
        """Plan; every image is taken for a lateral film."""
        return super().predict(source, {**request, "view": "lateral"})

    def get_pipeline(self, request: Mapping[str, Any]) -> LateralPipeline:
        """Get the pipeline for lateral films."""
        device = _choose_device(request)
        made = self._load(device, lambda: LateralPipeline.from_bundles(self.bundle.parent, device=device))
        assert isinstance(made, LateralPipeline)
        return made

    def get_weights_digest(self) -> str:
        """Get the sha256 of the weights."""
        return self.get_pipeline({}).model.info.sha256

    def write(
        self, prediction: Prediction, document: Mapping[str, Any], source: Path, request: Mapping[str, Any]
    ) -> Path:
        """Write markups or masks."""
        wanted = _take_one(request.get("result")) or (
            "masks" if request.get("result_extension") == ".nrrd" else "markups"
        )
        if wanted not in ("markups", "masks"):
            raise KneeBundleError(f"result is {wanted!r}; markups or masks is needed")
        if wanted == "markups":
            return super().write(prediction, document, source, request)
        assert isinstance(prediction, LateralResult)
        return _write_temporary(".nrrd", lambda file: write_label_map(prediction, source, file))


def _choose_device(request: Mapping[str, Any]) -> str:
    """Choose ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` by what a client calls the device."""
    name = str(name_to_device(_take_one(request.get("device")) or ""))
    try:
        return str(choose_device(name))
    except RuntimeError as error:
        raise KneeBundleError(f"there is no device {name!r}; there are {', '.join(device_list())}") from error


def _take_one(value: Any) -> Any:
    """Take the first of a list: a client that shows a list of choices may send the list."""
    return value[0] if isinstance(value, list) and value else value


def _write_temporary(suffix: str, write: Callable[[Path], None]) -> Path:
    """Write a file that MONAI Label removes when it has sent or stored it."""
    with tempfile.NamedTemporaryFile(suffix=suffix, delete=False) as opened:
        file = Path(opened.name)
    try:
        write(file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return file
