"""A landmark bundle: where the landmarks are, in mm of the radiograph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kneebundle.inferers.bundle_networks import BundleNetworks
from kneebundle.pipelines.uncertainty import ConformalRadii
from kneebundle.transforms.points import normalized_to_world

__all__ = ["LandmarkModel"]

_MIRROR_SCALE = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
_MIRROR_ORIGIN = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)


class LandmarkModel(BundleNetworks):
    """A landmark bundle with its weights, ready to predict on regions of radiographs.

    The bundle's ``inferer`` turns whatever its network gives into (B, N, 3): x and y in [0, 1) and the confidence in
    (0, 1]. Of several networks the prediction is the mean, and their disagreement lowers the confidence: one as large
    as the bundle's ``confidence_spread`` halves it.

    Args:
        root: folder of the bundle.
        device: where the networks run.
        weights: other weight files than the bundle's own.
        settings: other values for keys of inference.json, as on MONAI's command line (``{"spacing_mm": 1.08}``).
        runtime, precision: see :class:`~kneebundle.inferers.BundleNetworks`.

    Attributes:
        info: what goes into reports.
        region_mm: size of the region, as in :func:`kneebundle.transforms.roi.crop_roi`.
        least_confidence: mean confidence of the landmarks below which they should not be believed; None where the
            bundle names none.
        radii: the calibration ``models/uncertainty.json``; None where the bundle has none, and for other weights or
            settings than it was made for.

    Raises:
        KneeBundleError: if the bundle has no configuration or no weights.
    """

    def __init__(
        self,
        root: Path,
        device: torch.device,
        weights: Sequence[Path] | None = None,
        settings: Mapping[str, Any] | None = None,
        runtime: str = "torch",
        precision: str | None = None,
    ) -> None:
        super().__init__(root, device, weights, settings, runtime, precision)
        self.region_mm: Any = self.config.get_parsed_content("region_mm")
        self.confidence_spread = float(self.config.get_parsed_content("confidence_spread"))
        least = self.config.get("least_confidence")
        self.least_confidence = None if least is None else float(least)
        calibration = root / "models" / "uncertainty.json"
        own = not weights and not settings
        self.radii = ConformalRadii.load(calibration) if own and calibration.is_file() else None

    def estimate_radii(self, confidence: np.ndarray) -> np.ndarray | None:
        """Estimate how far off landmarks may be.

        Args:
            confidence: (N,) of :meth:`locate`.

        Returns:
            (N,) mm: radii within which the true points lie in 90 of 100 cases; None where that is not known.
        """
        return None if self.radii is None else self.radii.radius_mm(confidence)

    @torch.inference_mode()
    def locate(
        self, items: Sequence[dict[str, Any]], *, mirror: bool = False, quick: bool = False
    ) -> list[torch.Tensor]:
        """Find the landmarks of some regions.

        Args:
            items: each with ``image`` (the radiograph as MetaTensor (1, H, W)), ``center_mm`` (x, y) and ``side``.
            mirror: predict on the mirrored region, too, and take the mean; for networks trained on both sides.
            quick: use only the first network of an ensemble.

        Returns:
            For each item (N, 3) float64: x and y in mm of the radiograph, and the confidence.
        """
        regions = [self.prepare(dict(item)) for item in items]
        # a batch saves no time on a CPU, and one at a time a prediction does not depend on the others in the batch
        size = 1 if self.device.type == "cpu" else max(len(regions), 1)
        batches = [regions[first : first + size] for first in range(0, len(regions), size)]
        predictions = [points for batch in batches for points in self._predict(batch, mirror, quick)]
        return [
            torch.cat([normalized_to_world(points[:, :2], region["image"]), points[:, 2:]], dim=1)
            for points, region in zip(predictions, regions, strict=True)
        ]

    def _predict(self, regions: Sequence[dict[str, Any]], mirror: bool, quick: bool) -> torch.Tensor:
        """The joint prediction of the networks, (B, N, 3) float64: fractions of the region, and confidence."""
        networks = self.networks[:1] if quick else self.networks
        batch = torch.stack([torch.as_tensor(r["image"]).as_subclass(torch.Tensor) for r in regions])
        batch = batch.to(self.device)
        each = torch.stack([self.infer(batch, network) for network in networks]).double().cpu()
        if mirror:
            flipped = [self.infer(batch.flip(-1), network) for network in networks]
            each = (each + torch.stack(flipped).double().cpu() * _MIRROR_SCALE + _MIRROR_ORIGIN) / 2
        points, confidence = each[..., :2].mean(0), each[..., 2].mean(0)
        if len(networks) > 1:
            disagreement = (each[..., :2] - points).square().sum(-1).mean(0).sqrt()
            confidence = confidence / (1.0 + disagreement / self.confidence_spread)
        return torch.cat([points, confidence.unsqueeze(-1)], dim=-1)
