"""A resumed training ends with a learning rate of nothing, whether it became longer or not."""

from __future__ import annotations

import pytest
import torch

from kneebundle.training import ResumableCosineSchedule


def schedule(total: int) -> tuple[torch.optim.Optimizer, ResumableCosineSchedule]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    return optimizer, ResumableCosineSchedule(optimizer, warmup_steps=2, t_total=total)


def rates(total: int, steps: int, state: dict | None = None) -> tuple[list[float], dict]:
    optimizer, scheduler = schedule(total)
    if state is not None:
        scheduler.load_state_dict(state)
    seen = []
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        seen.append(float(scheduler.get_last_lr()[0]))
    return seen, scheduler.state_dict()


def test_it_goes_on_as_if_it_had_never_stopped() -> None:
    whole, _ = rates(20, 20)
    first, state = rates(20, 8)
    rest, _ = rates(20, 12, state)
    assert first + rest == pytest.approx(whole)


def test_a_longer_training_stretches_it() -> None:
    whole, _ = rates(40, 40)
    _, state = rates(20, 20)
    rest, _ = rates(40, 20, state)
    assert rest == pytest.approx(whole[20:])
    assert sorted(rest, reverse=True) == rest
    assert rest[-1] == pytest.approx(0.0, abs=1e-6)
