"""What a selection of parts starts from: pretrained features and a reference image from the data set."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.inferers import SimpleInferer
from monai.transforms import Transform

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.inferers.autocast import AutocastInferer
from kneebundle.networks.features import FeatureExtractor, HourglassFeatures
from kneebundle.networks.parts import PartsNet

__all__ = ["FrozenFeaturesd", "SelectionInferer", "find_most_typical", "load_pretrained_features", "start_parts"]

_CALIBRATED_ON = 64


class FrozenFeaturesd(Transform):
    """Put the features V of ``image`` under ``features``, (C, cells, cells).

    They are frozen, so that once is enough for a whole training.

    Args:
        network: ready, see :func:`start_parts`.
        dtype: see :class:`~kneebundle.inferers.AutocastInferer`; the features themselves are float32.
        memory_format: the same.
    """

    def __init__(
        self, network: PartsNet, dtype: str | None = None, memory_format: str | torch.memory_format = "contiguous"
    ) -> None:
        self.network = network
        self.infer = AutocastInferer(dtype, memory_format)

    @torch.no_grad()
    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the features."""
        image = _get_image(data).unsqueeze(0).to(self.network.places.device)
        return {**data, "features": self.infer(image, self.network.extractor, self.network.cells)[0]}


class SelectionInferer(SimpleInferer):
    """Inferer that gives the heatmaps (B, N, H, W) of the parts from features (B, C, H, W), without the images."""

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Give the heatmaps of features."""
        return network.heatmaps(inputs)


def load_pretrained_features(extractor: FeatureExtractor, weights: str | Path) -> FeatureExtractor:
    """Load the weights of a landmark network, or of another PartsNet, into the features.

    Features that bring weights of their own stay as they are.

    Args:
        extractor: changed in place.
        weights: a file with a state_dict.

    Returns:
        The extractor.

    Raises:
        KneeBundleError: if the file is missing or of another architecture.
    """
    if not isinstance(extractor, HourglassFeatures):
        return extractor
    path = Path(weights)
    if not path.is_file():
        raise KneeBundleError("there are no such weights for the features; give those of a landmark network", path)
    try:
        extractor.load_landmark_network(torch.load(path, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise KneeBundleError(f"these weights are of another network ({in_brief(error)})", path) from error
    return extractor


def start_parts(network: PartsNet, dataset: Any, weights: str | Path, reference: str = "") -> PartsNet:
    """Prepare a network for the selection of its parts.

    Args:
        network: as its config defines it.
        dataset: items with ``image`` (1, S, S), ``landmarks`` (16, 2) in [0, 1) if known, and ``path``.
        weights: of the landmark network that the features come from, or of a PartsNet that has them.
        reference: end of the path of the reference image; empty: the most typical of the first images.

    Returns:
        The network, with its reference, the reference's landmarks, and features calibrated on the first images.

    Raises:
        KneeBundleError: if there is no such reference.
    """
    load_pretrained_features(network.extractor, weights)
    images = torch.stack([_get_image(dataset[i]) for i in range(min(_CALIBRATED_ON, len(dataset)))])
    if isinstance(network.extractor, HourglassFeatures):
        network.extractor.calibrate(images)
    if reference:
        chosen = next((item for item in dataset if str(item["path"]).endswith(reference)), None)
        if chosen is None:
            raise KneeBundleError(f"no image of the training data ends with {reference!r}; choose another reference")
    else:
        chosen = dataset[find_most_typical(network, images)]
    logging.getLogger(__name__).info("the reference is %s", chosen["path"])
    network.set_reference(_get_image(chosen).unsqueeze(0))
    if "landmarks" in chosen:
        network.landmarks.copy_(torch.as_tensor(chosen["landmarks"]) * 2 - 1)
    return network


@torch.no_grad()
def find_most_typical(network: PartsNet, images: torch.Tensor) -> int:
    """Find the image, of (B, 1, S, S), whose features are most like the mean of all, cell by cell.

    Returns:
        Its place.
    """
    features = torch.cat([network.extractor(image.unsqueeze(0), network.cells) for image in images])
    return int((features * features.mean(0)).sum(1).mean((1, 2)).argmax())


def _get_image(item: Any) -> torch.Tensor:
    return torch.as_tensor(item["image"]).as_subclass(torch.Tensor).float()
