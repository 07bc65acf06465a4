"""Signs of life of a run where stderr is a log."""

from __future__ import annotations

import io
import time

import pytest

from kneebundle.batch.progress import ProgressDisplay, show_progress


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(10, 2, True, first_s=0.05, every_s=0.05) as progress:
        progress.count(False)
        progress.count(True)
        time.sleep(0.4)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert lines[0].startswith("kneebundle: 4 of 10 images after 0 s, 1 refused, about ")


def test_a_quick_run_and_a_quiet_one_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(10, 0, True):
        pass
    with show_progress(10, 0, False, first_s=0.01):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_the_time_that_is_left_follows_from_the_pace() -> None:
    display = ProgressDisplay(110, 10)
    for _ in range(50):
        display.count(False)
    assert display.describe(3600) == "60 of 110 images after 1 h 0 min, about 1 h 0 min left"
    for _ in range(50):
        display.count(False)
    assert display.describe(65) == "110 of 110 images after 1 min 5 s"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    with show_progress(10, 2, True) as progress:
        progress.count(False)
        progress.count(True)
    assert (progress.done, progress.refused) == (2, 1)
    assert "2/10" in terminal.getvalue() and "4/10" in terminal.getvalue()
