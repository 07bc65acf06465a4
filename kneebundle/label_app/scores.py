"""How sure the networks are of a film, and which film a person should look at next."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.inference.results import Answer, LateralResult

__all__ = ["INFO_KEY", "choose_film", "film_score", "score_in"]

INFO_KEY = "confidence"
"""Where an image's info holds its scores: for each model ``score`` and ``weights``, or ``refused``."""


def film_score(answer: Answer) -> float:
    """From 0 to 1: the mean confidence of the landmarks of the least sure knee; 0 where a knee, or the plan, was not found.

    Raises:
        KneeBundleError: if the film is none for the network that was asked.
    """
    if isinstance(answer, LateralResult):
        if answer.landmarks is None:
            raise KneeBundleError(str(answer.plan.refused))
        confidences = [None if answer.plan.refused else answer.landmarks.confidence]
    else:
        confidences = [None if k.landmarks is None else k.landmarks.confidence for k in answer.knees]
    return min((0.0 if c is None else float(np.mean(c)) for c in confidences), default=0.0)


def score_in(info: Mapping[str, Any], model: str) -> float | None:
    """The score that a model gave the image of this info; None: none yet, NaN: it could not be read."""
    known = info.get(INFO_KEY, {}).get(model)
    if known is None:
        return None
    return math.nan if known.get("refused") else float(known["score"])


def choose_film(
    infos: Mapping[str, Mapping[str, Any]], model: str, strategy: str, seed: int | None = None
) -> str | None:
    """The image to label next: the one of the lowest score among those that were not given out yet, then those given out longest ago.

    Where no image has a score, any, at random. Images that could not be read are never chosen.

    Args:
        infos: of the images without a label, by their ids.
        model: whose scores count.
        strategy: name under which MONAI Label keeps in the info when an image was given out.
        seed: of the random choice.

    Returns:
        The id; None if there is none to choose from.
    """
    scores = {image: score_in(info, model) for image, info in infos.items()}
    readable = {image: score for image, score in scores.items() if score is None or not math.isnan(score)}
    given = {image: _given_out(infos[image], strategy) for image in readable}
    scored = {image: score for image, score in readable.items() if score is not None}
    if scored:
        return min(scored, key=lambda image: (given[image], scored[image], image))
    waiting = [image for image in sorted(readable) if not given[image]]
    return _any_of(waiting or sorted(readable), seed)


def _given_out(info: Mapping[str, Any], strategy: str) -> float:
    return float(info.get("strategy", {}).get(strategy, {}).get("ts", 0))


def _any_of(images: Sequence[str], seed: int | None) -> str | None:
    return random.Random(seed).choice(images) if images else None
