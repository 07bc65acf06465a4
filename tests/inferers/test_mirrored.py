"""The mean over an image and its mirror image."""

import torch

from kneebundle.inferers.mirrored import MirroredInferer


def shifted(images: torch.Tensor) -> torch.Tensor:
    """A network that puts everything one pixel too far to the right."""
    return images.roll(1, dims=-1)


def test_an_error_to_one_side_is_shared_between_both() -> None:
    image = torch.zeros(1, 1, 3, 9)
    image[..., 1, 4] = 1.0
    answer = MirroredInferer(None)(image, shifted)
    assert answer[0, 0, 1].tolist() == [0, 0, 0, 0.5, 0, 0.5, 0, 0, 0]
    alone = MirroredInferer(None, mirror=False)(image, shifted)
    assert alone[0, 0, 1].tolist() == [0, 0, 0, 0, 0, 1.0, 0, 0, 0]
