"""The networks of a bundle with the preparation of their input, as its inference.json describes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose

from kneebundle.errors import KneeBundleError
from kneebundle.inference.results import ModelInfo
from kneebundle.transforms.points import normalized_to_world

__all__ = ["BundleModel", "weight_files"]

_UNMIRROR = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
_MIRROR_ORIGIN = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)


def weight_files(root: Path) -> list[Path]:
    """The weights of a bundle: all of models/model_fold*.pt, or else models/model.pt.

    Raises:
        KneeBundleError: if there are none.
    """
    folds = sorted((root / "models").glob("model_fold*.pt"))
    files = folds or [root / "models" / "model.pt"]
    if not files[0].is_file():
        raise KneeBundleError(
            "the bundle has no weights; train it or install a release that carries models/model.pt", root
        )
    return files


class BundleModel:
    """A landmark bundle ready to be asked about regions of radiographs.

    Where a bundle has several ``models/model_fold*.pt``, the mean of their answers is the answer, and their
    disagreement lowers the confidence.

    Args:
        root: the bundle's folder.
        device: where the networks run.
        weights: other weight files than the bundle's own.

    Attributes:
        info: what goes into reports.
        region_mm: size of the region, as in :func:`kneebundle.transforms.roi.crop_roi`.

    Raises:
        KneeBundleError: if the bundle has no configuration or no weights.
    """

    def __init__(self, root: Path, device: torch.device, weights: Sequence[Path] | None = None) -> None:
        config = root / "configs" / "inference.json"
        if not config.is_file():
            raise KneeBundleError("there is no configs/inference.json; is this a bundle?", root)
        parser = ConfigParser()
        parser.read_config(str(config))
        parser.read_meta(str(root / "configs" / "metadata.json"))
        parser["bundle_root"] = str(root)
        parser["device"] = device
        self.device = device
        self.region_mm: Any = parser.get_parsed_content("region_mm")
        self.prepare = Compose(parser.get_parsed_content("region_transforms"))
        files = list(weights) if weights else weight_files(root)
        definition = parser.get("network_def")
        self.networks = [self._load(definition, file) for file in files]
        self.confidence_spread = float(self.networks[0].confidence_spread)
        metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.read_bytes())
        self.info = ModelInfo(root.name, str(metadata["version"]), digest.hexdigest())

    def _load(self, definition: dict[str, Any], file: Path) -> Any:
        parser = ConfigParser({"network": definition})
        network = parser.get_parsed_content("network")
        try:
            network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        except (RuntimeError, OSError) as error:
            raise KneeBundleError(
                f"the weights do not fit the bundle's network ({error}); use those made for it", file
            ) from error
        return network.to(self.device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def locate(
        self, items: Sequence[dict[str, Any]], *, mirror: bool = False, quick: bool = False
    ) -> list[torch.Tensor]:
        """Find the landmarks of some regions.

        Args:
            items: each with ``image`` (the film as MetaTensor (1, H, W)), ``center_mm`` (x, y) and ``side``.
            mirror: ask about the mirrored region, too, and take the mean; for networks that were trained on both sides.
            quick: ask the first network of an ensemble alone.

        Returns:
            For each item (N, 3) float64: x and y in mm of the film, and the confidence.
        """
        regions = [self.prepare(dict(item)) for item in items]
        # on a processor a batch saves no time, and one at a time the answer does not depend on the company
        size = 1 if self.device.type == "cpu" else max(len(regions), 1)
        answers = [a for i in range(0, len(regions), size) for a in self._ask(regions[i : i + size], mirror, quick)]
        return [
            torch.cat([normalized_to_world(answer[:, :2], region["image"]), answer[:, 2:]], dim=1)
            for answer, region in zip(answers, regions, strict=True)
        ]

    def _ask(self, regions: Sequence[dict[str, Any]], mirror: bool, quick: bool) -> torch.Tensor:
        """The networks' joint answer, (B, N, 3) float64: fractions of the region, and confidence."""
        networks = self.networks[:1] if quick else self.networks
        batch = torch.stack([torch.as_tensor(r["image"]).as_subclass(torch.Tensor) for r in regions])
        batch = batch.to(self.device).contiguous(memory_format=torch.channels_last)
        answers = torch.stack([network(batch, with_confidence=True) for network in networks]).double().cpu()
        if mirror:
            flipped = [network(batch.flip(-1), with_confidence=True) for network in networks]
            answers = (answers + torch.stack(flipped).double().cpu() * _UNMIRROR + _MIRROR_ORIGIN) / 2
        points, confidence = answers[..., :2].mean(0), answers[..., 2].mean(0)
        if len(networks) > 1:
            disagreement = (answers[..., :2] - points).square().sum(-1).mean(0).sqrt()
            confidence = confidence / (1.0 + disagreement / self.confidence_spread)
        return torch.cat([points, confidence.unsqueeze(-1)], dim=-1)
