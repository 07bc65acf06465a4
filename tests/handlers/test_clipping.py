"""A gradient is shortened to the bound, all parameters together, and left alone below it."""

from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines import IterationEvents

from kneebundle.handlers.clipping import GradientClipping


def after_clipping(max_norm: float) -> torch.Tensor:
    weight, bias = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    weight.grad, bias.grad = torch.tensor([30.0]), torch.tensor([40.0])
    engine = Engine(lambda *_: None)
    engine.register_events(*IterationEvents)
    GradientClipping(iter([weight, bias]), max_norm).attach(engine)
    engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
    return torch.cat([weight.grad, bias.grad])


@pytest.mark.parametrize(("max_norm", "expected"), [(10.0, [6.0, 8.0]), (60.0, [30.0, 40.0]), (0.0, [30.0, 40.0])])
def test_the_length_is_bounded_and_the_direction_kept(max_norm: float, expected: list[float]) -> None:
    assert after_clipping(max_norm).tolist() == pytest.approx(expected, rel=1e-4)


def test_a_gradient_that_was_enlarged_for_float16_is_brought_back_first() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    engine: Any = Engine(lambda *_: None)
    engine.register_events(*IterationEvents)
    engine.optimizer = torch.optim.SGD([weight], lr=1.0)
    engine.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    GradientClipping([weight], 10.0).attach(engine)
    engine.scaler.scale((weight * torch.tensor([30.0, 40.0])).sum()).backward()
    engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
    engine.scaler.step(engine.optimizer)
    assert weight.tolist() == pytest.approx([-6.0, -8.0], rel=1e-4)


def test_a_negative_bound_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        GradientClipping([], -1.0)
