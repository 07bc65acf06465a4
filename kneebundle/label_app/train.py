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

from kneebundle.datasets.knees import read_knees
from kneebundle.errors import KneeBundleError
from kneebundle.label_app.datastore import get_info
from kneebundle.label_app.image_facts import ImageFacts
from kneebundle.label_app.training_set import LabelledImage, TrainingSet, write_training_set
from kneebundle.label_app.weights import (
    SHIPPED,
    choose_weights,
    list_trained_weights,
    make_training_folder,
    record_training,
)

__all__ = ["LandmarkTraining"]

FOLDS = 5
DEFAULTS = {"max_epochs": 30, "batch_size": 4, "learning_rate": 1e-4}


class _Keys(BundleConstants):
    """max_epochs stands at the top of train.json, where the learning rate's schedule sees it, too."""

    def key_train_trainer_max_epochs(self) -> str:
        return "max_epochs"


class LandmarkTraining(BundleTrainTask):
    """Goes on training the network of ``knee_landmark_localization`` with the images whose label has the tag ``final``.

    The data set, the log and the weights go into a folder of their own, ``trained/.../<time>/``; the bundle is only
    read. One fold in five, by subject, is kept apart to choose the best weights where there are five subjects or more;
    below that the last weights count. Requests may say ``max_epochs``, ``batch_size``, ``learning_rate``,
    ``spacing_mm`` of the network's pixels, ``start`` (``"shipped"``, ``"trained"`` or the name of a training),
    ``pretrained`` false for random weights, and ``device``.

    Args:
        bundle: folder of the bundle in the app.
        trained: folder of the trainings.
        known: what is known of all images beside their own info.
    """

    def __init__(self, bundle: Path, trained: Path, known: Mapping[str, Any]) -> None:
        super().__init__(str(bundle), {}, const=_Keys())
        self.bundle = bundle
        self.trained = trained
        self.known = known
        self._top: dict[str, Any] = {}

    def config(self) -> dict[str, Any]:
        """List what a client may choose from; the first of a list is the default."""
        starts = [SHIPPED, *(training.name for training in reversed(list_trained_weights(self.trained)))]
        return {**DEFAULTS, "device": device_list(), "pretrained": True, "start": starts}

    def stats(self) -> dict[str, Any]:
        """Count the trainings, and name the newest."""
        trainings = list_trained_weights(self.trained)
        return {"trainings": len(trainings), "newest": trainings[-1].name} if trainings else {}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train.

        Returns:
            Name of the training, its weights and how many knees it saw.

        Raises:
            KneeBundleError: if there are no labels that can be used, a setting cannot be used, or the training fails;
                then nothing is left.
        """
        settings = {name: _read_number(request, name, default) for name, default in DEFAULTS.items()}
        network = {"spacing_mm": _read_number(request, "spacing_mm", 0.3)} if request.get("spacing_mm") else {}
        start, weights_file = self._choose_start(request)
        images = self._list_labelled(datastore)
        folder = make_training_folder(self.trained)
        try:
            data = write_training_set(images, folder / "dataset")
            held_out = data.subjects >= FOLDS
            fold = 0 if held_out else -1
            self._top = {
                "dataset_dir": str(data.folder),
                "output_dir": str(folder),
                "start_weights": weights_file,
                "fold": fold,
                "folds": FOLDS,
                "learning_rate": float(settings["learning_rate"]),
                "batch_size": _choose_batch_size(int(settings["batch_size"]), data, fold),
                "num_workers": 0,
                **network,
            }
            self._train({"multi_gpu": False, **request, "max_epochs": int(settings["max_epochs"])}, datastore)
        except KneeBundleError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / "checkpoint.pt").unlink(missing_ok=True)  # to go on from; that is not offered here
        weights = "model.pt" if held_out else "model_last.pt"
        remarks = {"knees": data.knees, "subjects": data.subjects, "refused": data.skipped, "started_from": start}
        training = record_training(folder, weights, network, **remarks)
        return {"training": training.name, "weights": str(training.file), **remarks}

    def _train(self, request: dict[str, Any], datastore: Datastore) -> None:
        try:
            super().__call__(request, datastore)
        except Exception as error:  # of Ignite, of the configuration's parser, of torch
            logging.getLogger(__name__).exception("the training failed")
            raise KneeBundleError(f"the training failed: {_find_cause(error)}; the lines before say where") from error

    def _choose_start(self, request: Mapping[str, Any]) -> tuple[str, str]:
        """Choose name and file of the weights to start from; an empty file name: from random ones."""
        if not request.get("pretrained", True):
            return "random", ""
        names = request.get("start") or SHIPPED
        chosen = choose_weights(self.trained, str(names[0] if isinstance(names, list) else names))
        if chosen is None:
            return SHIPPED, str(self.bundle / "models" / "model.pt")
        return chosen.name, str(chosen.file)

    def _list_labelled(self, datastore: Datastore) -> list[LabelledImage]:
        tag = DefaultLabelTag.FINAL.value
        images = []
        for image in sorted(datastore.get_labeled_images()):
            label = datastore.get_label_uri(datastore.get_label_by_image_id(image, tag), tag)
            if label.endswith(".json"):
                facts = ImageFacts.from_mappings(get_info(datastore, image), self.known)
                images.append(LabelledImage(image, Path(datastore.get_image_uri(image)), Path(label), facts))
        return images

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


def _choose_batch_size(wanted: int, data: TrainingSet, fold: int) -> int:
    """Choose the batch size: no more than there are knees to train on, since a batch that is not full is dropped."""
    seen = len(read_knees(data.folder, "training", fold, FOLDS))
    if min(wanted, seen) < 2:
        raise KneeBundleError(
            f"there are {seen} knees to train on and batch_size is {wanted}; "
            "a batch needs two knees (batch normalisation)"
        )
    return min(wanted, seen)


def _find_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _read_number(request: Mapping[str, Any], name: str, default: float) -> float:
    value = request.get(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise KneeBundleError(f"{name} is {value!r}; a positive number is needed")
    return number
