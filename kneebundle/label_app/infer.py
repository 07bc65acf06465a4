"""The models: a film in; its JSON document and, as a file, 3D Slicer's markups or the masks of the bones out."""

from __future__ import annotations

import tempfile
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.utils.others.generic import device_list, name_to_device

from kneebundle.errors import KneeBundleError
from kneebundle.inference.devices import chosen_device
from kneebundle.inference.lateral_pipeline import LateralPipeline
from kneebundle.inference.pipeline import KneePipeline
from kneebundle.inference.planning_model import BONES
from kneebundle.inference.results import Answer, LateralResult
from kneebundle.label_app.films import FilmFacts, film_file, in_server_words
from kneebundle.label_app.folder import LANDMARKS, PLANNING
from kneebundle.label_app.weights import NEWEST, SHIPPED, choose_weights, trained_weights
from kneebundle.landmarks import KNEE_PA
from kneebundle.radiograph import Radiograph
from kneebundle.reports.json_report import to_document
from kneebundle.reports.label_map import write_label_map
from kneebundle.reports.slicer_markups import write_markups

__all__ = ["FilmTask", "LandmarkTask", "PlanningTask"]

MOST_IN_MEMORY = 4
"""Sets of weights that a model keeps loaded."""


class _Pipeline(Protocol):
    def predict_batch(self, radiographs: list[Radiograph]) -> Any: ...


