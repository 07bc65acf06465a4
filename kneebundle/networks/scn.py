"""SpatialConfiguration-Net: local appearance times spatial configuration (Payer et al. 2016, 2019)."""

import math

import torch
from monai.networks.blocks import Convolution
from monai.networks.layers.factories import Conv, Dropout, Pool
from torch import nn
from torch.nn import functional

__all__ = ["LocalAppearance", "PairFilters", "SpatialConfigurationNet", "SpatialStack", "check_divisible"]

NEGATIVE_SLOPE = 0.1


class LocalAppearance(nn.Module):
    """U-Net-like network with average pooling, linear up-sampling and sums instead of concatenations.

    An entry convolution; on each level two convolutions with a dropout between them, then 1/2 average pooling to the
    level below; back up, each level's result passes one more convolution and what comes up from below is added to it.
    All levels have the same width, and there is no normalisation.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        features: width of every convolution.
        levels: number of resolutions; the image's sides are multiples of 2^(levels - 1).
        kernel: size of the convolutions.
        dropout: rate between the two convolutions of a level.
    """

    def __init__(
        self, spatial_dims: int, in_channels: int, features: int, levels: int, kernel: int = 3, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.entry = _conv(spatial_dims, in_channels, features, kernel)
        self.contracting = nn.ModuleList(
            nn.Sequential(
                _conv(spatial_dims, features, features, kernel),
                Dropout[Dropout.DROPOUT, 1](dropout),
                _conv(spatial_dims, features, features, kernel),
            )
            for _ in range(levels)
        )
        self.parallel = nn.ModuleList(_conv(spatial_dims, features, features, kernel) for _ in range(levels))
        self.pool = Pool[Pool.AVG, spatial_dims](2)
        self.up = nn.Upsample(scale_factor=2, mode=_linear(spatial_dims), align_corners=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features (B, features, *S) of images (B, in_channels, *S)."""
        node = self.entry(image)
        sides: list[torch.Tensor] = []
        for contract, side in zip(self.contracting, self.parallel):  # noqa: B905, TorchScript knows no strict
            if len(sides) > 0:
                node = self.pool(node)
            node = contract(node)
            sides.append(side(node))
        features = sides[-1]
        for i in range(len(sides) - 2, -1, -1):
            features = sides[i] + self.up(features)
        return features


class SpatialStack(nn.Module):
    """Spatial configuration of the journal version: three convolutions with large kernels, one more to N maps, tanh.

    Args:
        spatial_dims: 2 or 3.
        num_landmarks: N, channels of input and output.
        features: width of the three convolutions.
        kernel: size of all four.
    """

    def __init__(self, spatial_dims: int, num_landmarks: int, features: int, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(spatial_dims, num_landmarks, features, kernel),
            _conv(spatial_dims, features, features, kernel),
            _conv(spatial_dims, features, features, kernel),
        )
        self.last = Conv[Conv.CONV, spatial_dims](features, num_landmarks, kernel, padding=kernel // 2)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Where each landmark is expected, (B, N, *S) in (-1, 1), from the appearance maps (B, N, *S)."""
        return torch.tanh(self.last(self.body(maps)))


class PairFilters(nn.Module):
    """Spatial configuration of the first version (Payer et al. 2016): a filter for each pair of landmarks.

    Filter (i, j) carries landmark j's appearance map to where landmark i is to be expected; the maps that arrive are
    added up. As in the authors' release a landmark has no filter on itself, and nothing is done to the sum.

    Args:
        spatial_dims: 2 or 3.
        num_landmarks: N, channels of input and output.
        kernel: size of the filters.
    """

    others: torch.Tensor

    def __init__(self, spatial_dims: int, num_landmarks: int, kernel: int) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        self.padding = kernel // 2
        self.last = Conv[Conv.CONV, spatial_dims](num_landmarks, num_landmarks, kernel, padding=kernel // 2)
        others = 1.0 - torch.eye(num_landmarks).reshape(num_landmarks, num_landmarks, *[1] * spatial_dims)
        self.register_buffer("others", others, persistent=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Where each landmark is expected, (B, N, *S), from the appearance maps (B, N, *S)."""
        weight = self.last.weight * self.others
        if self.spatial_dims == 3:
            return functional.conv3d(maps, weight, self.last.bias, padding=self.padding)
        return functional.conv2d(maps, weight, self.last.bias, padding=self.padding)


class SpatialConfigurationNet(nn.Module):
    """Heatmaps as the product of what a place looks like and where it lies among the others (Payer et al. 2019, eq. 1).

    Local appearance gives h_LA, accurate but possibly with several candidates; h_LA is average-pooled, passes the
    spatial configuration and comes back up as h_SC, coarse but unambiguous; h = h_LA * h_SC. Both factors must be high
    at the landmark and only one of them must be silent everywhere else. Everything is for 2-D and 3-D alike.

    The defaults are those of the journal version (Medical Image Analysis 54, 2019) and its release in 2-D.
    ``spatial="pairs"`` has the filters of the first version (MICCAI 2016); with ``levels=1, local_kernel=5,
    spatial_downsampling=8, spatial_kernel=15`` the appearance is about that of then, too. In 3-D 11^3 kernels of 128
    channels are more than most machines can carry: the kernel's reach is spatial_kernel * spatial_downsampling voxels,
    so choose what the anatomy needs, for instance 5 at a sixteenth.

    h_LA is linear, h_SC ends in tanh (``"pairs"``: linear). Convolutions pad with zeros and end in a leaky ReLU of
    slope 0.1; weights start as He et al. (2015) and biases at 0, but those of the layers that give h_LA and h_SC with
    normal weights of the tiny ``initial_deviation``: both factors then start near 0 and grow together. Exactly 0 has no
    gradient; from large values on, training has first to undo the product of two wrong maps. In between, up to about
    that of He, Adam minds little.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        num_landmarks: N.
        features: width of the local appearance.
        levels: resolutions of the local appearance.
        spatial_features: width of the spatial configuration (``"stack"``).
        spatial_downsampling: image pixels to a cell of the spatial configuration, along each axis.
        spatial: ``"stack"`` or ``"pairs"``.
        spatial_kernel: size of the spatial configuration's kernels, odd; the papers' are 11 (``"stack"``) and 15
            (``"pairs"``).
        spatial_upsampling: ``"cubic"`` (2-D only; the paper) or ``"linear"``; None: cubic in 2-D, linear in 3-D.
        local_kernel: size of the local appearance's kernels, odd.
        dropout: rate in the local appearance.
        initial_deviation: of the last layers' weights.

    Raises:
        ValueError: for an unknown choice, an even kernel, a number that is too small, or, in forward, an image whose
            sides are not multiples of ``divisor``.

    Example:
        >>> import torch
        >>> network = SpatialConfigurationNet(
        ...     spatial_dims=2, in_channels=1, num_landmarks=37, features=8, spatial_features=8
        ... )
        >>> network(torch.zeros(1, 1, 64, 48)).shape
        torch.Size([1, 37, 64, 48])
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_landmarks: int,
        features: int = 128,
        levels: int = 4,
        spatial_features: int = 128,
        spatial_downsampling: int = 16,
        spatial: str = "stack",
        spatial_kernel: int = 11,
        spatial_upsampling: str | None = None,
        local_kernel: int = 3,
        dropout: float = 0.5,
        initial_deviation: float = 1e-4,
    ) -> None:
        super().__init__()
        _check_choices(spatial_dims, levels, spatial_downsampling, spatial_kernel, local_kernel, initial_deviation)
        mode = _upsampling_mode(spatial_dims, spatial_upsampling)
        self.divisor = math.lcm(2 ** (levels - 1), spatial_downsampling)
        self.appearance = LocalAppearance(spatial_dims, in_channels, features, levels, local_kernel, dropout)
        self.local_heatmaps = Conv[Conv.CONV, spatial_dims](
            features, num_landmarks, local_kernel, padding=local_kernel // 2
        )
        self.down = Pool[Pool.AVG, spatial_dims](spatial_downsampling)
        if spatial == "stack":
            self.configuration: nn.Module = SpatialStack(spatial_dims, num_landmarks, spatial_features, spatial_kernel)
        elif spatial == "pairs":
            self.configuration = PairFilters(spatial_dims, num_landmarks, spatial_kernel)
        else:
            raise ValueError(f"spatial is 'stack' or 'pairs', got {spatial!r}")
        self.up = nn.Upsample(scale_factor=spatial_downsampling, mode=mode, align_corners=False)
        initialise_he(self)
        initialise_tiny(self.local_heatmaps, initial_deviation)
        initialise_tiny(self.configuration.get_submodule("last"), initial_deviation)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Heatmaps (B, N, *S) of images (B, in_channels, *S)."""
        return self.components(image)[2]

    @torch.jit.export
    def components(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Both factors and their product.

        Args:
            image: (B, in_channels, *S).

        Returns:
            h_LA, h_SC and h, each (B, N, *S).
        """
        check_divisible(image, self.divisor)
        local = self.local_heatmaps(self.appearance(image))
        spatial = self.up(self.configuration(self.down(local)))
        return local, spatial, local * spatial


def check_divisible(image: torch.Tensor, divisor: int) -> None:
    """Raise ValueError unless every side of ``image`` (B, C, *S) is a multiple of ``divisor``."""
    for size in image.shape[2:]:
        if size % divisor != 0 or size == 0:
            raise ValueError(
                f"this network takes images whose sides are multiples of {divisor}, got {list(image.shape[2:])}; "
                f"resample, crop or pad them (MONAI's DivisiblePadd with k={divisor})"
            )


def initialise_he(module: nn.Module, negative_slope: float = NEGATIVE_SLOPE) -> None:
    """Start all convolutions of ``module`` as He et al. (2015), with biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight, a=negative_slope, nonlinearity="leaky_relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def initialise_tiny(layer: nn.Module, deviation: float) -> None:
    """Start the weights of one convolution as normal, of a given deviation."""
    nn.init.normal_(layer.get_parameter("weight"), std=deviation)


def _conv(spatial_dims: int, in_channels: int, out_channels: int, kernel: int) -> nn.Module:
    """Convolution that keeps the size, and a leaky ReLU."""
    act = ("leakyrelu", {"negative_slope": NEGATIVE_SLOPE, "inplace": True})
    return Convolution(spatial_dims, in_channels, out_channels, kernel_size=kernel, act=act, norm=None)


def _linear(spatial_dims: int) -> str:
    return "bilinear" if spatial_dims == 2 else "trilinear"


def _upsampling_mode(spatial_dims: int, spatial_upsampling: str | None) -> str:
    if spatial_upsampling == "linear" or (spatial_upsampling is None and spatial_dims == 3):
        return _linear(spatial_dims)
    if spatial_upsampling in ("cubic", None) and spatial_dims == 2:
        return "bicubic"
    raise ValueError(f"spatial_upsampling is 'linear' or, in 2-D, 'cubic', got {spatial_upsampling!r}")


def _check_choices(
    spatial_dims: int, levels: int, spatial_downsampling: int, spatial_kernel: int, local_kernel: int, deviation: float
) -> None:
    if spatial_dims not in (2, 3):
        raise ValueError(f"spatial_dims is 2 or 3, got {spatial_dims}")
    if levels < 1 or spatial_downsampling < 1:
        raise ValueError(f"levels and spatial_downsampling are at least 1, got {levels} and {spatial_downsampling}")
    if spatial_kernel % 2 == 0 or local_kernel % 2 == 0:
        raise ValueError(f"kernels are odd, so that they have a centre, got {spatial_kernel} and {local_kernel}")
    if not deviation > 0:
        raise ValueError(f"initial_deviation is positive, got {deviation}: at 0 neither factor has a gradient")
