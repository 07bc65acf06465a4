"""Active learning: the score of an image is the confidence of its prediction, and the least confident comes next."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy

from kneebundle.errors import KneeBundleError
from kneebundle.label_app.datastore import get_info
from kneebundle.label_app.image_facts import ADVICE
from kneebundle.label_app.infer import PipelineTask
from kneebundle.label_app.scores import INFO_KEY, choose_image, score_prediction

__all__ = ["STRATEGY", "ConfidenceScoring", "LeastConfident"]

STRATEGY = "least_confident"
MAX_SAMPLES = 100
"""Images that one run scores if nobody says otherwise; the next run goes on."""


class ConfidenceScoring(ScoringMethod):
    """Stores in the info of each image without a label how confident a model is of it.

    Images that these weights have scored, or failed on, are left out, unless what is known of them has changed. A
    request may say ``max_samples`` (0: all).

    Args:
        model: name of the model.
        task: the model.
        known: what is known of all images beside their own info.
    """

    def __init__(self, model: str, task: PipelineTask, known: Mapping[str, Any]) -> None:
        super().__init__(f"Confidence of {model}")
        self.model = model
        self.task = task
        self.known = known

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score; gives the number of images, and how long it took."""
        start = time.perf_counter()
        digest = self.task.get_weights_digest()
        images = datastore.get_unlabeled_images()
        waiting = [image for image in images if not self._is_scored(datastore, image, digest)]
        most = int(request.get("max_samples", MAX_SAMPLES))
        chosen = waiting[:most] if most > 0 else waiting
        for image in chosen:
            facts = self._get_facts(datastore, image)
            score = {**self._score(datastore, image, facts), "weights": digest, "facts": facts}
            datastore.refresh()  # labels may have come in since
            if image in datastore.list_images():
                scores = {**get_info(datastore, image).get(INFO_KEY, {}), self.model: score}
                datastore.update_image_info(image, {INFO_KEY: scores})
        latency = round(time.perf_counter() - start, 2)
        counts = {"total": len(images), "skipped": len(images) - len(chosen), "executed": len(chosen)}
        return {**counts, "latency": latency}

    def _get_facts(self, datastore: Datastore, image: str) -> dict[str, Any]:
        known = {**self.known, **get_info(datastore, image)}
        return {name: known[name] for name in ("spacing_mm", "side", "view") if name in known}

    def _is_scored(self, datastore: Datastore, image: str, digest: str) -> bool:
        known = get_info(datastore, image).get(INFO_KEY, {}).get(self.model, {})
        return known.get("weights") == digest and known.get("facts") == self._get_facts(datastore, image)

    def _score(self, datastore: Datastore, image: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        try:
            prediction = self.task.predict(Path(datastore.get_image_uri(image)), facts)
            return {"score": round(score_prediction(prediction), 4)}
        except KneeBundleError as error:
            logging.getLogger(__name__).warning("%s is not scored: %s", image, error)
            return {"refused": error.advised(ADVICE)}


class LeastConfident(Strategy):
    """The image without a label of which the model is least confident; at random where none has a score.

    A request may say ``model``.

    Args:
        model: whose scores count if the request does not say.
    """

    def __init__(self, model: str) -> None:
        super().__init__("The image that the model is least confident of")
        self.model = model

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """Choose; gives ``{"id": ...}`` with the score of the image, None if there is no image left."""
        datastore.refresh()
        model = str(request.get("model") or self.model)
        infos = {image: get_info(datastore, image) for image in datastore.get_unlabeled_images()}
        image = choose_image(infos, model, str(request.get("strategy") or STRATEGY))
        return None if image is None else {"id": image, **infos[image].get(INFO_KEY, {}).get(model, {})}
