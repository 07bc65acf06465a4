"""A Python that has only what somebody installs for a packed bundle, and not kneebundle."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def make_bare_python(folder: Path, packages: Iterable[str]) -> Path:
    """Make a virtual environment with some packages and what these require, as links to those here.

    Returns:
        Its interpreter.
    """
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    (target,) = folder.glob("lib/python*/site-packages")
    for name in find_required(packages):
        files = distribution(name).files or []
        for entry in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            place = Path(str(distribution(name).locate_file(entry)))
            if not (target / entry).exists():
                (target / entry).symlink_to(place)
    return folder / "bin" / "python"


def find_required(packages: Iterable[str]) -> set[str]:
    """The names of packages and of all that they require here."""
    found: set[str] = set()
    ahead = list(packages)
    while ahead:
        name = canonicalize_name(ahead.pop())
        if name in found:
            continue
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:  # the CUDA libraries of a PyTorch for the CPU
            continue
        found.add(name)
        needed = [Requirement(line) for line in lines]
        ahead += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def run_bare(python: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it in a folder, with nothing of this process's search path."""
    environment: dict[str, Any] = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment.update(PYTHONNOUSERSITE="1", PYTHONWARNINGS="ignore", CUDA_VISIBLE_DEVICES="")
    return subprocess.run([python, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True)