class FilmTask(InferTask):
    """A pipeline as a model of MONAI Label.

    Requests may say ``spacing_mm``, ``side`` and ``view`` of the film, ``device``, and what the model's ``info`` lists.

    Args:
        bundle: folder of the bundle in the app.
        kind: by which 3D Slicer's plugin decides in which box it offers the model.
        labels: segments of a mask, by their values.
        description: a line for people.
    """

    uncalibrated: ClassVar[bool] = False

    def __init__(self, bundle: Path, kind: InferType, labels: Mapping[str, int], description: str) -> None:
        super().__init__(type=kind, labels=dict(labels), dimension=2, description=description, config={})
        self.bundle = bundle
        self._pipelines: dict[Any, _Pipeline] = {}
        self._lock = threading.Lock()

    def is_valid(self) -> bool:
        """Whether the bundle is there."""
        return (self.bundle / "configs" / "inference.json").is_file()

    def get_path(self, validate: bool = True) -> str | None:
        """The shipped weights, which ``GET /model/<name>`` hands out."""
        file = self.bundle / "models" / "model.pt"
        return str(file) if file.is_file() or not validate else None

    def config(self) -> dict[str, Any]:
        """What a client may choose from; the first of a list is the default."""
        return {"device": device_list()}

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Answer one film.

        Returns:
            A file in the folder for temporary ones, and the document.

        Raises:
            KneeBundleError: if the film or the request cannot be used.
        """
        start = time.perf_counter()
        source = film_file(Path(request["image"]))
        answer = self.answer(source, request)
        document = to_document(answer)
        document["image"]["path"] = str(request.get("image_id") or source.name)
        document["weights"] = self.weights_name(request)
        file = self.write(answer, document, source, request)
        document["flags"] = [in_server_words(flag) for flag in document["flags"]]
        for knee in document.get("knees", ()):
            knee["flags"] = [in_server_words(flag) for flag in knee["flags"]]
        document["label_names"] = self.labels
        document["latencies"] = {"total": round(time.perf_counter() - start, 2)}
        return str(file), document

    def answer(self, source: Path, request: Mapping[str, Any]) -> Answer:
        """The pipeline's answer for a file; ``request`` says what is known of it.

        Raises:
            KneeBundleError: if the film or the request cannot be used.
        """
        film = FilmFacts.of(request).read(source, uncalibrated=self.uncalibrated)
        with self._lock:
            (answer,) = self.pipeline(request).predict_batch([film])
        if isinstance(answer, KneeBundleError):
            raise answer
        return answer

    @abstractmethod
    def pipeline(self, request: Mapping[str, Any]) -> Any:
        """The pipeline for the device and the weights of a request."""

    def weights_name(self, request: Mapping[str, Any]) -> str:
        """Which weights answer a request."""
        return SHIPPED

    def weights_digest(self) -> str:
        """Says whether a score is still of the weights that answer where a request names none."""
        return SHIPPED

    def write(self, answer: Answer, document: Mapping[str, Any], source: Path, request: Mapping[str, Any]) -> Path:
        """Write the file of the answer."""
        return _temporary(".mrk.json", lambda file: write_markups(document, source, file))

    def _made(self, key: Any, make: Callable[[], _Pipeline]) -> _Pipeline:
        if key not in self._pipelines:
            if len(self._pipelines) >= MOST_IN_MEMORY:
                self._pipelines.clear()
            self._pipelines[key] = make()
        return self._pipelines[key]


class LandmarkTask(FilmTask):
    """16 landmarks a knee on films of one or both knees from the front, found in two stages.

    Requests may say ``weights``: ``"shipped"``, ``"trained"`` (the newest training) or a training's name.

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
        """With the names of the landmarks; as ``labels`` 3D Slicer would make a segment of each."""
        return {**super().info(), "landmarks": list(KNEE_PA.names)}

    def config(self) -> dict[str, Any]:
        """Device, weights, view and side."""
        trainings = [training.name for training in trained_weights(self.trained)]
        names = [self.weights, SHIPPED, *([NEWEST] if trainings else []), *reversed(trainings)]
        views = ["auto", "pa-bilateral", "pa-single"]
        return {**super().config(), "weights": list(dict.fromkeys(names)), "view": views, "side": ["", "R", "L"]}

    def pipeline(self, request: Mapping[str, Any]) -> KneePipeline:
        """The two-stage pipeline."""
        device = _device(request)
        chosen = choose_weights(self.trained, str(_one(request.get("weights")) or self.weights))
        made = self._made(
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

    def weights_name(self, request: Mapping[str, Any]) -> str:
        """``"shipped"`` or the training's name."""
        chosen = choose_weights(self.trained, str(_one(request.get("weights")) or self.weights))
        return SHIPPED if chosen is None else chosen.name

    def weights_digest(self) -> str:
        """sha256 of the weights for requests that do not name others."""
        return self.pipeline({}).landmarks.info.sha256


class PlanningTask(FilmTask):
    """Bones, landmarks and the Schoettle point on lateral films.

    Requests may say ``result``: ``"markups"`` or ``"masks"``, a label map of the bones as ``.nrrd``.

    Args:
        bundles: folder of the app's bundles.
    """

    uncalibrated = True

    def __init__(self, bundles: Path) -> None:
        segments = {bone: value for value, bone in enumerate(BONES, start=1)}
        description = "Bones and the Schoettle point on lateral radiographs"
        super().__init__(bundles / PLANNING, InferType.SEGMENTATION, segments, description)

    def config(self) -> dict[str, Any]:
        """Device and kind of file."""
        return {**super().config(), "result": ["markups", "masks"]}

    def answer(self, source: Path, request: Mapping[str, Any]) -> Answer:
        """The plan; every film is taken for a lateral one."""
        return super().answer(source, {**request, "view": "lateral"})

    def pipeline(self, request: Mapping[str, Any]) -> LateralPipeline:
        """The pipeline for lateral films."""
        device = _device(request)
        made = self._made(device, lambda: LateralPipeline.from_bundles(self.bundle.parent, device=device))
        assert isinstance(made, LateralPipeline)
        return made

    def weights_digest(self) -> str:
        """sha256 of the weights."""
        return self.pipeline({}).model.info.sha256

    def write(self, answer: Answer, document: Mapping[str, Any], source: Path, request: Mapping[str, Any]) -> Path:
        """Markups or masks."""
        wanted = _one(request.get("result")) or "markups"
        if wanted not in ("markups", "masks"):
            raise KneeBundleError(f"result is {wanted!r}; markups or masks is needed")
        if wanted == "markups":
            return super().write(answer, document, source, request)
        assert isinstance(answer, LateralResult)
        return _temporary(".nrrd", lambda file: write_label_map(answer, source, file))


def _device(request: Mapping[str, Any]) -> str:
    """``"cpu"``, ``"cuda"`` or ``"cuda:1"`` for what a client calls the device."""
    name = str(name_to_device(_one(request.get("device")) or ""))
    try:
        return str(chosen_device(name))
    except RuntimeError as error:
        raise KneeBundleError(f"there is no device {name!r}; there are {', '.join(device_list())}") from error


def _one(value: Any) -> Any:
    """A client that shows a list of choices may send the list."""
    return value[0] if isinstance(value, list) and value else value


def _temporary(suffix: str, write: Callable[[Path], None]) -> Path:
    """A file that MONAI Label removes when it has sent or stored it."""
    with tempfile.NamedTemporaryFile(suffix=suffix, delete=False) as opened:
        file = Path(opened.name)
    try:
        write(file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return file
