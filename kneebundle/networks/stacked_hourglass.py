"""The multi-task stacked hourglass network (Kordon et al. 2019, section 2.1 and Figure 2; Newell et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

__all__ = ["PEAK_RADIUS_PX", "PLANNING_TASKS", "MultiTaskStackedHourglass"]

PLANNING_TASKS = {"segmentation": 4, "landmarks": 2, "roi": 1}
"""Channels of each task: femur, patella, tibia, fibula; p_blum, p_tmc; the region of the posterior cortex line."""

PEAK_RADIUS_PX = 12
"""Reach of the window around the peak of a landmark's heatmap, twice the sigma of the targets."""


def instance_norm(channels: int) -> nn.Module:
    """Make an instance normalisation with a factor and an offset for each channel.

    Written as group normalisation with one channel to a group, which is the same; it also takes a single pixel.
    """
    return nn.GroupNorm(channels, channels)


def norm_relu_conv(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """Make a pre-activation layer: instance normalisation, ReLU, then a convolution that keeps the size."""
    return nn.Sequential(
        instance_norm(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
    )


class ResidualUnit(nn.Module):
    """Pre-activation bottleneck residual unit (He et al. 2016).

    Convolutions of 1x1, 3x3 and 1x1 at half the width, half, and the full one. The input is added to the result; where
    the widths differ it passes a 1x1 convolution.

    Args:
        in_channels: of the input (B, in_channels, H, W).
        out_channels: of the output (B, out_channels, H, W), an even number.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.body = nn.Sequential(
            norm_relu_conv(in_channels, half, 1), norm_relu_conv(half, half, 3), norm_relu_conv(half, out_channels, 1)
        )
        self.skip: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.skip = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.skip(x) + self.body(x)


class Hourglass(nn.Module):
    """Hourglass module: ``depth`` poolings, at each level a skip path, up again by nearest neighbour (Newell 2016)."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.skip = ResidualUnit(channels, channels)
        self.down = ResidualUnit(channels, channels)
        inner = ResidualUnit(channels, channels) if depth == 1 else Hourglass(channels, depth - 1)
        self.inner: nn.Module = inner
        self.up = ResidualUnit(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lower = self.up(self.inner(self.down(functional.max_pool2d(x, 2))))
        return self.skip(x) + functional.interpolate(lower, size=[x.shape[-2], x.shape[-1]], mode="nearest")


def prediction_module(channels: int, count: int) -> nn.Sequential:
    """Make the layers from shared features to the maps of one task, next to 0 at first."""
    last: Any = norm_relu_conv(channels, count, 1)
    nn.init.normal_(last[2].weight, std=1e-3)
    nn.init.zeros_(last[2].bias)
    return nn.Sequential(norm_relu_conv(channels, channels, 1), last)


class Stage(nn.Module):
    """An hourglass, the last shared residual unit, a prediction module a task, and the way back into the next stage."""

    def __init__(self, channels: int, depth: int, task_channels: list[int], last: bool) -> None:
        super().__init__()
        self.last = last
        self.hourglass = Hourglass(channels, depth)
        self.shared = ResidualUnit(channels, channels)
        self.heads = nn.ModuleList(prediction_module(channels, count) for count in task_channels)
        self.inject_features: nn.Module = nn.Identity()
        self.inject_predictions: nn.Module = nn.Identity()
        if not last:
            self.inject_features = norm_relu_conv(channels, channels, 1)
            self.inject_predictions = nn.Conv2d(sum(task_channels), channels, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.shared(self.hourglass(x))
        predictions = torch.cat([head(features) for head in self.heads], dim=1)
        if self.last:
            return features, predictions
        return x + self.inject_features(features) + self.inject_predictions(predictions), predictions


class MultiTaskStackedHourglass(nn.Module):
    """Stacked hourglass network that segments, localizes and marks a region at once (Kordon 2019, Figure 2).

    Stem as Newell's: 7x7 convolution of stride 2, residual unit C1 to C2, pooling, residual units to C2 and C*. Each of
    the L stages is an hourglass module, a residual unit (the last layer that the tasks share) and a prediction module a
    task; its features and predictions are added to its input and go into the next stage. Maps are a quarter of the
    input's size. The output is enlarged bilinearly to the input's size, of the bones the logits: so an edge may lie
    anywhere in a cell. The loss has to enlarge the training's maps the same way
    (:class:`kneebundle.losses.PlanningLoss` does).

    Defaults are the paper's, except for what it does not say: ``depth`` is Newell's, a prediction module two
    pre-activated 1x1 convolutions. The last of them start near 0, so that each task's first loss, to which GradNorm
    compares all later ones, is that of knowing nothing and not one of chance.

    Args:
        in_channels: C_in.
        tasks: channels of each task by name, in the order of the output's channels; the first task is the segmentation.
        stages: L.
        c1, c2, channels: C1, C2 and C*; even numbers.
        depth: poolings in an hourglass.

    Raises:
        ValueError: for numbers that cannot be, or, in forward, a side of the image that is no multiple of 4 x 2^depth.

    Example:
        >>> import torch
        >>> network = MultiTaskStackedHourglass(stages=1, c1=8, c2=8, channels=8, depth=2).eval()
        >>> network(torch.zeros(1, 1, 64, 64)).shape  # 4 bones, 2 landmarks, 1 region
        torch.Size([1, 7, 64, 64])
    """

    def __init__(
        self,
        in_channels: int = 1,
        tasks: Mapping[str, int] | None = None,
        stages: int = 4,
        c1: int = 64,
        c2: int = 128,
        channels: int = 256,
        depth: int = 4,
    ) -> None:
        super().__init__()
        counts = dict(PLANNING_TASKS if tasks is None else tasks)
        if min(stages, depth, *counts.values()) < 1:
            raise ValueError(f"stages, depth and channels of a task are at least 1, got {stages}, {depth} and {counts}")
        if c1 % 2 or c2 % 2 or channels % 2:
            raise ValueError(f"c1, c2 and channels are even numbers, got {c1}, {c2} and {channels}")
        self.num_bones = next(iter(counts.values()))
        self.multiple = 4 * 2**depth
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, c1, 7, stride=2, padding=3),
            ResidualUnit(c1, c2),
            nn.MaxPool2d(2),
            ResidualUnit(c2, c2),
            ResidualUnit(c2, channels),
        )
        self.stages = nn.ModuleList(
            Stage(channels, depth, list(counts.values()), last=number == stages - 1) for number in range(stages)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Maps of all tasks.

        Args:
            image: (B, in_channels, H, W); 256 x 256 in the paper.

        Returns:
            In training a list with what each stage predicts, (B, C, H / 4, W / 4), the bones as logits. Else (B, C, H,
            W): the last stage's likelihoods, the bones in [0, 1]; heat-maps are not bounded, but their targets are in
            [0, 1]. float32.
        """
        if image.shape[-2] % self.multiple or image.shape[-1] % self.multiple:
            raise ValueError(
                f"an image of {image.shape[-2]} x {image.shape[-1]} pixels does not fit this network; "
                f"its sides are multiples of {self.multiple}: pad or resample it"
            )
        features = self.stem(image)
        predictions: list[torch.Tensor] = []
        for stage in self.stages:
            features, maps = stage(features)
            predictions.append(maps.float())
        if self.training:
            return predictions
        size = [image.shape[-2], image.shape[-1]]
        output = functional.interpolate(predictions[-1], size=size, mode="bilinear", align_corners=False)
        bones, heatmaps = output[:, : self.num_bones], output[:, self.num_bones :]
        return torch.cat([torch.sigmoid(bones), heatmaps], dim=1)

    def shared_layers(self) -> list[nn.Module]:
        """The last layer of each stage that its tasks share, on whose weights GradNorm looks."""
        stages: Any = self.stages
        return [stage.shared.body[2][2] for stage in stages]
