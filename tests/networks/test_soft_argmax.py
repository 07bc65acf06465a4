"""SoftArgmax: decoding to cell centres, the paper's form, spread, precision."""

import pytest
import torch

from kneebundle.networks.soft_argmax import SoftArgmax


def peak(height: int, width: int, row: int, column: int) -> torch.Tensor:
    scores = torch.full((1, 1, height, width), -1e4)
    scores[0, 0, row, column] = 1e4
    return scores


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 9), (5, 2)])
def test_a_peak_decodes_to_the_centre_of_its_cell(row: int, column: int) -> None:
    xy, spread = SoftArgmax()(peak(6, 10, row, column))
    torch.testing.assert_close(xy[0, 0], torch.tensor([(column + 0.5) / 10, (row + 0.5) / 6]))
    assert float(spread) == pytest.approx(0.0, abs=1e-6)


def test_the_papers_form_is_half_a_cell_less() -> None:
    xy, _ = SoftArgmax(cell_centers=False)(peak(6, 10, 3, 9))
    torch.testing.assert_close(xy[0, 0], torch.tensor([0.9, 0.5]))


def test_a_constant_map_decodes_to_the_middle_with_the_spread_of_a_uniform_distribution() -> None:
    xy, spread = SoftArgmax()(torch.zeros(1, 1, 7, 12))
    torch.testing.assert_close(xy[0, 0], torch.tensor([0.5, 0.5]))
    expected = ((12**2 - 1) / 12 + (7**2 - 1) / 12) ** 0.5 / 12
    assert float(spread) == pytest.approx(expected, rel=1e-5)


def test_beta_sharpens() -> None:
    scores = torch.tensor([0.0, 1.0, 3.0]).reshape(1, 1, 1, 3)
    weights = torch.softmax(2.0 * scores.flatten(), 0)
    xy, _ = SoftArgmax(beta=2.0)(scores)
    assert float(xy[0, 0, 0]) == pytest.approx(float((weights * torch.tensor([0.5, 1.5, 2.5])).sum() / 3))


def test_half_precision_input_is_decoded_in_float32() -> None:
    torch.manual_seed(0)
    scores = torch.randn(1, 4, 117, 117).bfloat16()
    exact, _ = SoftArgmax()(scores.double())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        xy, _ = SoftArgmax()(scores)
    assert xy.dtype == torch.float32
    torch.testing.assert_close(xy, exact.float(), atol=1e-5, rtol=0)
