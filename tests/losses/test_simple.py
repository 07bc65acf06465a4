"""L1, L2 and elastic by hand."""

from __future__ import annotations

import pytest
import torch

from kneebundle.losses import ElasticLoss, L1Loss, L2Loss


@pytest.mark.parametrize(("kind", "expected"), [(L1Loss, (3 + 4) / 2), (L2Loss, (9 + 16) / 2), (ElasticLoss, 16.0)])
def test_values_by_hand(kind: type, expected: float) -> None:
    pred, target = torch.tensor([[[0.13, 0.26]]]), torch.tensor([[[0.10, 0.30]]])
    assert kind("px", 100)(pred, target).item() == pytest.approx(expected, rel=1e-5)
