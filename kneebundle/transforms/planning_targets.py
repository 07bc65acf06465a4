"""Target maps of the planning network: bones, landmarks and the region of a line (Kordon et al. 2019, section 2.1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from monai.transforms import Transform

from kneebundle.losses.heatmap import gaussian_heatmaps

__all__ = ["PlanningTargetsd", "draw_line_map", "draw_point_maps"]


def draw_point_maps(points: torch.Tensor, size: tuple[int, int], sigma: float) -> torch.Tensor:
    """Draw a Gaussian of height 1 around each point.

    MONAI's GenerateHeatmap puts them on the nearest whole pixel, up to half a pixel beside the point; these are exact.

    Args:
        points: (N, 2), x and y as fractions of width and height; NaN where there is no label.
        size: (H, W).
        sigma: in pixels.

    Returns:
        (N, H, W) float32, NaN throughout where there is no label.

    Example:
        >>> import torch
        >>> draw_point_maps(torch.tensor([[0.5, 0.5]]), (1, 3), sigma=1.0)
        tensor([[[0.6065, 1.0000, 0.6065]]])
    """
    number = len(points)
    return gaussian_heatmaps(points.float()[None], size, torch.full((number,), sigma), torch.ones(number))[0]


def draw_line_map(ends: torch.Tensor, size: tuple[int, int], sigma: float) -> torch.Tensor:
    """Draw the region of a line: equidistant points from end to end, of whose Gaussians the highest counts.

    They stand no further apart than half of sigma, so that the ridge falls by no more than 3 % between them.

    Args:
        ends: (2, 2), x and y of both ends as fractions of width and height; NaN where there is no label.
        size: (H, W).
        sigma: in pixels.

    Returns:
        (1, H, W) float32, NaN throughout where there is no label.
    """
    if not bool(torch.isfinite(ends).all()):
        return torch.full((1, *size), torch.nan)
    start, end = ends.float()
    length = float(((end - start) * torch.tensor(size[::-1])).norm())
    gaps = max(1, math.ceil(length / (0.5 * sigma)))
    points = start + torch.linspace(0.0, 1.0, gaps + 1)[:, None] * (end - start)
    return draw_point_maps(points, size, sigma).amax(0, keepdim=True)


class PlanningTargetsd(Transform):
    """Put together the target maps of an image, ``label`` (7, H, W).

    Takes ``image`` (1, H, W), ``masks`` (4, H, W) in [0, 1], ``landmarks`` (2, 2) and ``cortex_line`` (2, 2), both as
    fractions of the image's width and height. Channels: femur, patella, tibia, fibula; p_blum, p_tmc; the line's
    region.

    Args:
        sigma: of the Gaussians in pixels; the paper's is 6 at 256 x 256.

    Example:
        >>> import torch
        >>> points = torch.tensor([[0.4, 0.5], [0.6, 0.5]])
        >>> item = {"image": torch.zeros(1, 32, 32), "masks": torch.zeros(4, 32, 32)}
        >>> PlanningTargetsd(sigma=2.0)({**item, "landmarks": points, "cortex_line": points})["label"].shape
        torch.Size([7, 32, 32])
    """

    def __init__(self, sigma: float = 6.0) -> None:
        self.sigma = float(sigma)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Draw the targets of one image."""
        d = dict(data)
        size = (int(d["image"].shape[-2]), int(d["image"].shape[-1]))
        masks = torch.as_tensor(d["masks"]).as_subclass(torch.Tensor).float()
        landmarks = draw_point_maps(torch.as_tensor(d["landmarks"]), size, self.sigma)
        roi = draw_line_map(torch.as_tensor(d["cortex_line"]), size, self.sigma)
        d["label"] = torch.cat([masks, landmarks, roi])
        return d
