"""A line in the log about the data that a bundle uses."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

__all__ = ["log_used_data"]

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")


def log_used_data(list_records: Callable[_P, list[dict[str, Any]]]) -> Callable[_P, list[dict[str, Any]]]:
    """Decorate a function that lists records so that the log says what they are and how many.

    Args:
        list_records: with an argument ``dataset_dir``, where an empty one stands for phantoms, and perhaps ``split``.
    """
    signature = inspect.signature(list_records)

    @functools.wraps(list_records)
    def list_and_log(*args: _P.args, **kwargs: _P.kwargs) -> list[dict[str, Any]]:
        records = list_records(*args, **kwargs)
        given = signature.bind(*args, **kwargs).arguments
        _log.info("%s", _describe(len(records), given.get("dataset_dir", ""), given.get("split")))
        return records

    return list_and_log


def _describe(count: int, dataset_dir: str, split: str | None) -> str:
    what = f"data for {split}" if split else "data"
    if not dataset_dir:
        return f"{what}: {count} phantoms, because dataset_dir is empty"
    folder = Path(dataset_dir).resolve()
    samples = ", the samples of kneebundle" if folder.parent.name == "samples" else ""
    return f"{what}: {count} records of {folder}{samples}"
