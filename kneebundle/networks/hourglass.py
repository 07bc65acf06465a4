"""The KNEEL landmark network: entry block, recursive hourglass, output block, soft-argmax (Tiulpin et al. 2019)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from kneebundle.networks.blocks import conv_bn_relu, residual_block
from kneebundle.networks.soft_argmax import SoftArgmax

__all__ = ["HourglassLandmarkNet"]


class HourglassLevel(nn.Module):
    """One level of the hourglass: pool, three blocks, the level below, one block; up again and add the skip path.

    Without a skip path the output stays at the level's own, pooled resolution.
    """

    def __init__(self, width: int, depth: int, block: str, upsampling: str, skip: bool = True) -> None:
        super().__init__()
        narrow, wide = 4 * width, 8 * width
        self.has_skip = skip
        self.upsampling = upsampling
        self.lower = nn.Sequential(*[residual_block(block, narrow, narrow) for _ in range(3)])
        if depth > 1:
            self.inner: nn.Module = HourglassLevel(width, depth - 1, block, upsampling)
            inner_width = wide
        else:
            self.inner = residual_block(block, narrow, narrow)
            inner_width = narrow
        self.merge = residual_block(block, inner_width, wide)
        self.skip: nn.Module = nn.Identity()
        if skip:
            self.skip = nn.Sequential(
                residual_block(block, narrow, narrow),
                residual_block(block, narrow, narrow),
                residual_block(block, narrow, wide),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lower = self.merge(self.inner(self.lower(functional.max_pool2d(x, 2))))
        if not self.has_skip:
            return lower
        size = [x.shape[-2], x.shape[-1]]
        if self.upsampling == "nearest":
            lower = functional.interpolate(lower, size=size, mode="nearest")
        else:
            lower = functional.interpolate(lower, size=size, mode="bilinear", align_corners=False)
        return self.skip(x) + lower


class HourglassLandmarkNet(nn.Module):
    """Hourglass with HMP blocks and soft-argmax that predicts landmark coordinates (KNEEL section 3.1, Figure 4).

    Channels, with N the ``width``: entry N, 2N, pool, 2N, 2N, 4N; every level pool, 4N, 4N, 4N; every skip path 4N, 4N,
    8N; the bottom 4N; one 8N block before each up-sampling; output 8N, 4N, ``num_landmarks``.

    Figure 4 reads the maps out at 1/8 of the input; the authors' release, with one skip path more, above the first
    pooling of the hourglass, at 1/4. The latter is the default: at 0.3 mm a cell of the map is then 1.2 mm, not 2.4 mm.

    Args:
        num_landmarks: number M of landmarks.
        in_channels: channels of the input image.
        width: N; the paper's is 24.
        depth: number d of poolings inside the hourglass; the paper's is 6.
        block: ``"hmp"`` or ``"bottleneck"``.
        upsampling: ``"nearest"`` (the paper) or ``"bilinear"`` (the release).
        output_stride: 4 (the release) or 8 (Figure 4): input pixels to a cell of the maps.
        dropout: rate of the two dropouts of the output block.
        beta: factor on the maps before the softmax.
        cell_centers: decode to cell centres; False is the paper's i / W (see :class:`SoftArgmax`).
        confidence_spread: the map spread, as a fraction of the image's width, at which the confidence is one half.

    Raises:
        ValueError: for an unknown ``block``, ``upsampling`` or ``output_stride``, a ``depth`` below 1, or, in forward,
            an image too small for the number of poolings.

    Example:
        >>> import torch
        >>> network = HourglassLandmarkNet(num_landmarks=16, width=4, depth=2).eval()
        >>> network(torch.zeros(1, 1, 64, 64)).shape
        torch.Size([1, 16, 2])
        >>> network(torch.zeros(1, 1, 64, 64), with_confidence=True).shape
        torch.Size([1, 16, 3])
    """

    def __init__(
        self,
        num_landmarks: int,
        in_channels: int = 1,
        width: int = 24,
        depth: int = 6,
        block: str = "hmp",
        upsampling: str = "nearest",
        output_stride: int = 4,
        dropout: float = 0.25,
        beta: float = 1.0,
        cell_centers: bool = True,
        confidence_spread: float = 0.015,
    ) -> None:
        super().__init__()
        if upsampling not in ("nearest", "bilinear"):
            raise ValueError(f"upsampling is 'nearest' or 'bilinear', got {upsampling!r}")
        if output_stride not in (4, 8):
            raise ValueError(f"output_stride is 4 or 8, got {output_stride}")
        if depth < 1:
            raise ValueError(f"depth is at least 1, got {depth}")
        self.minimum_size = 4 * 2**depth
        self.confidence_spread = float(confidence_spread)
        self.entry = nn.Sequential(
            conv_bn_relu(in_channels, width, 7, stride=2),
            residual_block(block, width, 2 * width),
            nn.MaxPool2d(2),
            residual_block(block, 2 * width, 2 * width),
            residual_block(block, 2 * width, 2 * width),
            residual_block(block, 2 * width, 4 * width),
        )
        self.hourglass = HourglassLevel(width, depth, block, upsampling, skip=output_stride == 4)
        self.output = nn.Sequential(
            nn.Dropout(dropout),
            conv_bn_relu(8 * width, 8 * width, 1),
            nn.Dropout(dropout),
            conv_bn_relu(8 * width, 4 * width, 1),
            nn.Conv2d(4 * width, num_landmarks, 1),
        )
        self.soft_argmax = SoftArgmax(beta, cell_centers)

    def forward(self, x: torch.Tensor, with_confidence: bool = False) -> torch.Tensor:
        """Locate the landmarks.

        Args:
            x: (B, in_channels, H, W), each side at least 4 x 2^depth pixels.
            with_confidence: give how sure the network is, too.

        Returns:
            (B, num_landmarks, 2) float32, x then y, each in [0, 1) of the image's width and height. With confidence
            (B, num_landmarks, 3): a third column in (0, 1] that falls with the spread of the map,
            1 / (1 + spread / confidence_spread).
        """
        xy, spread = self.soft_argmax(self.score_maps(x))
        if not with_confidence:
            return xy
        confidence = 1.0 / (1.0 + spread / self.confidence_spread)
        return torch.cat([xy, confidence.unsqueeze(-1)], dim=-1)

    @torch.jit.export
    def score_maps(self, x: torch.Tensor) -> torch.Tensor:
        """Score maps before the soft-argmax, (B, num_landmarks, H / output_stride, W / output_stride)."""
        if min(x.shape[-2], x.shape[-1]) < self.minimum_size:
            raise ValueError(
                f"an image of {x.shape[-2]} x {x.shape[-1]} pixels vanishes in the poolings of this network; "
                f"it needs at least {self.minimum_size} x {self.minimum_size}: "
                "use a finer spacing, a larger region or a smaller depth"
            )
        return self.output(self.hourglass(self.entry(x)))
