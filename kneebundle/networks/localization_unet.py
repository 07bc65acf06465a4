"""A plain U-Net as heatmap regressor, the baseline of the SpatialConfiguration-Net (Payer et al. 2019, section 3)."""

from __future__ import annotations

import torch
from monai.networks.nets import BasicUNet
from torch import nn

from kneebundle.networks.scn import check_divisible, initialise_he, initialise_tiny

__all__ = ["LocalizationUNet"]


class LocalizationUNet(nn.Module):
    """MONAI's BasicUNet with a heatmap for each landmark.

    As the paper's localization U-Net it has five levels of equal width, no normalisation, and He initialisation, but
    for the last layer, whose weights start normal, of the tiny ``initial_deviation``. It differs in BasicUNet's ways:
    leaky ReLU of slope 0.1, max pooling, and 1x1 convolutions of half the width before each linear up-sampling.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        num_landmarks: N.
        features: width of all 3x3 convolutions.
        dropout: rate after each convolution.
        norm: normalisation, as BasicUNet takes it; None: none, as in the paper.
        initial_deviation: of the last layer's weights.

    Raises:
        ValueError: in forward, for an image whose sides are not multiples of 16.

    Example:
        >>> import torch
        >>> network = LocalizationUNet(spatial_dims=2, in_channels=1, num_landmarks=16, features=8)
        >>> network(torch.zeros(1, 1, 32, 48)).shape
        torch.Size([1, 16, 32, 48])
    """

    divisor = 16

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_landmarks: int,
        features: int = 128,
        dropout: float = 0.0,
        norm: str | None = None,
        initial_deviation: float = 1e-4,
    ) -> None:
        super().__init__()
        self.unet = BasicUNet(
            spatial_dims,
            in_channels,
            num_landmarks,
            features=(features,) * 6,
            norm=norm,  # type: ignore[arg-type]
            dropout=dropout,
            upsample="nontrainable",
        )
        for module in self.unet.modules():
            if isinstance(module, nn.Upsample):
                module.align_corners = False  # BasicUNet's True stretches: an object would look different in each place
        initialise_he(self)
        initialise_tiny(self.unet.final_conv, initial_deviation)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Heatmaps (B, N, *S) of images (B, in_channels, *S)."""
        check_divisible(image, 16)
        return self.unet(image)
