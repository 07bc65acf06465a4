"""Precision "auto": a processor's features say what may be fast, one timed step whether it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.inferers import precision as module
from kneebundle.inferers.autocast import AutocastInferer, needs_scaler
from kneebundle.inferers.precision import PRECISION_VARIABLE, promised_precision, resolve_precision

Fake = Callable[..., None]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is known of this machine, before and after."""
    monkeypatch.delenv(PRECISION_VARIABLE, raising=False)
    module._find_fastest.cache_clear()
    yield
    module._find_fastest.cache_clear()


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """A processor with these features that takes so many seconds a step; without seconds it must not be timed."""

    def fake(flags: str, **seconds: float) -> None:
        info = tmp_path / "cpuinfo"
        info.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\nbugs\t\t: spectre\n")
        monkeypatch.setattr(module, "_CPU_INFO", info)
        monkeypatch.setattr(module, "_time_step", lambda kind, precision: seconds[precision or "float32"])

    return fake


def test_a_processor_with_avx2_only_is_not_even_timed(processor: Fake, caplog: pytest.LogCaptureFixture) -> None:
    processor("avx2 fma")
    with caplog.at_level(logging.INFO):
        assert resolve_precision("auto", "cpu") is None
    assert caplog.messages == ["precision auto: float32 on cpu (no AVX-512-BF16 or AMX)"]


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_a_promise_that_holds_is_kept_and_said_once(
    processor: Fake, flag: str, caplog: pytest.LogCaptureFixture
) -> None:
    processor(f"avx2 {flag}", bfloat16=0.004, float32=0.008)
    with caplog.at_level(logging.INFO):
        assert [resolve_precision("auto", torch.device("cpu")) for _ in range(3)] == ["bfloat16"] * 3
    (line,) = caplog.messages
    assert line.startswith("precision auto: bfloat16 on cpu")
    assert "4.0 ms in bfloat16, 8.0 ms in float32" in line


def test_a_promise_that_does_not_hold_is_float32(processor: Fake, caplog: pytest.LogCaptureFixture) -> None:
    processor("avx512_bf16", bfloat16=0.048, float32=0.008)
    with caplog.at_level(logging.INFO):
        assert resolve_precision("auto", "cpu") is None
    assert "float32 on cpu (AVX-512-BF16; a small step takes 48.0 ms in bfloat16" in caplog.text


@pytest.mark.parametrize("bfloat16", [0.006, 0.0105])
def test_a_busy_machine_does_not_change_the_precision(processor: Fake, bfloat16: float) -> None:
    processor("avx512_bf16", bfloat16=bfloat16, float32=0.008)
    assert resolve_precision("auto", "cpu") == "bfloat16", "a training that is resumed would end with other weights"


def test_a_system_that_lists_no_features_is_float32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_CPU_INFO", tmp_path / "missing")
    assert resolve_precision("auto", "cpu") is None


def test_the_environment_says_what_auto_is_but_not_what_was_asked_for(
    processor: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor("avx2")
    monkeypatch.setenv(PRECISION_VARIABLE, "bfloat16")
    assert resolve_precision("auto", "cpu") == "bfloat16"
    assert resolve_precision("float32", "cpu") is None
    monkeypatch.setenv(PRECISION_VARIABLE, "half")
    with pytest.raises(KneeBundleError, match=f"{PRECISION_VARIABLE} is 'half'; it is one of auto, float32"):
        resolve_precision("auto", "cpu")


@pytest.mark.parametrize(
    ("capability", "precision", "scaled"),
    [((9, 0), "bfloat16", False), ((7, 5), "float16", True), ((6, 1), None, False)],
)
def test_a_gpu_is_known_by_its_compute_capability(
    capability: tuple[int, int], precision: str | None, scaled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(module, "_time_step", lambda kind, name: 2.0 if name is None else 1.0)
    assert promised_precision("cuda")[0] == precision
    assert resolve_precision("auto", "cuda:0") == precision
    assert needs_scaler("auto", torch.device("cuda:0")) is scaled


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KneeBundleError, match="the precision is 'bf16'; it is one of auto, float32, bfloat16, float16"):
        resolve_precision("bf16", "cpu")


def test_the_timed_step_runs_and_leaves_no_trace() -> None:
    """Also under inference_mode, where an evaluator asks first; the random numbers of a training stay as they were."""
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with torch.inference_mode():
        module._find_fastest.__wrapped__("cpu")
        with torch.inference_mode(False), torch.enable_grad():
            assert 0 < module._time_step("cpu", "bfloat16") < 60
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_an_inferer_asks_when_it_sees_the_first_image(processor: Fake) -> None:
    processor("avx512_bf16", bfloat16=1.0, float32=2.0)
    infer = AutocastInferer("auto")
    seen: list[torch.dtype] = []

    def network(images: torch.Tensor) -> torch.Tensor:
        seen.append(torch.nn.functional.conv2d(images, torch.ones(1, 1, 3, 3)).dtype)
        return images

    infer(torch.zeros(1, 1, 8, 8), network)
    assert seen == [torch.bfloat16]
