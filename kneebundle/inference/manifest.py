"""The list of images of a run: from files and folders, or from a manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import find_images
from kneebundle.io.tables import number_in, read_table
from kneebundle.radiograph import Side, View

__all__ = ["SIDES", "VIEWS", "ImageRequest", "find_requests", "read_manifest"]

SIDES = ("R", "L")
VIEWS = ("auto", "pa-bilateral", "pa-single", "lateral")


@dataclass(frozen=True)
class ImageRequest:
    """An image to be answered, with what the user knows of it.

    Attributes:
        path: of the file, as it will stand in the results.
        side: of the one knee it shows; None: from the file.
        spacing_mm: size of a pixel where the file states none.
        spacing_source: what the spacing is ascribed to, ``"argument"`` or ``"manifest"``.
        view: None: to be found.
    """

    path: Path
    side: Side | None = None
    spacing_mm: float | None = None
    spacing_source: str = "argument"
    view: View | None = None


def find_requests(
    paths: Sequence[Path],
    output: Path,
    *,
    side: Side | None = None,
    spacing_mm: float | None = None,
    view: View | None = None,
) -> list[ImageRequest]:
    """The images among files and folders, folders searched recursively, each once.

    What lies in the output folder is left out: those are the pictures of an earlier run.

    Raises:
        KneeBundleError: if a path is not there or is (in) the output folder, or if there are no images at all.
    """
    found: dict[Path, ImageRequest] = {}
    for path in paths:
        if _is_in(path, output):
            raise KneeBundleError(
                f"the input is the output folder {output} or in it; give another folder with -o", path
            )
        for image in find_images(path):
            if not _is_in(image, output):
                found.setdefault(image, ImageRequest(image, side, spacing_mm, view=view))
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
    """The images of a CSV file with the column ``path`` and, where wanted, ``side``, ``spacing_mm`` and ``view``.

    A relative path counts from the manifest's folder or, where nothing lies there, from the current one. An empty cell
    leaves the value of the call. A file that is not there is no error here: it is refused when its turn comes.

    Raises:
        KneeBundleError: if the file cannot be read, lacks a column or has no rows, or naming the line of a wrong cell.
    """
    defaults = ImageRequest(Path(), side, spacing_mm, view=view)
    found: dict[Path, ImageRequest] = {}
    for line, row in enumerate(read_table(manifest, ["path"]), start=2):
        request = _request(row, line, manifest, defaults)
        if _is_in(request.path, output):
            raise KneeBundleError(
                f"line {line}: {request.path} is in the output folder; give another with -o", manifest
            )
        if found.setdefault(request.path, request) != request:
            raise KneeBundleError(f"line {line}: {request.path} is listed twice with different values", manifest)
    if not found:
        raise KneeBundleError("the manifest lists no images; add a row for each", manifest)
    return list(found.values())


def _request(row: dict[str, str], line: int, manifest: Path, defaults: ImageRequest) -> ImageRequest:
    if not row["path"]:
        raise KneeBundleError(f"line {line}: path is empty; every row needs one", manifest)
    request = dataclasses.replace(defaults, path=_located(Path(row["path"]), manifest.parent))
    if row.get("side"):
        side = cast(Side, _choice(row, "side", SIDES, line, manifest))
        request = dataclasses.replace(request, side=side)
    if row.get("view"):
        view = _choice(row, "view", VIEWS, line, manifest)
        request = dataclasses.replace(request, view=None if view == "auto" else cast(View, view))
    if row.get("spacing_mm"):
        spacing_mm = number_in(row, "spacing_mm", line, manifest)
        if spacing_mm <= 0:
            raise KneeBundleError(f"line {line}: spacing_mm is {spacing_mm}; it must be above 0", manifest)
        request = dataclasses.replace(request, spacing_mm=spacing_mm, spacing_source="manifest")
    return request


def _choice(row: dict[str, str], column: str, allowed: Sequence[str], line: int, manifest: Path) -> str:
    if row[column] not in allowed:
        raise KneeBundleError(
            f"line {line}: {column} is {row[column]!r}; one of {', '.join(allowed)} is needed", manifest
        )
    return row[column]


def _located(path: Path, folder: Path) -> Path:
    beside = folder / path
    return beside if beside.exists() or not path.exists() else path


def _is_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
