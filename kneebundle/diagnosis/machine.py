"""What a machine can do, and what kneebundle makes of it; nothing that tells one machine from another of its kind."""

from __future__ import annotations

import os
import platform
import re
from typing import Any

__all__ = ["describe_caches", "describe_machine", "describe_system"]

# By the names of the features in Linux
_FEATURES = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX-512-BF16", "amx_bf16": "AMX"}
_NAMED = ("KNEEBUNDLE_PRECISION",)
_VARIABLES = (*_NAMED, "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


def describe_system() -> dict[str, str]:
    """Describe the operating system and Python, without the names of machine and user.

    Example:
        >>> sorted(describe_system())
        ['architecture', 'python', 'system']
    """
    release = ".".join(platform.release().split("-")[0].split(".")[:3])
    return {
        "system": f"{platform.system()} {release}".strip(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def describe_machine() -> dict[str, Any]:
    """Describe processor and GPU, and which precision and runtime ``auto`` takes on them.

    Returns:
        ``cores`` (usable, of the machine), ``memory_gb``, ``features`` of the processor by name (None where the system
        does not list them), ``gpus``, ``device``, ``runtime`` that runs networks, ``training_precision`` and
        ``why``, and ``variables``: those of the environment that change any of this.
    """
    import torch

    from kneebundle.inferers.cores import count_cores
    from kneebundle.inferers.devices import choose_device
    from kneebundle.inferers.precision import promised_precision, read_cpu_flags, resolve_precision
    from kneebundle.inferers.runtime import choose_runtime

    flags = read_cpu_flags()
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    device = choose_device("auto")
    training_precision, (promised, why) = resolve_precision("auto", device), promised_precision(device)
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if device.type == "cuda" else []
    return {
        "cores": {"usable": count_cores(), "machine": os.cpu_count()},
        "memory_gb": _read_memory(),
        "features": {name: flag in flags for flag, name in _FEATURES.items()} if flags else None,
        "gpus": gpus,
        "device": device.type,
        "runtime": choose_runtime("auto", device),
        "training_precision": training_precision or "float32",
        "why": why if training_precision == promised else f"{why} promises {promised}, which is much slower here",
        # the name of a GPU, which CUDA_VISIBLE_DEVICES may hold, tells one machine from all others
        "variables": {n: v if n in _NAMED or re.fullmatch(r"[\d,]*", v) else "set" for n, v in variables.items()},
    }


def describe_caches() -> list[dict[str, Any]]:
    """Describe the folders that kneebundle keeps files in for later runs.

    Returns:
        ``name``, ``folder``, ``files`` (how many) and ``bytes`` of each.
    """
    from kneebundle.inferers.runtime import cache_folder

    folder = cache_folder()
    sizes = [path.stat().st_size for path in folder.glob("*") if path.is_file()] if folder.is_dir() else []
    # by where it comes from: its path may hold the name of the user
    start = "$XDG_CACHE_HOME" if os.environ.get("XDG_CACHE_HOME") else "~/.cache"
    return [
        {
            "name": "exported networks",
            "folder": f"{start}/kneebundle/networks",
            "files": len(sizes),
            "bytes": sum(sizes),
        }
    ]


def _read_memory() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None
