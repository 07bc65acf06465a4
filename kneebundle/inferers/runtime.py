"""Networks run by what is fastest on a processor: ONNX Runtime or OpenVINO, and torch where they are not installed.

A network is exported once, with batch normalisation folded into its convolutions, compared with torch, and kept in the
user's cache folder (:func:`cache_folder`) under a name that tells its weights, its definition and its input from all
others. A file there begins with the SHA-256 of the rest; one that is damaged is made anew.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.inferers.cores import count_cores
from kneebundle.io.writing import remove_leftovers, write_atomically

__all__ = ["RUNTIMES", "TOLERANCE", "ExportedNetwork", "cache_folder", "choose_runtime"]

RUNTIMES = ("auto", "torch", "onnx", "openvino")
"""What can run a network."""

TOLERANCE = 1e-4
"""Largest difference, of any output, between an exported network and torch. In a region of 140 mm it is 0.014 mm."""

_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
_DIGEST_BYTES = 32
_OPSET = 17
_MOST_FILES = 64
_log = logging.getLogger(__name__)


def choose_runtime(name: str, device: torch.device, precision: str | None = None) -> str:
    """Choose what runs networks.

    ``"auto"`` is ONNX Runtime, else OpenVINO, on a processor in float32; torch for all else. The two are as fast as
    each other; ONNX Runtime loads a network ten times faster.

    Args:
        name: one of :data:`RUNTIMES`.
        device: where the networks run.
        precision: ``"bfloat16"`` or ``"float16"``; None is float32.

    Raises:
        KneeBundleError: if a runtime is asked for by name that is not installed, or not for this device or precision.
    """
    if name not in RUNTIMES:
        raise KneeBundleError(f"the runtime is one of {', '.join(RUNTIMES)}, got {name!r}", field="runtime")
    fits = device.type == "cpu" and precision is None
    if name == "auto":
        installed = (runtime for runtime, package in _PACKAGES.items() if find_spec(package) is not None)
        return next(installed, "torch") if fits else "torch"
    if name != "torch":
        if not fits:
            raise KneeBundleError(f"{name} runs networks on a CPU in float32; torch does all else", field="runtime")
        if find_spec(_PACKAGES[name]) is None:
            raise KneeBundleError(f"{name} needs {_PACKAGES[name]}, which is not installed", field="runtime")
    return name


def cache_folder() -> Path:
    """The folder of exported networks: ``kneebundle/networks`` in ``XDG_CACHE_HOME``, or in ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kneebundle" / "networks"


class ExportedNetwork:
    """A network that is called as the module that it was exported from, and run by ONNX Runtime or OpenVINO.

    It is exported for the size of the images that it is called with, so calls with many sizes are slow. Where it cannot
    be exported, or would predict otherwise than torch, torch runs it.

    Args:
        load: makes the module, in evaluation mode; called only where the cache does not hold the network.
        identity: tells the network from all others: its weights and its definition.
        runtime: ``"onnx"`` or ``"openvino"``.
        strict: raise where it cannot be exported.

    Example:
        >>> network = ExportedNetwork(torch.nn.ReLU, "doctest", "onnx")
        >>> network.runtime
        'onnx'
    """

    def __init__(self, load: Callable[[], Any], identity: str, runtime: str = "onnx", strict: bool = False) -> None:
        self._load = load
        self._identity = identity
        self._strict = strict
        self._module: Any = None
        self._runs: dict[Any, Callable[[torch.Tensor], torch.Tensor]] = {}
        self.runtime = runtime

    @property
    def module(self) -> Any:
        """The torch module, loaded if it was not."""
        if self._module is None:
            self._module = self._load()
        return self._module

    def __call__(self, image: torch.Tensor, **options: Any) -> torch.Tensor:
        """Run the network on images (B, C, *S) in float32; ``options`` are those of the module's ``forward``.

        Raises:
            KneeBundleError: if it cannot be exported, and ``strict`` is set.
        """
        signature = (tuple(image.shape[1:]), tuple(sorted(options.items())))
        run = self._runs.get(signature)
        if run is None:
            run = self._runs[signature] = self._open(image, options)
        return run(image)

    def _open(self, image: torch.Tensor, options: dict[str, Any]) -> Callable[[torch.Tensor], torch.Tensor]:
        text = f"{self._identity} {tuple(image.shape[1:])} {sorted(options.items())} {_OPSET} {torch.__version__}"
        path = cache_folder() / f"{hashlib.sha256(text.encode()).hexdigest()}.onnx"
        start = time.perf_counter()
        try:
            model = _read(path)
            run = None if model is None else _start(model, self.runtime)
            if run is None:
                model = _export(self.module, image, options)
                run = _start(model, self.runtime)
                _compare(run, self.module, image, options)
                _keep(path, model)
            _log.info(
                "%s runs the network %s (%.1f s to load)", self.runtime, path.name[:12], time.perf_counter() - start
            )
            return run
        except Exception as error:
            if self._strict:
                raise KneeBundleError(
                    f"{self.runtime} cannot run this network ({in_brief(error)}); use torch", field="runtime"
                ) from error
            _log.warning("torch runs a network, %s cannot: %s", self.runtime, in_brief(error))
            return lambda images: self.module(images, **options)


