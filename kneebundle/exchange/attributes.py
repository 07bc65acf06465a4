"""What formats with free fields carry beside the points: numbers and facts as texts; what is unknown is empty."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.exchange.documents import ImageFacts

__all__ = ["format_facts", "format_number", "parse_facts", "parse_optional"]


def format_number(value: float | None) -> str:
    """Format a number so that it is read back as it was; an empty text for None."""
    return "" if value is None else repr(float(value)) if not float(value).is_integer() else str(int(value))


def parse_optional(text: Any, what: str, path: object) -> float | None:
    """Parse a number or nothing.

    Args:
        text: an empty text, or a missing one, is None.
        what: the text is, for the error.
        path: of the file, for the error.

    Raises:
        KneeBundleError: if it is anything else.
    """
    if text is None or (isinstance(text, str) and not text.strip()):
        return None
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise KneeBundleError(f"{what} is {text!r}; a finite number or nothing is needed", str(path))
    return value


def format_facts(facts: ImageFacts) -> dict[str, str]:
    """Format what is known of an image as texts."""
    row_mm, column_mm = facts.spacing_mm or (None, None)
    texts = {
        "path": facts.path,
        "rows": format_number(facts.rows),
        "columns": format_number(facts.columns),
        "row_spacing_mm": format_number(row_mm),
        "column_spacing_mm": format_number(column_mm),
        "spacing_source": facts.spacing_source or "",
        "view": facts.view or "",
        "sop_instance_uid": facts.sop_instance_uid or "",
    }
    return {name: text for name, text in texts.items() if text}


def parse_facts(texts: Mapping[str, Any], name: str, path: object) -> ImageFacts:
    """Parse what :func:`format_facts` formatted; what is not there is unknown.

    Args:
        texts: by name; others are left out.
        name: of the image, where its path is not among them.
        path: of the file, for errors.
    """

    def number(key: str) -> float | None:
        return parse_optional(texts.get(key), key, path)

    row_mm, column_mm, rows, columns = map(number, ("row_spacing_mm", "column_spacing_mm", "rows", "columns"))
    return ImageFacts(
        path=str(texts.get("path") or name),
        rows=None if rows is None else int(rows),
        columns=None if columns is None else int(columns),
        spacing_mm=None if row_mm is None or column_mm is None else (row_mm, column_mm),
        spacing_source=texts.get("spacing_source") or None,
        view=texts.get("view") or None,
        sop_instance_uid=texts.get("sop_instance_uid") or None,
    )
