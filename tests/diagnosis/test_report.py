"""What a diagnosis says of an installation that lacks something, and what it must not say."""

from __future__ import annotations

import getpass
import platform
from pathlib import Path
from typing import Any

import pytest

from kneebundle.diagnosis import (
    SamplePrediction,
    diagnose,
    format_diagnosis,
    list_packages,
    machine,
    packages,
    report,
)
from kneebundle.errors import KneeBundleError
from kneebundle.io import dicom_decoders

GOOD = SamplePrediction(knees=2, error_mm=1.25, load_s=0.5, first_s=3.0, next_s=0.75)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is predicted, and no weights are hashed."""
    monkeypatch.setattr(report, "predict_sample", lambda: GOOD)
    monkeypatch.setattr("kneebundle.bundles.hash_file", lambda path: "0" * 64)


def lose(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = packages._find_version
    monkeypatch.setattr(packages, "_find_version", lambda other: None if other == name else real(other))


def fail(error: Exception) -> Any:
    def part() -> None:
        raise error

    return part


def test_a_sound_installation_works() -> None:
    found = diagnose()
    assert found["works"] is True
    assert found["prediction"] == GOOD._asdict()
    text = format_diagnosis(found)
    assert text.endswith("\n\nkneebundle works")
    assert "1.2 mm from the drawn ones" in text
    assert {bundle["name"] for bundle in found["bundles"]} >= {"knee_landmark_localization", "knee_roi_localization"}


def test_without_a_prediction_the_verdict_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "predict_sample", fail(AssertionError("predicted")))
    found = diagnose(predict=False)
    assert found["works"] is True
    assert format_diagnosis(found).endswith("kneebundle works as far as can be told without a prediction")


@pytest.mark.parametrize(
    ("name", "works", "advice"),
    [
        ("itk", False, "itk (reads MetaImage, registers; kneebundle needs it): pip install itk"),
        ("ray", True, "ray (predicts in many processes; optional): pip install kneebundle[ray]"),
    ],
)
def test_what_is_missing_is_said_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, name: str, works: bool, advice: str
) -> None:
    lose(monkeypatch, name)
    found = diagnose()
    assert found["works"] is works
    assert advice in found["missing"]
    assert advice in format_diagnosis(found)


def test_an_encoding_without_decoder_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = dicom_decoders.list_encodings()
    monkeypatch.setattr(
        dicom_decoders,
        "list_encodings",
        lambda: [e._replace(decoders=()) if e.name == "JPEGLossless" else e for e in real],
    )
    found = diagnose()
    assert found["missing"][-1] == "a decoder of JPEGLossless: pip install imagecodecs"
    assert "cannot be read: pip install imagecodecs" in format_diagnosis(found)


@pytest.mark.parametrize("error", [KneeBundleError("no knee", "/home/jane/x.dcm"), ImportError("libGL.so.1: no file")])
def test_a_prediction_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(report, "predict_sample", fail(error))
    found = diagnose()
    assert found["works"] is False
    assert ("no knee" in str(found["prediction"])) or ("ImportError: libGL.so.1" in str(found["prediction"]))
    assert "jane" not in format_diagnosis(found)
    assert format_diagnosis(found).endswith("kneebundle does not work")


def test_a_part_that_cannot_be_found_out_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "describe_machine", fail(RuntimeError("CUDA: unknown error")))
    found = diagnose()
    assert found["machine"] == {"error": "RuntimeError: CUDA: unknown error"}
    assert found["works"] is True
    assert "  RuntimeError: CUDA: unknown error" in format_diagnosis(found)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("cannot open '/home/jane doe/data/x.pt'", "cannot open '.../x.pt'"),
        ("[Errno 2] No such file: /srv/jane/x.pt", "[Errno 2] No such file: .../x.pt"),
        ('File "C:\\Users\\jane\\x.py"', 'File ".../x.py"'),
        ("see https://pytorch.org/get-started/locally", "see https://pytorch.org/get-started/locally"),
        ("1/2 of 3 mm/px", "1/2 of 3 mm/px"),
    ],
)
def test_folders_are_not_told(said: str, left: str) -> None:
    assert report._hide_folders(said) == left


def test_names_of_user_machine_and_gpu_are_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "jane"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8932f937-d72c")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("KNEEBUNDLE_PRECISION", "float32")
    (tmp_path / "jane" / "kneebundle" / "networks").mkdir(parents=True)
    (tmp_path / "jane" / "kneebundle" / "networks" / "a.onnx").write_bytes(bytes(1_500_000))
    found = diagnose()
    assert found["caches"][0] == {
        "name": "exported networks",
        "folder": "$XDG_CACHE_HOME/kneebundle/networks",
        "files": 1,
        "bytes": 1_500_000,
    }
    assert found["machine"]["variables"] == {
        "KNEEBUNDLE_PRECISION": "float32",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "set",
    }
    text = format_diagnosis(found) + str(found)
    for private in (str(Path.home()), platform.node(), "jane", "8932f937"):
        assert private not in text
    if len(getpass.getuser()) > 4:  # "root" and "user" are words
        assert getpass.getuser() not in text


def test_features_of_a_processor_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kneebundle.inferers.precision.read_cpu_flags", lambda: {"avx2", "amx_bf16"})
    features = machine.describe_machine()["features"]
    assert features == {"AVX2": True, "AVX-512": False, "AVX-512-BF16": False, "AMX": True}
    monkeypatch.setattr("kneebundle.inferers.precision.read_cpu_flags", set)
    assert machine.describe_machine()["features"] is None


def test_every_package_that_is_installed_with_kneebundle_is_listed(repository: Path) -> None:
    """But for small ones that only carry something, and click, without which no command starts."""
    import re

    text = (repository / "pyproject.toml").read_text()
    block = text[text.index("\ndependencies = [") : text.index("[project.optional-dependencies]")]
    required = set(re.findall(r'^\s+"([\w-]+)', block, flags=re.MULTILINE))
    listed = {package.name for package in list_packages()}
    assert required - listed <= {"click", "fire", "lazy-loader", "scikit-learn", "tensorboard", "tqdm"}


@pytest.mark.slow
def test_the_sample_is_predicted() -> None:
    from kneebundle.diagnosis.sample import predict_sample

    prediction = predict_sample()
    assert prediction.knees == 2
    assert prediction.error_mm < 2.5


def test_a_bundle_without_weights_and_a_processor_of_which_nothing_is_known_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = diagnose(predict=False)
    found["bundles"] = [{**found["bundles"][0], "name": "empty", "weights": []}]
    assert "weights of empty: install a release that carries them, or train it" in report._list_missing(found)
    found["machine"] |= {"features": None, "memory_gb": None}
    text = format_diagnosis(found)
    assert "not listed by this system" in text and "unknown" in text

    def fail(_: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr("os.sysconf", fail)
    assert machine._read_memory() is None
