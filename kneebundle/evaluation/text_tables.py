"""Tables as text, for a terminal or in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["format_markdown", "format_table"]


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table for a terminal: the first column to the left, the others to the right.

    Example:
        >>> print(format_table(["bone", "IoU"], [["femur", "0.9"]]))
        bone   IoU
        femur  0.9
    """
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
    )


def format_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table in Markdown.

    Example:
        >>> print(format_markdown(["bone", "IoU"], [["femur", "0.9"]]))
        | bone | IoU |
        | --- | --- |
        | femur | 0.9 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
