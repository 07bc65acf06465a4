"""Which precision a processor or a GPU is fastest in: known from its features, confirmed by one timed step."""

from __future__ import annotations

import functools
import logging
import os
import re
import time
from pathlib import Path

import torch
from torch.nn import functional

from kneebundle.errors import KneeBundleError

__all__ = ["PRECISIONS", "PRECISION_VARIABLE", "promised_precision", "read_cpu_flags", "resolve_precision"]

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
"""What can be asked for. None is float32 too."""

PRECISION_VARIABLE = "KNEEBUNDLE_PRECISION"
"""Environment variable that says what ``"auto"`` is."""

_CPU_INFO = Path("/proc/cpuinfo")
_CPU_FEATURES = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512-BF16"}
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_MOST_LOSS = 2.0
"""What a busy machine may add to a timed step; instructions that are not there cost six times as much."""
_ROUNDS = 5


def resolve_precision(requested: str | None, device: torch.device | str) -> str | None:
    """Decide what autocast runs a network in.

    ``"auto"`` is the environment variable :data:`PRECISION_VARIABLE` if it is set, else what the device promises to be
    fastest in (:func:`promised_precision`), unless a small timed step of training takes twice as long in it as in
    float32. A promise that does not hold costs much: on processors without such instructions bfloat16 is six times
    slower. A small loss does not count, so that a training that is stopped and resumed while the machine is busy goes
    on in the same precision. This is found out once a process for each kind of device, and said in the log.

    Args:
        requested: one of :data:`PRECISIONS`, or None for float32. All but ``"auto"`` is taken at its word.
        device: where the network runs.

    Returns:
        ``"bfloat16"``, ``"float16"``, or None: float32, no autocast.

    Raises:
        KneeBundleError: for another name.

    Example:
        >>> resolve_precision("bfloat16", "cpu"), resolve_precision("float32", "cpu")
        ('bfloat16', None)
    """
    _check(requested, "the precision")
    if requested == "auto":
        requested = os.environ.get(PRECISION_VARIABLE) or "auto"
        _check(requested, f"the environment variable {PRECISION_VARIABLE}")
    if requested == "auto":
        return _find_fastest(torch.device(device).type)
    return None if requested == "float32" else requested


def promised_precision(device: torch.device | str) -> tuple[str | None, str]:
    """Say what a device should be fastest in by its features, without trying.

    A GPU of compute capability 8 or more is fastest in bfloat16, one of 7 in float16; a processor with AVX-512-BF16 or
    AMX in bfloat16; all else, and every processor whose features are not known, in float32.

    Args:
        device: the processor or GPU.

    Returns:
        The precision, None for float32, and the feature it is known from, in words.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        major, minor = torch.cuda.get_device_capability()
        why = f"compute capability {major}.{minor}"
        return ("bfloat16" if major >= 8 else "float16" if major == 7 else None), why
    if kind != "cpu":
        return None, f"a device of the kind {kind}"
    flags = read_cpu_flags()
    for flag, name in _CPU_FEATURES.items():
        if flag in flags:
            return "bfloat16", name
    return None, "no AVX-512-BF16 or AMX"


@functools.cache
def _find_fastest(kind: str) -> str | None:
    """Confirm what a kind of device promises, and log what was found."""
    promised, why = promised_precision(kind)
    log = logging.getLogger(__name__).info
    if promised is None:
        log("precision auto: float32 on %s (%s)", kind, why)
        return None
    seconds = dict.fromkeys((None, promised), float("inf"))
    with torch.inference_mode(False), torch.enable_grad():
        for _ in range(_ROUNDS + 1):
            for precision in seconds:
                seconds[precision] = min(seconds[precision], _time_step(kind, precision))
    holds = seconds[promised] < _MOST_LOSS * seconds[None]
    log(
        "precision auto: %s on %s (%s; a small step takes %.1f ms in %s, %.1f ms in float32)",
        promised if holds else "float32",
        kind,
        why,
        1e3 * seconds[promised],
        promised,
        1e3 * seconds[None],
    )
    return promised if holds else None


def _time_step(kind: str, precision: str | None) -> float:
    """Time forward and backward of two convolutions, in seconds; draws no random number, sets nothing."""
    image = torch.linspace(-1.0, 1.0, 32 * 96 * 96, device=kind).view(1, 32, 96, 96)
    weight = torch.linspace(-0.1, 0.1, 32 * 32 * 9, device=kind).view(32, 32, 3, 3)
    image, weight = (t.contiguous(memory_format=torch.channels_last) for t in (image, weight))
    weight.requires_grad_()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # where other programs run, threads wait for each other, and that would be timed
    try:
        _wait_for(kind)
        start = time.perf_counter()
        with torch.autocast(kind, _DTYPES.get(precision or ""), enabled=precision is not None):
            inner = functional.relu(functional.conv2d(image, weight, padding=1))
            loss = functional.conv2d(inner, weight, padding=1).float().mean()
        torch.autograd.grad(loss, weight)
        _wait_for(kind)
        return time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)


def _wait_for(kind: str) -> None:
    if kind == "cuda":
        torch.cuda.synchronize()


def read_cpu_flags() -> set[str]:
    """Read the features of the first processor, as Linux names them; none where the system does not list them."""
    try:
        text = _CPU_INFO.read_text(encoding="utf-8")
    except OSError:
        return set()
    found = re.search(r"^flags\s*:(.*)$", text, flags=re.MULTILINE)
    return set(found[1].split()) if found else set()


def _check(name: str | None, what: str) -> None:
    if name is not None and name not in PRECISIONS:
        raise KneeBundleError(f"{what} is {name!r}; it is one of {', '.join(PRECISIONS)}", field="precision")
