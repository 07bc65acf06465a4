"""The records of an output folder, without the memory that all of them at once would take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["StoredRecords"]


class StoredRecords(Mapping[str, dict[str, Any]]):
    """Documents by name, each read from its file whenever it is asked for.

    Args:
        places: the file of each, a JSON document that was checked before; the order is theirs.
    """

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._places[name].read_text(encoding="utf-8"))
        return document

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
