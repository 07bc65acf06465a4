"""COCO keypoints: a JSON file with images, categories and annotations (cocodataset.org/#format-data).

The category ``knee`` has the 16 landmarks of a knee from the front, ``knee_lateral`` those of a lateral film; an
annotation is a knee. COCO has no field for side and confidence: they are in ``attributes`` of the annotation, as other
programs have it. A missing point is 0, 0 with the visibility 0, as COCO demands, and read as missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.exchange.attributes import parse_optional
from kneebundle.exchange.documents import (
    LATERAL_NAMES,
    Document,
    ImageFacts,
    Mark,
    list_marks,
    make_document,
    parse_label,
    read_facts,
)
from kneebundle.exchange.images import Images
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA

__all__ = ["read_coco", "write_coco"]

_FRONT, _LATERAL = 1, 2
_VISIBLE = 2
_SIDES = {"R": "R", "RIGHT": "R", "L": "L", "LEFT": "L"}


def write_coco(documents: Sequence[Document], path: Path, images: Images) -> None:
    """Write the knees of images as annotations, atomically."""
    listed: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, document in enumerate(documents, start=1):
        facts = read_facts(document)
        listed.append(_make_image(facts, number))
        marks = list_marks(document)
        for side in dict.fromkeys(mark.side for mark in marks):
            knee = [mark for mark in marks if mark.side == side]
            annotations.append({"id": len(annotations) + 1, "image_id": number, **_make_annotation(knee, side)})
    content = {
        "info": {"description": "Landmarks of knees", "version": "kneebundle/landmarks/1"},
        "images": listed,
        "annotations": annotations,
        "categories": [
            {
                "id": _FRONT,
                "name": "knee",
                "supercategory": "knee",
                "keypoints": list(KNEE_PA.names),
                "skeleton": [[a + 1, b + 1] for _, ids in KNEE_PA.outlines for a, b in zip(ids, ids[1:], strict=False)],
            },
            {
                "id": _LATERAL,
                "name": "knee_lateral",
                "supercategory": "knee",
                "keypoints": list(LATERAL_NAMES),
                "skeleton": [],
            },
        ],
    }
    with write_atomically(path) as temporary:
        text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_coco(content: Mapping[str, Any], path: Path, images: Images) -> list[Document]:
    """Read the knees of a COCO file; annotations of other things, without keypoints of knees, are left out.

    Raises:
        KneeBundleError: if it is something else, or a knee has no side.
    """
    try:
        listed = {image["id"]: _read_facts(image, path) for image in content["images"]}
        keypoints = {category["id"]: category for category in content["categories"]}
        marks: dict[Any, list[Mark]] = {number: [] for number in listed}
        for annotation in content["annotations"]:
            category = keypoints[annotation["category_id"]]
            if annotation.get("keypoints") and _is_knee(category):
                marks[annotation["image_id"]] += _read_annotation(annotation, category, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KneeBundleError(f"not a file of COCO keypoints ({in_brief(error)})", path) from error
    return [make_document(images.complete(facts), marks[number]) for number, facts in listed.items()]


def _make_image(facts: ImageFacts, number: int) -> dict[str, Any]:
    known = {
        "spacing_mm": None if facts.spacing_mm is None else list(facts.spacing_mm),
        "spacing_source": facts.spacing_source,
        "view": facts.view,
        "sop_instance_uid": facts.sop_instance_uid,
    }
    return {
        "id": number,
        "file_name": facts.path,
        "width": facts.columns,
        "height": facts.rows,
        **{name: value for name, value in known.items() if value is not None},
    }


def _read_facts(image: Mapping[str, Any], path: Path) -> ImageFacts:
    spacing = image.get("spacing_mm")
    width, height = (parse_optional(image.get(key) or None, key, path) for key in ("width", "height"))
    return ImageFacts(
        path=str(image["file_name"]),
        rows=None if height is None else int(height),
        columns=None if width is None else int(width),
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        spacing_source=image.get("spacing_source"),
        view=image.get("view"),
        sop_instance_uid=image.get("sop_instance_uid"),
    )


def _make_annotation(marks: Sequence[Mark], side: str | None) -> dict[str, Any]:
    lateral = marks[0].is_lateral
    by_id = {mark.id: mark for mark in marks}
    names = LATERAL_NAMES if lateral else KNEE_PA.names
    keypoints: list[float] = []
    for number in range(len(names)):
        keypoints += [by_id[number].x, by_id[number].y, _VISIBLE] if number in by_id else [0, 0, 0]
    left, right = min(m.x for m in marks), max(m.x for m in marks)
    upper, lower = min(m.y for m in marks), max(m.y for m in marks)
    attributes: dict[str, Any] = {} if side is None else {"side": side}
    for key in ("confidence", "radius_mm"):
        values = [getattr(by_id.get(number), key, None) for number in range(len(names))]
        if any(value is not None for value in values):
            attributes[key] = values
    return {
        "category_id": _LATERAL if lateral else _FRONT,
        "keypoints": keypoints,
        "num_keypoints": len(by_id),
        "bbox": [left, upper, right - left, lower - upper],
        "area": (right - left) * (lower - upper),
        "iscrowd": 0,
        "attributes": attributes,
    }


def _is_knee(category: Mapping[str, Any]) -> bool:
    return any(parse_label(str(name)) is not None for name in category.get("keypoints", ()))


def _read_annotation(annotation: Mapping[str, Any], category: Mapping[str, Any], path: Path) -> list[Mark]:
    attributes = annotation.get("attributes") or {}
    text = str(attributes.get("side") or attributes.get("Side") or str(category["name"]).rpartition("_")[2])
    side = _SIDES.get(text.strip().upper())
    names = [parse_label(str(name), side) for name in category["keypoints"]]
    values = annotation["keypoints"]
    if len(values) != 3 * len(names):
        raise KneeBundleError(
            f"annotation {annotation['id']} has {len(values)} numbers for {len(names)} keypoints; three for each are "
            "needed",
            path,
        )
    marks = []
    for number, named in enumerate(names):
        x, y, visibility = values[3 * number : 3 * number + 3]
        if visibility and named is not None:
            own = [(attributes.get(key) or [None] * len(names))[number] for key in ("confidence", "radius_mm")]
            marks.append(Mark(*named, float(x), float(y), *own))
    return marks
