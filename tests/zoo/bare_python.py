"""A Python that has every package of this one but kneebundle."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any


def make_bare_python(folder: Path) -> Path:
    """Make a virtual environment whose packages are links to those of this one; gives its interpreter."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    (target,) = folder.glob("lib/python*/site-packages")
    for place in sys.path:
        if Path(place).name in ("site-packages", "dist-packages"):
            for entry in Path(place).iterdir():
                if "kneebundle" not in entry.name and entry.suffix != ".pth" and not (target / entry.name).exists():
                    (target / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def run_bare(python: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it in a folder, with nothing of this process's search path."""
    environment: dict[str, Any] = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment.update(PYTHONNOUSERSITE="1", PYTHONWARNINGS="ignore", CUDA_VISIBLE_DEVICES="")
    return subprocess.run([python, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True)
