"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["count_cores"]

_CGROUP = Path("/sys/fs/cgroup")


def count_cores() -> int:
    """Count the cores that this process may use: those that it is bound to, and what its container may take of them.

    Returns:
        At least 1; the number in ``OMP_NUM_THREADS`` where that is less.

    Example:
        >>> count_cores() >= 1
        True
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    stated = os.environ.get("OMP_NUM_THREADS", "")
    limits = [bound, _read_quota(_CGROUP), int(stated) if stated.isdigit() else None]
    return max(1, min(limit for limit in limits if limit is not None))


def _read_quota(folder: Path) -> int | None:
    """The cores that a control group's quota comes to (version 2, then 1), rounded up; None: no limit."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        return math.ceil(int(quota) / int(period)) if quota.isdigit() and int(period) > 0 else None
    return None
