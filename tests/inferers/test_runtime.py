"""Networks run by ONNX Runtime or OpenVINO: the same predictions, a cache that mends itself, a way back to torch."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.inferers import runtime as module_under_test
from kneebundle.inferers.runtime import RUNTIMES, ExportedNetwork, cache_folder, choose_runtime
from kneebundle.networks.hourglass import HourglassLandmarkNet

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "kneebundle" / "networks"


class Maker:
    """Makes a network, and counts how often."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network.eval()
        self.made = 0

    def __call__(self) -> torch.nn.Module:
        self.made += 1
        return self.network


def make_hourglass() -> Maker:
    torch.manual_seed(0)
    network = HourglassLandmarkNet(num_landmarks=3, width=4, depth=2)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # statistics that folding must take into account
            torch.nn.init.normal_(cast(torch.Tensor, layer.running_mean))
            torch.nn.init.uniform_(cast(torch.Tensor, layer.running_var), 0.5, 2.0)
    return Maker(network)


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name not in ("auto", "torch")])
def test_it_predicts_as_torch_does_whatever_the_number_of_images(name: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime", "openvino": "openvino"}[name])
    maker = make_hourglass()
    network = ExportedNetwork(maker, "hourglass", name, strict=True)
    for count in (1, 3):
        images = torch.randn(count, 1, 64, 48).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            expected = maker.network(images, with_confidence=True)
            torch.testing.assert_close(network(images, with_confidence=True), expected, atol=1e-5, rtol=0)
    with torch.inference_mode():  # other options are another network
        assert network(images).shape == maker.network(images).shape == (3, 3, 2)


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_nobody_is_told_that_a_network_runs(name: str, tmp_path: Path) -> None:
    """Telemetry puts the number of this machine into the home folder before it sends anything."""
    pytest.importorskip({"onnx": "onnxruntime", "openvino": "openvino"}[name])
    code = f"""
from tests.inferers.test_runtime import ExportedNetwork, make_hourglass, torch

ExportedNetwork(make_hourglass(), "told", "{name}", strict=True)(torch.randn(1, 1, 64, 64))
"""
    left_out = ("ORT_DISABLE_TELEMETRY", "CI", "TF_BUILD", "JENKINS_URL", "XDG_CACHE_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, check=True)
    made = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert [name for name in made if not name.startswith((".cache/kneebundle/", ".cache/matplotlib/"))] == []


def test_a_signal_is_survived_after_networks_of_openvino_are_let_go_of() -> None:
    pytest.importorskip("openvino")
    code = """
import faulthandler, os, signal
from tests.inferers.test_runtime import ExportedNetwork, make_hourglass, torch

faulthandler.enable()
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
for size in (32, 64, 96):
    networks = [ExportedNetwork(make_hourglass(), f"{size} {i}", "openvino", strict=True) for i in range(2)]
    for network in networks:
        network(torch.randn(1, 1, size, size))
    del networks[0], networks[0], network
os.kill(os.getpid(), signal.SIGUSR1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr[-500:]


def test_the_next_process_needs_no_torch_module(own_cache: Path) -> None:
    first, second = make_hourglass(), make_hourglass()
    image = torch.randn(1, 1, 64, 64)
    expected = ExportedNetwork(first, "same")(image)
    found = ExportedNetwork(second, "same")(image)
    assert (first.made, second.made) == (1, 0)
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    assert [path.parent for path in own_cache.iterdir()] == [own_cache] == [cache_folder()]


def test_other_weights_are_another_file(own_cache: Path) -> None:
    image = torch.randn(1, 1, 64, 64)
    for identity in ("weights of today", "weights of tomorrow"):
        maker = make_hourglass()
        ExportedNetwork(maker, identity)(image)
        assert maker.made == 1
    assert len(list(own_cache.iterdir())) == 2


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:-100] + bytes(100), lambda b: b""])
def test_a_damaged_file_is_made_anew(own_cache: Path, damage: Any) -> None:
    image = torch.randn(1, 1, 64, 64)
    expected = ExportedNetwork(make_hourglass(), "same")(image)
    (file,) = own_cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    maker = make_hourglass()
    torch.testing.assert_close(ExportedNetwork(maker, "same")(image), expected)
    assert maker.made == 1
    assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_to_is_done_without(own_cache: Path) -> None:
    own_cache.parent.parent.mkdir(exist_ok=True)
    own_cache.parent.write_text("a file where the folder should be")
    assert ExportedNetwork(make_hourglass(), "same", strict=True)(torch.randn(1, 1, 64, 64)).shape == (1, 3, 2)


class Undecided(torch.nn.Module):
    """A network that says something else each time, as one that is exported wrongly."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.mean() + torch.rand(1)


def test_torch_runs_what_would_be_predicted_otherwise(own_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    maker = Maker(Undecided())
    with caplog.at_level(logging.WARNING):
        assert ExportedNetwork(maker, "undecided")(torch.zeros(1, 1, 8, 8)).shape == (1,)
    assert "torch runs a network" in caplog.text and "differ" in caplog.text
    assert not list(own_cache.glob("*"))
    with pytest.raises(KneeBundleError, match="use torch") as caught:
        ExportedNetwork(maker, "undecided", strict=True)(torch.zeros(1, 1, 8, 8))
    assert caught.value.field == "runtime"


def test_the_oldest_files_leave(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, "_MOST_FILES", 2)
    for number in range(4):
        ExportedNetwork(Maker(torch.nn.ReLU()), str(number))(torch.zeros(1, 1, 8, 8))
    assert len(list(own_cache.iterdir())) == 2


def test_auto_is_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"openvino"}
    monkeypatch.setattr(module_under_test, "find_spec", lambda name: name if name in installed else None)
    assert choose_runtime("auto", CPU) == "openvino"
    installed.add("onnxruntime")
    assert choose_runtime("auto", CPU) == "onnx"
    assert choose_runtime("auto", CPU, "bfloat16") == "torch"
    assert choose_runtime("auto", torch.device("cuda")) == "torch"
    installed.clear()
    assert choose_runtime("auto", CPU) == "torch"


@pytest.mark.parametrize(
    ("name", "device", "precision", "message"),
    [
        ("tensorrt", CPU, None, "is one of auto, torch, onnx, openvino"),
        ("onnx", torch.device("cuda"), None, "on a CPU in float32"),
        ("openvino", CPU, "bfloat16", "on a CPU in float32"),
        ("onnx", CPU, None, "which is not installed"),
    ],
)
def test_what_cannot_be_is_an_error(
    name: str, device: torch.device, precision: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_under_test, "find_spec", lambda _: None)
    with pytest.raises(KneeBundleError, match=message) as caught:
        choose_runtime(name, device, precision)
    assert caught.value.field == "runtime"
