"""The two halves of a bilateral radiograph, each with its knee (KNEEL section 4.1)."""

from __future__ import annotations

from typing import Any

from monai.data import MetaTensor
from monai.transforms import SpatialCrop

from kneebundle.radiograph import Side

__all__ = ["crop_half"]


def crop_half(image: MetaTensor, side: Side, split: float = 0.5) -> MetaTensor:
    """Cut the half with the knee of one side out of a bilateral radiograph.

    The right knee is on the left, as the patient faces the viewer.

    Args:
        image: (1, H, W) as displayed.
        side: ``"R"`` or ``"L"``.
        split: where the halves meet, as a fraction of the width.

    Returns:
        (1, H, int(split W)) or (1, H, W - int(split W)), its affine in the world of ``image``.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> crop_half(MetaTensor(torch.arange(4.0)[None, None]), "L").tolist()
        [[[2.0, 3.0]]]
    """
    rows, columns = image.shape[1:]
    cut = int(columns * split)
    start, end = (0, cut) if side == "R" else (cut, columns)
    half: Any = SpatialCrop(roi_start=(0, start), roi_end=(rows, end))(image)
    assert isinstance(half, MetaTensor)
    return half
