"""The progress bar is shown on terminals only."""

from __future__ import annotations

import sys

import pytest
import torch
from ignite.engine import Engine

from kneebundle.handlers.progress import Progress


@pytest.mark.parametrize("decollated", [True, False])
@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_shows_the_loss_on_a_terminal_and_nothing_elsewhere(
    terminal: bool, decollated: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    output = {"loss": torch.tensor(0.25)}
    trainer = Engine(lambda engine, batch: [output] if decollated else output)
    Progress(desc="training").attach(trainer)
    trainer.run([0, 1], max_epochs=1)
    shown = capsys.readouterr().err
    assert ("training" in shown and "loss=0.25" in shown) == terminal
    assert bool(shown) == terminal
