"""Regions around knees as arrays on the disk, in several looks, so that a training needs no ITK and no equalisation.

A look is how grey values may come: ``raw`` as in the file, ``equalized`` by
:func:`kneebundle.transforms.equalize_region`, ``varied`` by :func:`vary_look`, drawn for each knee.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.datasets.knees import LoadKneed
from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.transforms.equalize import equalize_region
from kneebundle.transforms.mirror import MirrorLeftd
from kneebundle.transforms.points import world_to_normalized
from kneebundle.transforms.roi import crop_roi, image_center_mm

__all__ = ["LOOKS", "REGION_PX", "REGION_SPACING_MM", "KneeRegions", "cache_regions", "scale_to_bytes", "vary_look"]

REGION_SPACING_MM = 0.3
"""Size of a pixel of a cached region."""

REGION_PX = 467
"""Edge of a cached region: 140 mm, room for the shifts and rotations of a training region of 115.2 mm."""

LOOKS = ("raw", "equalized", "varied")


def scale_to_bytes(region: torch.Tensor) -> np.ndarray:
    """Scale grey values between the percentiles 0.1 and 99.9 to 1 to 255; 0 stands for outside the radiograph.

    Args:
        region: (1, H, W), NaN outside the radiograph.

    Returns:
        (H, W) uint8.

    Example:
        >>> import torch
        >>> scale_to_bytes(torch.tensor([[[float("nan"), 0.0, 1.0]]])).tolist()
        [[0, 1, 255]]
    """
    values = np.asarray(region, dtype=np.float32)[0]
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, dtype=np.uint8)
    low, high = np.percentile(values[finite], [0.1, 99.9])
    grey = np.clip((np.nan_to_num(values) - low) / max(float(high - low), 1e-6), 0.0, 1.0)
    return np.where(finite, 1 + np.round(254 * grey), 0).astype(np.uint8)


def vary_look(region: torch.Tensor, rng: np.random.Generator, spacing_mm: float = REGION_SPACING_MM) -> torch.Tensor:
    """Give a region a random gamma and a random equalisation.

    Gamma is within a factor of 1.65 about 1, the neighbourhood 8 to 22 mm, the clip limit 0.008 to 0.05.

    Args:
        region: (1, H, W), NaN outside the radiograph.
        rng: of all that is drawn.
        spacing_mm: size of a pixel.

    Returns:
        (1, H, W) float32 in [0, 1], NaN outside.
    """
    values = torch.as_tensor(np.asarray(region, dtype=np.float32))
    finite = torch.isfinite(values)
    low, high = np.percentile(values[finite].numpy(), [0.2, 99.8]) if bool(finite.any()) else (0.0, 1.0)
    gamma = float(np.exp(rng.uniform(-0.5, 0.5)))
    grey = ((values - float(low)) / max(float(high - low), 1e-6)).clamp(0.0, 1.0) ** gamma
    neighborhood_mm = float(np.exp(rng.uniform(np.log(8.0), np.log(22.0))))
    clip_limit = float(np.exp(rng.uniform(np.log(0.008), np.log(0.05))))
    return equalize_region(grey, spacing_mm, neighborhood_mm, clip_limit)


@dataclass(frozen=True)
class KneeRegions:
    """K regions of right knees, or of left ones mirrored.

    Attributes:
        looks: (K, S, S) uint8 by name of the look, see :func:`scale_to_bytes`; memory-mapped.
        points: (K, 16, 2) landmarks in pixels of the region, x then y; NaN where there is none to learn.
        records: a dictionary a knee: image, side, and what the table had of subject_id and kl.
    """

    looks: Mapping[str, np.ndarray]
    points: np.ndarray
    records: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.points)

    @property
    def centers(self) -> np.ndarray:
        """(K, 2) landmark 4, or the middle of the region where it is not known."""
        middle = (next(iter(self.looks.values())).shape[-1] - 1) / 2
        return np.nan_to_num(self.points[:, KNEE_PA.center], nan=middle)

    def with_points(self, points: np.ndarray) -> KneeRegions:
        """Give the same regions with other landmarks."""
        return replace(self, points=np.asarray(points, dtype=np.float32))

    @classmethod
    def load(cls, folder: Path) -> KneeRegions:
        """Load what :func:`cache_regions` wrote.

        Raises:
            KneeBundleError: if a file is missing or cannot be read.
        """
        try:
            content = json.loads((folder / "regions.json").read_text(encoding="utf-8"))
            looks = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in content["looks"]}
            return cls(looks, np.load(folder / "points.npy"), content["records"])
        except (OSError, ValueError, KeyError) as error:
            raise KneeBundleError(f"the folder has no cached regions ({error}); cache them again", folder) from error


def cache_regions(
    records: Sequence[Mapping[str, Any]],
    folder: Path,
    looks: Sequence[str] = LOOKS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> KneeRegions:
    """Cut regions of 140 mm at 0.3 mm, mirror left knees, and write them.

    A region is cut around landmark 4, around ``center_mm`` of its record ((x, y) of the image as displayed), or around
    the middle of the image.

    Args:
        records: for :class:`kneebundle.datasets.LoadKneed`; landmarks may be missing.
        folder: made if it is not there; regions.json is written last.
        looks: of :data:`LOOKS`.
        seed: of the varied look.
        progress: called with the number of knees done.

    Returns:
        The regions, memory-mapped.

    Raises:
        KneeBundleError: if an image cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    load, mirror, rng = LoadKneed(), MirrorLeftd("image"), np.random.default_rng(seed)
    shape = (len(records), REGION_PX, REGION_PX)
    files = {
        look: np.lib.format.open_memmap(folder / f"{look}.npy", mode="w+", dtype=np.uint8, shape=shape)
        for look in looks
    }
    points = np.full((len(records), len(KNEE_PA), 2), np.nan, dtype=np.float32)
    for k, record in enumerate(records):
        item = load(record)
        center = record.get("center_mm", item.get("center_mm", image_center_mm(item["image"])))
        region = crop_roi(item["image"], center, REGION_PX * REGION_SPACING_MM, REGION_SPACING_MM)
        region = mirror({"image": region, "side": item["side"]})["image"]
        if "landmarks" in item:
            points[k] = world_to_normalized(item["landmarks"], region).numpy() * REGION_PX - 0.5
        for look, file in files.items():
            file[k] = scale_to_bytes(_show(region, look, rng))
        if progress is not None:
            progress(k + 1)
    for file in files.values():
        file.flush()
    np.save(folder / "points.npy", points)
    kept = [{name: r[name] for name in ("image", "side", "subject_id", "kl") if name in r} for r in records]
    with write_atomically(folder / "regions.json") as temporary:
        temporary.write_text(json.dumps({"looks": list(looks), "records": kept}, default=str), encoding="utf-8")
    return KneeRegions.load(folder)


def _show(region: MetaTensor, look: str, rng: np.random.Generator) -> torch.Tensor:
    plain = region.as_tensor()
    if look == "raw":
        return plain
    return equalize_region(plain, REGION_SPACING_MM) if look == "equalized" else vary_look(plain, rng)
