"""Training of the landmark network on the points that people saved."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.tasks.train.bundle import BundleConstants, BundleTrainTask
from monailabel.utils.others.generic import device_list

from kneebundle.datasets.knees import knee_records
from kneebundle.errors import KneeBundleError
from kneebundle.label_app.datastore import info_of
from kneebundle.label_app.films import FilmFacts
from kneebundle.label_app.training_set import LabelledFilm, TrainingSet, write_training_set
from kneebundle.label_app.weights import SHIPPED, choose_weights, new_training, record_training, trained_weights

__all__ = ["LandmarkTraining"]

FOLDS = 5
DEFAULTS = {"max_epochs": 30, "batch_size": 4, "learning_rate": 1e-4}


class _Keys(BundleConstants):
    """max_epochs stands at the top of train.json, where the learning rate's schedule sees it, too."""

    def key_train_trainer_max_epochs(self) -> str:
        return "max_epochs"


class LandmarkTraining(BundleTrainTask):
    """Goes on training the network of ``knee_landmark_localization`` with the films whose label has the tag ``final``.

    The data set, the log and the weights go into a folder of their own, ``trained/.../<time>/``; the bundle is only read. One
    fold in five, by subject, is kept apart to choose the best weights where there are five subjects or more; below that
    the last weights count. Requests may say ``max_epochs``, ``batch_size``, ``learning_rate``, ``spacing_mm`` of the
    network's pixels, ``start`` (``"shipped"``, ``"trained"`` or a training's name), ``pretrained`` false for random weights, and
    ``device``.

    Args:
        bundle: folder of the bundle in the app.
        trained: folder of the trainings.
        known: what is known of all films beside their own info.
    """

    def __init__(self, bundle: Path, trained: Path, known: Mapping[str, Any]) -> None:
        super().__init__(str(bundle), {}, const=_Keys())
        self.bundle = bundle
        self.trained = trained
        self.known = known
        self._top: dict[str, Any] = {}

    def config(self) -> dict[str, Any]:
        """What a client may choose from; the first of a list is the default."""
        starts = [SHIPPED, *(training.name for training in reversed(trained_weights(self.trained)))]
        return {**DEFAULTS, "device": device_list(), "pretrained": True, "start": starts}

    def stats(self) -> dict[str, Any]:
        """Of the newest training: when, and on how many knees."""
        trainings = trained_weights(self.trained)
        return {"trainings": len(trainings), "newest": trainings[-1].name} if trainings else {}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train.

        Returns:
            Name of the training, its weights and how many knees it saw.

        Raises:
            KneeBundleError: if there are no labels that can be used, a setting cannot, or the training fails; then nothing is left.
        """
        settings = {name: _number(request, name, default) for name, default in DEFAULTS.items()}
        network = {"spacing_mm": _number(request, "spacing_mm", 0.3)} if request.get("spacing_mm") else {}
        start, weights_file = self._start(request)
        films = self._labelled(datastore)
        folder = new_training(self.trained)
        try:
            data = write_training_set(films, folder / "dataset")
            held_out = data.subjects >= FOLDS
            fold = 0 if held_out else -1
            self._top = {
                "dataset_dir": str(data.folder),
                "output_dir": str(folder),
                "start_weights": weights_file,
                "fold": fold,
                "folds": FOLDS,
                "learning_rate": float(settings["learning_rate"]),
                "batch_size": _batch_size(int(settings["batch_size"]), data, fold),
                "num_workers": 0,
                **network,
            }
            self._train({"multi_gpu": False, **request, "max_epochs": int(settings["max_epochs"])}, datastore)
        except KneeBundleError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / "checkpoint.pt").unlink(missing_ok=True)  # to go on from; that is not offered here
        weights = "model.pt" if held_out else "model_last.pt"
        remarks = {"knees": data.knees, "subjects": data.subjects, "refused": data.refused, "started_from": start}
        training = record_training(folder, weights, network, **remarks)
        return {"training": training.name, "weights": str(training.file), **remarks}

    def _train(self, request: dict[str, Any], datastore: Datastore) -> None:
        try:
            super().__call__(request, datastore)
        except Exception as error:  # of Ignite, of the configuration's parser, of torch
            logging.getLogger(__name__).exception("the training failed")
            raise KneeBundleError(f"the training failed: {_root_of(error)}; the lines before say where") from error

    def _start(self, request: Mapping[str, Any]) -> tuple[str, str]:
        """Name and file of the weights to start from; an empty file name: from random ones."""
        if not request.get("pretrained", True):
            return "random", ""
        names = request.get("start") or SHIPPED
        chosen = choose_weights(self.trained, str(names[0] if isinstance(names, list) else names))
        if chosen is None:
            return SHIPPED, str(self.bundle / "models" / "model.pt")
        return chosen.name, str(chosen.file)

    def _labelled(self, datastore: Datastore) -> list[LabelledFilm]:
        tag = DefaultLabelTag.FINAL.value
        films = []
        for image in sorted(datastore.get_labeled_images()):
            label = datastore.get_label_uri(datastore.get_label_by_image_id(image, tag), tag)
            if label.endswith(".json"):
                facts = FilmFacts.of(info_of(datastore, image), self.known)
                films.append(LabelledFilm(image, Path(datastore.get_image_uri(image)), Path(label), facts))
        return films

    def _fetch_datalist(self, request: Mapping[str, Any], datastore: Datastore) -> list[Any]:
        """Nothing: train.json reads the data set that was written."""
        return []

    def _partition_datalist(self, datalist: list[Any], request: Any, shuffle: bool = False) -> tuple[list[Any], None]:
        return datalist, None

    def _load_checkpoint(self, model_pytorch: str, pretrained: bool, train_handlers: list[Any]) -> None:
        """Nothing: train.json has ``start_weights``."""

    def _update_overrides(self, overrides: dict[str, Any]) -> dict[str, Any]:
        del overrides[self.const.key_train_dataset_data()]
        overrides.update(self._top)
        return overrides


def _batch_size(wanted: int, data: TrainingSet, fold: int) -> int:
    """As wanted, but no more than there are knees to train on, since a batch that is not full is dropped."""
    seen = len(knee_records(str(data.folder), "training", fold, FOLDS))
    if min(wanted, seen) < 2:
        raise KneeBundleError(
            f"there are {seen} knees to train on and batch_size is {wanted}; a batch needs two knees (batch normalisation)"
        )
    return min(wanted, seen)


def _root_of(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _number(request: Mapping[str, Any], name: str, default: float) -> float:
    value = request.get(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise KneeBundleError(f"{name} is {value!r}; a positive number is needed")
    return number
