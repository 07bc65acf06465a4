"""Why the result of an earlier run is not the result of this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import kneebundle
from kneebundle.batch.engine import Job
from kneebundle.batch.entries import Entries, Entry
from kneebundle.batch.request import ImageRequest

__all__ = ["describe_again", "describe_request", "find_reason"]

NEW = ""
"""There is no earlier result, or it was interrupted."""
FILE = "whose image changed"
REQUEST = "with another side, view or spacing"
WEIGHTS = "with other bundles or weights"
OPTIONS = "with other options"
VERSION = "of another version"
FORMATS = "with further formats"
FILES = "whose files were changed or are missing"

_ONLY_TABLES = {"csv", "via", "coco", "label-studio"}


def find_reason(
    job: Job, entry: Entry | None, entries: Entries, formats: Sequence[str], made_with: Mapping[str, Any]
) -> str | None:
    """Find why a job has to be done.

    Args:
        job: the image.
        entry: of its earlier result.
        entries: of the folder.
        formats: that are wanted.
        made_with: what results depend on besides the images and what is known of them.

    Returns:
        None: it need not; :data:`NEW`: nothing is there; else what is different, in words.
    """
    if entry is None or not entry.complete:
        return NEW
    if entry.version != kneebundle.__version__:
        return VERSION
    if job.state is None or not entries.is_current(job.name, entry, job.file, job.state):
        return FILE if job.state is not None else NEW
    if dict(entry.request) != describe_request(job.request):
        return REQUEST
    if not _are_same(entry.made_with, made_with, "bundles"):
        return WEIGHTS
    if _leave_out(entry.made_with) != _leave_out(made_with):
        return OPTIONS
    if not set(formats) - _ONLY_TABLES <= set(entry.formats):
        return FORMATS
    return None if entries.is_intact(job.name, entry) else FILES


def describe_request(request: ImageRequest) -> dict[str, Any]:
    """What a result depends on of a request."""
    return {
        "side": request.side,
        "spacing_mm": request.spacing_mm,
        "spacing_source": request.spacing_source if request.spacing_mm is not None else None,
        "view": request.view,
        "basis": request.basis,
    }


def describe_again(again: Mapping[str, int]) -> str | None:
    """Say in one line how many results were made again, and why; None: none was.

    Example:
        >>> describe_again({"whose image changed": 2, "with other options": 1})
        '3 made again: 2 whose image changed, 1 with other options'
    """
    if not again:
        return None
    return f"{sum(again.values())} made again: " + ", ".join(f"{count} {reason}" for reason, count in again.items())


def _are_same(earlier: Mapping[str, Any], now: Mapping[str, Any], key: str) -> bool:
    """Whether the bundles that took part then are the same now."""
    known = now.get(key, {})
    return all(known.get(name) == mark for name, mark in earlier.get(key, {}).items())


def _leave_out(made_with: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in made_with.items() if name != "bundles"}
