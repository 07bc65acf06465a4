"""What the options of predict come to."""

from __future__ import annotations

import json
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


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_a_spacing_may_have_a_decimal_comma_and_no_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(PipelinesByView, "from_bundles", lambda _: FakePipeline())
    film, out = write_picture(tmp_path / "knee.png", 100), tmp_path / "out"
    for spacing in ("0.3mm", "nan", "inf", "", "1,000.5"):
        assert call("predict", film, "-o", out, "--spacing", spacing) == 2
        assert "is no number; give one such as 0.2" in capsys.readouterr().err
    assert call("predict", film, "-o", out, "--spacing", "-0.2") == 2
    assert not out.exists()
    assert call("predict", film, "-o", out, "--spacing", "0,25") == 0
    assert json.loads((out / "knee.json").read_text())["image"]["spacing_mm"] == [0.25, 0.25]


def test_a_runtime_that_is_not_installed_is_a_wrong_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kneebundle.inferers.runtime.find_spec", lambda name: None)
    film = write_picture(tmp_path / "knee.png", 5)
    assert call("predict", film, "-o", tmp_path / "out", "--spacing", "1", "--runtime", "openvino") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "openvino needs openvino, which is not installed; choose another with --runtime" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["predict", "register", "standardize"])
def test_deidentify_and_its_salt_reach_the_run(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(PipelinesByView, "from_bundles", lambda _: FakePipeline())
    film = write_picture(tmp_path / "DOE" / "JANE.png", 5)
    asked = (command, film, "-o", tmp_path / "out", "--salt", tmp_path / "salt")
    assert call(*asked) == 2
    assert "--salt is for --deidentify" in capsys.readouterr().err
    assert call(*asked, "--deidentify", "--side", "R", *(() if command == "register" else ("--spacing", "1"))) in (0, 1)
    assert len((tmp_path / "salt").read_text().strip()) == 64
    said = capsys.readouterr()
    assert "JANE" not in said.out + said.err
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file() and b"JANE" in path.read_bytes()]


def test_archives_are_an_error_that_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("b.tar.gz", "a.zip"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"PK\x03\x04")
    assert call("predict", tmp_path / "in", "-o", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "archives are not read (a.zip and 1 more); unpack them and give the folder that they make" in line
    write_picture(tmp_path / "in" / "knee.png", 100)
    call("predict", tmp_path / "in", "-o", tmp_path / "out")  # without a pixel size it is an error, but it is tried
    assert "archives are not read (a.zip and 1 more)" in caplog.text
    assert (tmp_path / "out" / "errors.csv").read_text().count("\n") == 2


def test_an_evaluation_leaves_files_of_others_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = Path(__file__).parents[2] / "samples" / "knees"
    (tmp_path / "evaluation.csv").write_text("mine")
    assert call("evaluate", "--predictions", tmp_path, "--truth", samples / "truth.csv") == 2
    assert "kneebundle did not write, and it does not touch them: evaluation.csv" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.csv"]
