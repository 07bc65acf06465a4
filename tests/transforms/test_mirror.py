"""Left knees look like right ones to a network, and the affine knows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kneebundle.radiograph import Radiograph
from kneebundle.transforms.mirror import MirrorLeftd

PIXELS = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize("side", ["R", "L", None])
def test_columns_of_left_knees_change_places_and_nothing_else(side: str | None) -> None:
    image = Radiograph(PIXELS, (0.5, 0.2)).to_metatensor()
    data: dict[str, Any] = {"image": image, "mask": Radiograph(PIXELS + 1, (0.5, 0.2)).to_metatensor(), "side": side}
    mirrored = MirrorLeftd(["image", "mask"])(data)
    expected = PIXELS[:, ::-1] if side == "L" else PIXELS
    np.testing.assert_array_equal(mirrored["image"].numpy()[0], expected)
    np.testing.assert_array_equal(mirrored["mask"].numpy()[0], expected + 1)
    np.testing.assert_array_equal(data["image"].numpy()[0], PIXELS)
    # pixel (0, 0) of the mirrored image lies where the last column was
    corner = np.asarray(mirrored["image"].affine) @ [0, 0, 0, 1]
    np.testing.assert_allclose(corner[:2], [0.0, 0.6 if side == "L" else 0.0], atol=1e-6)


def test_the_side_may_stand_elsewhere_and_a_missing_image_is_an_error_or_not() -> None:
    data = {"image": torch.arange(4.0)[None, None], "knee": "L"}
    assert MirrorLeftd("image", side_key="knee")(data)["image"].tolist() == [[[3.0, 2.0, 1.0, 0.0]]]
    assert MirrorLeftd(["image", "mask"], "knee", allow_missing_keys=True)(data).keys() == data.keys()
    with pytest.raises(KeyError):
        MirrorLeftd(["image", "mask"], "knee")(data)
