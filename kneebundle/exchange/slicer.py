"""Read the markups of 3D Slicer, with the side and the confidence that they carry in each point's description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.exchange.attributes import parse_optional
from kneebundle.exchange.documents import Document, ImageFacts, Mark, check_known, make_document, parse_label, tidy
from kneebundle.exchange.images import Images
from kneebundle.io.placement import read_placement
from kneebundle.reports.slicer_markups import read_markups

__all__ = ["read_slicer"]

_CARRIED = re.compile(r"(side|confidence|radius_mm)=([^\s;]+)")


def read_slicer(content: Mapping[str, Any], path: Path, images: Images) -> list[Document]:
    """Read a markups file; the image, by which the points are placed, is that with the name of the file.

    Points with other labels than those of :func:`kneebundle.reports.slicer_markups.to_markups` are left out.

    Raises:
        KneeBundleError: if it is something else, or the image is not there.
    """
    name = path.name.removesuffix(".json").removesuffix(".mrk")
    file = images.find(name)
    if file is None:
        raise KneeBundleError(f"the image {name} is not there, and markups are placed by it", path, "images")
    placed = read_markups(content, read_placement(file))
    carried = _read_descriptions(content)
    marks = []
    for label, (x, y) in placed.items():
        texts = carried.get(label, {})
        named = parse_label(label, texts.get("side"))
        if named is not None:
            numbers = (parse_optional(texts.get(key), key, path) for key in ("confidence", "radius_mm"))
            marks.append(Mark(*named, tidy(x), tidy(y), *numbers))
    check_known(len(placed), marks, path)
    return [make_document(images.complete(ImageFacts(path=str(file))), marks)]


def _read_descriptions(content: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {
        str(point["label"]).strip(): dict(_CARRIED.findall(str(point.get("description") or "")))
        for markup in content["markups"]
        if markup["type"] == "Fiducial"
        for point in markup["controlPoints"]
    }
