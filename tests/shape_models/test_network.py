"""Regression voting in the place of a network: its state, its answers, and states that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.inferers import LandmarkInferer, load_weights
from kneebundle.shape_models import (
    SPACING_MM,
    RegressionVoting,
    RegressionVotingNet,
    even_contrast,
    to_confidence,
    write_state,
)
from tests.shape_models.conftest import Knees


def save(state: object, folder: Path) -> Path:
    torch.save(state, folder / "model.pt")
    return folder / "model.pt"


def test_a_saved_model_answers_as_before(voting: RegressionVoting, others: Knees, tmp_path: Path) -> None:
    network = RegressionVotingNet(SPACING_MM)
    load_weights(network, save(write_state(voting), tmp_path))
    region = others.regions[1].astype(np.float32)
    answer = LandmarkInferer()(torch.from_numpy(region)[None, None], network)[0].numpy()
    match = voting.match(even_contrast(region, SPACING_MM), SPACING_MM)
    width = region.shape[0] * SPACING_MM
    np.testing.assert_allclose((answer[:, :2] - 0.5) * width, match.points, atol=0.05)
    np.testing.assert_allclose(answer[:, 2], to_confidence(match.spread_mm), atol=0.01)
    again = RegressionVotingNet(SPACING_MM)
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(
        again(torch.from_numpy(region)[None, None]), network(torch.from_numpy(region)[None, None])
    )


def test_without_forests_it_gives_the_mean_shape_and_no_confidence() -> None:
    answer = RegressionVotingNet()(torch.zeros(2, 1, 384, 384), with_confidence=True)
    assert answer.shape == (2, 16, 3)
    torch.testing.assert_close(answer[0, :, :2].mean(0), torch.tensor([0.5, 0.5]))
    assert bool((answer[..., 2] < 0.01).all())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("level1_jump", lambda t: -t),
        ("level0_feature", lambda t: t + 500),
        ("level0_roots", lambda t: t + 1_000_000),
        ("level2_votes", lambda t: t[:-1]),
        ("level2_votes", lambda t: t * float("nan")),
        ("shape_variances", lambda t: -t),
        ("shape_modes", lambda t: t[:, :-2]),
        ("level0_threshold", lambda t: t.float()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_that_are_no_forests_are_an_error_of_one_line(
    name: str,
    change: object,
    voting: RegressionVoting,
    tmp_path: Path,
) -> None:
    state = write_state(voting)
    state[name] = change(state[name])  # type: ignore[operator]
    with pytest.raises(KneeBundleError, match="do not fit the bundle's network") as caught:
        load_weights(RegressionVotingNet(), save(state, tmp_path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x80\x02nothing"])
def test_a_file_that_is_no_model_is_an_error_of_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(KneeBundleError, match=r"model\.pt: the weights do not fit"):
        load_weights(RegressionVotingNet(), tmp_path / "model.pt")


def test_the_weights_of_a_network_are_refused(voting: RegressionVoting, tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="do not fit"):
        load_weights(RegressionVotingNet(), save(torch.nn.Linear(2, 2).state_dict(), tmp_path))
    with pytest.raises(KneeBundleError, match="do not fit"):
        load_weights(RegressionVotingNet(), save([1, 2], tmp_path))


def test_it_is_not_exported() -> None:
    with pytest.raises(RuntimeError, match="no graph that could be exported"):
        torch.jit.trace(RegressionVotingNet(), torch.zeros(1, 1, 64, 64))
