"""VGG Image Annotator, VIA 1 and 2: its CSV table, with which KNEEL's labels were made, and its JSON project.

Each point is a region of the shape ``point`` with the attributes ``landmark``, ``Side`` (R or L), ``Bone`` (T or F, as
KNEEL has it) and, where known, ``confidence`` and ``radius_mm``. What is known of the image is in its file attributes.
Points without ``landmark`` count in their order: along the tibia, along the femur, each lateral to medial.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.exchange.attributes import format_facts, format_number, parse_facts, parse_optional
from kneebundle.exchange.documents import Document, Mark, list_marks, make_document, parse_label, read_facts
from kneebundle.exchange.images import Images
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA

__all__ = ["VIA_COLUMNS", "read_via_csv", "read_via_json", "write_via_csv", "write_via_json"]

VIA_COLUMNS = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
_BONES = {"T": KNEE_PA.outlines[0][1], "F": KNEE_PA.outlines[1][1]}
_UNKNOWN_SIZE = -1


def write_via_csv(documents: Sequence[Document], path: Path, images: Images) -> None:
    """Write the table that VIA imports under Annotation, Import; one row a point, one for an image without any."""
    rows: list[Sequence[Any]] = []
    for name, document in _name_images(documents):
        regions = _make_regions(document)
        start = [name, _get_size(document, images), _dump(format_facts(read_facts(document))), len(regions)]
        rows += [
            [*start, number, _dump(region["shape_attributes"]), _dump(region["region_attributes"])]
            for number, region in enumerate(regions)
        ] or [[*start, 0, "{}", "{}"]]
    write_table(path, VIA_COLUMNS, rows)


def write_via_json(documents: Sequence[Document], path: Path, images: Images) -> None:
    """Write a project that VIA 2 opens; the images are looked for beside it."""
    entries = {}
    for name, document in _name_images(documents):
        size = _get_size(document, images)
        entries[f"{name}{size}"] = {
            "filename": name,
            "size": size,
            "regions": _make_regions(document),
            "file_attributes": format_facts(read_facts(document)),
        }
    texts = {"type": "text", "description": "", "default_value": ""}
    settings = {
        "ui": {"image": {"region_label": "landmark", "region_color": "Side", "region_label_font": "10px Sans"}},
        "core": {"buffer_size": 18, "filepath": {}, "default_filepath": ""},
        "project": {"name": path.stem},
    }
    project = {
        "_via_settings": settings,
        "_via_img_metadata": entries,
        "_via_attributes": {
            "region": {key: dict(texts) for key in ("landmark", "id", "Side", "Bone", "confidence", "radius_mm")},
            "file": {key: dict(texts) for key in ("path", "row_spacing_mm", "column_spacing_mm", "view")},
        },
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(entries),
    }
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(project, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_via_csv(path: Path, images: Images) -> list[Document]:
    """Read a table of VIA; what it does not say of an image is read from the image, where it is there.

    Raises:
        KneeBundleError: if it is something else, or a point cannot be told from the others.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise KneeBundleError(f"the table cannot be read ({in_brief(error)})", path) from error
    header = [name.strip().lstrip("#") for name in rows[0]] if rows else []
    missing = [name for name in VIA_COLUMNS if name not in header and name not in ("file_size", "region_count")]
    if missing:
        raise KneeBundleError(f"no column {missing[0]!r}; a table that VIA exported is needed", path)
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for line, cells in enumerate(rows[1:], start=2):
        if not cells:
            continue
        row = dict(zip(header, cells, strict=False))
        where = f"line {line}"
        key = (row.get("filename", ""), row.get("file_size", ""))
        entry = entries.setdefault(
            key, {"filename": key[0], "file_attributes": _parse(row.get("file_attributes"), where, path), "regions": []}
        )
        shape = _parse(row.get("region_shape_attributes"), where, path)
        if shape:
            attributes = _parse(row.get("region_attributes"), where, path)
            entry["regions"].append({"shape_attributes": shape, "region_attributes": attributes})
    return [_read_image(entry, path, images) for entry in entries.values()]


def read_via_json(content: Any, path: Path, images: Images) -> list[Document]:
    """Read a project of VIA, or annotations that it exported as JSON, of VIA 1 or 2.

    Raises:
        KneeBundleError: as :func:`read_via_csv`.
    """
    entries = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not all(
        isinstance(entry, dict) and "filename" in entry for entry in entries.values()
    ):
        raise KneeBundleError("not a project of VIA; save it under Project, Save", path)
    return [_read_image(entry, path, images) for entry in entries.values()]


