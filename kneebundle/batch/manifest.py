"""The list of images of a run: from files and folders, or from a manifest."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from kneebundle.batch.request import VIEWS, ImageRequest
from kneebundle.errors import KneeBundleError
from kneebundle.io.finding import find_images
from kneebundle.io.paths import find_shown, identify_path
from kneebundle.io.tables import TableRow, parse_number, parse_side, read_table
from kneebundle.radiograph import Side, View

__all__ = ["find_requests", "read_manifest"]


def find_requests(
    paths: Sequence[Path],
    output: Path,
    *,
    side: Side | None = None,
    spacing_mm: float | None = None,
    view: View | None = None,
) -> list[ImageRequest]:
    """Find the images among files and in folders, which are searched recursively.

    Each is listed once, however often and by whatever path or link it is named.

    What lies in the output folder is left out: those are the pictures of an earlier run.

    Args:
        paths: files and folders.
        output: the output folder.
        side, spacing_mm, view: of all of them, see :class:`~kneebundle.batch.request.ImageRequest`.

    Raises:
        KneeBundleError: if a path is not there or is (in) the output folder, or if there are no images at all.
    """
    found: dict[str, ImageRequest] = {}
    for path in paths:
        if _is_in(path, output):
            raise KneeBundleError(f"the input is the output folder {output} or in it", path, "output")
        for image in find_images(path):
            if not _is_in(image, output):
                found.setdefault(identify_path(image)[1], ImageRequest(image, side, spacing_mm, view=view))
    if not found:
        raise KneeBundleError(
            f"no images found in {', '.join(map(str, paths))}; give files or folders with radiographs"
        )
    return list(found.values())


def read_manifest(
    manifest: Path,
    output: Path,
    *,
    side: Side | None = None,
    spacing_mm: float | None = None,
    view: View | None = None,
) -> list[ImageRequest]:
    """Read the images of a run from a CSV file.

    It has the column ``path`` and, optionally, ``side``, ``spacing_mm`` and ``view``. A relative path counts from the
    folder of the manifest or, where nothing lies there, from the current one. An empty cell leaves the value of the
    call. An image that is not there is no error here; it becomes one when its turn comes.

    Args:
        manifest: the CSV file.
        output: the output folder.
        side, spacing_mm, view: where the cell is empty or there is no such column.

    Raises:
        KneeBundleError: if the file cannot be read, lacks a column or has no rows, or naming the line of a wrong cell.
    """
    defaults = ImageRequest(Path(), side, spacing_mm, view=view)
    found: dict[str, ImageRequest] = {}
    for row in read_table(manifest, ["path"]):
        request, line = _read_row(row, manifest, defaults), row.line
        if _is_in(request.path, output):
            raise KneeBundleError(f"line {line}: {request.path} is in the output folder", manifest, "output")
        first = found.setdefault(identify_path(request.path)[1], request)
        if dataclasses.replace(first, path=request.path) != request:
            raise KneeBundleError(f"line {line}: {request.path} is listed twice with different values", manifest)
    if not found:
        raise KneeBundleError("the manifest lists no images; add a row for each", manifest)
    return list(found.values())


def _read_row(row: TableRow, manifest: Path, defaults: ImageRequest) -> ImageRequest:
    line = row.line
    if not row["path"]:
        raise KneeBundleError(f"line {line}: path is empty; every row needs one", manifest)
    request = dataclasses.replace(defaults, path=_locate(row["path"], manifest.parent))
    if row.get("side"):
        side = cast(Side, parse_side(row, "side", manifest))
        request = dataclasses.replace(request, side=side)
    if row.get("view"):
        view = _choose(row, "view", VIEWS, line, manifest)
        request = dataclasses.replace(request, view=None if view == "auto" else cast(View, view))
    if row.get("spacing_mm"):
        spacing_mm = parse_number(row, "spacing_mm", line, manifest)
        if spacing_mm <= 0:
            raise KneeBundleError(f"line {line}: spacing_mm is {spacing_mm}; it must be above 0", manifest)
        request = dataclasses.replace(request, spacing_mm=spacing_mm, spacing_source="manifest")
    return request


def _choose(row: dict[str, str], column: str, allowed: Sequence[str], line: int, manifest: Path) -> str:
    value = row[column].lower().replace("_", "-")
    if value not in allowed:
        raise KneeBundleError(
            f"line {line}: {column} is {row[column]!r}; one of {', '.join(allowed)} is needed", manifest
        )
    return value


def _locate(text: str, folder: Path) -> Path:
    path, beside = find_shown(text), find_shown(str(folder / text))
    return beside if os.path.lexists(beside) or not os.path.lexists(path) else path


def _is_in(path: Path, folder: Path) -> bool:
    return Path(identify_path(path)[1]).is_relative_to(identify_path(folder)[1])