class _WithOptions(torch.nn.Module):
    """A module whose options are fixed."""

    def __init__(self, module: Any, options: dict[str, Any]) -> None:
        super().__init__()
        self.module, self.options = module, options

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.module(image, **self.options)


def _export(module: Any, image: torch.Tensor, options: dict[str, Any]) -> bytes:
    """Export to ONNX, for any number of images of this size."""
    buffer = io.BytesIO()
    # a plain tensor outside of inference mode, and two images, since a 1 would be taken for a constant
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _WithOptions(module, options).eval(),
            (torch.zeros(2, *image.shape[1:]),),
            buffer,  # type: ignore[arg-type]
            input_names=["image"],
            output_names=["pred"],
            dynamic_axes={"image": {0: "batch"}, "pred": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,  # the other exporter takes minutes, for the same graph
        )
    return buffer.getvalue()


def _start(model: bytes, runtime: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Load a network; its threads sleep where they have nothing to do, so as not to take cores from others."""
    if runtime == "openvino":
        settings = {"INFERENCE_NUM_THREADS": count_cores(), "INFERENCE_PRECISION_HINT": "f32"}
        core = _open_openvino()
        request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()
        return lambda images: torch.from_numpy(np.array(request.infer([_to_array(images)])[0]))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"image": _to_array(images)})[0])


@cache
def _open_openvino() -> Any:
    """One OpenVINO for all networks, never let go of.

    Each gives the thread a stack for signals and takes the one before it back later, which another may have freed by
    then: the next signal, Ctrl-C or the end of a child process, would crash Python.
    """
    # it would tell Google of each import; without this package it tells nobody
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    openvino: Any = import_module("openvino")
    return openvino.Core()


def _to_array(images: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(images.detach().numpy(), dtype=np.float32)


@torch.inference_mode()
def _compare(
    run: Callable[[torch.Tensor], torch.Tensor], module: Any, image: torch.Tensor, options: dict[str, Any]
) -> None:
    """Compare with torch on the image at hand; raises where they differ."""
    plain = image.float()
    difference = float((run(plain) - module(plain, **options)).abs().max())
    if not difference <= TOLERANCE:
        raise ValueError(f"its predictions differ from those of torch by {difference:.1e}")


def _read(path: Path) -> bytes | None:
    """What :func:`_keep` wrote; None where there is nothing, or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, model = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return model if hashlib.sha256(model).digest() == digest else None


def _keep(path: Path, model: bytes) -> None:
    """Write into the cache, of which the oldest files are removed; where it cannot be written to, nothing is kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        with write_atomically(path) as temporary:
            temporary.write_bytes(hashlib.sha256(model).digest() + model)
        files = sorted(path.parent.glob("*.onnx"), key=lambda file: file.stat().st_mtime)
        for file in files[:-_MOST_FILES]:
            file.unlink(missing_ok=True)
    except OSError as error:
        _log.info("networks are not kept for the next run: %s", error)
