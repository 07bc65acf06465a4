"""Residual blocks of the KNEEL hourglass (Tiulpin et al. 2019, Figure 3)."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["BottleneckBlock", "HMPBlock", "conv_bn_relu", "residual_block"]


def conv_bn_relu(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Make a convolution that keeps the size (at stride 1), batch normalisation and ReLU."""
    padding = kernel_size // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def _skip(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Identity() if in_channels == out_channels else conv_bn_relu(in_channels, out_channels, 1)


class HMPBlock(nn.Module):
    """Hierarchical multi-scale parallel residual block (KNEEL section 3.1, Figure 3b).

    Three 3x3 convolutions in cascade with n/2, n/4 and n/4 channels; their outputs are concatenated and added to
    the input, which passes a 1x1 convolution where the widths differ.

    Args:
        in_channels: channels of the input, (B, in_channels, H, W).
        out_channels: channels of the output, (B, out_channels, H, W); a multiple of 4.

    Raises:
        ValueError: if ``out_channels`` is not a multiple of 4.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        if out_channels % 4:
            raise ValueError(f"an HMP block needs a number of channels that 4 divides, got {out_channels}")
        self.scale1 = conv_bn_relu(in_channels, out_channels // 2, 3)
        self.scale2 = conv_bn_relu(out_channels // 2, out_channels // 4, 3)
        self.scale3 = conv_bn_relu(out_channels // 4, out_channels // 4, 3)
        self.skip = _skip(in_channels, out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (B, out_channels, H, W) of features (B, in_channels, H, W)."""
        scale1 = self.scale1(x)
        scale2 = self.scale2(scale1)
        scale3 = self.scale3(scale2)
        return torch.cat([scale1, scale2, scale3], dim=1) + self.skip(x)


class BottleneckBlock(nn.Module):
    """Bottleneck residual block (KNEEL Figure 3a; He et al. 2016): 1x1, 3x3 and 1x1 convolutions at half the width.

    Args:
        in_channels: channels of the input, (B, in_channels, H, W).
        out_channels: channels of the output, (B, out_channels, H, W); a multiple of 2.

    Raises:
        ValueError: if ``out_channels`` is odd.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        if out_channels % 2:
            raise ValueError(f"a bottleneck block needs an even number of channels, got {out_channels}")
        self.body = nn.Sequential(
            conv_bn_relu(in_channels, out_channels // 2, 1),
            conv_bn_relu(out_channels // 2, out_channels // 2, 3),
            nn.Conv2d(out_channels // 2, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.skip = _skip(in_channels, out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (B, out_channels, H, W) of features (B, in_channels, H, W)."""
        return torch.relu(self.body(x) + self.skip(x))


def residual_block(block: str, in_channels: int, out_channels: int) -> nn.Module:
    """Make a residual block by name.

    Args:
        block: ``"hmp"`` or ``"bottleneck"``.
        in_channels: channels of the input.
        out_channels: channels of the output.

    Raises:
        ValueError: on another name.

    Example:
        >>> import torch
        >>> residual_block("hmp", 16, 32)(torch.zeros(2, 16, 8, 8)).shape
        torch.Size([2, 32, 8, 8])
    """
    if block == "hmp":
        return HMPBlock(in_channels, out_channels)
    if block == "bottleneck":
        return BottleneckBlock(in_channels, out_channels)
    raise ValueError(f"block is 'hmp' or 'bottleneck', got {block!r}")
