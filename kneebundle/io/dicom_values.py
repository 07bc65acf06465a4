"""Values of DICOM attributes as they are found: decimal commas, other value representations, several of one."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["has_comma", "parse_decimals", "quote_value", "read_count", "read_decimals", "read_word"]

_MOST_QUOTED = 24


def read_decimals(dataset: Dataset, keyword: str) -> tuple[float, ...] | None:
    r"""Read the numbers of an attribute.

    A decimal comma counts as a point (``0,3\0,3``), a comma between two decimals as what divides them (``0.3,0.3``).

    Args:
        dataset: header of the file.
        keyword: of the attribute.

    Returns:
        The finite numbers; empty where there is a value that is none; None where the attribute is missing or empty.
    """
    text = _read_text(dataset, keyword)
    return None if not text else parse_decimals(text)


def parse_decimals(text: str) -> tuple[float, ...]:
    r"""Parse numbers as DICOM writes them, or nearly; empty where one of them is none.

    Example:
        >>> parse_decimals("0,35\\0,35"), parse_decimals("0.35,0.35"), parse_decimals("0.35 mm")
        ((0.35, 0.35), (0.35, 0.35), ())
    """
    if "," in text and "." in text and "\\" not in text:
        text = text.replace(",", "\\")
    try:
        values = tuple(float(part.strip().replace(",", ".")) for part in text.split("\\"))
    except ValueError:
        return ()
    return values if all(map(math.isfinite, values)) else ()


def has_comma(dataset: Dataset, keyword: str) -> bool:
    """Whether an attribute is written with a comma, which DICOM has not in numbers."""
    return "," in _read_text(dataset, keyword)


def read_count(dataset: Dataset, keyword: str) -> int | None:
    """Read the first whole number of an attribute; None where there is none."""
    values = read_decimals(dataset, keyword)
    return int(values[0]) if values and values[0] == int(values[0]) else None


def read_word(dataset: Dataset, keyword: str) -> str:
    """Read a code word (VR CS), in capitals and without blanks around it; empty where there is none."""
    return _read_text(dataset, keyword).split("\\")[0].strip().upper()


def quote_value(value: object) -> str:
    """Quote what a file holds, for a message: a short word, and never a name or a page of bytes.

    Example:
        >>> quote_value("CT"), quote_value("0.3 mm"), quote_value("DOE^JANE"), quote_value(None)
        ('CT', '0.3 mm', 'something that cannot be shown', 'nothing')
    """
    text = "" if value is None else str(value).strip()
    if not text:
        return "nothing"
    lawful = len(text) <= _MOST_QUOTED and re.fullmatch(r"[A-Za-z0-9_ .,+\-\\/\[\]]*", text)
    return text if lawful else "something that cannot be shown"


def _read_text(dataset: Dataset, keyword: str) -> str:
    r"""The value as text, several joined by ``\``, however the file writes it; empty where there is none."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return ""
    try:
        value: Any = dataset[tag].value
    except Exception:  # pydicom raises many kinds for values that are not of their VR
        value = dataset.get_item(tag).value
    if isinstance(value, bytes):
        numbers = _unpack(value, dataset)
        return str(numbers) if numbers is not None else value.rstrip(b"\0 ").decode("ascii", "replace").strip()
    if value is None:
        return ""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return str(value).strip()
    return "\\".join(str(part) for part in value)


def _unpack(value: bytes, dataset: Dataset) -> int | None:
    """The number of a short binary value (US or SS written as OW); None where the bytes are text."""
    if len(value) != 2 or all(chr(byte).isprintable() and byte < 128 for byte in value):
        return None
    return int.from_bytes(value, "little" if dataset.original_encoding[1] in (True, None) else "big")
