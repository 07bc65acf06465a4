"""Frozen features of an image on a grid of cells, from which parts of a registration are made (Tiirola 2023)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn
from torch.nn import functional

from kneebundle.networks.blocks import conv_bn_relu, residual_block

__all__ = ["CELL_PX", "FeatureExtractor", "HourglassFeatures"]

CELL_PX = 8
"""Pixels of the resized image to a cell: 28 cells are 224 pixels, as for VGG16."""


class FeatureExtractor(nn.Module, ABC):
    """V: an image to unit vectors on a square grid of cells that covers it.

    A subclass says in :meth:`describe` what a network sees in an image of CELL_PX pixels a cell; resizing and
    normalisation are done here. The weights are frozen: they take no gradient and stay in evaluation mode.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cell_px = CELL_PX  # TorchScript knows no constant of a module

    def freeze(self) -> None:
        """Freeze the weights; call it at the end of a subclass's ``__init__``."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> FeatureExtractor:
        """Do nothing: the features stay in evaluation mode."""
        return super().train(False)

    def forward(self, image: torch.Tensor, cells: int = 28) -> torch.Tensor:
        """Unit vectors of each cell.

        Args:
            image: (B, 1, H, W) in [-1, 1]; it is resized to ``CELL_PX * cells`` pixels a side, with a low-pass where
                that is smaller.
            cells: edge of the grid.

        Returns:
            V, (B, C, cells, cells) float32, of length 1 along C.
        """
        side = self.cell_px * cells
        if image.shape[-2] != side or image.shape[-1] != side:
            image = functional.interpolate(
                image, size=[side, side], mode="bilinear", align_corners=False, antialias=True
            )
        return functional.normalize(self.describe(image, cells).float(), dim=1)

    @abstractmethod
    def describe(self, image: torch.Tensor, cells: int) -> torch.Tensor:
        """(B, C, cells, cells) of images (B, 1, CELL_PX cells, CELL_PX cells)."""


class HourglassFeatures(FeatureExtractor):
    """Features from the contracting path of the KNEEL landmark network.

    That is its entry, then some levels of pooling and three blocks.

    The first level lies at 1/8 of the image, which is the grid; coarser ones are interpolated to it. Each level is
    brought to mean 0 and standard deviation 1 in every channel and to length 1 in every cell, and they are put side by
    side. The mean and standard deviation are buffers, to be set by :meth:`calibrate` on images like those to come;
    without that they change nothing.

    State dict keys are those of :class:`kneebundle.networks.hourglass.HourglassLandmarkNet`, so
    :meth:`load_landmark_network` takes its weights.

    Args:
        levels: how many levels of the hourglass.
        width: N of the landmark network.
        block: its residual block.

    Example:
        >>> import torch
        >>> features = HourglassFeatures(levels=2, width=8)(torch.zeros(1, 1, 64, 64), cells=8)
        >>> features.shape  # 2 levels of 4 x 8 channels
        torch.Size([1, 64, 8, 8])
    """

    def __init__(self, levels: int = 3, width: int = 16, block: str = "hmp") -> None:
        super().__init__()
        narrow = 4 * width
        self.entry = nn.Sequential(
            conv_bn_relu(1, width, 7, stride=2),
            residual_block(block, width, 2 * width),
            nn.MaxPool2d(2),
            residual_block(block, 2 * width, 2 * width),
            residual_block(block, 2 * width, 2 * width),
            residual_block(block, 2 * width, narrow),
        )
        self.levels = nn.ModuleList(
            nn.Sequential(*[residual_block(block, narrow, narrow) for _ in range(3)]) for _ in range(levels)
        )
        self.mean: torch.Tensor
        self.deviation: torch.Tensor
        self.register_buffer("mean", torch.zeros(levels, narrow))
        self.register_buffer("deviation", torch.ones(levels, narrow))
        self.freeze()

    def describe(self, image: torch.Tensor, cells: int) -> torch.Tensor:
        """(B, levels * 4 width, cells, cells)."""
        found = []
        for number, level in enumerate(self._levels(image)):
            standardised = (level - self.mean[number, :, None, None]) / self.deviation[number, :, None, None]
            unit = functional.normalize(standardised, dim=1)
            if unit.shape[-1] != cells:
                unit = functional.interpolate(unit, size=[cells, cells], mode="bilinear", align_corners=False)
            found.append(unit)
        return torch.cat(found, dim=1)

    def _levels(self, image: torch.Tensor) -> list[torch.Tensor]:
        x = self.entry(image)
        found = []
        for level in self.levels:
            x = level(functional.max_pool2d(x, 2))
            found.append(x)
        return found

    @torch.no_grad()
    def calibrate(self, images: torch.Tensor) -> None:
        """Set mean and standard deviation to those of images (B, 1, H, W), H and W multiples of 8 and not below 64."""
        for number, level in enumerate(self._levels(images)):
            self.mean[number] = level.mean((0, 2, 3))
            self.deviation[number] = level.std((0, 2, 3)).clamp_min(1e-3)

    def load_landmark_network(self, state: dict[str, torch.Tensor]) -> None:
        """Take the weights of a landmark network of the same width and block, or of a PartsNet that has such features.

        Raises:
            RuntimeError: as ``load_state_dict``, if they are of another architecture.
        """
        own = {f"entry.{name}": f"entry.{name}" for name in self.entry.state_dict()}
        for number, level in enumerate(self.levels):
            place = "hourglass." + "inner." * number + "lower."
            own.update({f"levels.{number}.{name}": place + name for name in level.state_dict()})
        places = ((name, key) for name, place in own.items() for key in (place, f"extractor.{name}"))
        taken = {name: state[key] for name, key in places if key in state}
        self.load_state_dict({**taken, "mean": self.mean, "deviation": self.deviation})
