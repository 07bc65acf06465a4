"""Names that monailabel imports and that nothing here calls."""

from __future__ import annotations

from typing import Any


def make_grid(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("a stand-in for tests; install torchvision")


def save_image(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("a stand-in for tests; install torchvision")
