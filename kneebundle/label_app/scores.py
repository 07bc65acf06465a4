"""How confident the networks are of an image, and which image a person should look at next."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.results import LateralResult, Prediction

__all__ = ["INFO_KEY", "choose_image", "score_prediction", "read_score"]

INFO_KEY = "confidence"
"""Key of an image's info with its scores: for each model ``score`` and ``weights``, or ``refused``."""


def score_prediction(prediction: Prediction) -> float:
    """Score a prediction: the mean confidence of the landmarks of its least confident knee.

    Returns:
        From 0 to 1; 0 where a knee, or the plan, was not found.

    Raises:
        KneeBundleError: if the image does not show what the network is for.
    """
    if isinstance(prediction, LateralResult):
        if prediction.landmarks is None:
            raise KneeBundleError(str(prediction.plan.refused))
        confidences = [None if prediction.plan.refused else prediction.landmarks.confidence]
    else:
        confidences = [None if k.landmarks is None else k.landmarks.confidence for k in prediction.knees]
    return min((0.0 if c is None else float(np.mean(c)) for c in confidences), default=0.0)


def read_score(info: Mapping[str, Any], model: str) -> float | None:
    """Read the score that a model gave the image of this info; None: none yet, NaN: the image could not be read."""
    known = info.get(INFO_KEY, {}).get(model)
    if known is None:
        return None
    return math.nan if known.get("refused") else float(known["score"])


def choose_image(
    infos: Mapping[str, Mapping[str, Any]], model: str, strategy: str, seed: int | None = None
) -> str | None:
    """Choose the image to label next: the lowest score among those not given out yet, then those given out longest ago.

    Where no image has a score, any, at random. Images that could not be read are never chosen.

    Args:
        infos: of the images without a label, by their ids.
        model: whose scores count.
        strategy: name under which MONAI Label keeps in the info when an image was given out.
        seed: of the random choice.

    Returns:
        The id; None if there is none to choose from.
    """
    scores = {image: read_score(info, model) for image, info in infos.items()}
    readable = {image: score for image, score in scores.items() if score is None or not math.isnan(score)}
    given = {image: _get_time_given(infos[image], strategy) for image in readable}
    scored = {image: score for image, score in readable.items() if score is not None}
    if scored:
        return min(scored, key=lambda image: (given[image], scored[image], image))
    waiting = [image for image in sorted(readable) if not given[image]]
    return _choose_any(waiting or sorted(readable), seed)


def _get_time_given(info: Mapping[str, Any], strategy: str) -> float:
    return float(info.get("strategy", {}).get(strategy, {}).get("ts", 0))


def _choose_any(images: Sequence[str], seed: int | None) -> str | None:
    return random.Random(seed).choice(images) if images else None
