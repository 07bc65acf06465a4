from __future__ import annotations

import json
from typing import Any

import pytest

from kneebundle.cli import main

PARTS: dict[str, Any] = {
    "kneebundle": "9.9",
    "system": {"system": "Linux 6.1", "architecture": "x86_64", "python": "3.12.1"},
    "packages": [],
    "machine": {"error": "RuntimeError: no"},
    "dicom": [],
    "bundles": [],
    "prediction": None,
    "caches": [],
    "missing": [],
}


@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize("predict", [True, False])
def test_doctor_prints_json_and_its_exit_code_says_whether_it_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, works: bool, predict: bool
) -> None:
    asked: list[bool] = []

    def diagnose(predict: bool) -> dict[str, Any]:
        asked.append(predict)
        return {**PARTS, "works": works}

    monkeypatch.setattr("kneebundle.diagnosis.diagnose", diagnose, raising=False)
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--json", *([] if predict else ["--no-predict"])])
    assert (stop.value.code, asked) == (0 if works else 1, [predict])
    assert json.loads(capsys.readouterr().out)["works"] is works


def test_doctor_prints_a_line_a_fact(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr("kneebundle.diagnosis.diagnose", lambda predict: {**PARTS, "works": False}, raising=False)
    with pytest.raises(SystemExit):
        main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kneebundle 9.9, Python 3.12.1, Linux 6.1 x86_64"
    assert "  RuntimeError: no" in lines
    assert lines[-1] == "kneebundle does not work as far as can be told without a prediction"


@pytest.mark.parametrize("error", [None, ImportError("torch is broken")])
def test_doctor_says_what_is_missing_where_it_cannot_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, error: Exception | None
) -> None:
    started: list[str] = []

    def start() -> None:
        started.append("quickly")
        if error is not None:
            raise error

    monkeypatch.setattr("kneebundle.cli.doctor.start_quickly", start)
    monkeypatch.setattr("kneebundle.diagnosis.diagnose", lambda predict: {**PARTS, "works": False}, raising=False)
    monkeypatch.setattr("sys.argv", ["kneebundle", "doctor", "--no-predict"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert (started, stop.value.code) == (["quickly"], 1)
    assert "does not work" in capsys.readouterr().out
