"""The landmark network of KNEEL's published weights, which differs from the one of the paper (Tiulpin et al. 2019).

What the released weights need and the paper does not say, or says otherwise:

- Every "1x1" block has 3x3 convolutions, and convolutions before a batch normalisation have a bias.
- The last convolution of a block and its skip convolution have no ReLU, nor has their sum.
- Up-sampling is bilinear with the corners aligned, the levels are four.
- In the release of 2019 only the entry and the first level have HMP blocks; all levels below have bottleneck blocks.
- A cell (i, j) of a map decodes to (i / W, j / H).

:class:`~kneebundle.networks.hourglass.HourglassLandmarkNet` is the network that this package trains.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from kneebundle.networks.soft_argmax import SoftArgmax

__all__ = ["KneelReleaseNet"]

_BLOCKS = ("hmp", "bottleneck")


@dataclass(frozen=True)
class _Blocks:
    """How blocks are made: their kind, the ratio of squeeze and excitation (0: without), and whether with a bias."""

    kind: str
    excitation: int = 0
    bias: bool = True

    def make(self, in_channels: int, out_channels: int) -> nn.Module:
        """Make one block."""
        if self.kind == "hmp":
            return _HMPBlock(in_channels, out_channels, self)
        return _BottleneckBlock(in_channels, out_channels, self)

    def convolve(self, in_channels: int, out_channels: int, relu: bool = True) -> nn.Sequential:
        """Make a 3x3 convolution with batch normalisation, and ReLU."""
        layers = [nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=self.bias), nn.BatchNorm2d(out_channels)]
        return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))

    def skip(self, in_channels: int, out_channels: int) -> nn.Module:
        """Make the way around a block."""
        return nn.Identity() if in_channels == out_channels else self.convolve(in_channels, out_channels, relu=False)

    def excite(self, channels: int) -> nn.Module:
        """Make the squeeze and excitation of a block's channels."""
        return _Excitation(channels, self.excitation) if self.excitation else nn.Identity()


