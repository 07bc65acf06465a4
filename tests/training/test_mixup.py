"""MixUp: the loss of equation 9 as printed, and an engine that is otherwise MONAI's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from monai.engines import IterationEvents
from monai.utils import set_determinism

from kneebundle.inferers import AutocastInferer
from kneebundle.training import MixUpTrainer
from kneebundle.training.mixup import Mix


class Mean(torch.nn.Module):
    """Answers one point: the image's mean times a parameter, twice. It counts its calls and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.detach().clone())
        return (self.factor * x.mean((1, 2, 3))).reshape(-1, 1, 1).expand(-1, 1, 2)


class AbsoluteError(torch.nn.Module):
    def forward(self, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (pred - target).abs().mean()


IMAGES = torch.tensor([0.1, 0.2, 0.4]).reshape(3, 1, 1, 1).expand(3, 1, 4, 4).contiguous()
POINTS = torch.tensor([0.5, 0.6, 0.7]).reshape(3, 1, 1).expand(3, 1, 2).contiguous()


def trainer(**kwargs: Any) -> Any:
    network = Mean()
    settings: dict[str, Any] = {
        "device": "cpu",
        "max_epochs": 1,
        "train_data_loader": [{"image": IMAGES, "label": POINTS}],
        "network": network,
        "optimizer": torch.optim.SGD(network.parameters(), lr=0.5),
        "loss_function": AbsoluteError(),
        "decollate": False,
    }
    return MixUpTrainer(**{**settings, **kwargs})


def fix_the_draw(engine: Any, weight: float) -> None:
    engine._draw = lambda batch_size: Mix(weight, np.array([1, 2, 0]))


def absolute(pred: Sequence[float] | np.ndarray, target: Sequence[float] | np.ndarray) -> float:
    return float(np.abs(np.array(pred) - np.array(target)).mean())


@pytest.mark.parametrize("weight", [0.3, 0.8])
def test_paired_is_equation_9_as_printed(weight: float) -> None:
    engine = trainer(mixup="paired")
    fix_the_draw(engine, weight)
    engine.run()
    image_weight = max(weight, 1 - weight)
    x = np.array([0.1, 0.2, 0.4])
    mixed = image_weight * x + (1 - image_weight) * x[[1, 2, 0]]
    clean_term, mixed_term = absolute(2 * x, [0.5, 0.6, 0.7]), absolute(2 * mixed, [0.6, 0.7, 0.5])
    loss = engine.state.output["loss"].item()
    assert loss == pytest.approx(weight * clean_term + (1 - weight) * mixed_term, rel=1e-6)
    first, second = (seen[:, 0, 0, 0].numpy() for seen in engine.network.seen)
    np.testing.assert_allclose(first, x, rtol=1e-6)
    np.testing.assert_allclose(second, mixed, rtol=1e-6)


def test_both_terms_reach_the_gradient() -> None:
    engine = trainer(mixup="paired")
    fix_the_draw(engine, 0.75)
    engine.run()
    x = np.array([0.1, 0.2, 0.4])
    mixed = 0.75 * x + 0.25 * x[[1, 2, 0]]
    signs, mixed_signs = np.sign(2 * x - [0.5, 0.6, 0.7]), np.sign(2 * mixed - [0.6, 0.7, 0.5])
    gradient = 0.75 * (signs * x).mean() + 0.25 * (mixed_signs * mixed).mean()
    assert engine.network.factor.item() == pytest.approx(2.0 - 0.5 * gradient, rel=1e-5)


def test_original_is_one_pass_over_the_mixed_images() -> None:
    engine = trainer(mixup="original")
    fix_the_draw(engine, 0.3)
    engine.run()
    x = np.array([0.1, 0.2, 0.4])
    mixed = 2 * (0.7 * x + 0.3 * x[[1, 2, 0]])
    expected = 0.7 * absolute(mixed, [0.5, 0.6, 0.7]) + 0.3 * absolute(mixed, [0.6, 0.7, 0.5])
    assert engine.state.output["loss"].item() == pytest.approx(expected, rel=1e-6)
    assert len(engine.network.seen) == 1


def test_none_is_plain_training() -> None:
    engine = trainer(mixup="none")
    engine.run()
    assert engine.state.output["loss"].item() == pytest.approx(absolute([0.2, 0.4, 0.8], [0.5, 0.6, 0.7]), rel=1e-6)


def test_the_weights_follow_the_beta_distribution() -> None:
    engine = trainer(mixup_alpha=0.75)
    weights = np.array([engine._draw(4).weight for _ in range(4000)])
    assert weights.mean() == pytest.approx(0.5, abs=0.02)
    assert weights.var() == pytest.approx(1 / (4 * (2 * 0.75 + 1)), abs=0.005)
    assert Mix(0.2, np.arange(2)).image_weight == 0.8


def test_the_random_numbers_are_its_own_and_part_of_its_state() -> None:
    first, second = trainer(mixup_seed=3), trainer(mixup_seed=4)
    first._draw(8)
    second.load_state_dict(first.state_dict())
    set_determinism(0)
    expected = [first._draw(8) for _ in range(3)]
    torch.rand(7), np.random.rand(7)
    for mix in expected:
        again = second._draw(8)
        assert again.weight == mix.weight
        assert np.array_equal(again.partners, mix.partners)


def test_the_events_and_outputs_are_those_of_monai() -> None:
    engine = trainer(mixup="paired")
    fix_the_draw(engine, 0.8)
    fired: list[str] = []
    for event in IterationEvents:
        engine.add_event_handler(event, lambda _, name=event.name: fired.append(name))
    engine.run()
    assert fired == ["FORWARD_COMPLETED", "LOSS_COMPLETED", "BACKWARD_COMPLETED", "MODEL_COMPLETED"]
    assert engine.state.output["pred"][:, 0, 0].tolist() == pytest.approx([0.2, 0.4, 0.8])  # o1
    assert torch.equal(engine.state.output["label"], POINTS)


def test_settings_that_cannot_work_are_errors() -> None:
    with pytest.raises(ValueError, match="mixup is one of"):
        trainer(mixup="cutmix")
    with pytest.raises(ValueError, match="positive"):
        trainer(mixup_alpha=0.0)
    with pytest.raises(ValueError, match="AutocastInferer"):
        trainer(amp=True)


class Convolution(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 2, 3)
        self.dtype: torch.dtype | None = None
        self.channels_last = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.layer(x)
        self.dtype = maps.dtype
        self.channels_last = maps.is_contiguous(memory_format=torch.channels_last)
        return maps.float().mean((2, 3)).unsqueeze(1)


@pytest.mark.parametrize("mixup", ["paired", "none"])
def test_bfloat16_training_works_on_a_cpu(mixup: str) -> None:
    network: Any = Convolution().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = network.layer.weight.detach().clone()
    engine = trainer(
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.5),
        inferer=AutocastInferer("bfloat16", "channels_last"),
        mixup=mixup,
    )
    engine.run()
    assert network.dtype == torch.bfloat16
    assert network.channels_last
    assert network.layer.weight.dtype == torch.float32
    assert engine.state.output["loss"].dtype == torch.float32
    assert not torch.equal(network.layer.weight, before)
