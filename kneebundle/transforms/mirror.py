"""Mirror left knees, so that they look like right ones to the landmark network (KNEEL section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import Flip, MapTransform

__all__ = ["MirrorLeftd"]


class MirrorLeftd(MapTransform):
    """Mirror the columns of left knees. The affine keeps count, so points in mm need no mirroring back.

    Args:
        keys: of MetaTensors (1, H, W).
        side_key: where ``"R"`` or ``"L"`` stands.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> mirror = MirrorLeftd("image")
        >>> mirror({"image": MetaTensor(torch.tensor([[[1.0, 2.0]]])), "side": "L"})["image"].tolist()
        [[[2.0, 1.0]]]
    """

    def __init__(self, keys: KeysCollection, side_key: str = "side", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.side_key = side_key
        self.flip = Flip(spatial_axis=1)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Mirror the images of a left knee."""
        d = dict(data)
        if d[self.side_key] == "L":
            for key in self.key_iterator(d):
                d[key] = self.flip(d[key])
        return d