def _name_images(documents: Sequence[Document]) -> Iterable[tuple[str, Document]]:
    """Each image by its name, or by its path where others are called the same."""
    names = [PurePath(document["image"]["path"]).name for document in documents]
    paths = [document["image"]["path"] for document in documents]
    chosen = [path if names.count(name) > 1 else name for name, path in zip(names, paths, strict=True)]
    return zip(chosen, documents, strict=True)


def _get_size(document: Document, images: Images) -> int:
    """The size of the image's file, by which VIA tells images apart; unknown where the file is not there."""
    facts = read_facts(document)
    file = images.find(facts.path, facts.sop_instance_uid)
    return _UNKNOWN_SIZE if file is None else file.stat().st_size


def _make_regions(document: Document) -> list[dict[str, Any]]:
    return [
        {
            "shape_attributes": {"name": "point", "cx": mark.x, "cy": mark.y},
            "region_attributes": _make_attributes(mark),
        }
        for mark in list_marks(document)
    ]


def _make_attributes(mark: Mark) -> dict[str, str]:
    bone = "" if mark.is_lateral else mark.name[0].upper()
    texts = {
        "landmark": mark.name,
        "id": str(mark.id),
        "Side": mark.side or "",
        "Bone": bone,
        "confidence": format_number(mark.confidence),
        "radius_mm": format_number(mark.radius_mm),
    }
    return {name: text for name, text in texts.items() if text}


def _read_image(entry: Mapping[str, Any], path: Path, images: Images) -> Document:
    attributes = entry.get("file_attributes") or {}
    facts = parse_facts(attributes if isinstance(attributes, dict) else {}, str(entry["filename"]), path)
    regions = entry.get("regions") or []
    marks: list[Mark] = []
    unnamed: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for region in regions.values() if isinstance(regions, dict) else regions:
        shape, about = region.get("shape_attributes") or {}, region.get("region_attributes") or {}
        points = _read_shape(shape, facts.path, path)
        side, bone = str(about.get("Side") or "").strip().upper(), str(about.get("Bone") or "").strip().upper()[:1]
        known = parse_label(str(about.get("landmark") or ""), side or None)
        if known is not None and len(points) == 1:
            numbers = (parse_optional(about.get(key), key, path) for key in ("confidence", "radius_mm"))
            marks.append(Mark(*known, *points[0], *numbers))
        elif points and not about.get("landmark"):
            unnamed.setdefault((side, bone), []).extend(points)
    for (side, bone), points in unnamed.items():
        marks += _number_points(side, bone, points, facts.path, path)
    return make_document(images.complete(facts), marks)


def _read_shape(shape: Mapping[str, Any], image: str, path: Path) -> list[tuple[float, float]]:
    """The points of a region; none of a shape that has no points, such as a rectangle."""
    try:
        if shape.get("name") == "point":
            return [(float(shape["cx"]), float(shape["cy"]))]
        if shape.get("name") in ("polyline", "polygon"):
            pairs = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
            return [(float(x), float(y)) for x, y in pairs]
    except (KeyError, TypeError, ValueError) as error:
        raise KneeBundleError(f"a point of {image} has no place ({in_brief(error)})", path) from error
    return []


def _number_points(side: str, bone: str, points: Sequence[tuple[float, float]], image: str, path: Path) -> list[Mark]:
    ids = _BONES.get(bone)
    if side not in ("R", "L") or ids is None:
        raise KneeBundleError(
            f"{len(points)} points of {image} have neither the attribute landmark nor Side (R, L) and Bone (T, F)", path
        )
    if len(points) != len(ids):
        raise KneeBundleError(
            f"{image} has {len(points)} points of Side {side} and Bone {bone}, where {len(ids)} are in order; name "
            "them by the attribute landmark",
            path,
        )
    return [Mark(side, KNEE_PA.names[number], *point) for number, point in zip(ids, points, strict=True)]


def _dump(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False)


def _parse(text: str | None, where: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(text) if text and text.strip() else {}
    except ValueError as error:
        said = f"{where}: {in_brief(ValueError(text), 60)!r} is no JSON; a table that VIA exported is needed"
        raise KneeBundleError(said, path) from error
    return content if isinstance(content, dict) else {}
