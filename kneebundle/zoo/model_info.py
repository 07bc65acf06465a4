"""model_info.json, the Model Zoo's list of packed bundles: for each version the checksum and where the file lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically

__all__ = ["read_model_info", "write_model_info"]


def read_model_info(path: Path) -> dict[str, dict[str, Any]]:
    """Read the entries by ``<name>_v<version>``; none where there is no such file.

    Raises:
        KneeBundleError: if it is something else.
    """
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KneeBundleError(
            f"the list of bundles cannot be read ({error}); correct it, or take it away", path
        ) from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise KneeBundleError("this is no list of bundles; correct it, or take it away", path)
    return entries


def write_model_info(path: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Write the entries, sorted."""
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(entries, indent=4, sort_keys=True) + "\n", encoding="utf-8")
