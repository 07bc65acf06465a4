"""Lateral films labelled with polygons and points, as COCO or LabelMe files hold them.

Both formats count from the image's corner: the middle of its first pixel is (0.5, 0.5). Half a pixel is taken off, so
that pixel centres are integers as everywhere else here.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import BONES, LATERAL_POINTS

__all__ = ["read_coco", "read_labelme"]


def read_coco(path: Path) -> list[dict[str, Any]]:
    """Read the films of a COCO file, its images beside it or in images/.

    Categories named femur, patella, tibia, fibula carry polygons; a category with ``keypoints`` among p_blum, p_tmc,
    p_prox, p_dist carries the points. An image may state ``spacing_mm`` and ``subject_id``. Other categories are left
    out.

    Raises:
        KneeBundleError: if it is no such file, an image is not there, or a bone is run-length encoded.
    """
    content = _read_json(path)
    try:
        images = {image["id"]: image for image in content["images"]}
        categories = {category["id"]: category for category in content["categories"]}
        by_image: dict[Any, list[dict[str, Any]]] = {number: [] for number in images}
        for annotation in content["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
        known = {category["name"] for category in categories.values()}
        if not known & set(BONES):
            raise KneeBundleError(
                f"no category is named after a bone; found: {', '.join(sorted(known)) or 'none'}", path
            )
        return [
            _parse_coco_record(images[number], parts, categories, path) for number, parts in by_image.items() if parts
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KneeBundleError(
            f"this is no COCO file: {error!r} is missing or not what it should be; export it again", path
        ) from error


def _parse_coco_record(
    image: dict[str, Any], parts: list[dict[str, Any]], categories: dict[Any, dict[str, Any]], path: Path
) -> dict[str, Any]:
    polygons: dict[str, list[np.ndarray]] = {}
    points: dict[str, tuple[float, float]] = {}
    for part in parts:
        category = categories[part["category_id"]]
        if category["name"] in BONES:
            polygons.setdefault(category["name"], []).extend(_parse_coco_polygons(part["segmentation"], image, path))
        triples = np.reshape(part.get("keypoints", []), (-1, 3))
        names = category.get("keypoints", []) if len(triples) else []
        points.update({name: (x, y) for name, (x, y, seen) in zip(names, triples, strict=True) if seen > 0})
    return _make_record(path.parent, image["file_name"], image, polygons, points)


def _parse_coco_polygons(segmentation: Any, image: dict[str, Any], path: Path) -> list[np.ndarray]:
    if not isinstance(segmentation, list):
        raise KneeBundleError(
            f"{image['file_name']}: a bone is run-length encoded; export its outline as polygons", path
        )
    return [
        _parse_polygon(np.reshape(flat, (-1, 2)) if len(flat) % 2 == 0 else [], image["file_name"], path)
        for flat in segmentation
    ]


def read_labelme(folder: Path) -> list[dict[str, Any]]:
    """Read the films of LabelMe files, ``*.json`` in the folder or in images/, each beside its image.

    Polygons labelled femur, patella, tibia, fibula and points labelled p_blum, p_tmc, p_prox, p_dist count, other
    shapes do not. What a file says of ``spacing_mm`` and ``subject_id``, at its top or under ``flags``, is used.

    Raises:
        KneeBundleError: if there is none, or one cannot be used.
    """
    files = sorted(folder.glob("*.json")) or sorted((folder / "images").glob("*.json"))
    if not files:
        raise KneeBundleError(
            "there are no labels; points.csv, annotations.json (COCO) or a .json file (LabelMe) beside each image "
            "is needed",
            folder,
        )
    return [_read_labelme_file(path) for path in files]


def _read_labelme_file(path: Path) -> dict[str, Any]:
    content = _read_json(path)
    polygons: dict[str, list[np.ndarray]] = {}
    points: dict[str, tuple[float, float]] = {}
    try:
        for shape in content["shapes"]:
            label, kind = shape["label"], shape.get("shape_type", "polygon")
            if label in BONES and kind == "polygon":
                polygons.setdefault(label, []).append(_parse_polygon(shape["points"], path.name, path))
            elif label in LATERAL_POINTS and kind == "point":
                points[label] = tuple(shape["points"][0])
        stated = {
            **(content.get("flags") or {}),
            **{k: v for k, v in content.items() if k in ("spacing_mm", "subject_id")},
        }
        return _make_record(path.parent, content["imagePath"], stated, polygons, points)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise KneeBundleError(
            f"this is no LabelMe file: {error!r} is missing or not what it should be; save it again", path
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise KneeBundleError(f"the labels cannot be read ({error}); export them again", path) from error
    if not isinstance(content, dict):
        raise KneeBundleError("the labels are no JSON object; export them as COCO or LabelMe", path)
    return content


def _parse_polygon(corners: Any, image: str, path: Path) -> np.ndarray:
    polygon = np.asarray(corners, dtype=np.float64)
    if polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3 or not np.isfinite(polygon).all():
        raise KneeBundleError(f"{image}: a polygon has no three corners of x and y; draw it again", path)
    return polygon - 0.5


def _make_record(
    folder: Path,
    name: str,
    stated: dict[str, Any],
    polygons: dict[str, list[np.ndarray]],
    points: dict[str, tuple[float, float]],
) -> dict[str, Any]:
    name = name.replace("\\", "/")
    places = [folder / name, folder / "images" / name, folder / Path(name).name, folder / "images" / Path(name).name]
    image = next((place for place in places if place.is_file()), None)
    if image is None:
        raise KneeBundleError(
            "the labels name this image, but it is not there; put it beside them or into images/", places[0]
        )
    if "femur" not in polygons:
        raise KneeBundleError(f"no polygon is labelled femur; label the bones {', '.join(BONES)}", image)
    spacing = stated.get("spacing_mm")
    if spacing is not None and not (isinstance(spacing, (int, float)) and math.isfinite(spacing) and spacing > 0):
        raise KneeBundleError(f"spacing_mm is {spacing!r}; a positive number is needed, correct it", image)
    both = np.array([points.get(point, (math.nan, math.nan)) for point in LATERAL_POINTS], dtype=np.float64) - 0.5
    return {
        "image": str(image),
        "subject_id": str(stated.get("subject_id") or image.name),
        "rater": "",
        "spacing_mm": None if spacing is None else float(spacing),
        "landmarks": both[:2],
        "cortex_line": both[2:],
        "masks": {"polygons": polygons},
    }
