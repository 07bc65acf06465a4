"""What the options of predict come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle import cli
from kneebundle.pipelines.by_view import PipelineOptions, PipelinesByView
from tests.batch.fakes import FakePipeline, write_picture


@pytest.mark.parametrize(
    ("arguments", "runtime", "precision"),
    [
        ([], "auto", "float32"),
        (["--runtime", "onnx"], "onnx", "float32"),
        (["--runtime", "torch", "--precision", "bfloat16"], "torch", "bfloat16"),
    ],
)
def test_runtime_and_precision_reach_the_networks(
    arguments: list[str], runtime: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[PipelineOptions] = []

    def make(options: PipelineOptions) -> FakePipeline:
        asked.append(options)
        return FakePipeline()

    monkeypatch.setattr(PipelinesByView, "from_bundles", make)
    write_picture(tmp_path / "knee.png", 100)
    with pytest.raises(SystemExit):
        cli.main(["predict", str(tmp_path / "knee.png"), "-o", str(tmp_path / "out"), "--spacing", "0.5", *arguments])
    assert [(options.runtime, options.precision) for options in asked] == [(runtime, precision)]
