"""The inferer that runs a network in lower precision."""

from __future__ import annotations

import pytest
import torch

from kneebundle.inferers import AutocastInferer

IMAGES = torch.rand(3, 1, 4, 4)


class Convolution(torch.nn.Module):
    """A network that keeps the precision it was run in."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 2, 3)
        self.dtype: torch.dtype | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.layer(x)
        self.dtype = maps.dtype
        return maps.float().mean((2, 3)).unsqueeze(1)


def test_an_inferer_without_autocast_answers_in_full_precision() -> None:
    network = Convolution()
    AutocastInferer(dtype=None)(IMAGES, network)
    assert network.dtype == torch.float32
    with pytest.raises(ValueError, match="dtype"):
        AutocastInferer("float64")
    with pytest.raises(ValueError, match="memory_format"):
        AutocastInferer(memory_format="rows")


def test_in_bfloat16_the_network_runs_in_it_and_the_answer_is_float32() -> None:
    network = Convolution()
    answer = AutocastInferer("bfloat16")(IMAGES, network)
    assert network.dtype == torch.bfloat16 and answer.dtype == torch.float32
    torch.testing.assert_close(answer, network(IMAGES), atol=0.02, rtol=0.02)
