"""VGG16's features up to its 22nd layer, the published backbone of parts-based registration (Tiirola 2023)."""

from pathlib import Path

import torch
from torch import nn

from kneebundle.networks.features import FeatureExtractor

__all__ = ["VGG16_URL", "VGGFeatures"]

VGG16_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
_CHANNELS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512)
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class VGGFeatures(FeatureExtractor):
    """``features[0]`` to ``features[22]`` of torchvision's VGG16 (Simonyan and Zisserman 2015).

    Of 224 x 224 pixels they are 28 x 28 x 512.

    "The 22th layer" is taken to be ``features[22]``, counted from 0 as torchvision does: the ReLU after conv4_3.
    Counted from 1 it would be the convolution before it, whose values may be negative, and then the heatmaps would not
    be in [0, 1] as equation 1 says. The state dict has torchvision's keys (``features.0.weight`` ...
    ``features.21.bias``).

    Grey images in [-1, 1] become three equal channels, normalised as ImageNet's were.

    Args:
        weights: the official file, ``vgg16-397923af.pth``; ``"download"``: fetch it by torch.hub; empty: random
            weights, to be loaded.

    Raises:
        FileNotFoundError: if the file is not there.
        RuntimeError: if it is not a VGG16.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, weights: str | Path = "") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for step in _CHANNELS:
            if isinstance(step, str):
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(channels, step, 3, padding=1), nn.ReLU(inplace=True)]
                channels = step
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1), persistent=False)
        if str(weights):
            self._load(weights)
        self.freeze()

    def describe(self, image: torch.Tensor, cells: int) -> torch.Tensor:
        """(B, 512, cells, cells), not negative."""
        return self.features(((image + 1) / 2 - self.mean) / self.deviation)

    def _load(self, weights: str | Path) -> None:
        if str(weights) == "download":
            state = torch.hub.load_state_dict_from_url(VGG16_URL, map_location="cpu", weights_only=True)
        else:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        own = self.state_dict()
        self.load_state_dict({name: value for name, value in state.items() if name in own})
