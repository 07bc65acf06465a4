"""BoneFinder's point files (.pts): a version, a number of points, and the points in order between braces.

A file is one knee and says neither of which image nor of which side: ``<image>_R.pts`` and ``<image>_L.pts`` do, or
``<image>.pts`` of a lateral film. A missing point is ``nan nan``. The files of BoneFinder's knee model, 74 points, are
read too; of them KNEEL takes every other one along the two joint surfaces.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.exchange.attributes import format_number
from kneebundle.exchange.documents import (
    LATERAL_NAMES,
    Document,
    ImageFacts,
    Mark,
    list_marks,
    make_document,
    read_facts,
    tidy,
)
from kneebundle.exchange.images import Images
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA

__all__ = ["PointUnit", "list_pts_files", "read_pts", "write_pts"]

PointUnit = Literal["px", "mm"]
_SIDED = re.compile(r"(.+)[_.-]([RLrl])")
_POINTS = re.compile(r"\s*version:\s*\S+\s+n_points:\s*(\d+)\s*\{(.*)\}\s*", re.DOTALL)
_FULL_MODEL = 74
_FULL_MODEL_IDS = (*range(47, 64, 2), *range(12, 25, 2))
"""Points of BoneFinder's knee model that are landmarks 0 to 15 (KNEEL, data preparation)."""


def list_pts_files(document: Document, path: Path) -> dict[Path, list[Mark]]:
    """List the files that hold the points of an image, by knee; ``path`` is ``<folder>/<image>.pts``."""
    files: dict[Path, list[Mark]] = {}
    for mark in list_marks(document):
        ending = "" if mark.side is None else f"_{mark.side}"
        files.setdefault(path.with_name(f"{path.name.removesuffix('.pts')}{ending}.pts"), []).append(mark)
    return files


def write_pts(document: Document, path: Path, unit: PointUnit = "px") -> list[Path]:
    """Write a file for each knee of an image, atomically.

    Args:
        document: of the image.
        path: ``<folder>/<image>.pts``; the side is put before the suffix.
        unit: BoneFinder itself writes mm where an image states the size of its pixels.

    Raises:
        KneeBundleError: for mm, if the size of a pixel is not known.
    """
    row, column = _get_scale(read_facts(document), unit)
    files = list_pts_files(document, path)
    for file, marks in files.items():
        count = len(LATERAL_NAMES) if marks[0].is_lateral else len(KNEE_PA)
        by_id = {mark.id: mark for mark in marks}
        lines = [
            f"{format_number(tidy(by_id[i].x * column))} {format_number(tidy(by_id[i].y * row))}"
            if i in by_id
            else "nan nan"
            for i in range(count)
        ]
        with write_atomically(file) as temporary:
            text = "\n".join(["version: 1", f"n_points: {count}", "{", *lines, "}", ""])
            temporary.write_text(text, encoding="utf-8")
    return list(files)


def read_pts(path: Path, images: Images, unit: PointUnit = "px") -> list[Document]:
    """Read the points of a knee; the image is that with the name of the file, less the side.

    Raises:
        KneeBundleError: if it is something else, or its name does not say the side.
    """
    points = _parse(path)
    sided = _SIDED.fullmatch(path.name.removesuffix(".pts"))
    side = None if sided is None else sided[2].upper()
    stem = path.name.removesuffix(".pts") if sided is None else sided[1]
    found = images.find(stem)
    facts = images.complete(ImageFacts(path=stem if found is None else str(found)))
    row, column = _get_scale(facts, unit)
    names = LATERAL_NAMES if len(points) == len(LATERAL_NAMES) else KNEE_PA.names
    if side is None and names is KNEE_PA.names:
        raise KneeBundleError(
            "the name of the file does not say the side; call it <image>_R.pts or <image>_L.pts", path, "side"
        )
    marks = [
        Mark(side, name, tidy(x / column), tidy(y / row))
        for name, (x, y) in zip(names, points, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    ]
    return [make_document(facts, marks)]


def _get_scale(facts: ImageFacts, unit: PointUnit) -> tuple[float, float]:
    if unit == "px":
        return 1.0, 1.0
    if facts.spacing_mm is None:
        raise KneeBundleError("the size of a pixel is not known, and the points are in mm", facts.path, "spacing_mm")
    return facts.spacing_mm


def _parse(path: Path) -> Sequence[tuple[float, float]]:
    try:
        found = _POINTS.fullmatch(path.read_text(encoding="utf-8-sig"))
        pairs = [line.split() for line in found[2].splitlines() if line.strip()] if found else []
        points = [(float(x), float(y)) for x, y in pairs]
    except (OSError, ValueError) as error:
        raise KneeBundleError(f"the points cannot be read ({in_brief(error)})", path) from error
    if found is None or len(points) != int(found[1]):
        raise KneeBundleError("not a point file: version, n_points and as many points between braces are needed", path)
    if len(points) == _FULL_MODEL:
        return [points[i] for i in _FULL_MODEL_IDS]
    if len(points) not in (len(KNEE_PA), len(LATERAL_NAMES)):
        raise KneeBundleError(
            f"{len(points)} points; {len(KNEE_PA)} landmarks of a knee, {len(LATERAL_NAMES)} of a lateral film or the "
            f"{_FULL_MODEL} of BoneFinder's model are known",
            path,
        )
    return points
