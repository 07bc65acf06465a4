"""A whole image on a grid of fixed size: it fits, in the middle, and the way back is the affine."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from kneebundle.radiograph import Radiograph
from kneebundle.transforms.fit import FitToSized, fit_to_size
from kneebundle.transforms.points import normalized_to_world, world_to_normalized


@pytest.mark.parametrize(
    ("shape", "spacing"), [((300, 100), (0.2, 0.2)), ((100, 300), (0.2, 0.2)), ((90, 80), (0.5, 0.3))]
)
def test_a_dot_stays_where_it_is_in_mm(shape: tuple[int, int], spacing: tuple[float, float]) -> None:
    x, y = 0.3 * shape[1] * spacing[1], 0.6 * shape[0] * spacing[0]
    v, u = np.mgrid[: shape[0], : shape[1]]
    image = np.exp(-((u * spacing[1] - x) ** 2 + (v * spacing[0] - y) ** 2) / (2 * 2.0**2))
    fitted = fit_to_size(Radiograph(image, spacing).to_metatensor(), (64, 48))
    values = torch.nan_to_num(fitted.as_tensor()[0]).numpy()
    rows, columns = np.mgrid[:64, :48]
    middle = torch.tensor([[((columns + 0.5) * values).sum() / 48, ((rows + 0.5) * values).sum() / 64]]) / values.sum()
    assert normalized_to_world(middle, fitted)[0].tolist() == pytest.approx([x, y], abs=0.1)


def test_the_longer_side_decides_and_the_rest_is_left_open() -> None:
    radiograph = Radiograph(np.random.default_rng(0).random((100, 60)), (0.4, 0.4)).to_metatensor()
    fitted = FitToSized("image", (50, 50))({"image": radiograph})["image"]
    finite = torch.isfinite(fitted.as_tensor()[0])
    assert finite.all(dim=0).tolist() == [10 <= column <= 39 for column in range(50)]
    assert fitted.affine[0, 0] == pytest.approx(0.8) and fitted.affine[1, 1] == pytest.approx(0.8)
    centre = np.array([[29.5 * 0.4, 49.5 * 0.4]])
    assert world_to_normalized(centre, fitted)[0].tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("width", [0.9, float(np.float32(0.9))])
def test_masks_of_pixels_of_the_right_size_are_only_padded(width: float) -> None:
    """An odd number of columns has no middle; half a pixel of shift would blur every edge.

    A spacing that went through single precision is the right one, too.
    """
    masks = (np.random.default_rng(0).random((4, 64, 45)) > 0.5).astype(np.float32)
    radiograph = Radiograph(masks[0], (0.9, width)).to_metatensor()
    fitted = fit_to_size(MetaTensor(torch.from_numpy(masks), affine=radiograph.affine), (64, 64))
    assert fitted.shape == (4, 64, 64)
    start = int(torch.isfinite(fitted.as_tensor()[0, 0]).nonzero()[0])
    torch.testing.assert_close(fitted.as_tensor()[:, :, start : start + 45], torch.from_numpy(masks), atol=1e-5, rtol=0)


def test_a_missing_image_is_an_error_or_not() -> None:
    data = {"image": Radiograph(np.eye(8), (1.0, 1.0)).to_metatensor()}
    assert FitToSized(["image", "mask"], (4, 4), allow_missing_keys=True)(data)["image"].shape == (1, 4, 4)
    with pytest.raises(KeyError):
        FitToSized(["image", "mask"], (4, 4))(data)