class _Excitation(nn.Module):
    """Squeeze and excitation: each channel times a factor in (0, 1) that the means of all channels give."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.scorer = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // ratio, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // ratio, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.scorer(x)) * x


class _HMPBlock(nn.Module):
    """Three convolutions in cascade, concatenated and added to the input."""

    def __init__(self, in_channels: int, out_channels: int, blocks: _Blocks) -> None:
        super().__init__()
        half, quarter = out_channels // 2, out_channels // 4
        self.scale1 = blocks.convolve(in_channels, half)
        self.scale2 = blocks.convolve(half, quarter)
        self.scale3 = blocks.convolve(quarter, out_channels - half - quarter, relu=False)
        self.skip = blocks.skip(in_channels, out_channels)
        self.se_block = blocks.excite(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale1 = self.scale1(x)
        scale2 = self.scale2(scale1)
        return self.se_block(torch.cat([scale1, scale2, self.scale3(scale2)], dim=1)) + self.skip(x)


class _BottleneckBlock(nn.Module):
    """Three convolutions one after the other, the first two at half the width, added to the input."""

    def __init__(self, in_channels: int, out_channels: int, blocks: _Blocks) -> None:
        super().__init__()
        half = out_channels // 2
        self.bottleneck = blocks.convolve(in_channels, half)
        self.conv = blocks.convolve(half, half)
        self.out = blocks.convolve(half, out_channels, relu=False)
        self.skip = blocks.skip(in_channels, out_channels)
        self.se_block = blocks.excite(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.se_block(self.out(self.conv(self.bottleneck(x)))) + self.skip(x)


class _Level(nn.Module):
    """A level of the hourglass: pool, three blocks, the level below, one block; up again and add three blocks."""

    def __init__(self, width: int, depth: int, blocks: _Blocks, inner: _Blocks) -> None:
        super().__init__()
        narrow, wide = 4 * width, 8 * width
        self.lower1 = blocks.make(narrow, narrow)
        self.lower2 = blocks.make(narrow, narrow)
        self.lower3 = blocks.make(narrow, narrow)
        self.lower4 = _Level(width, depth - 1, inner, inner) if depth > 1 else blocks.make(narrow, wide)
        self.lower5 = blocks.make(wide, wide)
        self.upper1 = blocks.make(narrow, narrow)
        self.upper2 = blocks.make(narrow, narrow)
        self.upper3 = blocks.make(narrow, wide)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lower = self.lower3(self.lower2(self.lower1(functional.max_pool2d(x, 2))))
        lower = self.lower5(self.lower4(lower))
        size = [x.shape[-2], x.shape[-1]]
        upper = self.upper3(self.upper2(self.upper1(x)))
        return upper + functional.interpolate(lower, size=size, mode="bilinear", align_corners=True)


class _Network(nn.Module):
    """The network of one fold: score maps of images. The names of its layers are those of the snapshots."""

    def __init__(self, num_landmarks: int, width: int, depth: int, blocks: _Blocks, inner: _Blocks) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(2, width, 7, stride=2, padding=3),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            blocks.make(width, 2 * width),
            nn.MaxPool2d(2),
        )
        self.layer2 = nn.Sequential(
            blocks.make(2 * width, 2 * width), blocks.make(2 * width, 2 * width), blocks.make(2 * width, 4 * width)
        )
        self.hourglass = _Level(width, depth, blocks, inner)
        plain = _Blocks("hmp", bias=blocks.bias)
        self.mixer = nn.Sequential(
            nn.Dropout2d(0.25),
            plain.convolve(8 * width, 8 * width),
            nn.Dropout2d(0.25),
            plain.convolve(8 * width, 4 * width),
        )
        self.out_block = nn.Sequential(nn.Conv2d(4 * width, num_landmarks, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # the channel of ones takes the mean that was subtracted: it ends with the image, as the padding does
        x = torch.cat([x, torch.ones_like(x)], dim=1)
        return self.out_block(self.mixer(self.hourglass(self.layer2(self.layer1(x)))))


class KneelReleaseNet(nn.Module):
    """The networks of the folds of a KNEEL snapshot; their mean is the prediction.

    The snapshots' networks take an image three times, less a mean and divided by a standard deviation. Here both are
    part of the first layer, which sees the image and a channel of ones: so the result is the same up to the border,
    where zeros stand around the normalised image. :func:`kneebundle.zoo.import_kneel.import_kneel` makes the weights.

    Args:
        num_landmarks: number M of landmarks.
        num_networks: number of folds.
        width: channels of the first layer; the release has 24.
        depth: levels of the hourglass; the release has 4.
        block: ``"hmp"`` or ``"bottleneck"``, of the entry and the first level.
        inner_block: the same, of the levels below: ``"bottleneck"`` in the release of 2019.
        excitation: ratio of squeeze and excitation in these blocks; 0: they have none.
        inner_excitation: the same, of the levels below.
        bias: whether convolutions before a batch normalisation have a bias.
        confidence_spread: the map spread, as a fraction of the image's width, at which the confidence is one half; so
            does a disagreement of the folds of that size.

    Raises:
        ValueError: for an unknown block, or a number that cannot be; in forward, for an image that is too small.

    Example:
        >>> import torch
        >>> network = KneelReleaseNet(num_landmarks=16, num_networks=2, width=4, depth=2).eval()
        >>> network(torch.zeros(1, 1, 64, 64)).shape
        torch.Size([1, 16, 2])
    """

    def __init__(
        self,
        num_landmarks: int,
        num_networks: int = 1,
        width: int = 24,
        depth: int = 4,
        block: str = "hmp",
        inner_block: str = "hmp",
        excitation: int = 0,
        inner_excitation: int = 0,
        bias: bool = True,
        confidence_spread: float = 0.015,
    ) -> None:
        super().__init__()
        if block not in _BLOCKS or inner_block not in _BLOCKS:
            raise ValueError(f"block is 'hmp' or 'bottleneck', got {block!r} and {inner_block!r}")
        if min(num_landmarks, num_networks, width, depth) < 1:
            raise ValueError(
                "landmarks, networks, width and depth are at least 1, got "
                f"{num_landmarks}, {num_networks}, {width} and {depth}"
            )
        self.minimum_size = 4 * 2**depth
        self.confidence_spread = float(confidence_spread)
        outer, inner = _Blocks(block, excitation, bias), _Blocks(inner_block, inner_excitation, bias)
        self.networks = nn.ModuleList(_Network(num_landmarks, width, depth, outer, inner) for _ in range(num_networks))
        self.soft_argmax = SoftArgmax(cell_centers=False)

    def forward(self, x: torch.Tensor, with_confidence: bool = False) -> torch.Tensor:
        """Locate the landmarks.

        Args:
            x: (B, 1, H, W), each side at least 4 x 2^depth pixels; grey values as those that the mean was taken of.
            with_confidence: give how sure the networks are, too.

        Returns:
            (B, num_landmarks, 2) float32, x then y, each in [0, 1) of the image's width and height. With confidence
            (B, num_landmarks, 3): a third column in (0, 1] that falls with the spread of the maps and the disagreement
            of the folds.
        """
        if min(x.shape[-2], x.shape[-1]) < self.minimum_size:
            raise ValueError(
                f"an image of {x.shape[-2]} x {x.shape[-1]} pixels vanishes in the poolings of this network; "
                f"it needs at least {self.minimum_size} x {self.minimum_size}: use a finer spacing or a larger region"
            )
        points: list[torch.Tensor] = []
        spreads: list[torch.Tensor] = []
        for network in self.networks:
            xy, spread = self.soft_argmax(network(x))
            points.append(xy)
            spreads.append(spread)
        each = torch.stack(points)
        mean = each.mean(0)
        if not with_confidence:
            return mean
        disagreement = (each - mean).square().sum(-1).mean(0).sqrt()
        confidence = 1.0 / (1.0 + torch.stack(spreads).mean(0) / self.confidence_spread)
        confidence = confidence / (1.0 + disagreement / self.confidence_spread)
        return torch.cat([mean, confidence.unsqueeze(-1)], dim=-1)
