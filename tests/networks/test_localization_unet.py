"""LocalizationUNet: heatmaps of the image's size, scripted too, and nothing but the paper's layers."""

import pytest
import torch
from torch import nn

from kneebundle.networks.localization_unet import LocalizationUNet


def small(spatial_dims: int, **kwargs: object) -> LocalizationUNet:
    torch.manual_seed(0)
    settings: dict = {"in_channels": 1, "num_landmarks": 3, "features": 4, **kwargs}
    return LocalizationUNet(spatial_dims, **settings).eval()


@pytest.mark.parametrize(("spatial_dims", "size"), [(2, (32, 48)), (3, (32, 16, 32))])
def test_gives_heatmaps_of_the_images_size(spatial_dims: int, size: tuple[int, ...]) -> None:
    network = small(spatial_dims, initial_deviation=0.1)
    image = torch.randn(2, 1, *size)
    heatmaps = network(image)
    assert heatmaps.shape == (2, 3, *size)
    torch.testing.assert_close(torch.jit.script(network)(image), heatmaps)


def test_has_no_normalisation_unless_asked_and_starts_tiny() -> None:
    assert not [m for m in small(2).modules() if "Norm" in type(m).__name__]
    assert [m for m in small(2, norm="instance").modules() if isinstance(m, nn.InstanceNorm2d)]
    assert small(2, features=32).unet.final_conv.weight.std().item() == pytest.approx(1e-4, rel=0.3)
    assert small(2)(torch.randn(1, 1, 32, 32)).abs().max().item() < 0.01


def test_all_convolutions_have_the_same_width() -> None:
    widths = [m.out_channels for m in small(2).modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert widths == [4] * 18


def test_a_shifted_image_has_shifted_heatmaps() -> None:
    network = small(2, initial_deviation=0.1)
    image = torch.zeros(1, 1, 256, 16)
    image[..., 112:128, :] = torch.randn(16, 16)
    shifted = network(image.roll(16, dims=2))
    torch.testing.assert_close(shifted[..., 80:176, :], network(image).roll(16, dims=2)[..., 80:176, :])


def test_sizes_that_do_not_divide_raise_an_error_with_the_multiple() -> None:
    with pytest.raises(ValueError, match=r"multiples of 16, got \[32, 40\]"):
        small(2)(torch.zeros(1, 1, 32, 40))
