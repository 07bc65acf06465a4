"""Classical models in the place of a network: their state, their answers, and states that are none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.inferers import LandmarkInferer, load_weights
from kneebundle.shape_models import (
    SPACING_MM,
    RegressionVoting,
    ShapeModel,
    ShapeModelNet,
    even_contrast,
    to_confidence,
    train_active_appearance,
    train_constrained_local,
    write_state,
)
from tests.shape_models.conftest import Knees


def save(state: object, folder: Path) -> Path:
    torch.save(state, folder / "model.pt")
    return folder / "model.pt"


def test_a_saved_model_answers_as_before(voting: RegressionVoting, others: Knees, tmp_path: Path) -> None:
    network = ShapeModelNet(spacing_mm=SPACING_MM)
    load_weights(network, save(write_state(voting), tmp_path))
    region = others.regions[1].astype(np.float32)
    answer = LandmarkInferer()(torch.from_numpy(region)[None, None], network)[0].numpy()
    match = voting.match(even_contrast(region, SPACING_MM), SPACING_MM)
    width = region.shape[0] * SPACING_MM
    np.testing.assert_allclose((answer[:, :2] - 0.5) * width, match.points, atol=0.05)
    np.testing.assert_allclose(answer[:, 2], to_confidence(match.spread_mm), atol=0.01)
    again = ShapeModelNet(spacing_mm=SPACING_MM)
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(
        again(torch.from_numpy(region)[None, None]), network(torch.from_numpy(region)[None, None])
    )


def test_without_forests_it_gives_the_mean_shape_and_no_confidence() -> None:
    answer = ShapeModelNet()(torch.zeros(2, 1, 384, 384), with_confidence=True)
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
        load_weights(ShapeModelNet(), save(state, tmp_path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x80\x02nothing"])
def test_a_file_that_is_no_model_is_an_error_of_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(KneeBundleError, match=r"model\.pt: the weights do not fit"):
        load_weights(ShapeModelNet(), tmp_path / "model.pt")


def test_the_weights_of_a_network_are_refused(voting: RegressionVoting, tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="do not fit"):
        load_weights(ShapeModelNet(), save(torch.nn.Linear(2, 2).state_dict(), tmp_path))
    with pytest.raises(KneeBundleError, match="do not fit"):
        load_weights(ShapeModelNet(), save([1, 2], tmp_path))


def test_it_is_not_exported() -> None:
    with pytest.raises(RuntimeError, match="no graph that could be exported"):
        torch.jit.trace(ShapeModelNet(), torch.zeros(1, 1, 64, 64))


TRAIN: dict[str, Callable[..., ShapeModel]] = {
    "clm": partial(train_constrained_local, features="lbp", near=2, far=4),
    "aam": partial(train_active_appearance, features="igo"),
}


@pytest.fixture(scope="module")
def small(training: Knees) -> dict[str, ShapeModel]:
    """A small model of each kind without forests."""
    return {kind: train(training.regions[:8], training.points[:8], SPACING_MM) for kind, train in TRAIN.items()}


@pytest.mark.parametrize("kind", TRAIN)
def test_the_other_kinds_are_saved_and_answer_as_before(
    kind: str, small: dict[str, ShapeModel], others: Knees, tmp_path: Path
) -> None:
    network = ShapeModelNet(kind, SPACING_MM)
    load_weights(network, save(write_state(small[kind]), tmp_path))
    region = others.regions[0].astype(np.float32)
    answer = LandmarkInferer()(torch.from_numpy(region)[None, None], network)[0].numpy()
    match = small[kind].match(even_contrast(region, SPACING_MM), SPACING_MM)
    np.testing.assert_allclose((answer[:, :2] - 0.5) * region.shape[0] * SPACING_MM, match.points, atol=0.02)
    np.testing.assert_allclose(answer[:, 2], to_confidence(match.spread_mm), atol=0.01)


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("clm", "level1_experts", lambda t: t[:, :-1]),
        ("clm", "level0_experts", lambda t: t * float("inf")),
        ("clm", "features", lambda t: t + 9),
        ("aam", "level0_modes", lambda t: t[:, 1:]),
        ("aam", "level1_carry", lambda t: t[:, 1:]),
        ("aam", "level0_mode_slopes", lambda t: t[1:]),
        ("aam", "features", lambda t: t + 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_of_the_other_kinds_that_do_not_fit_are_an_error_of_one_line(
    kind: str,
    name: str,
    change: Callable[[torch.Tensor], torch.Tensor],
    small: dict[str, ShapeModel],
    tmp_path: Path,
) -> None:
    state = write_state(small[kind])
    state[name] = change(state[name])
    with pytest.raises(KneeBundleError, match="do not fit the bundle's network") as caught:
        load_weights(ShapeModelNet(kind), save(state, tmp_path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("kind", TRAIN)
def test_a_model_of_another_kind_is_refused(kind: str, small: dict[str, ShapeModel], tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="do not fit"):
        load_weights(ShapeModelNet(), save(write_state(small[kind]), tmp_path))


def test_there_are_no_other_kinds() -> None:
    with pytest.raises(ValueError, match="a shape model is one of rfrv, clm, aam, got 'asm'"):
        ShapeModelNet("asm")
