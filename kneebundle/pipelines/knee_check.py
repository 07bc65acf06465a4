"""The bundle that says what a region shows: a native knee and which, a knee replacement, or no knee."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from kneebundle.inferers.bundle_networks import BundleNetworks
from kneebundle.radiograph import Side

__all__ = ["CLASSES", "CheckedRegion", "KneeCheck"]

CLASSES = ("native_right", "native_left", "implant", "not_a_knee")
"""What the network tells apart; right: the lateral side is on the image's left, as the patient faces the viewer."""


class CheckedRegion(NamedTuple):
    """What a region shows.

    Attributes:
        right, left, implant, none: probabilities of :data:`CLASSES`; they add up to 1.
        joint_mm: (2,) where the joint is, x and y in mm of the radiograph; only of use where there is one.
    """

    right: float
    left: float
    implant: float
    none: float
    joint_mm: np.ndarray

    @property
    def native(self) -> float:
        """Probability of a native knee of either side."""
        return self.right + self.left

    @property
    def knee(self) -> float:
        """Probability of a knee, native or replaced."""
        return 1.0 - self.none

    @property
    def side(self) -> Side:
        """The likelier side."""
        return "R" if self.right >= self.left else "L"

    def probability_of(self, side: Side) -> float:
        """Probability of a side, if it is a native knee."""
        return (self.right if side == "R" else self.left) / max(self.native, 1e-6)


class KneeCheck(BundleNetworks):
    """The bundle ``knee_quality_check``, ready to say what regions show.

    Args:
        root: the bundle's folder.
        device: where the network runs.
        weights: other weight files than the bundle's own.
        runtime, precision: see :class:`~kneebundle.inferers.BundleNetworks`.

    Raises:
        KneeBundleError: if the bundle has no configuration or no weights.
    """

    def __init__(
        self,
        root: Path,
        device: torch.device,
        weights: Sequence[Path] | None = None,
        runtime: str = "torch",
        precision: str | None = None,
    ) -> None:
        super().__init__(root, device, weights, None, runtime, precision)
        self.region_mm = float(self.config.get_parsed_content("region_mm"))

    @torch.inference_mode()
    def classify(self, image: Any, centers_mm: Sequence[np.ndarray], mirror: bool = True) -> list[CheckedRegion]:
        """Say what regions of one radiograph show.

        Args:
            image: the radiograph as MetaTensor (1, H, W).
            centers_mm: (x, y) of the middle of each region in mm.
            mirror: predict on the mirrored region, too, and take the mean.

        Returns:
            What each region shows, in their order.
        """
        if not len(centers_mm):
            return []
        regions = [self.prepare({"image": image, "center_mm": np.asarray(c)}) for c in centers_mm]
        batch = torch.stack([torch.as_tensor(r["image"]).as_subclass(torch.Tensor) for r in regions]).to(self.device)
        each = torch.stack([self._predict(batch, network, mirror) for network in self.networks])
        half = self.region_mm / 2
        regions_seen = []
        for prediction, center in zip(each.mean(0).cpu().tolist(), centers_mm, strict=True):
            right, left, implant, none, x, y = prediction
            joint = np.asarray(center, dtype=np.float64) + (x * half, y * half)
            regions_seen.append(CheckedRegion(right, left, implant, none, joint))
        return regions_seen

    def _predict(self, batch: torch.Tensor, network: Any, mirror: bool) -> torch.Tensor:
        """(B, 6) float64: four probabilities, then the joint's offset from the middle in halves of the region."""
        if not mirror:
            return self._split(self.infer(batch, network))
        own, other = self._split(self.infer(torch.cat([batch, batch.flip(-1)]), network)).chunk(2)
        other = other[:, [1, 0, 2, 3, 4, 5]]
        other[:, 4] = -other[:, 4]
        return (own + other) / 2

    @staticmethod
    def _split(raw: torch.Tensor) -> torch.Tensor:
        return torch.cat([raw[:, :4].double().softmax(1), raw[:, 4:].double()], dim=1)
