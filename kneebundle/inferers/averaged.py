"""Heatmaps averaged over several views of an image (test-time augmentation)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from kneebundle.inferers.autocast import AutocastInferer
from kneebundle.inferers.landmarks import HeatmapInferer
from kneebundle.networks.heatmaps import decode_heatmaps
from kneebundle.transforms.homography import apply_homography

__all__ = ["AveragedHeatmapInferer"]


class AveragedHeatmapInferer(HeatmapInferer):
    """Predict heatmaps of an image rotated and scaled about its middle, and decode their mean.

    The heatmaps of each view are transformed back before the mean is taken, so the points are in the frame of the
    image. With one view, 0 degrees and factor 1, it is a :class:`HeatmapInferer`. The time grows with the number of
    views.

    Args:
        rotations_deg: angles of the views; each is combined with each of ``scales``.
        scales: factors of the size, about 1.
        either_polarity: predict on each image as it is and inverted, and keep the one that the network is more
            confident of. Images have to be scaled symmetrically about 0.
        kwargs: those of :class:`HeatmapInferer`.

    Raises:
        ValueError: without an angle or a factor, or with one that is not positive.
    """

    def __init__(
        self,
        rotations_deg: Sequence[float] = (0.0,),
        scales: Sequence[float] = (1.0,),
        either_polarity: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not rotations_deg or not scales or min(scales) <= 0:
            raise ValueError(f"views need angles and positive factors, got {rotations_deg} and {scales}")
        self.either_polarity = either_polarity
        self.views = [(float(angle), float(scale)) for angle in rotations_deg for scale in scales]

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Predict on images (B, C, H, W); gives (B, N, 3), x and y in [0, 1) and confidence in (0, 1]."""
        images = inputs.as_subclass(torch.Tensor)
        if self.either_polarity:
            sure, inverted = (
                super(AveragedHeatmapInferer, self).__call__(seen, network, *args, **kwargs)[..., -1].mean(dim=1)
                for seen in (images, -images)
            )
            images = torch.where((inverted > sure)[:, None, None, None], -images, images)
        total: Any = 0.0
        for angle, scale in self.views:
            total = total + self._predict_view(images, angle, scale, network, *args, **kwargs)
        points, confidence = decode_heatmaps(
            total / len(self.views), self.method, height=self.height, confidence_spread=self.confidence_spread
        )
        return torch.cat([points, confidence.unsqueeze(-1)], dim=-1)

    def _predict_view(
        self,
        images: torch.Tensor,
        angle: float,
        scale: float,
        network: Callable[..., torch.Tensor],
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        """The heatmaps (B, N, H, W) of one view, back in the frame of the images."""
        if (angle, scale) == (0.0, 1.0):
            return AutocastInferer.__call__(self, images, network, *args, **kwargs).float()
        matrix = _make_homography(angle, scale, images.shape[-1] / images.shape[-2])
        seen = torch.stack([apply_homography(image, matrix, "border") for image in images])
        heatmaps = AutocastInferer.__call__(self, seen, network, *args, **kwargs).float()
        back = torch.linalg.inv(matrix)
        return torch.stack([apply_homography(maps, back, "zeros") for maps in heatmaps])


def _make_homography(angle_deg: float, scale: float, aspect: float) -> torch.Tensor:
    """Make the homography of [-1, 1]^2 that rotates and scales an image, ``aspect`` times as wide as high."""
    cosine, sine = scale * math.cos(math.radians(angle_deg)), scale * math.sin(math.radians(angle_deg))
    return torch.tensor([[cosine, -sine / aspect, 0.0], [sine * aspect, cosine, 0.0], [0.0, 0.0, 1.0]])
